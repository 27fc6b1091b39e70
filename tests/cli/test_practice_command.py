from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests
from typer.testing import CliRunner

from numebot_dagster.cli.practice import app

SERVE = "from numebot_dagster.cli.practice import app; app()"


def run(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(app, [str(one) for one in arguments], env={"COLUMNS": "200"})
    return result.exit_code, result.output


@contextmanager
def served(folder: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Runs `serve` as a user does and waits for what it prints when it is ready."""
    process = subprocess.Popen(
        [sys.executable, "-u", "-c", SERVE, "serve", "--folder", str(folder), *arguments],
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


def test_serve_advance_and_state(tmp_path: Path) -> None:
    folder = tmp_path / "practice"
    with served(folder, "--models", "one,two", "--stake", "two=1.5", "--seed", "3") as process:
        assert process.stdout is not None
        lines = []
        while not lines or "practice state" not in lines[-1]:
            lines.append(process.stdout.readline())
            assert lines[-1] or process.poll() is None, "".join(lines)
        text = "".join(lines)
        settings = dict(re.findall(r"^(NUMERAI_\w+)=(.*)$", text, re.M))
        assert set(settings) == {"NUMERAI_API_URL", "NUMERAI_PUBLIC_ID", "NUMERAI_SECRET_KEY"}
        assert f"numebot practice advance --to next-open --folder {folder}" in text
        key = f"Token {settings['NUMERAI_PUBLIC_ID']}${settings['NUMERAI_SECRET_KEY']}"
        answer = requests.post(
            settings["NUMERAI_API_URL"],
            json={"query": "{account {models {name}}}"},
            headers={"Authorization": key},
            timeout=10,
        )
        names = [model["name"] for model in answer.json()["data"]["account"]["models"]]
        assert names == ["one", "two"]

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
        assert re.search(r"1280 +│ Tue 2026-06-02 12:00 +│ RESOLVING", text)
        code, text = run("state", "--folder", folder, "--json")
        held = json.loads(text)
        assert held["clock"]["now"] == "2026-06-02T13:00:01+00:00"
        assert [model["next_position"] for model in held["models"]] == ["0", "1.5"]

        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0
        assert "Traceback" not in process.stdout.read()
    code, text = run("state", "--folder", folder)
    assert code == 1
    assert "start it with `numebot practice serve`" in text


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["advance"], 2, "say how far: --to, --days or --hours"),
        (["advance", "--days", "1"], 1, "holds no practice tournament; start one with"),
        (["state"], 1, "holds no practice tournament"),
        (["serve", "--start", "tomorrow"], 2, "is not an instant; write 2026-06-01T00:00:00Z"),
        (["serve", "--stake", "example_model"], 2, "a stake is written MODEL=NMR"),
        (["serve", "--scale", "huge"], 1, "there is no scale huge; choose one of small"),
        (["serve", "--stake", "nobody=1"], 1, "has no model nobody"),
    ],
)
def test_what_is_wrong_is_said(
    tmp_path: Path, arguments: list[str], code: int, message: str
) -> None:
    found, text = run(*arguments, "--folder", tmp_path / "none")
    assert found == code
    assert message in re.sub(r"[\s│]+", " ", text)
