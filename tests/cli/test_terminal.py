"""What a terminal of 80 columns shows."""

from __future__ import annotations

import re
from importlib.metadata import version
from pathlib import Path

import pytest
from typer.testing import CliRunner

import numebot_dagster
from numebot_dagster.cli.main import app

PACKAGE = Path(numebot_dagster.__file__).parent
COLUMNS = {"COLUMNS": "80"}
WIDE = "select " + ", ".join(f"'value {index}' as quite_a_long_name_{index}" for index in range(30))


def test_an_answer_with_too_many_columns_loses_none(world):
    shown = world.numebot("sql", f"{WIDE} union all {WIDE.replace('value', 'other')}", **COLUMNS)
    assert shown.returncode == 0, shown.stderr
    lines = [line.split(maxsplit=1) for line in shown.stdout.splitlines() if line.strip()]
    for word in ("value", "other"):
        for index in range(30):
            assert [f"quite_a_long_name_{index}", f"{word} {index}"] in [
                [part.strip() for part in line] for line in lines
            ]
    assert ["Row", "1"] in [[part.strip() for part in line] for line in lines]
    assert max(len(line) for line in shown.stdout.splitlines()) <= 80


def test_an_answer_that_fits_is_a_table(world):
    shown = world.numebot("sql", "select 7 as round, 'one' as model, 0.25 as corr", **COLUMNS)
    rows = [line.split() for line in shown.stdout.splitlines()]
    assert ["round", "model", "corr"] in rows
    assert ["7", "one", "0.2500"] in rows


@pytest.mark.parametrize("arguments", [["status"], ["train"]], ids=lambda words: words[0])
def test_tables_break_no_word(world, arguments):
    shown = world.numebot(*arguments, **COLUMNS)
    assert shown.returncode == 0, shown.stderr
    for name in ("steady-1", "second"):
        assert any(name in line.split() for line in shown.stdout.splitlines())
    assert max(len(line) for line in shown.stdout.splitlines()) <= 80


@pytest.mark.parametrize(
    ("command", "line"),
    [
        ("run", "submitted, continues where it stopped, and never submits twice. Exit status 0"),
        (
            "train",
            "round uses the same vintage, and skips models whose code has not changed. With",
        ),
        ("demo", "Starts a practice tournament, trains two models, plays rounds until each"),
        ("up", "Ctrl-C stops both. In the folder of a demo, its practice tournament is started"),
        (
            "status",
            "Everything is read from the data folder, except the open round: Numerai is",
        ),
        ("doctor", "What is not ok comes with what to do about it. Exit status 0 means that"),
        ("practice", "The practice tournament: Numerai's stand-in on your own machine."),
    ],
)
def test_help_reads_as_running_text(world, command, line):
    shown = world.numebot(command, "--help", **COLUMNS)
    assert f" {line}" in [text.rstrip() for text in shown.stdout.splitlines()]


BRACKETS = "a [old] folder x[slash]"


def test_brackets_of_others_are_no_markup(world):
    folder = world.folder / BRACKETS / "[bold]"
    shown = world.numebot("status", NUMERAI_DATA_FOLDER=str(folder), NUMEBOT_RETRY_DEADLINE="1")
    assert "Traceback" not in shown.stderr
    answer = world.numebot("sql", "select '[old] x[/] :smile:' as \"[red]\"", **COLUMNS)
    assert [
        line.strip() for line in answer.stdout.splitlines() if "old" in line or "red" in line
    ] == [
        "[red]",
        "[old] x[/] :smile:",
    ]
    wrong = world.numebot("sql", "select x[/]")
    assert wrong.returncode == 1
    assert "select x[/]" in wrong.stderr


@pytest.mark.parametrize("source", sorted(PACKAGE.rglob("*.py")), ids=lambda path: path.stem)
def test_consoles_that_read_markup_cannot_return(source):
    """A console of one's own would read markup; those of the screen do not."""
    text = source.read_text()
    if "rich" in text and source.name not in ("screen.py", "progress.py"):
        assert not re.search(r"(?<!\w)Console\(|from_markup|render\(", text)


# One row that has every kind of value.
EVERY_TYPE = """select interval 3 days as i, [interval 1 day] as li, [1, 2] as l, {'a': [1]} as s,
map([1], [2]) as m, 'abc'::blob as b, 170141183460469231731687303715884105727::hugeint as h,
'6b7a3b5a-0000-4000-8000-000000000000'::uuid as u, time '10:00' as t, '101'::bit as bits,
timetz '10:00:00+02' as tz, union_value(a := 1) as un, 'a'::enum('a', 'b') as e, null as n,
12.50::decimal(10, 2) as d, 'nan'::double as nan, 'infinity'::date as inf, [1, 2]::int[2] as arr,
timestamptz '2026-01-01 00:00:00+00' as ts, timestamp_ns '2026-01-01' as ns, '[1]'::json as j,
'2026-01-01'::date as day, 9999999999999999999::bignum as big, 1 as a, 'x[/]' as txt"""


@pytest.mark.parametrize("form", ["table", "csv", "json", "parquet"])
def test_every_type_prints_in_every_format(world, form):
    result = CliRunner().invoke(app, ["sql", EVERY_TYPE, "--format", form])
    assert result.exit_code == 0, result.stderr
    if form == "parquet":
        assert result.stdout_bytes[:4] == b"PAR1"
    else:
        for text in ("3 days", "6b7a3b5a", "x[/]", "12.5"):
            assert text in result.stdout
    nothing = CliRunner().invoke(app, ["sql", f"{EVERY_TYPE} where false", "--format", form])
    assert nothing.exit_code == 0, nothing.stderr


@pytest.mark.parametrize("query", ["", " ; ", "/* nothing */", "selec", "from nowhere"])
def test_a_query_that_asks_nothing_is_told_in_a_line(world, query):
    result = CliRunner().invoke(app, ["sql", query])
    assert isinstance(result.exception, SystemExit)
    assert result.exit_code == 1
    assert result.stderr.startswith("error: ")


def test_models_are_listed_and_the_version_is_told(world):
    world.register("steady-1", "untrained")
    listed = world.numebot("models", "list", COLUMNS="80")
    vintage = str(world.platform.lake.stored_vintages()[-1])
    rows = [line.split() for line in listed.stdout.splitlines() if line.strip()]
    assert rows[0] == ["model", "code", "vintage", "age"]  # each is enabled, as models are
    assert rows[2][:3] == ["steady-1", "quick_models:Ridge", vintage]
    assert rows[3] == ["untrained", "quick_models:Ridge", "none"]
    registry = world.folder / "model_configs.csv"
    registry.write_text(
        "numerai_name,model_code,enabled,submit,inputs,fallback\n"
        "a_model_of_20_letter,quick_models:OnEverything,,,,benchmark\n"
        "second,quick_models:Stubborn,no,no,a_model_of_20_letter,\n"
    )
    narrow = world.numebot("models", "list", COLUMNS="80").stdout.splitlines()
    assert all(len(line) <= 80 for line in narrow)
    assert any("a_model_of_20_letter" in line.split() for line in narrow)
    [note] = [line for line in narrow if line.startswith("Left out in 80 columns: ")]
    width = re.search(r"COLUMNS=(\d+)", note)[1]
    wide = world.numebot("models", "list", COLUMNS=width).stdout
    for word in ("quick_models:OnEverything", "benchmark", "inputs", "submit"):
        assert word in wide.split()
    assert "Left out" not in wide
    assert CliRunner().invoke(app, ["--version"]).stdout.split() == [
        "numebot",
        version("numebot-dagster"),
    ]
