"""What can be asked of a fault: one that could never strike is refused when it is added."""

from __future__ import annotations

import math
from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any

from numebot_dagster.practice.faults.kinds import Kind, Value
from numebot_dagster.practice.market.targets import HORIZONS
from numebot_dagster.practice.rules.clock import Refused
from numebot_dagster.practice.schema.endpoints import OPEN_DOMAINS, known_endpoints, schema_fields

_OF_A_FAULT = ("kind", "where", "times", "probability", "seed", "minutes", "values", "owner")
# What is asked of a fault that is done once and for all, when nothing is asked.
_PLAIN: Mapping[str, Any] = {"where": "rounds", "times": None, "probability": 1.0, "seed": 0,
                             "minutes": None}  # fmt: skip


def check(kind: Kind, asked: Mapping[str, Any]) -> None:
    """Checks what is asked of a fault as a whole.

    Raises:
        Refused: A fault has no such part, or this kind has not.
    """
    unknown = set(asked) - set(_OF_A_FAULT)
    if unknown:
        raise Refused(f"a fault has no {', '.join(sorted(unknown))}")
    where = str(asked.get("where") or kind.where)
    domain, colon, _ = where.partition(":")
    if kind.only and colon and not fnmatchcase(kind.only, f"{domain}:"):
        raise Refused(f"{kind.name} strikes {kind.only}… only, and never {where}")
    if kind.name != "deadline-moved":
        _check_where(where)
        return
    more = [
        name for name, plain in _PLAIN.items() if asked.get(name) not in (None, plain)
    ]  # fmt: skip
    if more:
        raise Refused(
            f"a deadline is moved once, for everyone: {kind.name} takes no {', '.join(more)}; "
            "set minutes and round among its values (--set minutes=-30)"
        )


def _check_where(where: str) -> None:
    domain, colon, _ = where.partition(":")
    if any(fnmatchcase(endpoint, where) for endpoint in known_endpoints()):
        return
    if colon and any(fnmatchcase(one, domain) for one in OPEN_DOMAINS):
        return
    domains = ", ".join(f"{one}:…" for one in ("graphql", "download", *OPEN_DOMAINS))
    near = [
        one
        for one in known_endpoints()
        if colon and one.startswith(f"{domain}:") and one[-1] != ":"
    ]
    known = f"; there are {', '.join(near)}" if near else ""
    raise Refused(f"{where} is no endpoint: those begin with {domains}{known}")


def values_of(kind: Kind, asked: Mapping[str, Any]) -> dict[str, Value]:
    """Returns all values of a fault: those that are asked for, and the defaults of the others.

    Raises:
        Refused: One cannot be set, or would change nothing.
        TypeError, ValueError: One is no number.
    """
    unknown = set(asked) - set(kind.values)
    if unknown:
        known = ", ".join(kind.values) or "nothing"
        raise Refused(
            f"{', '.join(sorted(unknown))} cannot be set for {kind.name}; what can is {known}"
        )
    values: dict[str, Value] = {
        name: type(default)(asked.get(name, default)) for name, default in kind.values.items()
    }
    for name, value in values.items():
        if isinstance(value, float) and not math.isfinite(value):
            raise Refused(f"{kind.name}: {name}={value} is not a number to work with")
        if name == "seconds" and kind.name != "clock-skew" and float(value) < 0:
            raise Refused(f"{kind.name}: {name}={value} lies in the past")
    _check_status(kind, values)
    _check_field(kind, values)
    if kind.name == "target-switched" and values["days"] not in HORIZONS:
        known = " and ".join(map(str, HORIZONS))
        raise Refused(f"target-switched: there are targets over {known} days only")
    return values


def _check_status(kind: Kind, values: Mapping[str, Value]) -> None:
    if isinstance(values.get("status"), float) and not 200 <= float(values["status"]) < 600:
        raise Refused(f"{kind.name}: {values['status']:g} is no HTTP status from 200 to 599")


def _check_field(kind: Kind, values: Mapping[str, Value]) -> None:
    if "field" not in values:
        return
    field, fields = str(values["field"]), schema_fields()
    if kind.name == "field-removed" and field not in fields:
        raise Refused(f"the schema has no field {field}; write it as Round.closeTime")
    matching = [may_be_null for name, may_be_null in fields.items() if fnmatchcase(name, field)]
    if kind.name == "null" and not any(matching):
        raise Refused(f"no field of the schema that may be null matches {field}")
