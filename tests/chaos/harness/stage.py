"""Play the rounds of the chaos run as they were planned, and note what was done and seen."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import psutil

from numebot_dagster.practice.rules.clock import Round
from tests.chaos.harness.by_hand import Rival
from tests.chaos.harness.daemon import Daemon
from tests.chaos.harness.processes import is_running, workers_of
from tests.chaos.harness.tournament_client import LiveRound
from tests.chaos.harness.world import ChaosWorld
from tests.chaos.plan import ATTEMPT_MINUTES, PIECES, Attempt, Kill, RoundPlan
from tests.support.kill_points import HOLDS, KillPoint

# Runs that nothing disturbs any more, for models that their moods keep from their own predictions.
CALM_ATTEMPTS = 2
LONGEST_ATTEMPT = 60.0  # seconds; no fault keeps a run for so long
LONGEST_BY_DAEMON = 300.0
LOOK_SECONDS = 0.01
BEFORE_A_JUMP = 0.2
A_PAUSE = timedelta(seconds=61)
WATCH_MINUTES = (29, 14, 4)  # before the close
AFTER_THE_CLOSE = timedelta(minutes=6)


@dataclass(frozen=True)
class Look:
    """A moment at which the participant looked at the round and could say what it calls for.

    Attributes:
        left: until the round closed; below zero afterwards.
        without: the models of which the tournament counted nothing then.
        is_watchdog: whether it was the watchdog, and not the end of a run.
    """

    left: timedelta
    without: frozenset[str]
    is_watchdog: bool


@dataclass(frozen=True)
class Exit:
    """How a run ended that was not killed, and of which models the tournament counted nothing."""

    status: int
    without: frozenset[str]


@dataclass
class Played:
    """What was done to one round.

    Attributes:
        live: the round's live data, as the tournament serves them.
        struck: how often each kind of fault struck.
        kills: what was killed, and where.
        hung: runs that were still there after `LONGEST_ATTEMPT`.
        finished: whether every model was submitted as it should be before the close.
        seconds: of wall time.
    """

    plan: RoundPlan
    live: LiveRound
    number: int = 0
    struck: Counter[str] = field(default_factory=Counter)
    kills: list[str] = field(default_factory=list)
    looks: list[Look] = field(default_factory=list)
    exits: list[Exit] = field(default_factory=list)
    hung: int = 0
    attempts: int = 0
    finished: bool = False
    seconds: float = 0.0


class Stage:
    """Plays rounds in a world.

    Args:
        world: Whose participant plays.
        calm_attempts: Runs after the troubled ones of a plan, for what these left undone.
    """

    def __init__(self, world: ChaosWorld, calm_attempts: int = CALM_ATTEMPTS) -> None:
        self._world = world
        self._calm_attempts = calm_attempts
        self._practice = world.practice
        self._rival = Rival(world)
        self._quiet_at = 0.0

    def play(self, plan: RoundPlan) -> Played:
        """Play one round from its opening to some minutes after its close."""
        began = time.monotonic()
        self._world.set_moods(plan.moods)
        self._rival.carry_over(self._own(plan.carried))
        self._practice.advance("next-open")
        number = self._world.newest_round()
        played = Played(plan, self._world.client.live_round(), number)
        self._rival.upload(self._own(plan.by_hand))
        opened = self._world.now()
        lasting = [self._practice.add_fault(**fault) for fault in plan.lasting]
        if plan.by_daemon:
            self._by_daemon(played)
        elif not plan.asleep:
            self._by_hand(played, opened)
        self._close(played)
        self._forget(played, lasting)
        played.seconds = time.monotonic() - began
        return played

    def _own(self, models: Sequence[str]) -> list[str]:
        """Return those that the participant of this world has."""
        return [model for model in models if model in self._world.models]

    # --- the player that is started again and again

    def _by_hand(self, played: Played, opened: datetime) -> None:
        """Run as the sensor asks for them: again after a pause, until nothing is left to do."""
        attempts = [*played.plan.attempts, *[Attempt()] * self._calm_attempts]
        for minute, attempt in zip(ATTEMPT_MINUTES, attempts, strict=False):
            due = opened + timedelta(minutes=minute)
            # Limits on calls end after a minute, even when a jump has passed the time of the run.
            self._advance_to(max(due, self._world.now() + A_PAUSE) if minute else due)
            kills = len(played.kills)
            self._attempt(played, attempt)
            # After a kill the next run finds out what is left.
            if len(played.kills) == kills and self._watch(played):
                return

    def _attempt(self, played: Played, attempt: Attempt) -> None:
        played.attempts += 1
        self._world.set_moods({**played.plan.moods, **attempt.moods})
        faults = [self._practice.add_fault(**fault) for fault in attempt.faults]
        if attempt.kill is not None and attempt.kill.step is not None:
            faults.append(self._hold(attempt.kill, HOLDS[attempt.kill.step][0]))
        arguments = ("run", "--round", str(played.number))
        runs = [self._world.player.start(*arguments) for _ in range(1 + attempt.twin)]
        if attempt.jump:
            time.sleep(BEFORE_A_JUMP)
            self._practice.advance(hours=attempt.jump / 60)
        if attempt.kill is not None:
            self._kill(played, attempt.kill, runs[0], faults)
        for pid in runs:
            self._wait(played, pid)
        self._forget(played, faults)
        self._world.set_moods(played.plan.moods)

    def _wait(self, played: Played, pid: int) -> None:
        def give_up() -> None:
            played.hung += 1
            os.kill(pid, signal.SIGKILL)

        timer = threading.Timer(LONGEST_ATTEMPT, give_up)
        timer.start()
        status = self._world.player.wait(pid)
        timer.cancel()
        if status >= 0:
            without = self._world.without_submission(played.number)
            played.exits.append(Exit(status, without))
            played.looks.append(Look(self._left(played), without, is_watchdog=False))

    def _hold(self, kill: Kill, hold: tuple[str, str]) -> int:
        """Add a fault that holds the run at a step."""
        kind, where = hold
        seconds = kill.pause if kind == "latency" else kill.pause / PIECES
        return self._practice.add_fault(kind, where=where, times=1, values={"seconds": seconds})

    def _wait_for_step(self, kill: Kill, step: KillPoint, pid: int, faults: list[int]) -> None:
        """Wait until the run is held in the step; the last of the faults holds it first."""

        def has_come() -> bool:
            rows = self._world.rows("SELECT struck FROM faults WHERE id = ?", faults[-1])
            return bool(rows and rows[0]["struck"])

        first, *more = HOLDS[step]
        until(has_come, LONGEST_ATTEMPT, lambda: is_running(pid))
        for hold in more:
            faults.append(self._hold(kill, hold))
            until(has_come, LONGEST_ATTEMPT, lambda: is_running(pid))
        if first[0] == "latency":
            self._quiet_at = time.monotonic() + kill.pause + 0.2

    def _kill(self, played: Played, kill: Kill, pid: int, faults: list[int]) -> None:
        """Wait for the moment and kill; nothing is killed when the run is over before it."""
        if kill.step is not None:
            self._wait_for_step(kill, kill.step, pid, faults)
        time.sleep(kill.seconds)
        if not is_running(pid):
            return
        where = kill.step or "at a random moment"
        if kill.victim == "server":
            self._practice.restart()
        elif kill.victim == "worker":
            if not until(lambda: workers_of(pid), LONGEST_ATTEMPT, lambda: is_running(pid)):
                return
            for worker in workers_of(pid):
                with suppress(psutil.NoSuchProcess):
                    worker.kill()
        else:
            # What the tournament was asked for before the kill it still does, beside the next run.
            os.kill(pid, signal.SIGKILL)
        played.kills.append(f"{kill.victim} {where}")

    # --- the daemon

    def _by_daemon(self, played: Played) -> None:
        """Leave the round to `numebot up`, which is started again when it ends, as by systemd."""
        [attempt, *_] = [*played.plan.attempts, Attempt()]
        faults = [self._practice.add_fault(**fault) for fault in attempt.faults]
        self._world.set_moods({**played.plan.moods, **attempt.moods})
        dice = random.Random(played.number)
        with Daemon(self._world) as daemon:
            if attempt.kill is not None:
                self._kill_of_daemon(played, attempt.kill, daemon, dice)
            self._forget(played, faults)
            self._world.set_moods(played.plan.moods)
            deadline = time.monotonic() + LONGEST_BY_DAEMON
            while not self._watch(played) and time.monotonic() < deadline:
                daemon.keep_up()
                time.sleep(2.0)
        played.attempts += 1

    def _kill_of_daemon(
        self, played: Played, kill: Kill, daemon: Daemon, dice: random.Random
    ) -> None:
        if not until(daemon.runs, 90.0, daemon.is_up):
            return
        time.sleep(dice.uniform(0.5, 5.0))
        if kill.victim == "server":
            self._practice.restart()
        elif not daemon.kill(kill.victim):
            return
        played.kills.append(f"{kill.victim} under a daemon")

    # --- the clock

    def _close(self, played: Played) -> None:
        """Let the deadline of what is left undone come near, close the round, record its end."""
        # What a killed run asked for, the tournament does before its clock goes on.
        time.sleep(max(self._quiet_at - time.monotonic(), 0.0))
        if not played.finished:
            for minute in WATCH_MINUTES:
                left = self._left(played)
                if left > timedelta():
                    self._advance_to(self._world.now() + left - timedelta(minutes=minute))
                    self._watch(played)
        if self._left(played) > timedelta():
            self._practice.advance("next-close")
        self._practice.advance(hours=AFTER_THE_CLOSE / timedelta(hours=1))
        if not played.finished:
            self._wait(played, self._world.player.start("run", "--round", str(played.number)))
        self._watch(played)

    def _watch(self, played: Played) -> bool:
        """Let the watchdog look; return whether nothing is left to do."""
        left = self._left(played)
        unfinished = self._world.player.watch(played.number)
        played.finished = unfinished == []
        if unfinished is not None:
            without = self._world.without_submission(played.number)
            played.looks.append(Look(left, without, is_watchdog=True))
        return played.finished

    def _left(self, played: Played) -> timedelta:
        """Return the time until the round closes, as the tournament has it."""
        rows = self._world.rows("SELECT closes FROM deadlines WHERE round = ?", played.number)
        closes = Round(played.number).close_staking_time
        if rows:
            closes = datetime.fromisoformat(rows[0]["closes"])
        return closes - self._world.now()

    def _advance_to(self, instant: datetime) -> None:
        if instant > self._world.now():
            self._practice.advance(instant.isoformat())

    def _forget(self, played: Played, faults: list[int]) -> None:
        """Remove faults, and count how often they struck."""
        if not faults:
            return
        for fault in self._practice.faults():
            if fault["id"] in faults:
                played.struck[fault["kind"]] += int(fault["struck"])
                self._practice.remove_faults(fault["id"])


def until(condition: Callable[[], Any], seconds: float, worth_it: Callable[[], bool]) -> bool:
    """Wait for a condition; return False when it takes too long or is not worth it any more."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline or not worth_it():
            return False
        time.sleep(LOOK_SECONDS)
    return True
