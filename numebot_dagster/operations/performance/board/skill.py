"""Judge the skill of models by their scores, for the pages of the board."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from numebot_dagster.operations.performance import round_scores
from numebot_dagster.reporting.numbers import score

if TYPE_CHECKING:
    import polars as pl

    from numebot_dagster.scoring.luck.mean_estimates import MeanEstimate
    from numebot_dagster.scoring.luck.verdicts import SkillVerdict


@dataclass(frozen=True)
class JudgedModel:
    """What can be said of a model by one score.

    Attributes:
        estimate: of its mean final score.
        verdict: what is known of it, however often somebody looks.
        q_value: the share of false claims expected among the models at or above this one; NaN
            where too little was seen.
    """

    estimate: MeanEstimate
    verdict: SkillVerdict
    q_value: float

    @property
    def has_interval(self) -> bool:
        """Whether at least two independent observations were seen, as an interval needs."""
        return self.estimate.freedom >= 1 and self.estimate.standard_error > 0

    def in_words(self, metric: str) -> str:
        """Return what can be said, in two or three sentences."""
        estimate = self.estimate
        if not self.has_interval:
            return f"{metric.upper()}: {self.verdict.words}."
        return (
            f"Mean {metric.upper()} {score(estimate.value)} a round over {estimate.dates} days, "
            f"between {score(estimate.low)} and {score(estimate.high)}: {self.verdict.words}. "
            f"So far only a mean beyond ±{estimate.smallest_visible:.4f} could have been seen."
        )


def judged(scores: pl.DataFrame, metric: str) -> dict[str, JudgedModel]:
    """Return what can be said of each model.

    Args:
        scores: the `scores` view, of all models; other metrics in it are ignored.
        metric: Numerai's name of the score.
    """
    from numebot_dagster.scoring.luck.mean_estimates import estimate_mean
    from numebot_dagster.scoring.luck.verdicts import judge

    named = round_scores.by_model(scores, metric)
    estimates = {name: estimate_mean(model) for name, model in named.items()}
    return _with_q_values(estimates, {name: judge(model) for name, model in named.items()})


def frame_of(models: Mapping[str, JudgedModel], order: Sequence[str]) -> pl.DataFrame:
    """Return model, mean, low, high (null without an interval) and skill, in this order."""
    import polars as pl

    rows = [
        (name, model.estimate.value, *_ends(model), model.verdict.skill)
        for name in order
        if (model := models.get(name)) is not None
    ]
    columns = {"model": pl.String, "mean": pl.Float64, "low": pl.Float64, "high": pl.Float64}
    return pl.DataFrame(rows, schema={**columns, "skill": pl.String}, orient="row")


def _ends(model: JudgedModel) -> tuple[float | None, float | None]:
    """Return the ends of a model's interval, or none where it has no interval."""
    return (model.estimate.low, model.estimate.high) if model.has_interval else (None, None)


def _with_q_values(
    estimates: Mapping[str, MeanEstimate], verdicts: Mapping[str, SkillVerdict]
) -> dict[str, JudgedModel]:
    import numpy as np

    from numebot_dagster.scoring.luck.many_models import q_values

    q = q_values(np.array([estimate.p_value for estimate in estimates.values()]))
    return {
        name: JudgedModel(estimate, verdicts[name], float(value))
        for (name, estimate), value in zip(estimates.items(), q, strict=True)
    }
