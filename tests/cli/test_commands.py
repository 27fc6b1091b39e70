"""The commands as a user types them, in a folder of their own; some in processes of their own."""

from __future__ import annotations

import io
import json
import os
import re

import polars as pl
import pytest

from numebot_dagster.modeling.weights import weight_store as weights
from numebot_dagster.submissions import receipts
from numebot_dagster.submissions.receipts import Outcome, State
from tests.support.commands import run_here

ESCAPE = "\x1b["


@pytest.fixture(scope="module")
def played(_module_world):
    """Play one round, and move the clock until there are scores."""
    world = _module_world
    world.register("steady-1", "second")
    number = world.open_round()
    finished = world.process("run")
    assert finished.returncode == 0, finished.stderr
    return world, number, finished


def test_run_plays_the_open_round_and_says_so(played):
    world, number, finished = played
    assert f"Round {number}" in finished.stdout
    for name in ("steady-1", "second"):
        [line] = [line for line in finished.stdout.splitlines() if line.split()[:1] == [name]]
        assert line.split()[1:3] == ["on_time", "confirmed"]
        assert f"{name}: confirmed" in finished.stderr
    assert world.submissions(number) == {"steady-1": 1, "second": 1}
    assert ESCAPE not in finished.stdout + finished.stderr


def test_a_second_run_finds_the_work_done(played):
    world, number, _ = played
    finished = world.numebot("run", "--round", str(number))
    assert finished.returncode == 0, finished.stderr
    assert "steady-1: skipped, already confirmed" in finished.stderr
    assert world.submissions(number) == {"steady-1": 1, "second": 1}


def test_status_tells_what_is_confirmed(played):
    world, number, _ = played
    assert "confirmed" in world.numebot("status").stdout
    overview = json.loads(world.numebot("status", "--json").stdout)
    states = {row["model"]: row["state"] for row in overview["rounds"] if row["round"] == number}
    assert states == {"steady-1": "confirmed", "second": "confirmed"}
    assert {row["model"]: row["problem"] for row in overview["weights"]} == {
        "steady-1": "",
        "second": "",
    }


def test_sql_in_every_format(played):
    world, number, _ = played
    query = f"select model, round from submissions where round = {number} order by model"
    as_csv = world.numebot("sql", query, "--format", "csv")
    assert as_csv.stdout == f"model,round\nsecond,{number}\nsteady-1,{number}\n"
    as_json = world.numebot("sql", query, "--format", "json")
    assert json.loads(as_json.stdout)[0] == {"model": "second", "round": number}
    assert "steady-1" in world.numebot("sql", query).stdout
    none = world.numebot("sql", "select model from submissions where round = 0")
    assert none.stdout.split()[0] == "model"
    assert none.stderr == "(no rows)\n"
    too_wide = world.numebot("sql", "from submissions where round = 0", COLUMNS="40")
    assert too_wide.stdout.startswith("model, round, submission_id,")
    more = world.numebot("sql", "select range as n from range(105)")
    assert more.stdout.split()[-100:] == [*map(str, range(100))]
    assert more.stderr.startswith("(5 more rows: ")
    assert "104" in world.numebot("sql", "select range as n from range(105)", "--rows", "0").stdout
    lists = world.numebot("sql", "select * from range(7), submissions limit 7", COLUMNS="40")
    assert (lists.stdout.count("Row "), lists.stderr[:12]) == (5, "(2 more rows")
    headed = world.numebot("sql", "select 1 as peak_memory_mb").stdout
    assert headed.split()[0] == "peak_memory_mb"  # as it is typed in a query


def test_sql_as_parquet(played):
    import subprocess
    import sys

    world, number, _ = played
    command = [sys.executable, "-m", "numebot_dagster.cli.main", "sql", "from submissions"]
    answer = subprocess.run(
        [*command, "--format", "parquet"], cwd=world.folder, capture_output=True, check=True,
        env=world.whole_environment, timeout=60,
    )  # fmt: skip
    frame = pl.read_parquet(io.BytesIO(answer.stdout))
    assert frame.filter(pl.col("round") == number).height == 2


def test_a_query_that_is_wrong_is_explained(played):
    world, _, _ = played
    finished = world.numebot("sql", "select nothing from nowhere")
    assert finished.returncode == 1
    assert "nowhere does not exist" in finished.stderr
    assert "The views are rounds, weights, diagnostics, predictions" in finished.stderr
    assert "Traceback" not in finished.stderr


def test_doctor_finds_nothing_wrong_in_a_trained_world(played):
    world, _, _ = played
    finished = world.numebot("doctor", "--live", "--json")
    findings = json.loads(finished.stdout)
    assert finished.returncode == 0, finished.stdout
    assert {
        finding["verdict"] for finding in findings if finding["name"] in ("credentials", "models")
    } == {"ok"}
    schema = [finding["text"] for finding in findings if finding["name"] == "schema"]
    assert any(text.startswith("LatestSubmission: ") for text in schema)
    assert any(text.startswith("RootMutationType: ") for text in schema)


def test_doctor_says_what_to_do(played):
    world, _, _ = played
    finished = world.numebot("doctor", NUMERAI_SECRET_KEY="nonsense")
    assert finished.returncode == 1
    assert "failure  credentials" in finished.stdout
    assert "has expired; check the credentials" in finished.stdout
    assert "→ set NUMERAI_PUBLIC_ID and NUMERAI_SECRET_KEY in .env as `numebot practice serve`" in (
        finished.stdout
    )
    assert "numer.ai" not in finished.stdout.partition("credentials")[2]
    assert "nonsense" not in finished.stdout + finished.stderr


def test_collect_reads_what_was_published(played):
    world, _, _ = played
    world.practice.advance(days=8)
    finished = world.numebot("collect")
    assert finished.returncode == 0, finished.stderr
    answer = world.numebot("sql", "select count(*) as n from scores", "--format", "csv")
    assert int(answer.stdout.splitlines()[1]) > 0


def test_a_dry_run_uploads_nothing(world):
    number = world.open_round()
    before = world.uploads()
    finished = world.numebot("run", "--dry-run")
    assert finished.returncode == 0, finished.stderr
    assert "steady-1: predicted" in finished.stderr
    assert world.uploads() == before
    assert world.submissions(number) == {}


def test_only_the_models_asked_for_that_were_there(world):
    number = world.open_round()
    finished = world.numebot("run", "--models", "second")
    assert finished.returncode == 0, finished.stderr
    assert world.submissions(number) == {"second": 1}
    latest = receipts.latest(world.platform.lake, number)
    assert {name: receipt.state for name, receipt in latest.items()} == {"second": State.CONFIRMED}
    world.practice.advance("next-close")
    world.register("second", "untrained")  # which came after the round, and has not missed it
    for arguments, status in ((), 0), (("--models", "untrained"), 1):
        finished = world.numebot("run", "--round", str(number), *arguments)
        assert finished.returncode == status, finished.stderr
        assert "untrained: it was first trained after this round" in finished.stdout
        assert set(receipts.latest(world.platform.lake, number)) == {"second"}


def test_a_model_that_fails_is_named_once(world):
    world.register("second", "raising")
    world.train("raising")
    number = world.open_round()
    finished = world.numebot("run")
    assert finished.returncode == 1
    why = "raising failed to predict: ArithmeticError: the stars ☾ are not right"
    named = [line for line in finished.stderr.splitlines() if "raising" in line]
    assert named[1:] == [f"error: Round {number}: {why}"]  # the first is the plan of the hour
    assert f"error: play_round: Round {number}: 1 of 2 models failed" in finished.stderr
    shown = " ".join(finished.stdout.split())
    assert shown.count(why) == 1
    assert shown.endswith(f"To try again: numebot run --round {number} --models raising")


def test_late_submission_says_what_it_means(world):
    number = world.open_round()
    world.practice.advance("next-close")
    refused = world.numebot("run", "--round", str(number))
    assert refused.returncode == 1
    assert world.submissions(number) == {}
    assert f"Round {number} closed on " in refused.stdout
    missed = f"Round {number} was missed: steady-1 and second: no run played the round before it"
    assert refused.stderr.count("was missed") == 1, refused.stderr
    assert missed in refused.stderr
    dry = world.numebot("run", "--round", str(number), "--dry-run")
    assert dry.returncode == 1
    assert "Traceback" not in dry.stderr
    assert "Not predicted: steady-1, second" in dry.stdout
    for name in ("steady-1", "second"):
        assert f"{name} missed" in " ".join(refused.stdout.split())
    reason = "steady-1 and second: no run played the round before it closed"
    assert refused.stdout.splitlines()[-1] == reason
    finished = world.numebot("run", "--round", str(number), "--late")
    assert finished.returncode == 0, finished.stderr
    assert f"also uses it for round {number + 1}" in " ".join(finished.stdout.split())
    latest = receipts.latest(world.platform.lake, number)
    assert {(receipt.state, receipt.outcome) for receipt in latest.values()} == {
        (State.CONFIRMED, Outcome.LATE)
    }


def test_a_process_of_its_own_ends_with_one_clear_line(world):
    finished = world.process("run", "--models", "nobody")
    assert finished.returncode == 1
    assert finished.stderr.startswith("error: nobody is not among the enabled models of ")
    assert finished.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "settings", "said"),
    [
        (["run", "--round", "9999"], {}, "no round 9999"),
        (["train", "--models", ","], {}, "no model is not among"),
        (["run"], {"NUMERAI_PUBLIC_ID": "", "NUMERAI_SECRET_KEY": ""}, "set NUMERAI_PUBLIC_ID and"),
        (["run"], {"NUMERAI_SECRET_KEY": ""}, "set both or neither"),
        (["run"], {"NUMERAI_API_URL": "http://127.0.0.1:9"}, "connection failed"),
        (["run"], {"MODEL_CONFIGS_PATH": "no.csv"}, "no.csv"),
        (["status"], {"NUMEBOT_READ_TIMEOUT": "soon"}, "NUMEBOT_READ_TIMEOUT"),
        (["up", "--folder", "nowhere"], {}, "no folder nowhere"),
    ],
)
def test_what_a_user_can_mend_is_one_clear_line(world, arguments, settings, said):
    world.open_round()
    finished = world.numebot(*arguments, **{"NUMEBOT_RETRY_DEADLINE": "2", **settings})
    assert finished.returncode == 1, finished.stdout
    assert said in finished.stderr
    assert "Traceback" not in finished.stderr


@pytest.mark.process
@pytest.mark.parametrize("registry", ["", "numerai_name,model_code\na,quick_models:Ridge\n"])
def test_a_command_that_cannot_work_or_only_reads_makes_nothing(tmp_path, registry):
    """As in a folder that was meant for something else; Numerai is not reached."""
    environment = {
        "PATH": os.environ["PATH"],
        "NUMERAI_API_URL": "http://127.0.0.1:9",
        "NUMEBOT_RETRY_DEADLINE": "0.2",
    }
    (tmp_path / "quick_models.py").write_text("class Ridge: ...\n")
    if registry:
        (tmp_path / "model_configs.csv").write_text(registry)
    before = set(tmp_path.rglob("*"))
    said = {}
    for command in (
        "status", "sql", "doctor", "models list", "collect", "run",
        *([] if registry else ["train", "up", "rounds add", "models try a", "models diagnose a"]),
    ):  # fmt: skip
        words = ["sql", "from scores"] if command == "sql" else command.split()
        finished = run_here(tmp_path, *words, environment=environment)
        said[command] = finished.stdout + finished.stderr
        assert "Traceback" not in said[command]
        made = {path for path in tmp_path.rglob("*") if "__pycache__" not in path.parts} - before
        assert made == set(), command
    assert f"(no rows: there is no data folder {tmp_path / 'data'} yet)" in said["sql"]
    assert (
        f"{tmp_path / 'data'} does not exist yet; the first command that stores" in said["doctor"]
    )
    if registry:
        assert "set NUMERAI_PUBLIC_ID and NUMERAI_SECRET_KEY in .env as" in said["collect"]
        assert said["run"] == said["collect"]
    else:
        assert "model_configs.csv does not exist" in said["up"]
        assert len({said[name] for name in ("status", "models list", "collect", "train")}) == 1


def test_between_rounds_run_says_when_the_next_one_opens(world):
    world.open_round()
    world.practice.advance("next-close")
    finished = world.numebot("run")
    assert finished.returncode == 1
    assert "no round is open at" in finished.stderr


@pytest.mark.parametrize(
    "command",
    [
        "run", "train", "collect", "sql", "status", "doctor", "up", "demo", "rounds add",
        "models diagnose", "models try", "practice serve", "practice advance", "practice state",
    ],
)  # fmt: skip
def test_help_says_what_a_command_does(world, command):
    finished = world.numebot(*command.split(), "--help", COLUMNS="100")
    assert finished.returncode == 0
    assert f"Usage: numebot {command}" in finished.stdout
    described = finished.stdout.split("Usage:")[1].splitlines()[2:4]
    assert any(len(line.split()) > 4 for line in described)


def test_a_model_is_tried_before_it_is_trained(world):
    world.register("steady-1", "raising")
    good = world.numebot("models", "try", "steady-1")
    assert good.returncode == 0, good.stderr
    assert "(time_budget 30 s)" in good.stdout
    bad = world.numebot("models", "try", "raising", "--eras", "1")
    assert bad.returncode == 1
    *_, failure, place = bad.stdout.splitlines()
    assert failure.split()[:3] == ["failure", "predict", "ArithmeticError:"]
    assert "quick_models.py:" in place
    assert "in predict: raise ArithmeticError" in place
    unknown = world.numebot("models", "try", "nobody")
    assert "no model 'nobody' in " in unknown.stderr
    assert unknown.returncode == 1


def test_a_misspelt_name_is_said_before_training_which_goes_on(world):
    registry = world.folder / "model_configs.csv"
    registry.write_text(
        "numerai_name,model_code\nsecond,quick_models:Stubborn\nsteddy-1,quick_models:Ridge\n"
    )
    finished = world.numebot("train", "--models", "steddy-1")
    assert finished.returncode == 0, finished.stderr
    warning, *rest = finished.stderr.splitlines()
    assert warning == (
        "warning: the account has no model steddy-1: did you mean steady-1? `numebot doctor` lists "
        f"all 8. Correct numerai_name in {registry}, line 3. It is trained anyway."
    )
    assert "the account" not in " ".join(rest)
    assert "steddy-1" in finished.stdout.partition("Weights of vintage")[2]
    unknown = world.numebot("train", "--models", "secnd")
    assert "secnd is not among the enabled models" in unknown.stderr
    assert "did you mean second?" in unknown.stderr


BROKEN = """\
from quick_models import Ridge


class Broken(Ridge):
    def train(self, data):
        return {}["my_target"]
"""


def test_a_first_trial_pins_data_and_a_failed_training_names_the_line(world, tmp_path):
    (world.folder / "broken.py").write_text(BROKEN)
    registry = world.folder / "model_configs.csv"
    registry.write_text("numerai_name,model_code\nsteady-1,broken\nsecond,quick_models:Ridge\n")
    own = {"NUMERAI_DATA_FOLDER": str(tmp_path / "data"), "DAGSTER_HOME": str(tmp_path / "home")}
    tried = world.numebot("models", "try", "second", **own)
    assert tried.returncode == 0, tried.stderr
    number = world.practice.state()["newest_round"]
    assert f"pinning today's as vintage {number}" in " ".join(tried.stdout.split())
    assert "Training data v5.3, file 6 of 6" in tried.stderr
    assert "pinned" not in world.numebot("models", "try", "second", **own).stdout
    trained = world.numebot("train", "--models", "steady-1", **own)
    assert trained.returncode == 1
    [error] = [line for line in trained.stderr.splitlines() if line.startswith("error:")]
    assert error == (
        "error: steady-1 failed to train: KeyError: 'my_target', at "
        f'{world.folder / "broken.py"}:6 in train: return {{}}["my_target"]. Correct it, then try '
        "it within seconds: numebot models try steady-1"
    )
    assert trained.stdout.splitlines()[1:] == [f"No weights of vintage {number}: steady-1"]
    alerts = world.numebot("sql", "select kind, subject from alerts", "--format", "csv", **own)
    assert f"training-failed,steady-1/vintage-{number}/code-" in alerts.stdout


def test_training_again_in_the_same_round_changes_nothing(world):
    world.open_round()
    first = world.numebot("train")
    assert first.returncode == 0, first.stderr
    stored = sorted((world.folder / "data" / "weights").rglob("manifest.json"))
    contents = [path.read_bytes() for path in stored]
    code = world.folder / "quick_models.py"
    code.write_text(f"# a comment\n{code.read_text()}")
    again = world.numebot("train")
    assert again.returncode == 0
    assert "second is already trained on vintage" in again.stdout + again.stderr
    assert "Training second" not in again.stdout + again.stderr
    assert sorted((world.folder / "data" / "weights").rglob("manifest.json")) == stored
    assert [path.read_bytes() for path in stored] == contents
    code.write_text(f"{code.read_text()}\nimport importlib\nimportlib.import_module(str('json'))\n")
    played = world.numebot("run", "--models", "second")
    assert played.returncode == 0, played.stderr
    assert "second: the code changed since its weights were made" in played.stdout + played.stderr
    trained = world.numebot("train", "--models", "second")
    assert len(list((world.folder / "data" / "weights").rglob("manifest.json"))) == len(stored) + 1
    shown = [line.split()[0] for line in trained.stdout.splitlines() if "v5." in line]
    assert shown == ["second"]
    remark = "second: every module of its package counts as its code"
    assert remark in trained.stdout + trained.stderr


def test_a_forced_training_is_stored_beside_the_first_and_used(world):
    world.register("second")
    number = world.open_round()
    assert world.numebot("train").returncode == 0
    forced = world.numebot("train", "--force")
    assert forced.returncode == 0, forced.stderr
    assert "Training second on vintage" in forced.stdout + forced.stderr
    last, first = world.platform.lake.weights_folders("second")[:2]
    assert (last.vintage, last.attempt, first.attempt) == (number, 2, 1)
    assert last.code_hash == first.code_hash
    again = world.numebot("train")
    assert "nothing to do" in again.stdout + again.stderr
    platform = world.platform
    assert weights.choose(platform.lake, "second", last.code_hash).folder == last.path


def test_a_model_that_is_given_another_class_is_trained_anew(world):
    number = world.open_round()
    assert world.numebot("train", "--models", "second").returncode == 0
    registry = world.folder / "model_configs.csv"
    before = registry.read_text()
    registry.write_text(re.sub(r"(second,quick_models:)\w+", r"\1Contrarian", before))
    assert registry.read_text() != before
    finished = world.numebot("train", "--models", "second")
    assert finished.returncode == 0, finished.stderr
    assert "Training second on vintage" in finished.stdout + finished.stderr
    weights = world.folder / "data" / "weights" / "model=second" / f"vintage={number}"
    assert len(list(weights.iterdir())) == 2
