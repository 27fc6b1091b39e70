"""The kinds of faults: each describes itself, and the documentation lists them all."""

from __future__ import annotations

import pytest

from numebot_dagster.practice.faults.fault import Fault
from numebot_dagster.practice.faults.kinds import KINDS, SECTIONS


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_every_kind_describes_itself(kind: type[Fault]) -> None:
    assert kind.does().endswith(".")
    assert ":" in kind.where or kind.where in ("*", "rounds")
    assert kind.of({}).values == kind.defaults()


def test_every_class_is_registered_once() -> None:
    def subclasses(of: type[Fault]) -> set[type[Fault]]:
        return {of}.union(*(subclasses(kind) for kind in of.__subclasses__()))

    listed = [kind for kinds in SECTIONS.values() for kind in kinds]
    assert set(listed) == {kind for kind in subclasses(Fault) if "kind" in vars(kind)}
    assert len(listed) == len(KINDS)
