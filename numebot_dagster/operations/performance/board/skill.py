"""Judge the skill of models by their scores, for the pages of the board."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from numebot_dagster.operations.performance import round_scores
from numebot_dagster.reporting.numbers import score

if TYPE_CHECKING:
    import polars as pl

    from numebot_dagster.scoring.luck.daily_series import RoundScores
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
        since: the first round that counts.
    """

    estimate: MeanEstimate
    verdict: SkillVerdict
    q_value: float
    since: int

    @property
    def has_interval(self) -> bool:
        """Whether at least two independent observations were seen, as an interval needs."""
        return self.estimate.freedom >= 1 and self.estimate.standard_error > 0

    def sentences(self, metric: str) -> list[str]:
        """Return what can be said, sentence by sentence."""
        from numebot_dagster.scoring.luck.mean_estimates import Method
        from numebot_dagster.scoring.luck.verdicts import Skill

        estimate, verdict = self.estimate, self.verdict
        if not self.has_interval:
            return [f"{metric.upper()}: {verdict.words}."]
        said = [
            f"Mean {metric.upper()} {score(estimate.value)} a round over {estimate.dates} days "
            f"since round {self.since}, "
            f"between {score(estimate.low)} and {score(estimate.high)}: {verdict.words}."
        ]
        if verdict.skill is Skill.NOT_TOLD_APART and not estimate.low <= 0 <= estimate.high:
            said.append(
                "Looking every day takes a wider interval: between "
                f"{score(verdict.low)} and {score(verdict.high)}."
            )
        if estimate.method is Method.BY_INDEPENDENT_ROUND:
            said.append(f"Only rounds that do not overlap are counted, because {estimate.reason}.")
        visible = f"{estimate.smallest_visible:.4f}"
        said.append(f"So far only a mean beyond ±{visible} could have been seen.")
        return said


def judged(scores: pl.DataFrame, metric: str) -> dict[str, JudgedModel]:
    """Return what can be said of each model.

    Args:
        scores: the `scores` view, of all models; other metrics in it are ignored.
        metric: Numerai's name of the score.
    """
    return judged_rounds(round_scores.by_model(scores, metric))


def judged_rounds(models: Mapping[str, RoundScores]) -> dict[str, JudgedModel]:
    """Return what can be said of each model by its scores, corrected for their number."""
    import numpy as np

    from numebot_dagster.scoring.luck.many_models import q_values
    from numebot_dagster.scoring.luck.mean_estimates import estimate_mean
    from numebot_dagster.scoring.luck.verdicts import judge

    estimates = {name: estimate_mean(scores) for name, scores in models.items()}
    q = q_values(np.array([estimate.p_value for estimate in estimates.values()]))
    return {
        name: JudgedModel(estimate, judge(models[name]), float(value), int(models[name].rounds[0]))
        for (name, estimate), value in zip(estimates.items(), q, strict=True)
    }


def judged_since(scores: RoundScores, first_round: int) -> JudgedModel | None:
    """Return what can be said of a model by its rounds from one on; None where it has none."""
    newest = scores.since(first_round)
    return judged_rounds({"": newest})[""] if len(newest.rounds) else None
