"""Faults on demand: which there are, which strike a request, and how often they did.

A fault is a fact of the tournament's state like any other, so that it survives a restart; whether
it strikes the n-th request that it is meant for depends on its seed and n alone.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from typing import Any

from numebot_dagster.practice.clock import Clock, Refused, newest_opened
from numebot_dagster.practice.fault_kinds import KINDS, Kind, Value
from numebot_dagster.practice.state import State

_TABLE = """
CREATE TABLE IF NOT EXISTS faults (
    id INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, place TEXT NOT NULL, times INTEGER,
    probability REAL NOT NULL, seed INTEGER NOT NULL, until TEXT, vals TEXT NOT NULL,
    added_at REAL NOT NULL, seen INTEGER NOT NULL DEFAULT 0, struck INTEGER NOT NULL DEFAULT 0)
"""


@dataclass(frozen=True)
class Fault:
    """Something that goes wrong on purpose.

    Attributes:
        kind: A name in `KINDS`.
        where: A pattern of endpoints, as ``graphql:account``, ``download:*live*``, ``upload:*``.
        times: How often it strikes before it is used up; None means without end.
        probability: With which it strikes a request that it is meant for.
        seed: Decides which requests those are.
        until: The practice instant at which it ends, None for never.
        values: What its kind lets be set.
        id: Its number in the book.
        added_at: When it was added, in seconds of wall time.
        seen: How many requests it was meant for so far.
        struck: How many of those it struck.
    """

    kind: str
    where: str
    times: int | None
    probability: float
    seed: int
    until: datetime | None
    values: Mapping[str, Value]
    id: int = 0
    added_at: float = 0.0
    seen: int = 0
    struck: int = 0

    def is_over(self, now: datetime) -> bool:
        """Returns whether it can strike no more."""
        used_up = self.times is not None and self.struck >= self.times
        return used_up or (self.until is not None and now >= self.until)

    def is_meant_for(self, endpoints: Iterable[str]) -> bool:
        """Returns whether a request to these endpoints is one that it may strike."""
        return any(fnmatchcase(endpoint, self.where) for endpoint in endpoints)

    def draws(self) -> bool:
        """Returns whether it strikes the next request that it is meant for."""
        return random.Random(f"{self.seed}/{self.seen}").random() < self.probability  # noqa: S311

    def number(self, name: str) -> float:
        """Returns a value that is a number."""
        return float(self.values[name])

    def text(self, name: str) -> str:
        """Returns a value that is a text."""
        return str(self.values[name])

    def as_json(self, now: datetime) -> dict[str, Any]:
        """Returns it as the control API shows it."""
        return {
            **vars(self),
            "until": self.until and self.until.isoformat(),
            "over": self.is_over(now),
        }


class FaultBook:
    """The faults of one tournament; safe for several threads."""

    def __init__(self, state: State, clock: Clock) -> None:
        self._state = state
        self._clock = clock
        with state.transaction() as db:
            db.execute(_TABLE)
        self._faults = {one.id: one for one in self._read()}

    def add(self, asked: Mapping[str, Any]) -> Fault:
        """Adds a fault.

        Args:
            asked: ``kind``, and optionally ``where``, ``times``, ``probability``, ``seed``,
                ``minutes`` (of practice time until it ends) and ``values``.

        Raises:
            Refused: There is no such kind, or a value is not one that it knows.
        """
        fault = _fault(asked, self._clock.now())
        if fault.kind == "deadline-moved":
            fault = self._of_round(fault)
        with self._state.transaction() as db:
            cursor = db.execute(
                "INSERT INTO faults (kind, place, times, probability, seed, until, vals, added_at) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (fault.kind, fault.where, fault.times, fault.probability, fault.seed,
                 fault.until and fault.until.isoformat(), json.dumps(dict(fault.values)),
                 time.time()),
            )  # fmt: skip
            added = self._read(cursor.lastrowid)[0]
            self._faults[added.id] = added
        return added

    def remove(self, identifier: int | None = None) -> int:
        """Removes one fault or all, and returns how many that were.

        Raises:
            Refused: There is no such fault.
        """
        if identifier is not None and identifier not in self._faults:
            raise Refused(f"there is no fault {identifier}; see `numebot practice fault list`")
        with self._state.transaction() as db:
            cursor = db.execute("DELETE FROM faults WHERE ? IN (id, 0)", (identifier or 0,))
            self._faults = {one.id: one for one in self._read()}
        return cursor.rowcount

    def all(self) -> list[Fault]:
        """Returns all faults, also those that are over, oldest first."""
        return list(self._faults.values())

    def standing(self, kind: str) -> list[Fault]:
        """Returns the faults of a kind that are not over."""
        held = [one for one in self.all() if one.kind == kind]
        now = self._clock.now() if held else None
        return [one for one in held if now is not None and not one.is_over(now)]

    def deadlines(self, number: int) -> timedelta:
        """Returns by how much the on-time deadline of a round is moved."""
        moved = [one for one in self.standing("deadline-moved") if one.number("round") == number]
        return timedelta(minutes=sum(one.number("minutes") for one in moved))

    def strike(self, endpoints: Iterable[str]) -> list[Fault]:
        """Counts a request to these endpoints, and returns the faults that strike it."""
        wanted = tuple(endpoints)
        with self._state.transaction():
            now = self._clock.now()
            meant = [
                one for one in self.all()
                if one.is_meant_for(wanted) and not KINDS[one.kind].standing
                and not one.is_over(now)
            ]  # fmt: skip
            return [one for one in meant if self._count(one, struck=one.draws())]

    def is_trigger_doubled(self, model: str) -> bool:
        """Counts a call to a model's webhook, and returns whether it is to be made twice."""
        return bool(self.strike([f"webhook:{model}"]))

    def spend(self, fault: Fault) -> None:
        """Counts that a standing fault did what it does."""
        self._count(self._faults[fault.id], struck=True)

    def _count(self, fault: Fault, *, struck: bool) -> bool:
        with self._state.transaction() as db:
            counted = replace(fault, seen=fault.seen + 1, struck=fault.struck + struck)
            db.execute(
                "UPDATE faults SET seen = ?, struck = ? WHERE id = ?",
                (counted.seen, counted.struck, fault.id),
            )
            self._faults[fault.id] = counted
        return struck

    def _of_round(self, fault: Fault) -> Fault:
        """Fixes the round of a moved deadline: the present or the next one."""
        now = self._clock.now()
        newest = newest_opened(now)
        following = newest.number + (now >= newest.close_staking_time)
        number = fault.number("round") or following
        return replace(fault, values={**fault.values, "round": number})

    def _read(self, identifier: int | None = None) -> list[Fault]:
        rows = self._state.rows("SELECT * FROM faults WHERE ? IN (id, 0)", identifier or 0)
        return [
            Fault(
                row["kind"], row["place"], row["times"], row["probability"], row["seed"],
                row["until"] and datetime.fromisoformat(row["until"]), json.loads(row["vals"]),
                row["id"], row["added_at"], row["seen"], row["struck"],
            )
            for row in rows
        ]  # fmt: skip


def _fault(asked: Mapping[str, Any], now: datetime) -> Fault:
    unknown = set(asked) - {"kind", "where", "times", "probability", "seed", "minutes", "values"}
    if unknown:
        raise Refused(f"a fault has no {', '.join(sorted(unknown))}")
    kind = KINDS.get(str(asked.get("kind")))
    if kind is None:
        raise Refused(f"there is no fault {asked.get('kind')!r}; choose one of {', '.join(KINDS)}")
    try:
        minutes = asked.get("minutes")
        times = asked.get("times", kind.times)
        fault = Fault(
            kind=kind.name,
            where=str(asked.get("where") or kind.where),
            times=None if times is None else int(times),
            probability=float(asked.get("probability", 1.0)),
            seed=int(asked.get("seed", 0)),
            until=None if minutes is None else now + timedelta(minutes=float(minutes)),
            values=_values(kind, asked.get("values") or {}),
        )
    except (TypeError, ValueError) as error:
        raise Refused(f"the fault {kind.name}: {error}") from error
    if not 0.0 <= fault.probability <= 1.0 or (fault.times is not None and fault.times < 1):
        raise Refused("a fault strikes once at least, with a probability from 0 to 1")
    return fault


def _values(kind: Kind, asked: Mapping[str, Any]) -> dict[str, Value]:
    unknown = set(asked) - set(kind.values)
    if unknown:
        known = ", ".join(kind.values) or "nothing"
        raise Refused(
            f"{', '.join(sorted(unknown))} cannot be set for {kind.name}; what can is {known}"
        )
    return {name: type(default)(asked.get(name, default)) for name, default in kind.values.items()}
