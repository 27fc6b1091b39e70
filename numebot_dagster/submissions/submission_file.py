"""Rank, write, check and compare predictions as the file that Numerai accepts."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

HEADER = ("id", "prediction")
# Below a single rank among 20,000 ids by far, above what any sane rewriting of the CSV loses.
TOLERANCE = 1e-6


@dataclass(frozen=True)
class Submission:
    """A file as it is uploaded; `sha256` is the hex digest of its bytes."""

    csv: bytes = field(repr=False)
    sha256: str
    rows: int


@dataclass(frozen=True)
class Problem:
    """Why predictions must not be submitted; `remedy` says what to do about it."""

    tag: str
    text: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.tag}: {self.text} ({self.remedy})"


@dataclass(frozen=True)
class Mismatch:
    """How a downloaded submission differs from what was sent, with up to five ids of each kind."""

    text: str
    missing: tuple[str, ...] = ()
    unexpected: tuple[str, ...] = ()
    different: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.text


def rank_to_unit_interval(predictions: ArrayLike) -> NDArray[np.float64]:
    """Rank predictions into (0, 1), ties kept: (average rank - 0.5) / n.

    This is `tie_kept_rank` of numerai-tools, by which Numerai ranks every submission itself.

    Raises:
        ValueError: when a prediction is not a finite number.
    """
    values = np.asarray(predictions, dtype=np.float64)
    if not np.isfinite(values).all():
        raise ValueError("predictions that are not finite cannot be ranked")
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    average_rank = np.cumsum(counts) - (counts - 1) / 2
    ranks: NDArray[np.float64] = (average_rank[place] - 0.5) / max(len(values), 1)
    return ranks


def prepare(ids: Sequence[str], predictions: ArrayLike) -> Submission:
    """Write ids and their predictions in (0, 1) as the CSV that Numerai accepts.

    Numbers are written with the fewest digits that read back as the same number.

    Raises:
        ValueError: when there are not as many predictions as ids.
    """
    values = np.asarray(predictions, dtype=np.float64).tolist()
    lines = [f"{name},{value!r}\n" for name, value in zip(ids, values, strict=True)]
    content = (",".join(HEADER) + "\n" + "".join(lines)).encode()
    return Submission(content, hashlib.sha256(content).hexdigest(), len(lines))


def check_raw(
    ids: Sequence[str], predictions: ArrayLike, live_ids: Sequence[str] | None = None
) -> list[Problem]:
    """Return what is wrong with a model's own output, before ranking would hide it.

    Args:
        ids: the ids in the order of the predictions.
        predictions: one number per id, on any scale.
        live_ids: the ids of the live file in its order, to notice a shuffled answer.
    """
    return [*_about_values(len(ids), predictions), *_about_order(ids, live_ids)]


def _about_values(count: int, predictions: ArrayLike) -> list[Problem]:
    tag, remedy = "invalid_predictions", "correct the model's predict()"
    try:
        values = np.asarray(predictions, dtype=np.float64)
    except (TypeError, ValueError) as error:
        return [Problem(tag, f"they are not numbers: {error}", remedy)]
    if values.shape != (count,):
        return [Problem(tag, f"shape {values.shape} for {count} ids", remedy)]
    if not np.isfinite(values).all():
        bad = int((~np.isfinite(values)).sum())
        return [Problem(tag, f"{bad} of {count} are NaN or infinite", remedy)]
    if count and values.min() == values.max():
        return [Problem(tag, f"all {count} are {values[0]}", remedy)]
    return []


def _about_order(ids: Sequence[str], live_ids: Sequence[str] | None) -> list[Problem]:
    tag, remedy = "invalid_ids", "return one prediction per live id, in the order of the live file"
    if len(set(ids)) != len(ids):
        return [Problem(tag, f"{len(ids) - len(set(ids))} ids appear twice", remedy)]
    if live_ids is None or list(ids) == list(live_ids):
        return []
    missing, foreign = set(live_ids) - set(ids), set(ids) - set(live_ids)
    if missing or foreign:
        text = f"{len(missing)} live ids are missing and {len(foreign)} are not live"
    else:
        text = "the ids are the live ones, but shuffled"
    return [Problem(tag, text, remedy)]


def check(submission: Submission, live_ids: Sequence[str]) -> list[Problem]:
    """Return what Numerai would refuse in this file, by numerai-tools' rules, or would drop."""
    import pandas as pd
    from numerai_tools.submissions import validate_submission_numerai

    # Among Arrow's strings, of which pandas makes columns, ids are found a hundred times slower.
    with pd.option_context("mode.string_storage", "python"):
        # Only an empty cell is missing: "NA" and "null" would be legal ids.
        frame = pd.read_csv(
            io.BytesIO(submission.csv),
            dtype={"id": str},
            keep_default_na=False,
            na_values=["", "nan", "NaN"],
        )
        try:
            *_, foreign = validate_submission_numerai(pd.Series(list(live_ids), dtype=str), frame)
        except AssertionError as refusal:
            tag, _, text = str(refusal).partition(": ")
            return [Problem(tag, text, _REMEDIES.get(tag, "correct the predictions"))]
    if foreign:
        text = f"{len(foreign)} ids are not live and would be dropped silently"
        return [Problem("invalid_submission_ids", text, _REMEDIES["invalid_submission_ids"])]
    return []


_REMEDIES = {
    "invalid_submission_headers": "the file must have exactly the columns id and prediction",
    "invalid_submission_ids": "predict on the live data of this very round",
    "invalid_submission_values": "predictions must be finite, vary, and lie in (0, 1)",
}


def matches(downloaded: bytes, ids: Sequence[str], predictions: ArrayLike) -> Mismatch | None:
    """Compare what Numerai holds with what was sent, id by id, in any order.

    Returns:
        The difference, or nothing when both say the same within `TOLERANCE`.
    """
    sent = dict(zip(ids, np.asarray(predictions, dtype=np.float64).tolist(), strict=True))
    try:
        received = _read(downloaded)
    except (ValueError, csv.Error) as error:
        return Mismatch(f"what Numerai holds is not a submission: {error}")
    missing = [name for name in sent if name not in received]
    unexpected = [name for name in received if name not in sent]
    different = [
        name
        for name, value in sent.items()
        # Written so that a NaN on either side is a difference.
        if name in received and not abs(received[name] - value) <= TOLERANCE
    ]
    if not (missing or unexpected or different):
        return None
    text = (
        f"of {len(sent)} ids sent, {len(missing)} are missing at Numerai and {len(different)} "
        f"have another prediction; {len(unexpected)} were never sent"
    )
    return Mismatch(text, tuple(missing[:5]), tuple(unexpected[:5]), tuple(different[:5]))


def _read(content: bytes) -> dict[str, float]:
    rows = csv.reader(io.StringIO(content.decode("utf-8-sig")))
    header = next(rows, [])
    if len(header) != len(HEADER) or header[0] != HEADER[0]:
        raise ValueError(f"its header is {header}")
    values: dict[str, float] = {}
    for row in rows:
        if len(row) != len(HEADER):
            raise ValueError(f"line {rows.line_num} has {len(row)} cells")
        if row[0] in values:
            raise ValueError(f"id {row[0]} appears twice")
        values[row[0]] = float(row[1])
    return values


def correlation_with_example(
    ids: Sequence[str],
    predictions: ArrayLike,
    example_ids: Sequence[str],
    example_predictions: ArrayLike,
) -> float:
    """Return Spearman's rank correlation with Numerai's example predictions, on the ids of both.

    Raises:
        ValueError: when fewer than two ids are shared, or either side is constant on them.
    """
    own = dict(zip(ids, np.asarray(predictions, dtype=np.float64).tolist(), strict=True))
    other = np.asarray(example_predictions, dtype=np.float64).tolist()
    pairs = [
        (own[name], value) for name, value in zip(example_ids, other, strict=True) if name in own
    ]
    if len(pairs) < 2:
        raise ValueError("the predictions share fewer than two ids with the example predictions")
    left, right = (rank_to_unit_interval(side) for side in zip(*pairs, strict=True))
    if left.std() == 0 or right.std() == 0:
        raise ValueError("constant predictions have no correlation")
    return float(np.corrcoef(left, right)[0, 1])
