"""Hold what the auditor of the chaos run finds: something that must not be."""

from __future__ import annotations

from dataclasses import dataclass

LOST, DOUBLED, UNREPORTED = "lost", "doubled", "unreported"
WRONG, UNFOUNDED, DAMAGED = "wrong", "unfounded", "damaged"


@dataclass(frozen=True)
class Finding:
    """Something that must not be.

    Attributes:
        kind: `lost`, `doubled`, `unreported`, `wrong` (what was sent or said is not so),
            `unfounded` (a message of what was well) or `damaged` (a file).
        index: the round's place in the run.
    """

    kind: str
    index: int
    number: int
    model: str
    text: str

    def __str__(self) -> str:
        return f"{self.kind}: place {self.index}, round {self.number}, {self.model}: {self.text}"
