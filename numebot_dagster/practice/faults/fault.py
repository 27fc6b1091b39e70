"""Define a kind of fault as a class, and a fault of the book as one placed somewhere."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Any, ClassVar, Self

from numebot_dagster.practice.faults.exchange import Exchange
from numebot_dagster.practice.rules.clock import Refused
from numebot_dagster.practice.rules.deadlines import Deadlines
from numebot_dagster.practice.rules.state import Token
from numebot_dagster.practice.rules.tournament import Tournament
from numebot_dagster.practice.schema.endpoints import OPEN_DOMAINS, known_endpoints

Value = float | str
SECONDS = {"seconds": (0.0, math.inf)}  # a time span
STATUS = {"status": (200.0, 599.0)}  # of HTTP


@dataclass(frozen=True)
class AnswerField:
    """A field of a GraphQL answer, named as `Round.closeTime`."""

    name: str
    may_be_null: bool
    tournament: Tournament


@dataclass(frozen=True)
class Fault:
    """Something that goes wrong on purpose; each kind is a subclass, listed in `kinds`.

    The fields of the subclass are what can be set, with their defaults; its docstring says what a
    client sees. A kind overrides `check` and those of the other methods in which it strikes.

    Attributes:
        kind: What it is called.
        where: The endpoints that it strikes by default; see `endpoints`.
        only: What the endpoints begin with that it can strike at all.
        times: How often it strikes by default; None means until it is removed.
        by_change: Whether a strike counts only when it changed something: a request in which there
            is nothing to be changed uses up none of its `times`.
        standing: Whether it is done to the tournament itself, instead of to single requests.
        ranges: The least and the greatest of values that have such.
    """

    kind: ClassVar[str]
    where: ClassVar[str] = "*"
    only: ClassVar[str] = ""
    times: ClassVar[int | None] = None
    by_change: ClassVar[bool] = False
    standing: ClassVar[bool] = False
    ranges: ClassVar[Mapping[str, tuple[float, float]]] = {}

    @classmethod
    def does(cls) -> str:
        """Return what a client sees, as one line."""
        return " ".join((cls.__doc__ or "").split())

    @classmethod
    def defaults(cls) -> dict[str, Any]:
        """Return what can be set, with the defaults."""
        return {field.name: field.default for field in fields(cls)}

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Self:
        """Return a fault with these values, and the defaults for the others.

        Raises:
            Refused: One cannot be set, or would change nothing.
            TypeError, ValueError: One is no number.
        """
        defaults = cls.defaults()
        unknown = set(values) - set(defaults)
        if unknown:
            names = ", ".join(defaults) or "nothing"
            raise Refused(
                f"{', '.join(sorted(unknown))} cannot be set for {cls.kind}; what can is {names}"
            )
        fault = cls(
            **{name: type(value)(values.get(name, value)) for name, value in defaults.items()}
        )
        fault.check()
        return fault

    @classmethod
    def check_place(cls, request: Mapping[str, Any]) -> None:
        """Refuse a request for a fault that could never strike where it is to strike.

        Raises:
            Refused: It is no endpoint, or none of this kind's.
        """
        where = str(request.get("where") or cls.where)
        domain, colon, _ = where.partition(":")
        if cls.only and colon and not fnmatchcase(cls.only, f"{domain}:"):
            raise Refused(f"{cls.kind} strikes {cls.only}… only, and never {where}")
        _check_endpoint(where)

    @property
    def values(self) -> dict[str, Value]:
        """What was set, and the defaults of the rest."""
        return asdict(self)

    def check(self) -> None:
        """Refuse values that would change nothing; subclasses add their own.

        Raises:
            Refused: A value is out of range.
        """
        for name, value in self.values.items():
            low, high = self.ranges.get(name, (-math.inf, math.inf))
            if isinstance(value, float) and not (math.isfinite(value) and low <= value <= high):
                bounded = f"from {low:g} to {high:g}" if math.isfinite(high) else f"{low:g} or more"
                allowed = bounded if math.isfinite(value) else "finite"
                raise Refused(f"{self.kind}: {name} must be {allowed}, not {value:g}")

    def begin(self, deadlines: Deadlines) -> Self:
        """Do what is done when the fault is added, and return it as it is to be stored."""
        return self

    def end(self, deadlines: Deadlines) -> None:
        """Undo what is undone when the fault is removed."""

    def happen(
        self, placed: PlacedFault, tournament: Tournament, claim: Callable[[], bool]
    ) -> None:
        """Do what time has brought about; called before every answer."""

    async def strike(self, exchange: Exchange) -> None:
        """Answer an HTTP request in the application's place, or around it."""
        await exchange.forward()

    def token(self, token: Token) -> Token:
        """Return the API key that a GraphQL request counts as having."""
        return token

    def removed_field(self, request: Any) -> str | None:
        """Return the field that the schema lacks, if a GraphQL request asks for it."""
        return None

    def change(self, field: AnswerField, value: Any) -> Any:
        """Return what a field of a GraphQL answer has in the place of its value."""
        return value

    def is_shown(self, name: str, refusal: str | None) -> bool:
        """Return whether a field, or its refusal, shows what the fault did before the answer."""
        return False

    def announce(self, placed: PlacedFault, field: AnswerField, value: Any) -> Any:
        """Return a field's value while the fault waits for requests of another endpoint."""
        return value


@dataclass(frozen=True)
class PlacedFault:
    """A fault of the book: where it strikes, how often, and how often it did.

    Attributes:
        where: A pattern of endpoints, as `graphql:account`, `download:*live*`, `upload:*`.
        times: How often it strikes before it is used up; None means without end.
        probability: With which it strikes a request that it is meant for.
        seed: Decides which requests those are.
        until: The practice instant at which it ends, None for never.
        owner: Who added it and will remove it, as a scenario; empty for a person.
        added_at: When it was added, in seconds of wall time.
        seen: How many requests it was meant for so far.
        struck: How often it struck; see `Fault.by_change`.
    """

    fault: Fault
    where: str
    times: int | None = None
    probability: float = 1.0
    seed: int = 0
    until: datetime | None = None
    owner: str = ""
    id: int = 0
    added_at: float = 0.0
    seen: int = 0
    struck: int = 0

    @property
    def kind(self) -> str:
        """The name of the kind."""
        return self.fault.kind

    def is_over(self, now: datetime) -> bool:
        """Return whether it can strike no more."""
        used_up = self.times is not None and self.struck >= self.times
        return used_up or (self.until is not None and now >= self.until)

    def is_meant_for(self, endpoints: Iterable[str]) -> bool:
        """Return whether it may strike a request to these endpoints."""
        return any(
            endpoint.startswith(self.fault.only) and fnmatchcase(endpoint, self.where)
            for endpoint in endpoints
        )

    def draws(self, number: int | None = None) -> bool:
        """Return whether it strikes the next request it is for, or the one of that number."""
        drawn = self.seen if number is None else number
        return random.Random(f"{self.seed}/{drawn}").random() < self.probability  # noqa: S311

    def as_json(self, now: datetime) -> dict[str, Any]:
        """Return it as the control API shows it."""
        return {
            **{name: value for name, value in vars(self).items() if name != "fault"},
            "kind": self.kind,
            "until": self.until and self.until.isoformat(),
            "values": self.fault.values,
            "over": self.is_over(now),
        }


def _check_endpoint(where: str) -> None:
    domain, colon, _ = where.partition(":")
    if any(fnmatchcase(endpoint, where) for endpoint in known_endpoints()):
        return
    if colon and any(fnmatchcase(open_domain, domain) for open_domain in OPEN_DOMAINS):
        return
    domains = ", ".join(f"{name}:…" for name in ("graphql", "download", *OPEN_DOMAINS))
    near = [
        endpoint
        for endpoint in known_endpoints()
        if colon and endpoint.startswith(f"{domain}:") and endpoint[-1] != ":"
    ]
    listed = f"; there are {', '.join(near)}" if near else ""
    raise Refused(f"{where} is not an endpoint: those begin with {domains}{listed}")
