"""Judge whether what a model predicts again is what was submitted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from numebot_dagster.modeling.weights.comparison import Comparison, compare
from numebot_dagster.modeling.weights.structure import Structure
from numebot_dagster.modeling.worker.messages import PredictResult
from numebot_dagster.operations.diagnostics.proof import Outcome, ReplayedRound
from numebot_dagster.operations.rounds import gates
from numebot_dagster.submissions import submission_file

if TYPE_CHECKING:
    import numpy as np

LEAST_BY_OTHER_LIBRARY = 0.99
"""Correlation of ranks above which another version of a library explains the difference."""
LEAST_BETWEEN_RUNS = 0.5
"""Correlation of two runs on the same data, below which a model predicts mostly chance."""
MOST_APART = 4.0
"""How much further from two runs a submission may be than they are from each other."""


@dataclass(frozen=True)
class Submitted:
    """What was submitted.

    Attributes:
        ids: in the order of the ranks.
        ranks: (rows,) in (0, 1).
        sha256: of the file.
        changed_libraries: whose version is no longer that of the training, in words.
    """

    ids: Sequence[str]
    ranks: np.ndarray
    sha256: str
    changed_libraries: Sequence[str] = ()


def compared(round_: ReplayedRound, sent: Submitted, again: PredictResult) -> ReplayedRound:
    """Return what becomes of a round by what a model predicts again."""
    if again.missing_features:
        text = gates.same_features(again.missing_features, ()).text
        return replace(round_, outcome=Outcome.FAILED, text=text)
    ids, ranks = list(again.ids), submission_file.rank_to_unit_interval(again.predictions)
    if ids != list(sent.ids):
        text = "the live ids are not those that were submitted"
        return replace(round_, outcome=Outcome.DIFFERENT, text=text)
    comparison = compare(sent.ranks, ranks)
    outcome, texts = _outcome(again, comparison, changed=bool(sent.changed_libraries))
    if outcome is Outcome.ROUNDED and submission_file.prepare(ids, ranks).sha256 == sent.sha256:
        outcome, texts = Outcome.EQUAL, []
    elif sent.changed_libraries:
        texts.append(f"trained with {', '.join(sent.changed_libraries)}")
    return replace(
        round_,
        outcome=outcome,
        correlation=comparison.correlation,
        canary_difference=again.canary.largest_difference,
        text="; ".join(texts),
    )


def compared_twice(
    differs: ReplayedRound, first: PredictResult, second: PredictResult
) -> ReplayedRound:
    """Return what becomes of a round that differs, by another run of the same model.

    Where two runs differ from each other as much as from what was submitted, the model is not
    deterministic, and nothing is proved.
    """
    runs = [submission_file.rank_to_unit_interval(run.predictions) for run in (first, second)]
    between = compare(*runs)
    if between.is_same_model:
        return differs
    text = f"two runs on the same data correlate by {between.correlation:.4f}"
    if between.correlation < LEAST_BETWEEN_RUNS:
        return replace(differs, text=f"{text}: most of what it predicts is chance")
    apart = 1 - (differs.correlation or 0.0)
    if apart > MOST_APART * (1 - between.correlation):
        return replace(differs, text=f"{differs.text}; {text}")
    return replace(differs, outcome=Outcome.RANDOM, text=text)


def _outcome(
    again: PredictResult, ranks: Comparison, *, changed: bool
) -> tuple[Outcome, list[str]]:
    """Return what a replay shows, `EQUAL` aside, with what there is to say."""
    correlation = f"the ranks correlate with those submitted by {ranks.correlation:.4f}"
    if again.structure is not None and again.structure.is_mixed:
        return Outcome.MIXED, [_mixed(again.structure)]
    if not again.canary.is_same_model:
        return Outcome.DIFFERENT, [correlation, gates.canary(again.canary).text]
    if ranks.is_same_model:
        return Outcome.ROUNDED, []
    if changed and ranks.correlation >= LEAST_BY_OTHER_LIBRARY:
        return Outcome.LIBRARY, [correlation]
    return Outcome.DIFFERENT, [correlation]


def _mixed(structure: Structure) -> str:
    return (
        "features correlate with each other otherwise than in the training (agreement "
        f"{structure.agreement:.2f}, expected {structure.repeated:.2f} or more): the model was "
        "given them in another order, or others"
    )
