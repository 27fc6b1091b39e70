"""Keep the faults of a tournament: which there are, which strike a request, how often they did.

A fault is a fact of the tournament's state like any other, so that it survives a restart; whether
it strikes the n-th request that it is meant for depends on its seed and n alone.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from numebot_dagster.practice.faults.fault import Fault, PlacedFault
from numebot_dagster.practice.faults.kinds import KINDS
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
_PARTS = ("kind", "where", "times", "probability", "seed", "minutes", "values", "owner")


class FaultBook:
    """The faults of one tournament; safe for several threads."""

    def __init__(self, state: State, clock: Clock, deadlines: Deadlines) -> None:
        self._state = state
        self._clock = clock
        self._deadlines = deadlines
        with state.transaction() as db:
            db.execute(_TABLE)
        self._faults = {placed.id: placed for placed in self._read()}

    def add(self, request: Mapping[str, Any]) -> PlacedFault:
        """Add a fault.

        Args:
            request: `kind`, and optionally `where`, `times`, `probability`, `seed`, `minutes` (of
                practice time until it ends), `values` and `owner`.

        Raises:
            Refused: There is no such kind, or what is requested of it cannot be.
        """
        placed = place_fault(request, self._clock.now())
        with self._state.transaction() as db:
            fault = placed.fault.begin(self._deadlines)
            cursor = db.execute(
                "INSERT INTO faults (kind, place, times, probability, seed, until, vals, owner, "
                "added_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (placed.kind, placed.where, placed.times, placed.probability, placed.seed,
                 placed.until and placed.until.isoformat(), json.dumps(fault.values),
                 placed.owner, time.time()),
            )  # fmt: skip
            added = self._read(cursor.lastrowid)[0]
            self._faults[added.id] = added
        return added

    def remove(self, identifier: int | None = None) -> int:
        """Remove one fault or all, and return how many that were."""
        if identifier is not None and identifier not in self._faults:
            raise Refused(f"there is no fault {identifier}; see `numebot practice fault list`")
        with self._state.transaction() as db:
            for placed in self.all():
                if identifier in (None, placed.id):
                    placed.fault.end(self._deadlines)
            cursor = db.execute("DELETE FROM faults WHERE ? IN (id, 0)", (identifier or 0,))
            self._faults = {placed.id: placed for placed in self._read()}
        return cursor.rowcount

    def all(self) -> list[PlacedFault]:
        """Return all faults, also those that are over, oldest first."""
        return list(self._faults.values())

    def active(self, kind: type[Fault] = Fault) -> list[PlacedFault]:
        """Return the faults of a kind that are not over."""
        faults = [placed for placed in self.all() if isinstance(placed.fault, kind)]
        now = self._clock.now() if faults else None
        return [placed for placed in faults if now is not None and not placed.is_over(now)]

    def strike(self, endpoints: Iterable[str]) -> list[PlacedFault]:
        """Count a request to these endpoints, and return the faults that strike it.

        Those that count by change are still to be claimed when they change something.
        """
        requested = tuple(endpoints)
        with self._state.transaction():
            meant = [
                placed
                for placed in self.active()
                if not placed.fault.standing and placed.is_meant_for(requested)
            ]
            drawn = [placed for placed in meant if placed.draws()]
            for placed in meant:
                self._count(placed, struck=placed in drawn and not placed.fault.by_change)
            return drawn

    def strikes(self, kind: type[Fault], endpoint: str) -> bool:
        """Count what happens at an endpoint, and return whether a fault of a kind strikes it."""
        return any(isinstance(placed.fault, kind) for placed in self.strike([endpoint]))

    def claim(self, fault: PlacedFault) -> bool:
        """Count that a fault changed something now; False when it has been used up or removed."""
        with self._state.transaction():
            placed = self._faults.get(fault.id)
            if placed is None or placed.is_over(self._clock.now()):
                return False
            self._count(placed, seen=placed.fault.standing, struck=True)
            return True

    def _count(self, placed: PlacedFault, *, struck: bool, seen: bool = True) -> None:
        with self._state.transaction() as db:
            counted = replace(placed, seen=placed.seen + seen, struck=placed.struck + struck)
            db.execute(
                "UPDATE faults SET seen = ?, struck = ? WHERE id = ?",
                (counted.seen, counted.struck, placed.id),
            )
            self._faults[placed.id] = counted

    def _read(self, identifier: int | None = None) -> list[PlacedFault]:
        return [
            PlacedFault(
                fault=KINDS[row["kind"]](**json.loads(row["vals"])),
                where=row["place"],
                until=row["until"] and datetime.fromisoformat(row["until"]),
                **{
                    name: row[name]
                    for name in ("times", "probability", "seed", "owner", "id", "added_at", "seen",
                                 "struck")
                },
            )
            for row in self._state.rows("SELECT * FROM faults WHERE ? IN (id, 0)", identifier or 0)
        ]  # fmt: skip


def place_fault(request: Mapping[str, Any], now: datetime) -> PlacedFault:
    """Return the fault that a request describes, not yet in any book; see `FaultBook.add`.

    Raises:
        Refused: There is no such kind, or what is requested of it cannot be.
    """
    name = request.get("kind")
    kind = KINDS.get(str(name))
    if kind is None:
        raise Refused(f"there is no fault {name!r}; choose one of {', '.join(KINDS)}")
    unknown = set(request) - set(_PARTS)
    if unknown:
        raise Refused(f"a fault has no {', '.join(sorted(unknown))}")
    kind.check_place(request)
    try:
        minutes, times = request.get("minutes"), request.get("times", kind.times)
        placed = PlacedFault(
            fault=kind.of(request.get("values") or {}),
            where=str(request.get("where") or kind.where),
            times=None if times is None else int(times),
            probability=float(request.get("probability", 1.0)),
            seed=int(request.get("seed", 0)),
            until=None if minutes is None else now + timedelta(minutes=float(minutes)),
            owner=str(request.get("owner") or ""),
        )
    except (TypeError, ValueError, OverflowError) as error:
        raise Refused(f"the fault {kind.kind}: {error}") from error
    if not 0.0 <= placed.probability <= 1.0 or (placed.times is not None and placed.times < 1):
        raise Refused("a fault strikes once at least, with a probability from 0 to 1")
    return placed
