"""A scripted week of faults, and how whoever plays against it did by the tournament's own state."""

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
# How long everything must have been on time before a clock that stands still is moved on: what
# turns invalid later is to be noticed.
_QUIET_SECONDS = 10.0
# Who adds a scenario's faults: its process, so that whoever comes after a killed one clears them.
_OWNER = "scenario of process "


@dataclass(frozen=True)
class Act:
    """What goes wrong in one round; ``faults`` are as `FaultBook.add` wants them."""

    title: str
    faults: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True)
class Outcome:
    """What became of one act: model by model, and which faults struck how often."""

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
        patience: Seconds of wall time that a round gets on a clock that stands still.
        play: Plays the open round in so many seconds at the most; called again while a model is
            not on time. Does nothing when the platform runs by itself.
        say: Told what happens.
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
        """Plays all acts and returns what became of each.

        Raises:
            Refused: Somebody else's faults are there, or the tournament does not answer.
        """
        self._refuse_faults_of_others()
        try:
            played = [self._perform(act) for act in acts]
        finally:
            self._remove_faults()
        state = self._controls.state()
        return [_outcome(act, number, state, struck) for act, number, struck in played]

    def _refuse_faults_of_others(self) -> None:
        """Removes what a scenario that was killed has left, and refuses all other faults."""
        for one in self._controls.faults():
            if not _is_left_over(one["owner"]):
                raise Refused(
                    f"there are faults already, as {one['kind']}; remove them: "
                    "numebot practice fault clear"
                )
            self._controls.remove_faults(one["id"])

    def _own_faults(self) -> list[dict[str, Any]]:
        return [one for one in self._controls.faults() if one["owner"] == self._owner]

    def _remove_faults(self) -> None:
        for one in self._own_faults():
            self._controls.remove_faults(one["id"])

    def _perform(self, act: Act) -> tuple[Act, int, Counter[str]]:
        self._to_the_next_opening()
        for fault in act.faults:
            self._controls.add_fault(**fault, owner=self._owner)
        number = int(self._controls.state()["newest_round"])
        self._say(f"round {number}: {act.title}")
        self._play_until_the_close(number)
        struck: Counter[str] = Counter()
        for one in self._own_faults():
            struck[one["kind"]] += int(one["struck"])
        self._remove_faults()
        return act, number, struck

    def _to_the_next_opening(self) -> None:
        state = self._controls.state()
        if not state["clock"]["real"]:
            self._controls.advance("next-open")
            return
        while self._controls.state()["newest_round"] == state["newest_round"]:
            time.sleep(_LOOK_SECONDS)

    def _play_until_the_close(self, number: int) -> None:
        started = complete = time.monotonic()
        while True:
            state, now = self._controls.state(), time.monotonic()
            left = started + self._patience - now
            if state["clock"]["real"]:  # the window itself is the patience
                left = self._patience
                if state["open_round"] != number:
                    return
            elif left < 0 or (now > complete + _QUIET_SECONDS and _is_complete(state, number)):
                break
            if not _is_complete(state, number):
                self._play(left)
                complete = time.monotonic()
            time.sleep(_LOOK_SECONDS)
        if self._controls.state()["open_round"] == number:
            self._controls.advance("next-close")


def _is_left_over(owner: str) -> bool:
    """Returns whether a fault was added by a scenario whose process is gone."""
    return owner.startswith(_OWNER) and not psutil.pid_exists(int(owner.removeprefix(_OWNER)))


def _is_complete(state: Mapping[str, Any], number: int) -> bool:
    entered = {
        one["model"]
        for one in state["submissions"]
        if one["round"] == number and one["status"] == "on-time"
    }
    return entered == {model["name"] for model in state["models"]}


def _outcome(act: Act, number: int, state: Mapping[str, Any], struck: Counter[str]) -> Outcome:
    names = [model["name"] for model in state["models"]]
    own = [one for one in state["submissions"] if one["round"] == number]
    counted = {one["model"]: one for one in own if one["status"] in ("on-time", "late", "queued")}
    [opened] = [one["open_time"] for one in state["rounds"] if one["number"] == number]
    return Outcome(
        act=act,
        round=number,
        statuses={name: counted[name]["status"] if name in counted else "missed" for name in names},
        attempts=Counter(one["model"] for one in own if one["kind"] != "carried"),
        seconds={
            name: (_instant(one["inserted_at"]) - _instant(opened)) / timedelta(seconds=1)
            for name, one in counted.items()
        },
        struck=struck,
    )


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text)
