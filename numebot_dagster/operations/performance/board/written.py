"""Write the parts of the board that changed, and remember what each was made of."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from numebot_dagster.lake import files, json_records
from numebot_dagster.lake.json_records import Record
from numebot_dagster.lake.layout import Lake
from numebot_dagster.lake.locks import exclusive

FILE = ".written.json"  # hidden, so that it is neither served nor taken for data


@dataclass(frozen=True)
class Part:
    """Pages that are written together.

    Attributes:
        name: of the part.
        source: a digest of all that its pages are made of.
        pages: returns the text of each page by the name of its file.
    """

    name: str
    source: str
    pages: Callable[[], Iterable[tuple[str, str]]]


@dataclass(frozen=True)
class _Written(Record):
    """A part as it was written: its source, and the names of its pages."""

    source: str
    pages: list[str]


@dataclass(frozen=True)
class _State(Record):
    """All parts by name, written by templates of which this is a digest."""

    templates: str = ""
    parts: dict[str, _Written] = field(default_factory=dict)


class WrittenBoard:
    """The pages in the folder of the board.

    Args:
        lake: the data folder.
        state: of the parts that were written; it changes as others are.
    """

    def __init__(self, lake: Lake, state: _State) -> None:
        self._lake = lake
        self._state = state

    def is_of(self, name: str, source: str) -> bool:
        """Return whether a part was made of this source, and all of its pages are there."""
        part = self._state.parts.get(name)
        return (
            part is not None
            and part.source == source
            and all(self._lake.board_file(page).is_file() for page in part.pages)
        )

    def update(self, part: Part) -> None:
        """Write a part, unless it was made of the same."""
        if self.is_of(part.name, part.source):
            return
        self._state.parts.pop(part.name, None)
        names = []
        for name, text in part.pages():
            files.replace_text(self._lake.board_file(name), text)
            names.append(name)
        self._state.parts[part.name] = _Written(part.source, names)

    def update_all(self, parts: Iterable[Part]) -> None:
        """Write all parts that can be, then raise what the first of the others raised."""
        failures = []
        for part in parts:
            try:
                self.update(part)
            except Exception as failure:
                failures.append(failure)
        if failures:
            raise failures[0]


@contextmanager
def written_board(lake: Lake, templates: str) -> Iterator[WrittenBoard]:
    """Yield what was written by the same templates; one process writes at a time."""
    with exclusive(lake.lock_file("board")):
        file = lake.board_file(FILE)
        state = json_records.read_or_set_aside(file, _State)
        if state is None or state.templates != templates:
            state = _State(templates)
        try:
            yield WrittenBoard(lake, state)
        finally:
            json_records.write(file, state)


def digest(*facts: object) -> str:
    """Return what changes with any of some facts, which are told by their representation."""
    return hashlib.sha256(repr(facts).encode()).hexdigest()[:16]
