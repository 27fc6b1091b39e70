"""Plan what goes wrong in each round of the chaos run, before the round is played.

A round's plan depends on the seed and the round's place alone, so that one round can be repeated.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.support.kill_points import HOLDS, KillPoint

# Whose weights have an earlier vintage to fall back to, and then what the registry names.
MODELS = ("alpha", "beta", "gamma", "delta", "epsilon")
FALLBACKS = {"beta": "alpha", "gamma": "benchmark"}
MOODS = ("raise", "hang", "exit", "nan", "newest")

# The minutes after the opening at which a platform that failed tries again. All lie before the
# earliest close that a moved deadline makes.
ATTEMPT_MINUTES = (0, 1, 3, 5, 8, 12, 17, 22)
EARLY_CLOSE_MINUTES = -30.0
LONGEST_JUMP_MINUTES = 6

GRAPHQL = (
    "graphql:rounds",
    "graphql:account",
    "graphql:dataset",
    "graphql:submissionUploadAuth",
    "graphql:createSubmission",
    "graphql:submissions",
    "graphql:submissionDownloadAuth",
)
FILES = ("download:*live*", "upload:*", "submission:*")

PIECES = 20  # of a dripping answer

Fault = Mapping[str, Any]


@dataclass(frozen=True)
class Kill:
    """One SIGKILL.

    Attributes:
        victim: `run`, `worker`, `server` or, where it plays, `daemon`.
        step: at which point the run is held when it comes; None at a random moment.
        seconds: of wall time after the beginning of the attempt, or of the step.
        pause: for how many seconds of wall time the run is held in the step.
    """

    victim: str
    step: KillPoint | None = None
    seconds: float = 0.0
    pause: float = 0.8


@dataclass(frozen=True)
class Attempt:
    """What goes wrong while a run plays; the faults are gone when it has ended.

    Attributes:
        moods: how models fail that do not behave.
        twin: whether a second run plays at the same time.
        jump: minutes that the clock jumps forward while it plays.
    """

    faults: tuple[Fault, ...] = ()
    kill: Kill | None = None
    moods: Mapping[str, str] = field(default_factory=dict)
    twin: bool = False
    jump: int = 0


@dataclass(frozen=True)
class RoundPlan:
    """One round: who plays it, the troubled attempts, and what is wrong from opening to close.

    Attributes:
        asleep: the platform is down from opening to close.
        by_hand: models whose user uploads a file at the opening, by other means.
        carried: models whose user did so after the close of the round before, so that the file
            fills this round too.
        attempts: the troubled ones; the further ones find only what lasts.
        lasting: faults that nothing removes before the close.
        moods: in which models are from opening to close.
    """

    index: int
    by_daemon: bool = False
    asleep: bool = False
    attempts: tuple[Attempt, ...] = ()
    lasting: tuple[Fault, ...] = ()
    moods: Mapping[str, str] = field(default_factory=dict)
    by_hand: tuple[str, ...] = ()
    carried: tuple[str, ...] = ()

    @property
    def is_outage(self) -> bool:
        """Whether nothing can be submitted at all."""
        return any(fault.get("owner") == OUTAGE for fault in self.lasting)

    def can_be_submitted(self, model: str) -> bool:
        """Return whether the schedule of faults leaves a way to submit this model's predictions."""
        mood = self.moods.get(model)
        if self.is_outage or self.asleep or model in self.by_hand:
            return False
        return mood in (None, "newest") or model in FALLBACKS

    def is_calm(self, model: str) -> bool:
        """Return whether nothing at all happens that could make the model fail once."""
        moods = [self.moods, *(attempt.moods for attempt in self.attempts)]
        quiet = all(
            not (attempt.faults or attempt.kill or attempt.jump) for attempt in self.attempts
        )
        lasts = self.asleep or self.lasting or model in self.by_hand
        return quiet and not lasts and not any(model in names for names in moods)


OUTAGE = "outage"


def plan_round(seed: int, index: int, daemon_every: int) -> RoundPlan:
    """Return the plan of the round at a place, from 0; 0 for `daemon_every` means no daemon."""
    dice = random.Random(f"{seed}/{index}")
    by_daemon = bool(daemon_every) and index % daemon_every == daemon_every - 1
    if dice.random() < 0.05:
        return RoundPlan(index, by_daemon)
    if not by_daemon and dice.random() < 0.02:
        return RoundPlan(index, asleep=True)
    moods = _compatible({name: dice.choice(MOODS) for name in MODELS if dice.random() < 0.03})
    lasting: tuple[Fault, ...] = ()
    if dice.random() < 0.1:
        lasting += ({"kind": "deadline-moved", "values": {"minutes": EARLY_CLOSE_MINUTES}},)
    if dice.random() < 0.02:
        lasting += (_outage(dice),)
    count = dice.choices((1, 2, 3), (5, 3, 1))[0]
    attempts = tuple(_attempt(dice, by_daemon=by_daemon) for _ in range(count))
    # Nobody falls back to the last model, and neither is it in the way of another one.
    foreign = dice.random()
    return RoundPlan(
        index,
        by_daemon=by_daemon,
        attempts=attempts,
        lasting=lasting,
        moods=moods,
        by_hand=(MODELS[-1],) if foreign < 0.03 else (),
        carried=(MODELS[-1],) if 0.03 <= foreign < 0.06 else (),
    )


def every_kill() -> list[RoundPlan]:
    """Return the short form: every victim and every kill point, in as few rounds as hold them."""
    attempts = [Attempt(kill=Kill("run", step, pause=4.0)) for step in HOLDS]
    others = (
        Attempt(kill=Kill("worker")),
        Attempt(kill=Kill("server", KillPoint.REGISTRATION, pause=4.0)),
        Attempt(kill=Kill("run", None, 1.0), twin=True, jump=3),
    )
    # What is registered, if only after the kill, is not registered again in the same round.
    registered = list(HOLDS).index(KillPoint.REGISTRATION) + 1
    return [
        RoundPlan(0, attempts=tuple(attempts[:registered])),
        RoundPlan(1, attempts=(attempts[registered],)),
        RoundPlan(2, attempts=tuple(attempts[registered + 1 :])),
        RoundPlan(3, attempts=others),
        RoundPlan(4, moods={"alpha": "newest", "gamma": "raise", "delta": "exit"}),
        RoundPlan(5, asleep=True),
    ]


def _compatible(moods: Mapping[str, str]) -> dict[str, str]:
    """Drop the moods of models that others fall back to: what these can do would be a guess."""
    sources = {FALLBACKS[name] for name in moods if name in FALLBACKS}
    return {name: mood for name, mood in moods.items() if name not in sources}


def _outage(dice: random.Random) -> Fault:
    where = dice.choice(("upload:*", "graphql:createSubmission", "graphql:account"))
    status = float(dice.choice((500, 502, 503)))
    return {"kind": "status", "where": where, "owner": OUTAGE, "values": {"status": status}}


def _attempt(dice: random.Random, *, by_daemon: bool) -> Attempt:
    faults = [_fault(dice) for _ in range(dice.choices((0, 1, 2, 3), (3, 4, 2, 1))[0])]
    moods = {name: dice.choice(MOODS) for name in MODELS if dice.random() < 0.04}
    return Attempt(
        faults=tuple(faults),
        kill=_kill(dice, by_daemon=by_daemon) if dice.random() < 0.5 else None,
        moods=moods,
        twin=not by_daemon and dice.random() < 0.1,
        jump=dice.randint(1, LONGEST_JUMP_MINUTES) if dice.random() < 0.1 else 0,
    )


def _kill(dice: random.Random, *, by_daemon: bool) -> Kill:
    victims: Sequence[str] = ("run", "run", "run", "worker", "server")
    victim = dice.choice((*victims, "daemon") if by_daemon else victims)
    if victim in ("run", "server") and dice.random() < 0.6:
        return Kill(victim, dice.choice(list(HOLDS)), dice.uniform(0.0, 0.1))
    return Kill(victim, None, dice.uniform(0.0, 12.0 if by_daemon else 1.5))


def _fault(dice: random.Random) -> Fault:
    kind, where, values = dice.choice(_MAKERS)(dice)
    fault: dict[str, Any] = {"kind": kind, "where": where, "seed": dice.randrange(10**6)}
    if values:
        fault["values"] = values
    if dice.random() < 0.5:
        return {**fault, "times": dice.randint(1, 4)}
    return {**fault, "probability": round(dice.uniform(0.1, 0.6), 2)}


Made = tuple[str, str, dict[str, float | str]]


def _plain(kind: str, *places: str) -> Callable[[random.Random], Made]:
    return lambda dice: (kind, dice.choice(places), {})


# What waits at the tournament, waits by wall time, of which a run has little: the participant's own
# pauses only move the clock. Faults of training data, scores and webhooks do not concern the hour.
# Late data do, but make the step wait for half a minute each time: the client's own tests have
# them.
_MAKERS: Sequence[Callable[[random.Random], Made]] = (
    lambda dice: ("latency", dice.choice(GRAPHQL + FILES), {"seconds": dice.uniform(0.01, 0.1)}),
    lambda dice: ("drip", dice.choice(GRAPHQL + FILES), {"seconds": dice.uniform(0.001, 0.005)}),
    _plain("cut", *GRAPHQL, *FILES, "*"),
    lambda dice: (
        "status",
        dice.choice((*GRAPHQL, *FILES, "*")),
        {
            "status": float(dice.choice((401, 403, 404, 408, 429, 500, 502, 503, 504))),
            "retry_after": float(dice.choice((-1, 0, 1))),
            "acted": float(dice.random() < 0.3),
        },
    ),
    _plain("html", *GRAPHQL, "graphql:*"),
    _plain("not-json", *GRAPHQL, "graphql:*"),
    lambda dice: ("clock-skew", "*", {"seconds": float(dice.randint(-300, 300))}),
    _plain("ignore-range", "download:*"),
    _plain("stale-etag", "download:*"),
    _plain("truncated-upload", "upload:*"),
    _plain("error", *GRAPHQL, "graphql:*"),
    _plain("not-open", "graphql:rounds", "graphql:createSubmission"),
    lambda dice: ("null", "graphql:*", {"field": dice.choice(("*", "Round.*", "Round.closeTime"))}),
    lambda dice: ("field-removed", "graphql:*", {"field": "Round.closeTime"}),
    _plain("unknown-status", "graphql:*"),
    _plain("unknown-score", "graphql:*"),
    _plain("two-payouts", "graphql:*"),
    _plain("zero-amounts", "graphql:*"),
    lambda dice: (
        "scope-withdrawn",
        "graphql:*",
        {"scope": dice.choice(("upload_submission", "read_submission_info", "read_user_info"))},
    ),
    lambda dice: ("hidden-submission", "graphql:*", {"seconds": dice.uniform(0.03, 0.3)}),
    lambda dice: ("invalid-later", "submission:*", {"seconds": dice.uniform(0.0, 0.5)}),
)
