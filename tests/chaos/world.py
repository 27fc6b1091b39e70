"""The stage of the chaos run: a practice tournament, a participant, and who hears the alerts."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import Any

from numebot_dagster.practice.controls import read_address
from numebot_dagster.practice.creation import Plan
from numebot_dagster.practice.rules.clock import newest_opened
from tests.chaos.plan import MODELS
from tests.chaos.processes import Player, Receiver, Server, free_port
from tests.chaos.template import TOURNAMENT, environment_of, write_moods
from tests.chaos.truth import read_coefficients, read_dataset

# A call gives up sooner than in real life.
RETRY_SECONDS = "8"
# What steps print goes to the player's log; Dagster would start four processes a run to keep it.
WITHOUT_COMPUTE_LOGS = """
compute_logs:
  module: dagster._core.storage.noop_compute_log_manager
  class: NoOpComputeLogManager
"""

# What turned invalid so shortly before, who was just about to say that it counts could not know.
JUST_NOW = timedelta(seconds=60)


@dataclass(frozen=True)
class Message:
    """A message as it arrived.

    Attributes:
        at: the tournament's time then.
        without: the models of which the tournament counted nothing for the newest round then.
    """

    title: str
    text: str
    at: datetime
    without: frozenset[str]


@dataclass
class World:
    """One folder with a tournament and a participant who has trained."""

    folder: Path
    practice: Server
    player: Player
    environment: dict[str, str] = field(repr=False)
    models: tuple[str, ...] = MODELS
    messages: list[Message] = field(default_factory=list)
    by_hand: set[str] = field(default_factory=set)

    @cached_property
    def coefficients(self) -> dict[str, tuple[Any, ...]]:
        """What each model has learned, by training, as it was when the world was opened."""
        return read_coefficients(self.folder, self.models)

    @cached_property
    def feature_names(self) -> list[str]:
        """The features of the models in their order."""
        features = json.loads(read_dataset(self, "features.json").read())
        return list(features["feature_sets"]["small"])

    @property
    def lake_folder(self) -> Path:
        """The participant's data folder."""
        return self.folder / "data"

    def rows(self, query: str, *values: Any) -> list[sqlite3.Row]:
        """Reads the tournament's state past its server."""
        return rows_of(self.folder, query, *values)

    def now(self) -> datetime:
        """The tournament's time."""
        return _now(self.folder)

    def newest_round(self) -> int:
        """The round that has opened last."""
        return newest_opened(self.now()).number

    def without_submission(self, number: int) -> frozenset[str]:
        """The models of which the tournament counts nothing that came on time for a round."""
        return _without_submission(self.folder, self.models, number)

    def set_moods(self, moods: Mapping[str, str]) -> None:
        """Says how the models are from now on."""
        write_moods(self.folder, dict(moods))


@contextmanager
def open_world(folder: Path, models: Sequence[str] = MODELS) -> Iterator[World]:
    """Serves the tournament of a folder that holds a trained participant, and warms a player.

    Args:
        folder: A copy of the template, or of what `template` makes by other means.
        models: Those of the participant, as its registry names them.
    """
    write_moods(folder, {})
    _configure_dagster(folder / "dagster")
    tournament = folder / TOURNAMENT
    key, messages = read_address(tournament).credentials, list[Message]()
    server = Server(tournament, free_port(), _arguments(folder))

    def keep(title: str, text: str) -> None:
        now = _now(folder)
        without = _without_submission(folder, tuple(models), newest_opened(now).number)
        messages.append(Message(title, text, now, without))

    receiver = Receiver(keep)
    environment = {
        **environment_of(folder, server.url, key.public_id, key.secret_key),
        "NUMEBOT_RETRY_DEADLINE": RETRY_SECONDS,
        "NUMEBOT_NOTIFY_URLS": receiver.url,
    }
    player = Player(folder, environment)
    try:
        server.start(player)
        yield World(folder, server, player, environment, tuple(models), messages)
    finally:
        server.stop()
        player.close()
        receiver.close()


def rows_of(folder: Path, query: str, *values: Any) -> list[sqlite3.Row]:
    """Reads a tournament's state from its folder."""
    path = folder / TOURNAMENT / "state.sqlite"
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=30)
    connection.row_factory = sqlite3.Row
    try:
        return connection.execute(query, values).fetchall()
    finally:
        connection.close()


def _configure_dagster(home: Path) -> None:
    """Gives the instance the shipped settings, but for what only costs processes."""
    shipped = files("numebot_dagster").joinpath("dagster.yaml").read_text()
    home.mkdir(exist_ok=True)
    (home / "dagster.yaml").write_text(shipped + WITHOUT_COMPUTE_LOGS)


def _now(folder: Path) -> datetime:
    [row] = rows_of(folder, "SELECT value FROM settings WHERE name = 'now'")
    return datetime.fromisoformat(row["value"])


def _without_submission(folder: Path, models: Sequence[str], number: int) -> frozenset[str]:
    """The models of which nothing counts, as everybody can know by now."""
    counted = rows_of(
        folder,
        "SELECT DISTINCT m.name FROM submissions s JOIN models m ON m.id = s.model_id "
        "LEFT JOIN invalidated i ON i.filename = s.filename "
        "WHERE s.round = ? AND s.kind = 'window' AND (s.error IS NULL OR i.at > ?)",
        number,
        (_now(folder) - JUST_NOW).isoformat(),
    )
    return frozenset(models) - {row["name"] for row in counted}


def _arguments(folder: Path) -> list[str]:
    """The arguments with which a server continues a tournament."""
    settings = {row["name"]: row["value"] for row in rows_of(folder, "SELECT * FROM settings")}
    plan = Plan(seed=int(settings["seed"]), scale=settings["scale"])
    # Five rounds of a week are played within seconds, which rate limits would not allow.
    return ["--plan", plan.to_json(), "--rate-limits", "off"]
