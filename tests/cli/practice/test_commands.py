from __future__ import annotations

import json
import os
import pty
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import requests
from typer.testing import CliRunner

from numebot_dagster.cli.practice import commands
from numebot_dagster.cli.practice.commands import app
from numebot_dagster.practice.faults.book import place_fault
from numebot_dagster.practice.rules.clock import Refused
from numebot_dagster.practice.server import PracticeServer

SERVE = [sys.executable, "-m", "numebot_dagster.cli.main", "practice", "serve"]
# With parts of three eras, where there are eight.
SMALL_PARTS = """
from numebot_dagster.practice.datasets import contents
contents.ERAS_A_PART = 3
from numebot_dagster.cli.main import main
main()
"""


def run(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(
        app, [str(argument) for argument in arguments], env={"COLUMNS": "200"}
    )
    return result.exit_code, result.output


@contextmanager
def served(folder: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Run `serve` as a user does and wait for what it prints when it is ready."""
    process = subprocess.Popen(
        [*SERVE, "--folder", str(folder), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def assert_settings_are_printed(process: subprocess.Popen[str], folder: Path) -> None:
    assert process.stdout is not None
    lines = []
    while not lines or "practice state" not in lines[-1]:
        lines.append(process.stdout.readline())
        assert lines[-1] or process.poll() is None, "".join(lines)
    text = "".join(lines)
    settings = dict(re.findall(r"^(NUMERAI_\w+)=(.*)$", text, re.M))
    data_folder = settings.pop("NUMERAI_DATA_FOLDER")  # never that of the real tournament
    assert Path(data_folder).name == "participant"
    assert (Path(data_folder).parent / ".gitignore").read_text() == "*\n"
    assert set(settings) == {"NUMERAI_API_URL", "NUMERAI_PUBLIC_ID", "NUMERAI_SECRET_KEY"}
    assert f"numebot practice advance --to next-open --folder {folder}" in text
    for command in ("train", "run"):  # the registry may have models that this account lacks
        assert f"  numebot {command} --models one,two\n" in text
    key = f"Token {settings['NUMERAI_PUBLIC_ID']}${settings['NUMERAI_SECRET_KEY']}"
    answer = requests.post(
        settings["NUMERAI_API_URL"],
        json={"query": "{account {models {name}}}"},
        headers={"Authorization": key},
        timeout=10,
    )
    names = [model["name"] for model in answer.json()["data"]["account"]["models"]]
    assert names == ["one", "two"]


@pytest.mark.process
def test_serve_advance_and_state(tmp_path: Path) -> None:
    folder = tmp_path / "practice"
    with served(folder, "--models", "one,two", "--stake", "two=1.5", "--seed", "3") as process:
        assert process.stdout is not None
        assert_settings_are_printed(process, folder)

        assert run("advance", "--folder", folder, "--to", "next-open") == (
            0, "Tuesday 2026-06-02 12:00:01 UTC, the clock stands still; round 1280 is open\n",
        )  # fmt: skip
        code, text = run("advance", "--folder", folder, "--hours", 1)
        assert (code, "round 1280 has closed" in text) == (0, True)
        code, text = run("advance", "--folder", folder, "--to", "2026-01-01T00:00:00Z")
        assert code == 1
        assert "cannot go back" in text

        code, text = run("state", "--folder", folder)
        assert code == 0
        assert re.search(r"1280 +Tue 02 Jun 12:00 +resolving", text)
        code, text = run("state", "--folder", folder, "--json")
        tournament = json.loads(text)
        assert tournament["clock"]["now"] == "2026-06-02T13:00:01+00:00"
        assert [model["next_position"] for model in tournament["models"]] == ["0", "1.5"]

        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0
        assert "Traceback" not in process.stdout.read()
    code, text = run("state", "--folder", folder)
    assert code == 1
    assert f"start it with `numebot practice serve --folder {folder}`" in text.replace("\n", "")


def test_state_shows_the_newest_rounds_and_those_that_were_played() -> None:
    rounds = [{"number": number} for number in range(1300, 1270, -1)]
    tournament = {
        "rounds": rounds,
        "submissions": [
            {"round": 1280, "model": "m", "status": "on-time"},
            {"round": 1279, "model": "m", "status": "refused"},
        ],
    }
    shown = [round_["number"] for round_ in commands._shown(tournament, 2)]
    assert shown == [1300, 1299, 1280]


@pytest.mark.process
def test_real_time_opens_rounds_by_itself(tmp_path: Path) -> None:
    folder = tmp_path / "practice"
    with served(folder, "--real-time", "--minutes", "0.1") as process:
        assert process.stdout is not None
        while "practice state" not in (line := process.stdout.readline()):
            assert line or process.poll() is None
        opened: list[int] = []
        deadline = time.monotonic() + 120
        while len(opened) < 2:
            assert time.monotonic() < deadline
            code, text = run("state", "--folder", folder)
            assert code == 0
            assert "the clock follows the wall clock" in text
            match = re.search(r"round (\d+) is open", text)
            opened += [n for n in (map(int, match.groups()) if match else ()) if n not in opened]
            time.sleep(0.1)
        assert opened[1] > opened[0]  # a slow machine may sleep through one
        code, text = run("advance", "--folder", folder, "--to", "next-open")
        assert (code, "cannot be advanced" in text) == (1, True)


def shown_until(folder: Path, eras: int) -> list[int]:
    """Serve the full scale on a terminal until so many eras are made and return what it counted."""
    terminal, end = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", SMALL_PARTS, *SERVE[3:], "--folder", str(folder), "--scale", "full"],
        stdout=end,
        stderr=end,
    )
    os.close(end)
    text, deadline = "", time.monotonic() + 120
    try:
        while f" {eras}/574" not in text:
            assert time.monotonic() < deadline, text[-500:]
            text += os.read(terminal, 4096).decode(errors="replace")
    finally:
        process.kill()
        process.wait()
        os.close(terminal)
    assert "v5.3/train.parquet, eras" in text
    return [int(done) for done in re.findall(r"(\d+)/574", text)]


@pytest.mark.process
def test_the_full_scale_goes_on_where_it_was_killed(tmp_path: Path) -> None:
    """The first three eras of 574, not the two dozen minutes that all of them take."""
    folder = tmp_path / "practice"
    assert {0, 1, 2} < set(shown_until(folder, eras=3))
    parts = folder / "datasets" / "parts" / "v5.3"
    [part] = parts.rglob("*.parquet")
    made = part.stat()
    assert pq.read_schema(part).names[:2] == ["era", "data_type"]
    assert set(pq.read_table(part, columns=["era"])["era"].to_pylist()) == {
        f"{era:04d}" for era in range(1, 3)
    }
    assert sorted(set(shown_until(folder, eras=3))) == [0, 2, 3]
    assert (part.stat().st_ino, part.stat().st_mtime_ns) == (made.st_ino, made.st_mtime_ns)


@pytest.mark.process
def test_without_a_folder_the_tournament_that_runs_is_named(tmp_path: Path) -> None:
    """And the table of faults breaks no word at 80 columns."""
    kind, where = "status", "graphql:v3UserProfile"
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "practice.json").write_text('{"scripts": []}')
    with PracticeServer(tmp_path / "my rehearsal"), pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        code, text = run("fault", "add", kind)
        assert code == 1
        assert "practice-tournament holds no practice tournament; start one with" in text
        assert text.strip().endswith("To reach a running one, add --folder 'my rehearsal'")
        at = ("--folder", "my rehearsal")
        assert run("fault", "add", kind, "--where", where, *at) == (0, "fault 1 added\n")
        patch.setenv("COLUMNS", "80")
        shown = CliRunner().invoke(app, ["fault", "list", *at]).output
    assert max(map(len, shown.splitlines())) <= 80
    assert {kind, where, "status=500", "retry_after=-1", "acted=0", "endless"} <= set(shown.split())


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["advance"], 2, "give at least one of --to, --days and --hours"),
        (["advance", "--days", "1"], 1, "holds no practice tournament; start one with"),
        (["state"], 1, "holds no practice tournament"),
        (
            ["serve", "--start", "tomorrow"],
            2,
            "is not a point in time; write it as 2026-06-01T00:00:00Z",
        ),
        (["serve", "--stake", "example_model"], 2, "a stake is written MODEL=NMR"),
        (["serve", "--scale", "huge"], 1, "there is no scale huge; choose one of small"),
        (["serve", "--stake", "nobody=1"], 1, "has no model nobody"),
    ],
)
def test_what_is_wrong_is_said(
    tmp_path: Path, arguments: list[str], code: int, message: str
) -> None:
    status, text = run(*arguments, "--folder", tmp_path / "none")
    assert status == code
    assert message in re.sub(r"[\s│]+", " ", text)
    assert not (tmp_path / "none").exists()


@pytest.mark.server
def test_a_port_that_is_taken_leaves_no_folder(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        folder = tmp_path / "deep" / "practice"
        code, text = run("serve", "--folder", folder, "--port", taken.getsockname()[1])
    assert code == 1
    assert "is taken" in text
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ("graphql:acount", "graphql:account, "),
        ("download:v5.3/lve.parquet", "download:v5.3/live.parquet, "),
        ("account", "those begin with graphql:…, download:…, upload:…, submission:…, webhook:…"),
        ("nothing:*", "those begin with graphql:…, download:…, upload:…, submission:…, webhook:…"),
    ],
)
def test_a_fault_at_no_endpoint_is_refused(where: str, said: str) -> None:
    with pytest.raises(Refused, match=f"{re.escape(where)} is not an endpoint") as caught:
        place_fault({"kind": "status", "where": where}, datetime.now(UTC))
    assert said in str(caught.value)


@pytest.mark.parametrize(
    "where", ["*", "graphql:account", "graphql:*", "download:*live*", "upload:*", "submission:two"]
)
def test_a_fault_at_an_endpoint_is_taken(where: str) -> None:
    place_fault({"kind": "status", "where": where}, datetime.now(UTC))
