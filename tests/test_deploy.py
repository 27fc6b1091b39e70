"""The systemd unit that is shipped: systemd itself has nothing to say against it."""

from __future__ import annotations

import os
import shutil
import subprocess
from configparser import ConfigParser
from pathlib import Path

import pytest

UNIT = Path(__file__).parents[1] / "deploy" / "numebot.service"


@pytest.fixture
def unit():
    parser = ConfigParser(strict=True, interpolation=None)
    parser.optionxform = str
    parser.read_string(UNIT.read_text())
    return parser


def test_it_starts_the_command_where_the_settings_lie(unit):
    service = unit["Service"]
    assert service["WorkingDirectory"] == "%h/numebot"
    assert service["ExecStart"].split()[:2] == ["%h/numebot/.venv/bin/numebot", "up"]
    # Loopback. What serves other machines is refused without a password.
    assert not {"--host", "--without-password"} & set(service["ExecStart"].split())


def test_it_comes_back_and_never_gives_up(unit):
    assert unit["Service"]["Restart"] == "on-failure"
    assert unit["Unit"]["StartLimitIntervalSec"] == "0"
    assert unit["Install"]["WantedBy"] == "default.target"


def test_it_gets_no_more_rights(unit):
    assert unit["Service"]["NoNewPrivileges"] == "yes"
    assert unit["Service"]["UMask"] == "0077"


@pytest.mark.process
@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_systemd_accepts_it(tmp_path):
    command = tmp_path / "numebot" / ".venv" / "bin" / "numebot"
    command.parent.mkdir(parents=True)
    command.touch(mode=0o755)
    copy = tmp_path / "numebot.service"
    copy.write_text(UNIT.read_text().replace("%h", str(tmp_path)))
    verified = subprocess.run(
        ["systemd-analyze", "--user", "--man=no", "verify", str(copy)],
        env={**os.environ, "XDG_RUNTIME_DIR": str(tmp_path), "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert (verified.returncode, verified.stderr) == (0, "")
