"""Show how often models without skill are called skilled or harmful, and what mean can be seen.

    python -m benchmarks.luck [--rounds 120 250 500] [--markets 60] [--models 4] [--practice 250]

The first table has the share of models without skill for which a two-sided 5 % test finds a mean
other than zero, by estimator and by the number of resolved rounds, and in its last row the share
that ever raised an alarm in daily looks. The second one has the smallest mean final score that is
seen with 80 % power, as a share of the spread of a final score; with --practice also as MMC60 of
the median participant of the practice market, for which each round takes a fifth of a second.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable, Sequence

import numpy as np

from benchmarks.overlapping_rounds import Field, round_scores
from benchmarks.practice_rounds import practice_scores
from numebot_dagster.scoring.luck.daily_series import RoundScores, daily_series
from numebot_dagster.scoring.luck.mean_estimates import (
    estimate_by_date,
    estimate_by_independent_round,
    estimate_mean,
)
from numebot_dagster.scoring.luck.sequential import mixing_scale, mixture_bound
from numebot_dagster.scoring.luck.verdicts import dates_apart

LEVEL = 0.05
NORMAL = 1.959964


def plain_t(scores: RoundScores) -> bool:
    """Test as if resolved rounds were independent: Student's t."""
    from scipy.stats import ttest_1samp

    return bool(ttest_1samp(scores.finals, 0).pvalue < LEVEL)


def newey_west(scores: RoundScores) -> bool:
    """Test with the variance of Newey and West (1987), as many lags as days, and a normal."""
    return _newey_west_t(scores) > NORMAL


def newey_west_fixed_b(scores: RoundScores) -> bool:
    """Test the same against the critical value of Kiefer and Vogelsang (2005), table 1, Bartlett.

    b is the share of the sample that the lags are; the polynomial is that of the 97.5 % quantile.
    """
    b = min(1.0, scores.horizon / len(scores.finals))
    return _newey_west_t(scores) > NORMAL + 2.9694 * b + 0.4160 * b**2 - 0.5324 * b**3


def _newey_west_t(scores: RoundScores) -> float:
    finals = scores.finals
    n, apart = len(finals), finals - finals.mean()
    weights = 1 - np.arange(1, scores.horizon) / scores.horizon
    products = [apart[lag:] @ apart[:-lag] if lag < n else 0.0 for lag in range(1, scores.horizon)]
    variance = (apart @ apart + 2 * weights @ np.array(products)) / n
    return float(abs(finals.mean()) / math.sqrt(variance / n))


def ever_alarmed(scores: RoundScores) -> bool:
    """Return whether zero was outside the bound on any date; dates do not change afterwards."""
    dates = dates_apart(daily_series(scores))
    squares = np.cumsum(dates.values**2)
    scale = mixing_scale(squares[dates.warm_up - 1] / dates.warm_up, dates.tightest)
    is_beyond = np.abs(np.cumsum(dates.values)) > mixture_bound(squares, scale)
    return bool(is_beyond[dates.warm_up - 1 :].any())


TESTS: dict[str, Callable[[RoundScores], bool]] = {
    "plain t over resolved rounds": plain_t,
    "Newey-West, lags of a round, normal": newey_west,
    "the same, fixed-b critical value": newey_west_fixed_b,
    "t with n/60 observations": lambda scores: (
        estimate_by_independent_round(scores).p_value < LEVEL
    ),
    "by calendar day": lambda scores: estimate_by_date(scores).p_value < LEVEL,
    "by calendar day where its preconditions hold": lambda scores: (
        estimate_mean(scores).p_value < LEVEL
    ),
    "ever an alarm in daily looks": ever_alarmed,
}


def false_alarms(models: np.ndarray, counts: Sequence[int]) -> list[list[str]]:
    """Return the first table: rows of an estimator and its shares."""
    horizon = models.shape[2]
    samples = [[round_scores(model, n + horizon - 1) for model in models] for n in counts]
    return [
        [name, *(f"{np.mean([test(scores) for scores in sample]):.2f}" for sample in samples)]
        for name, test in TESTS.items()
    ]


def smallest_means(models: np.ndarray, counts: Sequence[int], unit: float) -> list[str]:
    """Return the median over models of the smallest visible mean after so many dates."""
    medians = [
        np.median([visible(model, n) for model in models]) if n <= len(models[0]) else math.nan
        for n in counts
    ]
    return ["" if math.isnan(median) else f"{median / unit:.3f}" for median in medians]


def visible(scores: np.ndarray, dates: int) -> float:
    """Return the smallest mean of a model that would have been seen after so many dates."""
    return estimate_by_date(round_scores(scores, dates)).smallest_visible


def table(title: str, counts: Sequence[int], rows: Sequence[Sequence[str]]) -> str:
    """Return a table in Markdown."""
    lines = [[title, *map(str, counts)], [":---", *("---:" for _ in counts)], *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def main() -> None:
    """Run all of it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, nargs="+", default=[120, 250])
    parser.add_argument("--markets", type=int, default=60)
    parser.add_argument("--models", type=int, default=4, help="in each market")
    parser.add_argument("--practice", type=int, default=0, help="rounds of the practice market")
    options = parser.parse_args()
    started, counts = time.monotonic(), options.rounds
    field = Field(markets=options.markets, models=options.models, rounds=max(counts) + 60)
    models = field.scores()
    shares = table(
        "share called skilled or harmful, by resolved rounds", counts, false_alarms(models, counts)
    )
    print(f"{shares}\n")
    rows = [["simulation, in spreads", *smallest_means(models, counts, float(np.nanstd(models)))]]
    if options.practice:
        participants = practice_scores(options.practice, 0).participants
        rows.append(["practice market, MMC60", *smallest_means(participants, counts, 1.0)])
    print(table("smallest mean seen, by dates", counts, rows))
    print(
        f"\n{len(models)} models on {options.markets} markets, {time.monotonic() - started:.0f} s"
    )


if __name__ == "__main__":
    main()
