"""Hold the one world of the tests: a practice tournament, its clock, and a participant."""

from __future__ import annotations

import importlib
import os
import shutil
import sqlite3
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from numebot_dagster.operations.platform import Platform
from numebot_dagster.operations.training import trainer, vintages
from numebot_dagster.practice.server import PracticeServer
from numebot_dagster.settings import Settings, load_settings
from tests.support.commands import Finished, run_here
from tests.support.tournament_state import read_state

# The account's models and the classes behind them; one name needs escaping, and the largest stake
# does not come first.
MODELS = {
    "steady-1": "Ridge",
    "second": "Stubborn",
    "raising": "Raising",
    "constant": "Constant",
    "forgetful": "Forgetful",
    "sleeper": "Sleeper",
    "contrarian": "Contrarian",
    "untrained": "Ridge",
}
STAKES = {"steady-1": "1", "second": "2.5"}
HONEST = ("steady-1", "second")
TOURNAMENT = "tournament"
ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class World:
    """One folder with a running practice tournament and a participant's data."""

    folder: Path
    practice: PracticeServer

    @property
    def environment(self) -> dict[str, str]:
        """The settings of the participant."""
        key = self.practice.credentials
        return {
            "NUMERAI_API_URL": self.practice.url,
            "NUMERAI_PUBLIC_ID": key.public_id,
            "NUMERAI_SECRET_KEY": key.secret_key,
            "NUMERAI_DATA_FOLDER": str(self.folder / "data"),
            "MODEL_CONFIGS_PATH": str(self.folder / "model_configs.csv"),
            "DAGSTER_HOME": str(self.folder / "dagster"),
            "NUMEBOT_RETRY_DEADLINE": "20",
        }

    @property
    def whole_environment(self) -> dict[str, str]:
        """The environment of a process of the participant."""
        return {**os.environ, **self.environment}

    @property
    def platform(self) -> Platform:
        """A platform that has seen nothing yet."""
        return Platform(load_settings(self.folder))

    def enter(self, patch: pytest.MonkeyPatch) -> World:
        """Make this process the participant: environment, working directory, registry."""
        for name in Settings.model_fields:
            patch.delenv(name.upper(), raising=False)
        for name, value in self.environment.items():
            patch.setenv(name, value)
        patch.chdir(self.folder)
        self.register(*HONEST)
        sys.modules.pop("numebot_dagster.definitions", None)  # those of another participant
        return self

    def register(self, *names: str) -> None:
        """Make these the participant's models."""
        rows = [f"{name},quick_models:{MODELS[name]},\n" for name in names]
        registry = self.folder / "model_configs.csv"
        registry.write_text("numerai_name,model_code,description\n" + "".join(rows))

    def contradict(self) -> None:
        """Write a `.env` of another tournament and registry, which the environment outweighs."""
        registry = self.folder / "other_models.csv"
        registry.write_text("numerai_name,model_code\nother,quick_models:Ridge\n")
        (self.folder / ".env").write_text(
            "NUMERAI_API_URL=http://127.0.0.1:9\nNUMERAI_PUBLIC_ID=\nNUMERAI_SECRET_KEY=other\n"
            f"NUMERAI_DATA_FOLDER=other\nMODEL_CONFIGS_PATH={registry.name}\n"
        )

    def train(self, *names: str) -> None:
        """Make weights of more models from the stored vintage."""
        platform = self.platform
        vintage = vintages.read_vintage(platform, platform.lake.stored_vintages()[-1])
        for name in names:
            trainer.train(platform, platform.registry[name], vintage)

    def open_round(self) -> int:
        """Move the clock to the next opening, and return the number of the round."""
        self.practice.advance("next-open")
        return int(self.practice.state()["open_round"])

    def rows(self, query: str, *values: Any) -> list[sqlite3.Row]:
        """Read the tournament's state past its server."""
        return read_state(self.folder / TOURNAMENT, query, *values)

    def submissions(self, number: int) -> dict[str, int]:
        """Return how many submissions each model has registered for a round."""
        rows = self.rows(
            "SELECT m.name, count(*) AS n FROM submissions s JOIN models m ON m.id = s.model_id "
            "WHERE s.round = ? GROUP BY m.name",
            number,
        )
        return {row["name"]: row["n"] for row in rows}

    def uploads(self) -> int:
        """Return how many uploads were authorised since the tournament began."""
        return int(self.rows("SELECT count(*) AS n FROM uploads")[0]["n"])

    def definitions(self) -> dg.Definitions:
        """Return the definitions as the present registry has them."""
        sys.modules.pop("numebot_dagster.definitions", None)
        return importlib.import_module("numebot_dagster.definitions").defs

    def numebot(self, *arguments: str, **more: str) -> Finished:
        """Run the command in this process, which is quicker than one of its own."""
        environment = {**self.whole_environment, **more}
        return run_here(self.folder, *arguments, environment=environment)

    def process(self, *arguments: str, driver: str | None = None, **more: str) -> Finished:
        """Run the command in a process of its own, or by a module of the tests that drives it."""
        if driver is not None:
            more["PYTHONPATH"] = str(ROOT)
        return subprocess.run(
            [sys.executable, "-m", driver or "numebot_dagster.cli.main", *arguments],
            cwd=self.folder,
            env={**self.whole_environment, **more},
            capture_output=True,
            text=True,
            timeout=120,
        )


def copy_participant(source: Path, folder: Path) -> None:
    """Copy a participant's folder; data files are immutable, so the copies share them."""
    shutil.copytree(source, folder, copy_function=_share)


def _share(source: str, target: str) -> str:
    if source.endswith(".parquet"):
        try:
            os.link(source, target)
        except OSError:  # another disk
            return str(shutil.copy2(source, target))
        return target
    return str(shutil.copy2(source, target))
