"""Compare the live mean of a model with what its diagnosis foretold."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from numebot_dagster.lake.layout import Lake
from numebot_dagster.operations.diagnostics import diagnosis_store
from numebot_dagster.operations.diagnostics.diagnosis_store import Diagnosis, NotDiagnosed
from numebot_dagster.operations.performance.board.skill import JudgedModel
from numebot_dagster.reporting.numbers import score

if TYPE_CHECKING:
    from numebot_dagster.scoring.luck.mean_estimates import MeanEstimate, Promise

_LIVE_SCORE = re.compile(r"(?:v\d+_)?(corr|mmc|bmc)(20|60)")
_HORIZON = re.compile(r"_(20|60)$")


@dataclass(frozen=True)
class Validation:
    """What validation foretold of one score.

    Attributes:
        metric: Numerai's name of the live score.
        promise: of the mean; None where validation was scored by something else.
        source: what it rests on, in words.
        since: the first round that the live mean counts: that of the diagnosed weights.
        difference: of the live mean to the promise; None where there is no interval of it.
    """

    metric: str
    promise: Promise | None
    source: str
    since: int
    difference: MeanEstimate | None

    @property
    def in_words(self) -> str:
        """Whether the live mean is inside what was foretold."""
        if self.promise is None:
            return f"{self.source}: {self.metric.upper()} is not compared with it."
        foretold = f"Validation foretold {score(self.promise.value)} ({self.source})"
        if self.difference is None:
            return f"{foretold}: too early to compare with the rounds since {self.since}."
        difference, live = self.difference, f"the live mean since round {self.since}"
        if difference.low <= 0 <= difference.high:
            return f"{foretold}: {live} is inside what that allows."
        side = "below" if difference.value < 0 else "above"
        return (
            f"{foretold}: {live} is outside what that allows, {side} it by between "
            f"{abs(difference.high):.4f} and {abs(difference.low):.4f}."
        )


def newest_diagnosis(lake: Lake, model_name: str, vintages: Sequence[int]) -> Diagnosis | None:
    """Return the newest diagnosis of a model that can be read.

    Args:
        lake: where it is stored.
        model_name: the model.
        vintages: of its weights, the newest first.
    """
    for vintage in vintages:
        for folder in lake.diagnosis_folders(model_name, vintage):
            try:
                return diagnosis_store.read(folder)
            except NotDiagnosed:  # `numebot lake check` names it
                continue
    return None


def foretold(diagnosis: Diagnosis, metric: str, judged: JudgedModel | None) -> Validation | None:
    """Return what a diagnosis foretold of a live score; None of a score that it does not have.

    Metrics are compared only where their targets look as far ahead.

    Args:
        diagnosis: of some weights of the model.
        metric: Numerai's name of the live score.
        judged: the model in the rounds from the vintage of the weights on, because what was played
            before is not theirs; None where there is none.
    """
    from numebot_dagster.scoring.luck.mean_estimates import Promise, compare_with_promise

    named, horizon = _LIVE_SCORE.fullmatch(metric), _HORIZON.search(diagnosis.target)
    since = diagnosis.vintage
    if named is None:
        return None
    if horizon is None or horizon[1] != named[2]:
        return Validation(metric, None, f"Validation was scored by {diagnosis.target}", since, None)
    held_out = named[1] in diagnosis.held_out
    summary = (diagnosis.held_out if held_out else diagnosis.summaries).get(named[1])
    if summary is None:
        return None
    promise = Promise.of(summary)
    eras = f"{summary.n} {'held-out ' if held_out else ''}eras of vintage {since}"
    difference = None
    if judged is not None and judged.has_interval and math.isfinite(promise.standard_error):
        difference = compare_with_promise(judged.estimate, promise)
    return Validation(metric, promise, f"{eras}, {diagnosis.target}", since, difference)
