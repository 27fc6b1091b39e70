"""The whole bad week, played by the real command; minutes long: `pytest -m slow`."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from numebot_dagster.practice.creation import Plan
from numebot_dagster.practice.server import PracticeServer

NUMEBOT = f"{sys.executable} -m numebot_dagster.cli.main"


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_every_model_is_on_time_in_every_round(
    prepared: Path, fresh_world: Any, tmp_path: Path
) -> None:
    """With a tournament that has the two honest models only."""
    folder = tmp_path / "participant"
    shutil.copytree(prepared, folder, ignore=shutil.ignore_patterns("tournament"))
    with PracticeServer(folder / "tournament", Plan(models=("steady-1", "second"))) as practice:
        world = type(fresh_world)(folder, practice)
        world.register("steady-1", "second")
        finished = subprocess.run(
            f"{NUMEBOT} practice scenario bad-week --folder tournament --play '{NUMEBOT} run'",
            shell=True,
            cwd=folder,
            env=world.whole_environment | {"COLUMNS": "200"},
            capture_output=True,
            text=True,
            timeout=1100,
        )
        assert "10 of 10 submissions were on time" in finished.stdout, finished.stdout
        assert finished.returncode == 0
        assert practice.faults() == []
