"""Judge live data and predictions before anything is stored or sent.

A wrong file costs more than a missed round, so a blocking gate stops its model, and only it.
Each gate is a pure function; asset checks report its verdict.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from numebot_dagster.submissions.submission_file import Problem

if TYPE_CHECKING:
    import polars as pl

    from numebot_dagster.modeling.weights.comparison import Comparison

LOGGER = logging.getLogger("numebot")

NEW_IDS = "ids_are_new"
WELLFORMED = "live_data_wellformed"
USUAL_ROW_COUNT = "usual_row_count"
SAME_FEATURES = "same_features_as_trained"
CANARY = "canary_predicts_as_trained"
SUBMISSION_RULES = "numerai_submission_rules"
LIKE_EXAMPLE = "agrees_with_example"
CONFIRMED = "confirmed_by_numerai"
OF_PREDICTIONS = (SAME_FEATURES, CANARY, SUBMISSION_RULES, LIKE_EXAMPLE)

# Live rows move by a few percent from round to round; a half-empty file is something else.
ROW_COUNT_TOLERANCE = 0.1
# Of all feature values of a round; the data published so far had none.
MOST_GAPS = 0.1
# Honest models agree with the example model at .3 to .9; a negative value hints at a flipped sign.
LEAST_EXAMPLE_CORRELATION = 0.0


@dataclass(frozen=True)
class Gate:
    """The verdict of one gate; `facts` are numbers and texts worth showing."""

    name: str
    passed: bool
    blocking: bool
    text: str
    facts: Mapping[str, float | int | str] = field(default_factory=dict)


class GateClosed(Exception):
    """A blocking gate did not pass; what it guards was neither stored nor sent."""

    def __init__(self, gates: Sequence[Gate]) -> None:
        self.gates = tuple(gates)
        super().__init__("; ".join(f"{gate.name}: {gate.text}" for gate in closed(gates)))


def closed(gates: Iterable[Gate]) -> list[Gate]:
    """Return the blocking gates that did not pass."""
    return [gate for gate in gates if gate.blocking and not gate.passed]


def as_text(verdicts: Iterable[Gate]) -> str | None:
    """Return verdicts as a receipt keeps them, without their facts; None for none."""
    plain = [
        {"name": gate.name, "passed": gate.passed, "blocking": gate.blocking, "text": gate.text}
        for gate in verdicts
    ]
    return json.dumps(plain) if plain else None


def from_text(text: str | None) -> tuple[Gate, ...]:
    """Return the verdicts that a receipt keeps; see `as_text`.

    None are returned when they cannot be read: they are told, and decide nothing any more.
    """
    try:
        return tuple(Gate(**verdict) for verdict in json.loads(text or "[]"))
    except (ValueError, TypeError) as error:
        LOGGER.warning("The gates' verdicts that a receipt keeps cannot be read: %s", error)
        return ()


def ids_are_new(ids: Sequence[str], previous: Sequence[str] | None) -> Gate:
    """Judge whether the live ids changed: the same ones mean that the data are not out yet."""
    stale = previous is not None and set(ids) == set(previous)
    text = "the live ids are those of the round before" if stale else "the live ids are new"
    return Gate(NEW_IDS, not stale, True, text, {"rows": len(ids)})


def live_data_wellformed(live: pl.DataFrame) -> Gate:
    """Judge whether the ids are unique and the features whole numbers from 0 to 4 with few gaps.

    Gaps (null or NaN) are read as 2, which is how Numerai itself marks a missing value; so a few
    of them are not worth a missed round, and only named.
    """
    gaps = _share_of_gaps(live)
    faults = [*_faults_of_ids(live), *_faults_of_features(live)]
    if gaps > MOST_GAPS:
        faults.append(f"{gaps:.0%} of the feature values are missing")
    text = "; ".join(faults) or "ids are unique, features are whole numbers from 0 to 4"
    if not faults and gaps:
        text += f"; {gaps:.2%} of the values are missing and are read as 2"
    return Gate(WELLFORMED, not faults, True, text, {"faults": len(faults), "gaps": gaps})


def _faults_of_ids(live: pl.DataFrame) -> list[str]:
    if "id" not in live.columns:
        return ["there is no column id"]
    ids = live["id"]
    counted = {
        "there are no rows": not len(ids),
        f"{ids.null_count()} ids are missing": ids.null_count(),
        f"{len(ids) - ids.n_unique()} ids appear twice": len(ids) - ids.n_unique(),
    }
    return [text for text, count in counted.items() if count]


def _faults_of_features(live: pl.DataFrame) -> list[str]:
    features = [live[name] for name in live.columns if name != "id"]
    if not features:
        return ["there are no features"]
    wrong = [column.name for column in features if not _holds_bins(column)]
    if not wrong:
        return []
    shown = ", ".join(wrong[:3]) + (", …" if len(wrong) > 3 else "")
    return [f"{len(wrong)} features hold something other than 0, 1, 2, 3 and 4 ({shown})"]


def _holds_bins(column: pl.Series) -> bool:
    """Return whether there is nothing but 0 to 4, apart from gaps."""
    if not column.dtype.is_numeric():
        return False
    numbers = _without_nan(column)
    low, high = numbers.min(), numbers.max()  # nothing where there are only gaps
    if low is not None and not 0 <= low <= high <= 4:  # type: ignore[operator]
        return False
    return column.dtype.is_integer() or bool((numbers == numbers.round()).all())


def _share_of_gaps(live: pl.DataFrame) -> float:
    features = [live[name] for name in live.columns if name != "id"]
    cells = len(features) * live.height
    return sum(_without_nan(column).null_count() for column in features) / cells if cells else 0.0


def _without_nan(column: pl.Series) -> pl.Series:
    return column.fill_nan(None) if column.dtype.is_float() else column


def usual_row_count(rows: int, earlier: Sequence[int]) -> Gate:
    """Warn when a round has clearly more or fewer rows than the mean of the last rounds."""
    if not earlier:
        return Gate(USUAL_ROW_COUNT, True, False, f"{rows} rows; no earlier round to compare with")
    mean = sum(earlier) / len(earlier)
    change = rows / mean - 1
    text = f"{rows} rows, {change:+.1%} against the mean of the last {len(earlier)} rounds"
    passed = abs(rows - mean) <= ROW_COUNT_TOLERANCE * mean
    return Gate(USUAL_ROW_COUNT, passed, False, text, {"rows": rows, "change": change})


def same_features(missing: Sequence[str], unexpected: Sequence[str]) -> Gate:
    """Judge whether the model sees the very features that its weights were made from."""
    if not missing and not unexpected:
        return Gate(SAME_FEATURES, True, True, "the features are those of the weights' manifest")
    parts = [
        f"{len(names)} {what} ({', '.join(names[:3])}{', …' if len(names) > 3 else ''})"
        for what, names in (("missing", missing), ("not in the manifest", unexpected))
        if names
    ]
    text = f"{' and '.join(parts)}; train again with `numebot train`"
    facts = {"missing": len(missing), "unexpected": len(unexpected)}
    return Gate(SAME_FEATURES, False, True, text, facts)


def canary(comparison: Comparison) -> Gate:
    """Judge whether the weights predict the canary rows as on the day they were made."""
    passed = comparison.is_same_model
    text = f"largest difference on the canary rows {comparison.largest_difference:.3g}"
    if not passed:
        text += (
            f" where predictions spread by {comparison.spread:.3g}, more than rounding explains: "
            "the code, a library or the weights have changed; train again with `numebot train`"
        )
    facts = {
        "largest_difference": comparison.largest_difference,
        "mean_rank_displacement": comparison.displacement,
    }
    return Gate(CANARY, passed, True, text, facts)


def submission_rules(problems: Sequence[Problem]) -> Gate:
    """Judge a submission by Numerai's own rules, as numerai-tools checks them."""
    text = "; ".join(str(problem) for problem in problems) or "Numerai's rules are met"
    return Gate(SUBMISSION_RULES, not problems, True, text, {"problems": len(problems)})


def not_comparable_with_example(reason: str) -> Gate:
    """Warn that the round's example predictions cannot be used, for example of another round."""
    return Gate(LIKE_EXAMPLE, False, False, f"the example predictions cannot be compared: {reason}")


def agrees_with_example(correlation: float | None) -> Gate:
    """Warn when predictions run against the example model: a flipped sign looks like that."""
    if correlation is None:
        return Gate(LIKE_EXAMPLE, True, False, "the round has no example predictions")
    passed = correlation > LEAST_EXAMPLE_CORRELATION
    text = f"rank correlation with the example predictions {correlation:.3f}"
    return Gate(LIKE_EXAMPLE, passed, False, text, {"correlation": correlation})
