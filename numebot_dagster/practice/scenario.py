"""Play a scripted week of faults, and report how a platform did by the tournament's own state."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import psutil

from numebot_dagster.practice.controls import Controls
from numebot_dagster.practice.rules.clock import Refused

_LOOK_SECONDS = 0.5
# How long all models must have been on time before a clock that stands still is moved on, so that
# submissions that turn invalid later are noticed.
_QUIET_SECONDS = 10.0
# The owner of a scenario's faults: its process, so that the next scenario removes those of a killed
# one.
_OWNER = "scenario of process "


@dataclass(frozen=True)
class Act:
    """The faults of one round, as `FaultBook.add` expects them."""

    title: str
    faults: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True)
class Outcome:
    """The result of an act: model by model, and how often each fault struck."""

    act: Act
    round: int
    statuses: Mapping[str, str]
    attempts: Mapping[str, int]
    seconds: Mapping[str, float]
    struck: Mapping[str, int]

    @property
    def on_time(self) -> int:
        """How many models were on time."""
        return sum(status == "on-time" for status in self.statuses.values())


BAD_WEEK = (
    Act(
        "The data are late, and the service stumbles",
        (
            {"kind": "late-data", "times": 6},
            {"kind": "status", "where": "graphql:*", "times": 3},
            {"kind": "status", "where": "graphql:*", "times": 1,
             "values": {"status": 429, "retry_after": 2}},
        ),
    ),
    Act(
        "A shaky network",
        (
            {"kind": "cut", "probability": 0.15, "seed": 2, "times": 12},
            {"kind": "latency", "probability": 0.2, "seed": 3, "values": {"seconds": 3}},
            {"kind": "status", "where": "upload:*", "times": 1, "values": {"status": 503}},
            {"kind": "changing-data"},
        ),
    ),
    Act(
        "A proxy answers, and uploads are lost without a word",
        (
            {"kind": "html", "times": 2},
            {"kind": "not-json", "times": 2},
            {"kind": "truncated-upload", "times": 1},
            {"kind": "cut", "where": "graphql:createSubmission", "times": 1},
            {"kind": "hidden-submission", "values": {"seconds": 15}},
        ),
    ),
    Act(
        "Everything is announced at the last minute",
        (
            {"kind": "deadline-moved", "values": {"minutes": -0.5}},
            {"kind": "clock-skew", "values": {"seconds": 20}},
            {"kind": "null", "values": {"field": "Round.closeTime"}},
            {"kind": "unknown-score"},
            {"kind": "two-payouts"},
        ),
    ),
    Act(
        "What was accepted is not, and the accounts are odd",
        (
            {"kind": "invalid-later", "values": {"seconds": 3}},
            {"kind": "scope-withdrawn", "times": 2, "values": {"scope": "read_user_info"}},
            {"kind": "field-removed", "values": {"field": "Round.stakeThreshold"}},
            {"kind": "too-large", "values": {"bytes": 10_000}},
            {"kind": "zero-amounts"},
            {"kind": "negative-payouts"},
        ),
    ),
)  # fmt: skip
SCENARIOS: Mapping[str, tuple[Act, ...]] = {"bad-week": BAD_WEEK}


class Stage:
    """Plays the acts of a scenario in the rounds of a running tournament.

    A clock that stands still is moved from window to window; one that moves is followed.

    Args:
        controls: The tournament.
        patience: Seconds of wall time for a round on a clock that stands still.
        play: Plays the open round in this many seconds at the most; called again while a model is
            not on time. Does nothing when the platform runs by itself.
        say: Called with a line about each round.
    """

    def __init__(
        self,
        controls: Controls,
        patience: float,
        play: Callable[[float], None] = lambda seconds: None,
        say: Callable[[str], None] = lambda text: None,
    ) -> None:
        self._controls = controls
        self._patience = patience
        self._play = play
        self._say = say
        self._owner = f"{_OWNER}{os.getpid()}"

    def perform(self, acts: tuple[Act, ...]) -> list[Outcome]:
        """Play all acts and return the outcome of each.

        Raises:
            Refused: There are faults of others, or the tournament does not answer.
        """
        self._refuse_faults_of_others()
        try:
            played = [self._perform(act) for act in acts]
        finally:
            self._remove_faults()
        state = self._controls.state()
        return [_outcome(act, round_number, state, struck) for act, round_number, struck in played]

    def _refuse_faults_of_others(self) -> None:
        """Remove the faults of a scenario that was killed, and refuse all others."""
        for fault in self._controls.faults():
            if not _is_left_over(fault["owner"]):
                raise Refused(
                    f"there are faults already, as {fault['kind']}; remove them: "
                    "numebot practice fault clear"
                )
            self._controls.remove_faults(fault["id"])

    def _own_faults(self) -> list[dict[str, Any]]:
        return [fault for fault in self._controls.faults() if fault["owner"] == self._owner]

    def _remove_faults(self) -> None:
        for fault in self._own_faults():
            self._controls.remove_faults(fault["id"])

    def _perform(self, act: Act) -> tuple[Act, int, Counter[str]]:
        self._to_the_next_opening()
        for fault in act.faults:
            self._controls.add_fault(**fault, owner=self._owner)
        round_number = int(self._controls.state()["newest_round"])
        self._say(f"round {round_number}: {act.title}")
        self._play_until_the_close(round_number)
        struck: Counter[str] = Counter()
        for fault in self._own_faults():
            struck[fault["kind"]] += int(fault["struck"])
        self._remove_faults()
        return act, round_number, struck

    def _to_the_next_opening(self) -> None:
        state = self._controls.state()
        if not state["clock"]["real"]:
            self._controls.advance("next-open")
            return
        while self._controls.state()["newest_round"] == state["newest_round"]:
            time.sleep(_LOOK_SECONDS)

    def _play_until_the_close(self, round_number: int) -> None:
        started = complete = time.monotonic()
        while True:
            state, now = self._controls.state(), time.monotonic()
            left = started + self._patience - now
            if state["clock"]["real"]:  # the window itself is the patience
                left = self._patience
                if state["open_round"] != round_number:
                    return
            elif left < 0 or (
                now > complete + _QUIET_SECONDS and _is_complete(state, round_number)
            ):
                break
            if not _is_complete(state, round_number):
                self._play(left)
                complete = time.monotonic()
            time.sleep(_LOOK_SECONDS)
        if self._controls.state()["open_round"] == round_number:
            self._controls.advance("next-close")


def _is_left_over(owner: str) -> bool:
    """Return whether a fault was added by a scenario whose process is gone."""
    return owner.startswith(_OWNER) and not psutil.pid_exists(int(owner.removeprefix(_OWNER)))


def _is_complete(state: Mapping[str, Any], round_number: int) -> bool:
    entered = {
        submission["model"]
        for submission in state["submissions"]
        if submission["round"] == round_number and submission["status"] == "on-time"
    }
    return entered == {model["name"] for model in state["models"]}


def _outcome(
    act: Act, round_number: int, state: Mapping[str, Any], struck: Counter[str]
) -> Outcome:
    names = [model["name"] for model in state["models"]]
    submissions = [s for s in state["submissions"] if s["round"] == round_number]
    counted = {s["model"]: s for s in submissions if s["status"] in ("on-time", "late", "queued")}
    opened = next(r["open_time"] for r in state["rounds"] if r["number"] == round_number)
    return Outcome(
        act=act,
        round=round_number,
        statuses={name: counted[name]["status"] if name in counted else "missed" for name in names},
        attempts=Counter(s["model"] for s in submissions if s["kind"] != "carried"),
        seconds={
            name: (_instant(s["inserted_at"]) - _instant(opened)) / timedelta(seconds=1)
            for name, s in counted.items()
        },
        struck=struck,
    )


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text)
