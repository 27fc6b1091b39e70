"""Say and draw what is known of a model by one score."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from numebot_dagster.operations.performance.board.skill import JudgedModel
from numebot_dagster.operations.performance.board.validation import Validation

if TYPE_CHECKING:
    from numebot_dagster.reporting.model_charts import Change, Foretold
    from numebot_dagster.reporting.picture import Picture
    from numebot_dagster.scoring.luck.daily_series import DailySeries, RoundScores


@dataclass(frozen=True)
class JudgedScore:
    """What is known of a model by one score.

    Attributes:
        metric: Numerai's name of the score.
        scores: of the model by round and day.
        judged: what can be said of its skill.
        validation: what was foretold of it, if the model was diagnosed by this score.
    """

    metric: str
    scores: RoundScores
    judged: JudgedModel
    validation: Validation | None

    @property
    def sentences(self) -> list[str]:
        """What can be said, for people."""
        said = self.judged.sentences(self.metric)
        return said if self.validation is None else [*said, self.validation.in_words]


def pictures(judged: Sequence[JudgedScore], changes: Sequence[Change]) -> list[Picture]:
    """Return the charts of a model, those of one score below each other."""
    return [picture for score in judged for picture in _of_score(score, changes)]


def _of_score(score: JudgedScore, changes: Sequence[Change]) -> Iterator[Picture]:
    from numebot_dagster.reporting import model_charts
    from numebot_dagster.scoring.luck.curves import drawdown
    from numebot_dagster.scoring.luck.daily_series import daily_series
    from numebot_dagster.scoring.luck.verdicts import LEAST_DATES

    yield model_charts.day_by_day(score.scores, score.metric)
    series = daily_series(score.scores)
    foretold = _foretold(score, series)
    yield model_charts.cumulated(series, score.metric, changes, foretold)
    fall = drawdown(series)
    if fall is not None and len(series.dates) >= LEAST_DATES:
        yield model_charts.falls(series, fall, score.metric)


def _foretold(score: JudgedScore, series: DailySeries) -> Foretold | None:
    """Return what validation foretold, where days may be counted as the promise does."""
    from numebot_dagster.reporting.model_charts import Foretold
    from numebot_dagster.scoring.luck.mean_estimates import Method

    validation = score.validation
    if validation is None or validation.promise is None or validation.difference is None:
        return None
    if score.judged.estimate.method is not Method.BY_DATE:
        return None
    difference = validation.difference
    return Foretold(
        mean=validation.promise.value,
        error=validation.promise.standard_error,
        daily_error=math.sqrt(series.horizon) * series.std,
        quantile=(difference.high - difference.value) / difference.standard_error,
    )
