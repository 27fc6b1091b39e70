"""`numebot models diagnose` as a user types it, in a terminal of 80 columns."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from numebot_dagster.cli.models import _table
from numebot_dagster.operations.diagnostics.diagnosis_store import read_diagnosis
from numebot_dagster.scoring.summaries import FIGURES, Summary

COLUMNS = {"COLUMNS": "80"}


def number_after(words, text):
    """Return the cells of the first row that begins with these words."""
    [row, *_] = [line for line in text.splitlines() if line.strip().startswith(words)]
    return row.strip().removeprefix(words).split()


@pytest.fixture(scope="module")
def diagnosed(_module_world):
    """Return the first diagnosis of a model, sent to the practice tournament as well."""
    world = _module_world
    world.register("steady-1", "second")
    finished = world.numebot("models", "diagnose", "steady-1", "--upload", **COLUMNS)
    assert finished.returncode == 0, finished.stderr
    return world, finished


def test_it_tells_the_recipe_and_the_scores_and_what_numerai_says(diagnosed, world):
    _, finished = diagnosed
    platform = world.platform
    vintage = platform.lake.stored_vintages()[-1]
    diagnosis = read_diagnosis(platform, platform.registry["steady-1"], vintage)
    text = " ".join(finished.stdout.split())
    assert diagnosis.recipe in text
    assert "CORR is against target_ender_60; benchmark: v53_lgbm_ender60." in text

    # The practice data have fewer labelled eras than are held out.
    corr = diagnosis.summaries["corr"]
    eras, (mean, _, high) = corr.n, corr["mean"]
    assert f"steady-1, vintage {vintage}: {eras} eras, all held out" in text
    _, table = finished.stdout.split("all held out", 1)
    assert number_after("CORR", table) == [
        str(eras),
        *(f"{value:.4f}" for value in (mean, high - mean)),
        *[f"{corr[name].value:.4f}" for name, figure in FIGURES.items() if figure.heading][1:],
    ]
    for score in ("MMC", "BMC", "FNC", "benchmark CORR", "max exposure", "RMS exposure"):
        assert number_after(score, table)[0].isdigit()

    mmc = diagnosis.summaries["mmc"]
    assert f"the {eras} eras of CORR say as much as {corr.effective_n:.1f} that share no" in text
    assert f"too few eras for an interval: MMC ({mmc.n} eras, worth {mmc.effective_n:.1f})" in text

    assert f"Compared with Numerai's own diagnostics, which scored {eras} eras" in text
    ours = f"{mean:.4f}"
    _, beside = finished.stdout.split("Compared with Numerai's")
    assert number_after("CORR", beside)[:4] == ["mean", str(eras), ours, ours]
    assert "No score of an era differs by more than" in text
    assert world.rows("SELECT count(*) AS n FROM submissions")[0]["n"] == 0


def test_progress_is_told_beside_the_answer(diagnosed):
    _, finished = diagnosed
    assert "Predicting eras that steady-1 has not seen" in finished.stderr
    assert re.search(r"steady-1: predicting eras \d+ to \d+", finished.stderr)
    assert "steady-1: scoring " in finished.stderr
    assert "Numerai's diagnostics: sending " in finished.stderr
    assert "Numerai's diagnostics: running" in finished.stderr


def test_nothing_is_wider_than_the_terminal_but_a_path(diagnosed, world):
    _, finished = diagnosed
    [vintage] = world.platform.lake.stored_vintages()
    figure = world.platform.lake.figure(f"steady_1_score_chart_{vintage}.svg")
    assert figure.is_file()
    assert str(figure) in finished.stdout
    lines = [line for line in finished.stdout.splitlines() if str(figure) not in line]
    assert max(map(len, lines)) <= 80


def test_held_out_eras_stand_beside_all_where_there_are_more(diagnosed, world):
    platform = world.platform
    vintage = platform.lake.stored_vintages()[-1]
    diagnosis = read_diagnosis(platform, platform.registry["steady-1"], vintage)
    newest = {
        metric: Summary({**summary.root, "n": 7}) for metric, summary in diagnosis.held_out.items()
    }
    table, title = _table(replace(diagnosis, held_out=newest))
    assert (
        title
        == f"steady-1, vintage {vintage}: 7 eras held out, {diagnosis.summaries['corr'].n} in total"
    )
    assert table["of"].to_list() == ["held out", "all"] * len(diagnosis.summaries)


def test_a_second_time_it_is_read_back_from_the_store(diagnosed):
    world, first = diagnosed
    second = world.numebot("models", "diagnose", "steady-1", **COLUMNS)
    assert second.returncode == 0, second.stderr
    assert "stored; --again computes it again" in second.stderr
    assert "eras 89 to" not in second.stderr
    assert first.stdout.startswith(second.stdout.rstrip())


def test_the_scores_can_be_queried(diagnosed):
    world, _ = diagnosed
    query = "select distinct model, metric from diagnostics where metric in ('corr', 'mmc')"
    answer = world.numebot("sql", f"{query} order by metric", "--format", "csv")
    assert answer.stdout == "model,metric\nsteady-1,corr\nsteady-1,mmc\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nobody"], "no model 'nobody' in "),
        (["untrained"], "untrained has no weights; to make some: numebot train --models untrained"),
        (["steady-1", "--vintage", "9"], "has no weights of vintage 9; it has vintage "),
        (["idle"], "idle is not enabled in "),
        (["homeless", "--upload"], "the account has no model homeless: `numebot doctor`"),
    ],
)
def test_what_a_user_can_mend_is_one_clear_line(diagnosed, arguments, said):
    world, _ = diagnosed
    (world.folder / "model_configs.csv").write_text(
        "numerai_name,model_code,enabled\nsteady-1,quick_models:Ridge,true\n"
        "untrained,quick_models:Ridge,true\nidle,quick_models:Ridge,false\n"
        "homeless,quick_models:Ridge,true\n"
    )
    finished = world.numebot("models", "diagnose", *arguments, **COLUMNS)
    assert finished.returncode == 1
    assert said in finished.stderr
    assert "Traceback" not in finished.stderr
    assert finished.stdout == ""


def test_numerais_refusal_comes_after_our_own_scores(diagnosed):
    world, _ = diagnosed
    world.register("steady-1", "second")
    world.practice.add_fault("truncated-upload", where="upload:*", times=1, values={"bytes": 500})
    finished = world.numebot("models", "diagnose", "steady-1", "--upload", **COLUMNS)
    world.practice.remove_faults()
    assert finished.returncode == 1
    assert "all held out" in finished.stdout
    assert "error: Numerai cannot score diagnostics " in finished.stderr
    assert "Compared with Numerai's" not in finished.stdout
