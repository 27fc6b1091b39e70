"""Judge a round by the tournament's own state, and whether the platform knows what became of it.

The tournament's database, its files and what its server was asked for are the truth. Of the
participant only its files are read: receipts and alerts, whole or not.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

from tests.chaos.auditor.finding import DAMAGED, DOUBLED, LOST, UNREPORTED, WRONG, Finding
from tests.chaos.auditor.messages import message_problems
from tests.chaos.auditor.predictions import RUNGS, OwnPredictions
from tests.chaos.harness.observer import downloads
from tests.chaos.harness.stage import Played
from tests.chaos.harness.world import ChaosWorld
from tests.chaos.plan import RoundPlan
from tests.support.world import TOURNAMENT

COUNTED = ("accepted", "confirmed")
LIVE = RUNGS[-1]


@dataclass(frozen=True)
class Entry:
    """A submission of a model to a round, as the tournament has it.

    Attributes:
        kind: `window`, `late` or `carried`.
        is_by_hand: whether the user uploaded it beside the platform.
    """

    submission_id: str
    filename: str
    sha256: str
    kind: str
    is_valid: bool
    is_by_hand: bool
    content: bytes


@dataclass(frozen=True)
class Case:
    """One model in one round: the truth, and what our receipts say."""

    plan: RoundPlan
    model: str
    entries: Sequence[Entry]
    receipts: Sequence[dict[str, Any]]
    own: OwnPredictions
    downloaded: frozenset[str]

    @property
    def in_window(self) -> list[Entry]:
        """The valid ones that came on time, oldest first."""
        return [entry for entry in self.entries if entry.is_valid and entry.kind == "window"]

    @property
    def selected(self) -> Entry | None:
        """The last valid one uploaded in the window is what counts."""
        return self.in_window[-1] if self.in_window else None

    @property
    def compared(self) -> set[str]:
        """The files that were downloaded; one may be registered, and so held, under several ids."""
        return {entry.filename for entry in self.entries if entry.submission_id in self.downloaded}

    @property
    def standing(self) -> dict[str, Any] | None:
        """Our newest receipt of what Numerai said."""
        answered = [receipt for receipt in self.receipts if receipt["state"] != "pending"]
        return answered[-1] if answered else None

    @cached_property
    def rungs(self) -> dict[str, list[str]]:
        """By the name of each file of ours on which rungs its predictions are.

        Files that were found invalid later are among them: messages spoke of them while they stood.
        """
        return {
            entry.filename: self.own.rungs_of(self.model, entry.content)
            for entry in self.entries
            if entry.kind == "window" and not entry.is_by_hand
        }

    def rung_of(self, entry: Entry) -> int:
        """Return how good an entry's predictions are, from 0; -1 if they are not this model's."""
        rungs = self.rungs.get(entry.filename)
        return RUNGS.index(rungs[0]) if rungs else -1


def audit_round(world: ChaosWorld, played: Played) -> list[Finding]:
    """Return everything that is wrong with a round that has closed."""
    own = OwnPredictions(played.live, world.coefficients)
    cases = [_case(world, played, own, model) for model in world.models]
    place = (played.plan.index, played.number)
    return [
        *(
            Finding(kind, *place, case.model, text)
            for case in cases
            for kind, text in _problems(case)
        ),
        *(Finding(kind, *place, "all", text) for kind, text in _exit_problems(played, cases)),
        *(
            Finding(kind, *place, model, text)
            for kind, model, text in message_problems(world, played, cases)
        ),
    ]


def audit_files(world: ChaosWorld) -> Iterator[Finding]:
    """Yield every file of the data folder that cannot be parsed."""
    readers: dict[str, Callable[[Path], object]] = {".parquet": _read_parquet, ".json": read_json}
    for path in sorted(world.lake_folder.rglob("*")):
        reader = readers.get(path.suffix)
        if reader is None or not path.is_file() or path.name.startswith("."):
            continue  # what begins with a dot is no file of the lake yet
        try:
            reader(path)
        except Exception as error:
            yield Finding(DAMAGED, -1, 0, "-", f"{path}: {error}")


def _problems(case: Case) -> Iterator[tuple[str, str]]:
    if case.model in case.plan.by_hand:
        yield from _replaced(case)
    else:
        yield from _lost(case)
        yield from _wrong(case)
    yield from _doubled(case)
    yield from _late(case)
    yield from _without_receipt(case)
    yield from _not_compared(case)


def _replaced(case: Case) -> Iterator[tuple[str, str]]:
    if case.selected is None or not case.selected.is_by_hand:
        yield WRONG, "the file that its user uploaded by hand was replaced without --force"


def _lost(case: Case) -> Iterator[tuple[str, str]]:
    if case.selected is None:
        if case.plan.can_be_submitted(case.model):
            yield LOST, f"could be submitted and was not; {_last_words(case)}"
        if case.standing is not None and case.standing["state"] in COUNTED:
            yield LOST, f"the receipt says {case.standing['state']}, the tournament holds nothing"
        return
    standing = case.standing
    if standing is None or standing["state"] not in COUNTED:
        yield UNREPORTED, f"{case.selected.filename} counts, and our receipt is {standing}"
    elif standing["filename"] != case.selected.filename:
        yield LOST, f"{case.selected.filename} counts, our receipt is of {standing['filename']}"
    elif standing["predictions_sha256"] != case.selected.sha256:
        yield LOST, "what counts has not the bytes that our receipt names"


def _wrong(case: Case) -> Iterator[tuple[str, str]]:
    """Compare what counts with the model's own formula and with its receipt."""
    if case.selected is None:
        return
    rungs = case.rungs.get(case.selected.filename, [])
    if not rungs:
        yield WRONG, f"{case.selected.filename} holds predictions that are not this model's"
        return
    standing = case.standing
    if standing is not None and standing["rung"] not in rungs:
        yield WRONG, f"{rungs[0]} predictions count, and our receipt says {standing['rung']}"
    if LIVE not in rungs and case.model not in case.plan.moods:
        yield LOST, f"{rungs[0]} predictions stand, and its own could be made"


def _doubled(case: Case) -> Iterator[tuple[str, str]]:
    for before, after in pairwise(case.in_window):
        if before.filename == after.filename or before.is_by_hand:
            continue  # one file registered twice, as when the first answer was lost: it counts once
        if case.rung_of(after) <= case.rung_of(before):
            yield DOUBLED, f"{before.filename} and then {after.filename}"


def _late(case: Case) -> Iterator[tuple[str, str]]:
    for entry in case.entries:
        if entry.kind == "late" and not entry.is_by_hand:
            yield WRONG, f"{entry.filename} was uploaded after the close, without --late"


def _without_receipt(case: Case) -> Iterator[tuple[str, str]]:
    recorded = {receipt["filename"] for receipt in case.receipts}
    for entry in case.entries:
        if entry.filename not in recorded and not entry.is_by_hand and entry.kind != "carried":
            yield UNREPORTED, f"no receipt of {entry.filename}"


def _not_compared(case: Case) -> Iterator[tuple[str, str]]:
    for receipt in case.receipts:
        if receipt["state"] == "confirmed" and receipt["filename"] not in case.compared:
            yield WRONG, f"{receipt['filename']} is confirmed, and was never downloaded"
            return


def _exit_problems(played: Played, cases: Sequence[Case]) -> Iterator[tuple[str, str]]:
    calm = all(played.plan.is_calm(case.model) for case in cases)
    for run in played.exits:
        if run.status == 0 and run.without:
            yield WRONG, f"exit status 0, and nothing of {', '.join(sorted(run.without))} counts"
        if run.status != 0 and calm:
            yield WRONG, f"exit status {run.status}, and nothing had gone wrong"
    if played.hung:
        yield WRONG, f"{played.hung} runs did not end"


def _last_words(case: Case) -> str:
    if not case.receipts:
        return "there is no receipt"
    last = case.receipts[-1]
    return f"the last receipt is {last['state']}, {last['outcome']}: {last['reason']}"


def _case(world: ChaosWorld, played: Played, own: OwnPredictions, model: str) -> Case:
    return Case(
        plan=played.plan,
        model=model,
        entries=_entries(world, played.number, model),
        receipts=_receipts(world, played.number, model),
        own=own,
        downloaded=frozenset(downloads(world.practice.requests_file)),
    )


def _entries(world: ChaosWorld, number: int, model: str) -> list[Entry]:
    """Return all entries of a model for a round, oldest first."""
    rows = world.rows(
        "SELECT s.id, s.kind, s.filename, u.sha256, s.error FROM submissions s "
        "JOIN models m ON m.id = s.model_id JOIN uploads u ON u.filename = s.filename "
        "WHERE m.name = ? AND s.round = ? ORDER BY s.inserted_at, s.rowid",
        model,
        number,
    )
    folder = world.folder / TOURNAMENT / "uploads"
    return [
        Entry(
            submission_id=row["id"],
            filename=row["filename"],
            sha256=row["sha256"],
            kind=row["kind"],
            is_valid=row["error"] is None,
            is_by_hand=row["filename"] in world.by_hand,
            content=(folder / row["filename"]).read_bytes(),
        )
        for row in rows
    ]


def _receipts(world: ChaosWorld, number: int, model: str) -> list[dict[str, Any]]:
    folder = world.lake_folder / "submissions" / f"model={model}" / f"round={number}"
    return [_read_parquet(path)[0] for path in sorted(folder.glob("[0-9]*.parquet"))]


def _read_parquet(path: Path) -> list[dict[str, Any]]:
    """Return the rows of a table; of a large one read all and return none."""
    from pyarrow import parquet as pq

    table = pq.ParquetFile(path).read()
    rows: list[dict[str, Any]] = table.to_pylist() if table.num_rows == 1 else []
    return rows


def read_json(path: Path) -> dict[str, Any]:
    """Return the content of a JSON file."""
    content: dict[str, Any] = json.loads(path.read_text())
    return content
