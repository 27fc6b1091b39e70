"""Keep what is known of each submission as an append-only log of immutable receipts.

Every event of a submission is one Parquet file of one row. Nothing is ever overwritten; the
state of a model and round is its newest receipt, unless that speaks of a mere attempt.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, fields, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from numebot_dagster.lake import blocks, files, parquet, tables
from numebot_dagster.lake.damaged import SUFFIX, DamagedFile, read_or_set_aside

if TYPE_CHECKING:
    import polars

    from numebot_dagster.lake.layout import Lake


LOGGER = logging.getLogger("numebot")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NOBODY_PLAYED = "no run played the round before it closed"
CAME_LATER = "it was first trained after this round, so it has not missed it"
"""Reasons that are recognised where rounds are shown."""


class Outcome(StrEnum):
    """How a submission ended for its round."""

    ON_TIME = "on_time"
    LATE = "late"
    QUEUED = "queued"
    FAILED = "failed"
    MISSED = "missed"


class State(StrEnum):
    """What Numerai itself said about the submission so far."""

    PENDING = "pending"  # ours alone: Numerai has not been asked yet
    ACCEPTED = "accepted"  # Numerai shows it as held for the round
    CONFIRMED = "confirmed"  # its download matches id by id
    INVALID = "invalid"  # refused, or its download differs


class Rung(StrEnum):
    """Where the predictions came from, best first."""

    LIVE = "live"
    PREVIOUS = "previous"
    FALLBACK = "fallback"

    def is_above(self, other: Rung) -> bool:
        """Return whether this source is better than the other."""
        return _RUNGS.index(self) < _RUNGS.index(other)

    @property
    def next_higher(self) -> Rung:
        """The rung above this one; of the highest, itself."""
        return _RUNGS[max(_RUNGS.index(self) - 1, 0)]


_RUNGS = tuple(Rung)


@dataclass(frozen=True)
class Receipt:
    """One event of one submission; all times are aware UTC by Numerai's clock.

    Attributes:
        filename: the server's own name for the file.
        outcome: unknown until Numerai was asked or the attempt ended.
        vintage: the training release whose weights predicted.
        rows: ids in the file.
        predict_seconds: what the worker took to predict; unknown when it was not measured.
        rung_reason: why predictions of this rung were sent: what the higher rungs failed with.
        reason: why the submission failed, was refused or replaced another.
        recorded_at: set by `append`, strictly growing within a model and round.
        predicted_at: when the worker had predicted; unknown when none was asked.
        peak_memory_mb: highest resident size of the worker, in MB (10^6 bytes).
        gates: the verdicts on the predictions, as `gates.as_text` writes them.
    """

    model: str
    round_number: int
    filename: str | None = None
    submission_id: str | None = None
    outcome: Outcome | None = None
    state: State = State.PENDING
    rung: Rung = Rung.LIVE
    vintage: int | None = None
    predictions_sha256: str | None = None
    rows: int | None = None
    predict_seconds: float | None = None
    rung_reason: str | None = None
    submitted_at: datetime | None = None
    accepted_at: datetime | None = None
    confirmed_at: datetime | None = None
    reason: str | None = None
    recorded_at: datetime | None = None
    predicted_at: datetime | None = None
    peak_memory_mb: float | None = None
    gates: str | None = None

    @property
    def is_pending(self) -> bool:
        """Whether Numerai has said nothing about the submission yet."""
        return self.state is State.PENDING

    @property
    def is_confirmed(self) -> bool:
        """Whether Numerai's copy was compared and is what was sent."""
        return self.state is State.CONFIRMED

    @property
    def is_invalid(self) -> bool:
        """Whether Numerai does not count the submission, or holds another content."""
        return self.state is State.INVALID

    @property
    def is_held(self) -> bool:
        """Whether Numerai was seen to hold the file, ours or not, in time or late."""
        return self.state in (State.ACCEPTED, State.CONFIRMED)

    @property
    def is_on_time(self) -> bool:
        """Whether Numerai was seen to hold the file, ours or not, in time."""
        return self.is_held and self.outcome in (None, Outcome.ON_TIME)

    @property
    def is_late(self) -> bool:
        """Whether Numerai was seen to hold the file, but for the next round or without pay."""
        return self.is_held and self.outcome in (Outcome.LATE, Outcome.QUEUED)

    @property
    def is_missed(self) -> bool:
        """Whether the round closed without a submission of the model."""
        return self.outcome is Outcome.MISSED

    @property
    def is_foreign(self) -> bool:
        """Whether Numerai holds a file that this data folder did not make."""
        return self.state is State.ACCEPTED and self.predictions_sha256 is None

    @property
    def may_be_uploaded(self) -> bool:
        """Whether the file may have reached Numerai, which has said nothing about it yet."""
        return self.is_pending and self.filename is not None

    @property
    def was_not_selected(self) -> bool:
        """Whether the file is called invalid because Numerai did not, or no longer, count it.

        Such a receipt has no time of acceptance; one of a file with another content has it.
        """
        return self.is_invalid and self.accepted_at is None

    @property
    def differs(self) -> bool:
        """Whether Numerai's copy was compared and is not what was sent."""
        return self.is_invalid and self.accepted_at is not None

    @property
    def is_settled(self) -> bool:
        """Whether nothing is left to do for the model while the round is open."""
        return self.is_foreign or (self.is_confirmed and self.rung is Rung.LIVE)

    @property
    def is_end_known(self) -> bool:
        """Whether Numerai need not be asked any more how a round that has closed ended.

        What was sent may be held although the attempt failed, because the answer was lost or came
        too late; and what was accepted is still to be compared, if it is ours.
        """
        if self.state is State.ACCEPTED:
            return self.is_foreign
        return self.outcome is not None and not self.may_be_uploaded and not self.was_not_selected


class RoundRecord:
    """What is recorded of one model in one round.

    A receipt never changes once it is written, so each is read once. What another process appends
    is seen at the next look.
    """

    def __init__(self, lake: Lake, model_name: str, round_number: int) -> None:
        self.model_name = model_name
        self.round_number = round_number
        self._lake = lake
        self._folder = lake.receipts_folder(model_name, round_number)
        self._receipts: dict[Path, Receipt] = {}

    @property
    def history(self) -> list[Receipt]:
        """All receipts, oldest first.

        One that cannot be read is set aside: asking Numerai again tells what it said.
        """
        return [*self._newest_first()][::-1]

    @property
    def newest(self) -> Receipt | None:
        """The last receipt that was written."""
        return next(self._newest_first(), None)

    @property
    def standing(self) -> Receipt | None:
        """The receipt that tells the state of the model in the round."""
        return standing_of(self._newest_first())

    @property
    def damaged(self) -> list[Path]:
        """The receipts that could not be read and were set aside, oldest first."""
        return sorted(self._folder.glob(f"*{SUFFIX}*"))

    def append(self, receipt: Receipt) -> Receipt:
        """Write one more receipt, and return it with its `recorded_at`."""
        recorded = append(self._lake, receipt)
        if recorded.recorded_at is not None:
            self._receipts[_file_of(self._folder, recorded.recorded_at)] = recorded
        return recorded

    def _newest_first(self) -> Iterator[Receipt]:
        present = _present(self._lake, self.model_name, self.round_number)
        for path in sorted(present, reverse=True):
            receipt = present[path] or self._receipts.get(path) or self._read(path)
            if receipt is not None:
                self._receipts[path] = receipt
                yield receipt

    def _read(self, path: Path) -> Receipt | None:
        """Read a receipt from its file, or from the block into which it was rolled up meanwhile."""
        receipt = read_or_set_aside(path, _read)
        return receipt or _present(self._lake, self.model_name, self.round_number).get(path)


class RoundRecords(dict[str, RoundRecord]):
    """The records of a round by the names of their models, each made when it is first asked for."""

    def __init__(self, lake: Lake, round_number: int) -> None:
        super().__init__()
        self.round_number = round_number
        self._lake = lake

    def __missing__(self, model_name: str) -> RoundRecord:
        self[model_name] = RoundRecord(self._lake, model_name, self.round_number)
        return self[model_name]

    @property
    def standing(self) -> dict[str, Receipt]:
        """The receipts that stand of all models that have any, by the names of the models."""
        # The block is looked at before and after the folders, see `_present`.
        names = {
            *_rolled_up(self._lake, self.round_number),
            *self._lake.models_with_receipts(self.round_number),
            *_rolled_up(self._lake, self.round_number),
        }
        standing = {name: self[name].standing for name in sorted(names)}
        return {name: receipt for name, receipt in standing.items() if receipt is not None}


def standing_of(newest_first: Iterable[Receipt]) -> Receipt | None:
    """Return the receipt that tells the state of a model in a round: the newest, or an older one.

    An attempt of which Numerai has not said anything yet, or that failed, does not hide what
    Numerai was seen to hold before: that still counts there. No more is read than that needs.
    """
    newest: Receipt | None = None
    for receipt in newest_first:
        newest = newest or receipt
        if not receipt.is_pending:
            return newest if receipt.is_invalid else receipt
    return newest


def append(lake: Lake, receipt: Receipt) -> Receipt:
    """Write one receipt as a new file, and return it with its `recorded_at`.

    The file's name is the moment of recording in microseconds; two processes that meet on one
    name both get their receipt kept, one of them a microsecond later.
    """
    folder = lake.receipts_folder(receipt.model, receipt.round_number)
    while True:
        stamp = max(time.time_ns() // 1000, _newest_stamp(lake, receipt) + 1)
        recorded_at = EPOCH + timedelta(microseconds=stamp)
        recorded = replace(receipt, recorded_at=recorded_at)
        try:
            parquet.create(_file_of(folder, recorded_at), _to_frame(recorded))
        except (FileExistsError, FileNotFoundError):  # a roll-up may have removed the folder
            continue
        return recorded


def latest(lake: Lake, round_number: int) -> dict[str, Receipt]:
    """Return the receipt that stands of every model that has one for a round, by its name."""
    return RoundRecords(lake, round_number).standing


def _read(path: Path) -> Receipt:
    """Read one receipt."""
    rows = parquet.read(path)
    if rows.height != 1:
        raise DamagedFile(f"{path} holds {rows.height} rows instead of one")
    receipt = from_row(rows.row(0, named=True))
    folder = f"model={quote(receipt.model, safe='')}/round={receipt.round_number}"
    if not path.parent.as_posix().endswith(folder):
        raise DamagedFile(f"{path} names {receipt.model}, round {receipt.round_number}")
    return receipt


def _rolled_up(lake: Lake, round_number: int) -> Mapping[str, Mapping[Path, Receipt]]:
    """Return the receipts of a round that were rolled up, by model and by the path that they had.

    A damaged block is set aside.
    """

    def read(path: Path) -> Mapping[str, Mapping[Path, Receipt]]:
        return _of_block(lake, path, files.version(path), round_number)

    return read_or_set_aside(lake.receipts_block(round_number), read) or {}


def _present(lake: Lake, model_name: str, round_number: int) -> dict[Path, Receipt | None]:
    """Return the paths of a model's receipts of a round, with those that a block has.

    The block is looked at before and after the folder, so that neither a roll-up nor its undoing
    in between hides one.
    """
    before = _rolled_up(lake, round_number).get(model_name, {})
    stored = lake.receipts_files(model_name, round_number)
    after = _rolled_up(lake, round_number).get(model_name, {})
    return {**dict.fromkeys(stored), **before, **after}


@lru_cache(maxsize=256)
def _of_block(
    lake: Lake, path: Path, _version: tuple[int, int, int], round_number: int
) -> Mapping[str, Mapping[Path, Receipt]]:
    """Return the receipts of a round in a block; one that is not understood costs no other."""
    import polars as pl

    receipts: dict[str, dict[Path, Receipt]] = {}
    for row in blocks.read_where(path, pl.col("round") == round_number).iter_rows(named=True):
        original = row[blocks.ORIGINAL]
        try:
            receipt = from_row(row)
        except (ValueError, TypeError) as error:
            LOGGER.warning("The receipt %s in %s is left out: %s", original, path, error)
            continue
        receipts.setdefault(receipt.model, {})[lake.root / original] = receipt
    return receipts


def _newest_stamp(lake: Lake, receipt: Receipt) -> int:
    present = _present(lake, receipt.model, receipt.round_number)
    return max((int(path.stem) for path in present), default=0)


def _file_of(folder: Path, recorded_at: datetime) -> Path:
    return folder / f"{(recorded_at - EPOCH) // timedelta(microseconds=1):020d}.parquet"


def _to_frame(receipt: Receipt) -> polars.DataFrame:
    import polars as pl

    row = {_column(name): value for name, value in asdict(receipt).items()}
    plain = {
        name: [value.value if isinstance(value, StrEnum) else value] for name, value in row.items()
    }
    return pl.DataFrame(plain, schema=tables.RECEIPTS.schema)


def from_row(row: Mapping[str, Any]) -> Receipt:
    """Return a receipt from a stored row, without columns that a later version added.

    In a block, a column that the receipt's own file had not is null.
    """
    values: dict[str, Any] = {
        field.name: value
        for field in fields(Receipt)
        if (value := row.get(_column(field.name))) is not None
    }
    for name, kind in (("outcome", Outcome), ("state", State), ("rung", Rung)):
        if name in values:
            values[name] = kind(values[name])
    return Receipt(**values)


def _column(field_name: str) -> str:
    return "round" if field_name == "round_number" else field_name
