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

from numebot_dagster.practice.faults.checks import check, values_of
from numebot_dagster.practice.faults.kinds import KINDS, Value
from numebot_dagster.practice.rules.clock import Clock, Refused
from numebot_dagster.practice.rules.deadlines import Deadlines
from numebot_dagster.practice.rules.state import State

_TABLE = """
CREATE TABLE IF NOT EXISTS faults (
    id INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, place TEXT NOT NULL, times INTEGER,
    probability REAL NOT NULL, seed INTEGER NOT NULL, until TEXT, vals TEXT NOT NULL,
    owner TEXT NOT NULL, added_at REAL NOT NULL, seen INTEGER NOT NULL DEFAULT 0,
    struck INTEGER NOT NULL DEFAULT 0)
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
        owner: Who added it and will remove it, as a scenario; empty for a person.
        id: Its number in the book.
        added_at: When it was added, in seconds of wall time.
        seen: How many requests it was meant for so far.
        struck: How often it struck; see `Kind.by_change`.
    """

    kind: str
    where: str
    times: int | None
    probability: float
    seed: int
    until: datetime | None
    values: Mapping[str, Value]
    owner: str = ""
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
        only = KINDS[self.kind].only
        return any(
            endpoint.startswith(only) and fnmatchcase(endpoint, self.where)
            for endpoint in endpoints
        )

    def draws(self, number: int | None = None) -> bool:
        """Returns whether it strikes the next request it is for, or the one of that number."""
        drawn = self.seen if number is None else number
        return random.Random(f"{self.seed}/{drawn}").random() < self.probability  # noqa: S311

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

    def __init__(self, state: State, clock: Clock, deadlines: Deadlines) -> None:
        self._state = state
        self._clock = clock
        self._deadlines = deadlines
        with state.transaction() as db:
            db.execute(_TABLE)
        self._faults = {one.id: one for one in self._read()}

    def add(self, asked: Mapping[str, Any]) -> Fault:
        """Adds a fault.

        Args:
            asked: ``kind``, and optionally ``where``, ``times``, ``probability``, ``seed``,
                ``minutes`` (of practice time until it ends), ``values`` and ``owner``.

        Raises:
            Refused: There is no such kind, or what is asked of it cannot be.
        """
        fault = _fault(asked, self._clock.now())
        with self._state.transaction() as db:
            if fault.kind == "deadline-moved":
                fault = self._moved(fault)
            cursor = db.execute(
                "INSERT INTO faults (kind, place, times, probability, seed, until, vals, owner, "
                "added_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (fault.kind, fault.where, fault.times, fault.probability, fault.seed,
                 fault.until and fault.until.isoformat(), json.dumps(dict(fault.values)),
                 fault.owner, time.time()),
            )  # fmt: skip
            added = self._read(cursor.lastrowid)[0]
            self._faults[added.id] = added
        return added

    def remove(self, identifier: int | None = None) -> int:
        """Removes one fault or all, and returns how many that were.

        A deadline moves back as long as both the old and the new one lie ahead.

        Raises:
            Refused: There is no such fault.
        """
        if identifier is not None and identifier not in self._faults:
            raise Refused(f"there is no fault {identifier}; see `numebot practice fault list`")
        with self._state.transaction() as db:
            for one in self.all():
                if one.kind == "deadline-moved" and identifier in (None, one.id):
                    self._deadlines.move_back(int(one.number("round")), one.number("minutes"))
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

    def strike(self, endpoints: Iterable[str]) -> list[Fault]:
        """Counts a request to these endpoints, and returns the faults that strike it.

        Those that count by change are still to be claimed when they change something.
        """
        wanted = tuple(endpoints)
        with self._state.transaction():
            now = self._clock.now()
            meant = [
                one for one in self.all()
                if one.is_meant_for(wanted) and not KINDS[one.kind].standing
                and not one.is_over(now)
            ]  # fmt: skip
            drawn = [one for one in meant if one.draws()]
            for one in meant:
                self._count(one, struck=one in drawn and not KINDS[one.kind].by_change)
            return drawn

    def claim(self, fault: Fault) -> bool:
        """Counts that a fault changed something now; False when it has been used up or removed."""
        with self._state.transaction():
            held = self._faults.get(fault.id)
            if held is None or held.is_over(self._clock.now()):
                return False
            self._count(held, seen=KINDS[held.kind].standing, struck=True)
            return True

    def is_trigger_doubled(self, model: str) -> bool:
        """Counts a call to a model's webhook, and returns whether it is to be made twice."""
        return any(one.kind == "duplicate-trigger" for one in self.strike([f"webhook:{model}"]))

    def _count(self, fault: Fault, *, struck: bool, seen: bool = True) -> None:
        with self._state.transaction() as db:
            counted = replace(fault, seen=fault.seen + seen, struck=fault.struck + struck)
            db.execute(
                "UPDATE faults SET seen = ?, struck = ? WHERE id = ?",
                (counted.seen, counted.struck, fault.id),
            )
            self._faults[fault.id] = counted

    def _moved(self, fault: Fault) -> Fault:
        """Moves the deadline of the round that a fault names, 0 for the next to close."""
        number = int(fault.number("round")) or self._deadlines.next_to_close().number
        self._deadlines.move(number, fault.number("minutes"))
        return replace(fault, values={**fault.values, "round": number})

    def _read(self, identifier: int | None = None) -> list[Fault]:
        rows = self._state.rows("SELECT * FROM faults WHERE ? IN (id, 0)", identifier or 0)
        return [
            Fault(
                row["kind"], row["place"], row["times"], row["probability"], row["seed"],
                row["until"] and datetime.fromisoformat(row["until"]), json.loads(row["vals"]),
                row["owner"], row["id"], row["added_at"], row["seen"], row["struck"],
            )
            for row in rows
        ]  # fmt: skip


def _fault(asked: Mapping[str, Any], now: datetime) -> Fault:
    kind = KINDS.get(str(asked.get("kind")))
    if kind is None:
        raise Refused(f"there is no fault {asked.get('kind')!r}; choose one of {', '.join(KINDS)}")
    check(kind, asked)
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
            values=values_of(kind, asked.get("values") or {}),
            owner=str(asked.get("owner") or ""),
        )
    except (TypeError, ValueError, OverflowError) as error:
        raise Refused(f"the fault {kind.name}: {error}") from error
    if not 0.0 <= fault.probability <= 1.0 or (fault.times is not None and fault.times < 1):
        raise Refused("a fault strikes once at least, with a probability from 0 to 1")
    return fault
