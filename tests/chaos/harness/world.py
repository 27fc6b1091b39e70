"""Open the world of the chaos run: a tournament and a participant in processes that are killed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from numebot_dagster.practice.creation import Plan
from numebot_dagster.practice.rules.clock import newest_opened
from tests.chaos.harness.processes import ForkedServer, Player
from tests.chaos.harness.template import process_environment, write_moods
from tests.chaos.harness.tournament_client import TournamentClient
from tests.chaos.plan import MODELS
from tests.support.ports import free_port
from tests.support.receiver import receiving
from tests.support.tournament_state import read_state
from tests.support.world import TOURNAMENT, World

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

Coefficients = Mapping[str, tuple[NDArray[np.float64], ...]]


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


@dataclass(frozen=True)
class ChaosWorld(World):
    """A world whose participant and tournament are forks of one player.

    Attributes:
        practice: the server, which the player has forked.
        notify_url: where the alerts go.
        coefficients: what each model had learned, by training, when the world was opened.
        by_hand: the names of the files that the user uploaded beside the platform.
    """

    practice: ForkedServer
    notify_url: str = ""
    models: tuple[str, ...] = MODELS
    coefficients: Coefficients = field(default_factory=dict, repr=False)
    messages: list[Message] = field(default_factory=list)
    by_hand: set[str] = field(default_factory=set)

    @property
    def environment(self) -> dict[str, str]:
        """The settings of the participant."""
        own = {"NUMEBOT_RETRY_DEADLINE": RETRY_SECONDS, "NUMEBOT_NOTIFY_URLS": self.notify_url}
        return {**super().environment, **own}

    @property
    def whole_environment(self) -> dict[str, str]:
        """The environment of a process of the participant."""
        return process_environment(self.environment)

    @cached_property
    def player(self) -> Player:
        """The process that forks; started when it is first asked for."""
        return Player(self.folder, self.whole_environment)

    @cached_property
    def client(self) -> TournamentClient:
        """The tournament, asked past the product."""
        return TournamentClient(self.practice.url, self.practice.credentials)

    @property
    def lake_folder(self) -> Path:
        """The participant's data folder."""
        return self.folder / "data"

    def now(self) -> datetime:
        """Return the tournament's time."""
        [row] = self.rows("SELECT value FROM settings WHERE name = 'now'")
        return datetime.fromisoformat(row["value"])

    def newest_round(self) -> int:
        """Return the round that has opened last."""
        return newest_opened(self.now()).number

    def without_submission(self, number: int) -> frozenset[str]:
        """Return the models of which nothing on time counts, as everybody can know by now."""
        counted = self.rows(
            "SELECT DISTINCT m.name FROM submissions s JOIN models m ON m.id = s.model_id "
            "LEFT JOIN invalidated i ON i.filename = s.filename "
            "WHERE s.round = ? AND s.kind = 'window' AND (s.error IS NULL OR i.at > ?)",
            number,
            (self.now() - JUST_NOW).isoformat(),
        )
        return frozenset(self.models) - {row["name"] for row in counted}

    def set_moods(self, moods: Mapping[str, str]) -> None:
        """Change how the models are from now on."""
        write_moods(self.folder, dict(moods))

    def keep(self, message: Mapping[str, Any]) -> int:
        """Keep an alert that has arrived, and return the status to answer it with."""
        title, text = str(message.get("title")), str(message.get("message"))
        without = self.without_submission(self.newest_round())
        self.messages.append(Message(title, text, self.now(), without))
        return 200


@contextmanager
def open_world(folder: Path, models: Sequence[str] = MODELS) -> Iterator[ChaosWorld]:
    """Serve the tournament of a folder that holds a trained participant, and warm a player.

    Args:
        folder: A copy of the template, or of what `template` makes by other means.
        models: Those of the participant, as its registry names them.
    """
    write_moods(folder, {})
    _configure_dagster(folder / "dagster")
    server = ForkedServer(folder / TOURNAMENT, free_port(), _arguments(folder / TOURNAMENT))
    coefficients = {model: _coefficients(folder, model) for model in models}
    with receiving(lambda message: world.keep(message)) as receiver:
        world = ChaosWorld(folder, server, receiver.url, tuple(models), coefficients)
        server.player = world.player
        try:
            server.start()
            yield world
        finally:
            server.stop()
            world.player.close()


def _coefficients(folder: Path, model: str) -> tuple[NDArray[np.float64], ...]:
    """Return the stored weights of a model by training, oldest first."""
    place = folder / "data" / "weights" / f"model={model}"
    stored = sorted(place.glob("vintage=*/code=*/model/weights.npz"))
    return tuple(np.load(path)["weights"] for path in stored)


def _configure_dagster(home: Path) -> None:
    """Give the instance the shipped settings, but for what only costs processes."""
    shipped = files("numebot_dagster").joinpath("dagster.yaml").read_text()
    home.mkdir(exist_ok=True)
    (home / "dagster.yaml").write_text(shipped + WITHOUT_COMPUTE_LOGS)


def _arguments(tournament: Path) -> list[str]:
    """Return the arguments with which a server continues a tournament."""
    settings = {
        row["name"]: row["value"] for row in read_state(tournament, "SELECT * FROM settings")
    }
    plan = Plan(seed=int(settings["seed"]), scale=settings["scale"])
    # Five rounds of a week are played within seconds, which rate limits would not allow.
    return ["--plan", plan.to_json(), "--rate-limits", "off"]
