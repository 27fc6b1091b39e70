"""What became of a round by the tournament's own state, and whether the platform knows and said so.

The tournament's database is the truth. Of the participant only its files are read: receipts and
alerts, whole or not.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from benchmarks.chaos_plan import RoundPlan
from benchmarks.chaos_world import World

RUNGS = ("fallback", "previous", "live")
HELD = ("accepted", "confirmed")
LOST, DOUBLED, UNREPORTED = "lost", "doubled", "unreported"
UNFOUNDED, DAMAGED = "unfounded", "damaged"


@dataclass(frozen=True)
class Finding:
    """Something that must not be.

    Attributes:
        kind: `lost`, `doubled`, `unreported`, `unfounded` (an alert of what was well) or `damaged`.
        index: the round's place in the run.
    """

    kind: str
    index: int
    number: int
    model: str
    text: str

    def __str__(self) -> str:
        return f"{self.kind}: place {self.index}, round {self.number}, {self.model}: {self.text}"


@dataclass(frozen=True)
class Entry:
    """A submission of a model to a round, as the tournament has it."""

    filename: str
    sha256: str
    is_valid: bool


@dataclass(frozen=True)
class _Case:
    """One model in one round: the truth, what our receipts say, and what was said of it."""

    plan: RoundPlan
    model: str
    entries: Sequence[Entry]
    receipts: Sequence[dict[str, Any]]
    alerts: Sequence[dict[str, Any]]

    @property
    def selected(self) -> Entry | None:
        """The last valid one uploaded in the window is what counts."""
        valid = [one for one in self.entries if one.is_valid]
        return valid[-1] if valid else None

    @property
    def standing(self) -> dict[str, Any] | None:
        """Our newest receipt of what Numerai said."""
        said = [one for one in self.receipts if one["state"] != "pending"]
        return said[-1] if said else None

    def said(self, *kinds: str) -> bool:
        """Whether there is an alert of one of these kinds."""
        return any(one["kind"] in kinds for one in self.alerts)

    def rung_of(self, entry: Entry) -> int:
        """How good the predictions of an entry are, from 0; -1 when no receipt tells."""
        found = [one["rung"] for one in self.receipts if one["filename"] == entry.filename]
        return RUNGS.index(found[-1]) if found else -1


def audit_round(world: World, plan: RoundPlan, number: int) -> list[Finding]:
    """Everything that is wrong with a round that has closed."""
    alerts = [one for one in stored_alerts(world) if _is_about(one, number)]
    return [
        Finding(kind, plan.index, number, model, text)
        for model in world.models
        for kind, text in _problems(_case(world, plan, number, model, alerts))
    ] + [
        Finding(UNREPORTED, plan.index, number, "all", f"never arrived: {one['title']}")
        for one in alerts
        if one["title"] not in world.receiver.titles
    ]


def audit_files(world: World) -> Iterator[Finding]:
    """Every file of the data folder that cannot be parsed."""
    readers: dict[str, Callable[[Path], object]] = {".parquet": _read_parquet, ".json": _read_json}
    for path in sorted(world.lake_folder.rglob("*")):
        reader = readers.get(path.suffix)
        if reader is None or not path.is_file() or path.name.startswith("."):
            continue  # what begins with a dot is no file of the lake yet
        try:
            reader(path)
        except Exception as error:
            yield Finding(DAMAGED, -1, 0, "-", f"{path}: {error}")


def stored_alerts(world: World) -> list[dict[str, Any]]:
    """All alerts that were raised."""
    return [_read_json(path) for path in sorted(world.lake_folder.glob("alerts/kind=*/*.json"))]


def _problems(case: _Case) -> Iterator[tuple[str, str]]:
    yield from _lost(case)
    yield from _doubled(case)
    yield from _untold(case)
    yield from _unfounded(case)


def _lost(case: _Case) -> Iterator[tuple[str, str]]:
    if case.selected is None:
        if case.plan.can_be_submitted(case.model):
            yield LOST, f"could be submitted and was not; {_last_words(case)}"
        if case.standing is not None and case.standing["state"] in HELD:
            yield LOST, f"the receipt says {case.standing['state']}, the tournament holds nothing"
        return
    standing = case.standing
    if standing is None or standing["state"] not in HELD:
        yield UNREPORTED, f"{case.selected.filename} counts, and our receipt is {standing}"
    elif standing["filename"] != case.selected.filename:
        yield LOST, f"{case.selected.filename} counts, our receipt is of {standing['filename']}"
    elif standing["predictions_sha256"] != case.selected.sha256:
        yield LOST, "what counts has not the bytes that our receipt names"
    elif standing["rung"] != RUNGS[-1] and case.model not in case.plan.moods:
        yield LOST, f"{standing['rung']} predictions stand, and its own could be made"


def _doubled(case: _Case) -> Iterator[tuple[str, str]]:
    valid = [one for one in case.entries if one.is_valid]
    for before, after in pairwise(valid):
        if before.filename == after.filename:
            continue  # one file registered twice, as when the first answer was lost: it counts once
        if case.rung_of(after) <= case.rung_of(before):
            yield DOUBLED, f"{before.filename} and then {after.filename}"


def _untold(case: _Case) -> Iterator[tuple[str, str]]:
    known = {one["filename"] for one in case.receipts}
    for one in case.entries:
        if one.filename not in known:
            yield UNREPORTED, f"no receipt of {one.filename}"
    if case.selected is None:
        if not case.said("model-failed", "round-missed"):
            yield UNREPORTED, f"not submitted, and no alert; {_last_words(case)}"
        return
    standing = case.standing
    if standing is not None and standing["rung"] != RUNGS[-1] and not case.said("fallback-used"):
        yield UNREPORTED, f"no alert says that {standing['rung']} predictions stand"


def _unfounded(case: _Case) -> Iterator[tuple[str, str]]:
    if case.said("round-missed") and case.selected is not None:
        yield UNFOUNDED, "an alert says that it missed the round"
    if case.said("fallback-used") and all(one["rung"] == RUNGS[-1] for one in case.receipts):
        yield UNFOUNDED, "an alert says that other predictions stand in"
    if case.said("model-failed") and case.plan.is_calm(case.model):
        yield UNFOUNDED, "an alert says that it failed"


def _last_words(case: _Case) -> str:
    if not case.receipts:
        return "there is no receipt"
    last = case.receipts[-1]
    return f"the last receipt is {last['state']}, {last['outcome']}: {last['reason']}"


def _case(
    world: World, plan: RoundPlan, number: int, model: str, alerts: Sequence[dict[str, Any]]
) -> _Case:
    about = [one for one in alerts if model in _models_of(one)]
    return _Case(
        plan, model, _entries(world, number, model), _receipts(world, number, model), about
    )


def _entries(world: World, number: int, model: str) -> list[Entry]:
    """What was uploaded in the window, oldest first."""
    found = world.rows(
        "SELECT s.filename, u.sha256, s.error FROM submissions s "
        "JOIN models m ON m.id = s.model_id JOIN uploads u ON u.filename = s.filename "
        "WHERE m.name = ? AND s.round = ? AND s.kind = 'window' ORDER BY s.inserted_at, s.rowid",
        model,
        number,
    )
    return [Entry(row["filename"], row["sha256"], row["error"] is None) for row in found]


def _receipts(world: World, number: int, model: str) -> list[dict[str, Any]]:
    folder = world.lake_folder / "submissions" / f"model={model}" / f"round={number}"
    return [_read_parquet(path)[0] for path in sorted(folder.glob("[0-9]*.parquet"))]


def _models_of(alert: dict[str, Any]) -> list[str]:
    """The models that an alert about a round names: its subject is `round-9/alpha,beta/what`."""
    names: str = [*alert["subject"].split("/"), ""][1]
    return names.split(",")


def _is_about(alert: dict[str, Any], number: int) -> bool:
    return alert["subject"] == f"round-{number}" or alert["subject"].startswith(f"round-{number}/")


def _read_parquet(path: Path) -> list[dict[str, Any]]:
    """The rows of a table; of a large one all are read and none returned."""
    from pyarrow import parquet as pq

    table = pq.ParquetFile(path).read()
    rows: list[dict[str, Any]] = table.to_pylist() if table.num_rows == 1 else []
    return rows


def _read_json(path: Path) -> dict[str, Any]:
    held: dict[str, Any] = json.loads(path.read_text())
    return held
