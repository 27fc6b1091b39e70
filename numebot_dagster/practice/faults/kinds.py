"""List the kinds of faults; each was seen at Numerai, follows from its API, or is feared."""

from __future__ import annotations

from collections.abc import Mapping
from types import ModuleType

from numebot_dagster.practice.faults import (
    answer_faults,
    file_faults,
    network_faults,
    tournament_faults,
)
from numebot_dagster.practice.faults.fault import Fault


def _kinds_of(module: ModuleType) -> tuple[type[Fault], ...]:
    """Return the kinds that a module defines, in its order."""
    classes = [kind for kind in vars(module).values() if isinstance(kind, type)]
    return tuple(kind for kind in classes if issubclass(kind, Fault) and "kind" in vars(kind))


SECTIONS: Mapping[str, tuple[type[Fault], ...]] = {
    "The network and proxies": _kinds_of(network_faults),
    "Files": _kinds_of(file_faults),
    "GraphQL": _kinds_of(answer_faults),
    "The tournament": _kinds_of(tournament_faults),
}
KINDS: Mapping[str, type[Fault]] = {
    kind.kind: kind for kinds in SECTIONS.values() for kind in kinds
}
