"""Gather how alike the models' live predictions are, and what stake is on the same bet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from numebot_dagster.lake.layout import Lake
from numebot_dagster.operations.performance.live_correlations import live_correlations
from numebot_dagster.reporting.numbers import counted
from numebot_dagster.scoring.allocation import ALIKE
from numebot_dagster.scoring.likeness import DUPLICATES, Likeness

if TYPE_CHECKING:
    import polars as pl

    from numebot_dagster.reporting.pages.fleet import Bet, LivePredictions

MOST_NAMED = 5


def live_predictions(lake: Lake, stakes: Mapping[str, float]) -> LivePredictions | None:
    """Return how alike predictions were in the last rounds; None where two models never met.

    Args:
        lake: the data folder.
        stakes: of the models, in NMR.
    """
    from numebot_dagster.reporting import likeness_charts
    from numebot_dagster.reporting.pages.fleet import LivePredictions

    pairs = live_correlations(lake)
    if pairs.is_empty():
        return None
    models = sorted({*pairs["model"], *pairs["other"]})
    likeness = Likeness(_matrix(pairs, models))
    amounts = [stakes.get(model, 0.0) for model in models]
    bets = _bets(likeness, models, amounts)
    words = [
        _of_bets(bets, likeness.bets(amounts)),
        _of_duplicates([(models[a], models[b], value) for a, b, value in likeness.duplicates()]),
    ]
    order = [models[place] for place in likeness.order()]
    picture = likeness_charts.correlations(_cells(likeness, models), order, " ".join(words))
    rounds = pairs["round"].unique().sort().to_list()
    words.append(
        f"Rank correlations of what was submitted, {counted(len(rounds), 'round')} up to "
        f"{rounds[-1]}; models above {ALIKE:g} on average count as the same bet."
    )
    return LivePredictions(picture, words, bets)


def _matrix(pairs: pl.DataFrame, models: Sequence[str]) -> np.ndarray:
    """Return the mean correlation of each two models over the rounds that both have."""
    import polars as pl

    place = {model: index for index, model in enumerate(models)}
    matrix = np.full((len(models), len(models)), np.nan)
    np.fill_diagonal(matrix, 1.0)
    for model, other, value in pairs.group_by("model", "other").agg(
        pl.col("correlation").mean()
    ).iter_rows():  # fmt: skip
        first, second = place[model], place[other]
        matrix[first, second] = matrix[second, first] = value
    return matrix


def _cells(likeness: Likeness, models: Sequence[str]) -> pl.DataFrame:
    import polars as pl

    cells = [
        (model, other, float(likeness.correlation[first, second]))
        for first, model in enumerate(models)
        for second, other in enumerate(models)
    ]
    frame = pl.DataFrame(cells, schema=["model", "other", "value"], orient="row")
    return frame.filter(pl.col("value").is_not_nan())


def _bets(likeness: Likeness, models: Sequence[str], amounts: Sequence[float]) -> list[Bet]:
    """Return the clusters, the largest stake first."""
    from numebot_dagster.reporting.pages.fleet import Bet

    total, with_all = sum(amounts), likeness.with_the_stake(amounts)
    bets = []
    for places in likeness.groups():
        stake = sum(amounts[place] for place in places)
        bets.append(
            Bet(
                models=[models[place] for place in places],
                stake=stake,
                share=stake / total if total else None,
                with_all=float(with_all[places].mean()) if total else None,
            )
        )
    return sorted(bets, key=lambda bet: (-bet.stake, bet.models[0]))


def _of_bets(bets: Sequence[Bet], independent: float) -> str:
    """Return how many bets the models are, and how much of the stake is on the largest."""
    models = sum(len(bet.models) for bet in bets)
    counts = f"{counted(models, 'model')} are {counted(len(bets), 'bet')}"
    largest = bets[0]
    if largest.share is None:
        return f"{counts}; none has a stake."
    return (
        f"{counts}: {largest.share:.0%} of the stake is on {_named(largest.models)}, and the whole "
        f"stake is as uncertain as {independent:.1f} independent bets of one size."
    )


def _of_duplicates(pairs: Sequence[tuple[str, str, float]]) -> str:
    if not pairs:
        return f"No two are near-duplicates (above {DUPLICATES:g})."
    named = ", ".join(f"{a} and {b} ({value:.2f})" for a, b, value in pairs[:MOST_NAMED])
    rest = f", and {len(pairs) - MOST_NAMED} more pairs" if len(pairs) > MOST_NAMED else ""
    return f"Near-duplicates: {named}{rest}."


def _named(models: Sequence[str]) -> str:
    """Return a few names, and how many more there are."""
    rest = f" and {len(models) - MOST_NAMED} more" if len(models) > MOST_NAMED else ""
    return ", ".join(models[:MOST_NAMED]) + rest
