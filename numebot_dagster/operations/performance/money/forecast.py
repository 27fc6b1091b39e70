"""Foretell what running rounds may pay, by days redrawn from the past of all models together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from itertools import accumulate, groupby
from typing import TYPE_CHECKING

from numebot_dagster.lake import catalog
from numebot_dagster.lake.layout import Lake
from numebot_dagster.operations.performance import round_scores
from numebot_dagster.operations.performance.money.ledger import Ledger
from numebot_dagster.operations.performance.money.ledger_lines import Line

if TYPE_CHECKING:
    import numpy as np

    from numebot_dagster.scoring.luck.daily_series import DailySeries
    from numebot_dagster.scoring.luck.stake_paths import OpenStakes, PayoutPaths

ROUNDS_OF_THE_PAST = 250
"""How many of the newest rounds the days are drawn from: a year."""
LEAST_DATES = 30
"""Past days of a model's score below which nothing is foretold of what it is paid for."""

_SCORES = """
select model, round, metric, version, day, date, value, resolved from scores
where day > 0 and model in ({models}) and metric in ({metrics})
    and round > (select max(round) from scores) - ?
"""
_HORIZONS = "select metric, max(days) from paid_metrics group by metric"

Past = dict[tuple[str, str], "DailySeries"]
"""By model and paid score, which is a metric in one version."""


@dataclass(frozen=True)
class Forecast:
    """What the rounds that run may pay.

    Attributes:
        paths: simulated.
        ends: the days on which rounds pay, each with its place in the paths.
        dates: past days that were drawn from.
        left_out: models with a stake in a round that is not simulated, as the past is too short.
        borrowed: the largest share of a model's days for which others of its own stand in.
        longest_burn: days in a row on which rounds burned on the whole, as it was in the past.
    """

    paths: PayoutPaths
    ends: Sequence[tuple[date, int]]
    dates: int
    left_out: Sequence[str]
    borrowed: float
    longest_burn: int

    @property
    def range(self) -> tuple[float, float]:
        """NMR between which nine of ten paths end."""
        return float(self.paths.quantiles[0, -1]), float(self.paths.quantiles[-1, -1])


def forecast(lake: Lake, book: Ledger) -> Forecast | None:
    """Return what the rounds that run may pay; None where nothing runs or too little is known."""
    from numebot_dagster.scoring.luck.stake_paths import PastDays, simulate_paths

    lines = [line for line in book.lines if not line.resolved and _is_complete(line)]
    horizons = _horizons(lake, lines)
    past = _past(lake, lines, horizons)
    simulated = [line for line in lines if _has_past(line, past)]
    paid = sorted({score.name for line in simulated for score in line.scores})
    if not simulated:
        return None
    models = sorted({line.model for line in simulated})
    # A score that a model is not paid for counts nothing: any series may stand there.
    anything = next(iter(past.values()))
    rows = [[past.get((model, score), anything) for score in paid] for model in models]
    days = PastDays.of(rows)
    newest = max(series.dates[-1] for series in past.values()).astype(date)
    stakes = _Columns(models, paid, horizons, newest).of(simulated)
    return Forecast(
        paths=simulate_paths(days, stakes),
        ends=_ends(simulated, stakes),
        dates=len(days.values),
        left_out=_left_out(book, simulated),
        borrowed=float(days.borrowed.max()),
        longest_burn=_longest_burn(book),
    )


def _left_out(book: Ledger, simulated: Sequence[Line]) -> list[str]:
    """Return the models of which a round that runs is not simulated."""
    running = {(line.model, line.round_number) for line in book.lines if not line.resolved}
    return sorted({model for model, _ in running - {(s.model, s.round_number) for s in simulated}})


def _is_complete(line: Line) -> bool:
    """Return whether all is there that a payout needs, apart from the scores to come."""
    rules = (line.at_risk, line.payout_factor, line.clip, line.resolve_date)
    multipliers = [score.multiplier for score in line.scores]
    return bool(multipliers) and None not in rules and None not in multipliers


def _horizons(lake: Lake, lines: Sequence[Line]) -> dict[str, int]:
    """Return the scoring days of a whole round by metric, of those for which they are known."""
    named = dict(catalog.query(lake, _HORIZONS).iter_rows())
    metrics = {score.metric for line in lines for score in line.scores}
    horizons = {name: named.get(name) or round_scores.horizon_of(name, 0) for name in metrics}
    return {name: days for name, days in horizons.items() if days}


def _past(lake: Lake, lines: Sequence[Line], horizons: Mapping[str, int]) -> Past:
    """Return the daily series, where long enough, of each model's scores that it is paid for."""
    import polars as pl

    from numebot_dagster.scoring.luck.daily_series import daily_series

    models = sorted({line.model for line in lines})
    if not models or not horizons:
        return {}
    places = {"models": ", ".join("?" * len(models)), "metrics": ", ".join("?" * len(horizons))}
    scores = catalog.query(lake, _SCORES.format(**places), [*models, *horizons, ROUNDS_OF_THE_PAST])
    paid = {score.name: score for line in lines for score in line.scores}
    series = {}
    for name, score in paid.items():
        if score.metric in horizons:
            own = scores.filter(pl.col("version").eq_missing(pl.lit(score.version)))
            by_model = round_scores.by_model(own, score.metric, horizons[score.metric])
            series.update({(model, name): daily_series(each) for model, each in by_model.items()})
    return {key: each for key, each in series.items() if len(each.dates) >= LEAST_DATES}


def _has_past(line: Line, past: Past) -> bool:
    """Return whether all scores of a line have a past, and run equally long."""
    series = [past.get((line.model, score.name)) for score in line.scores]
    horizons = {each.horizon for each in series if each is not None}
    return None not in series and len(horizons) == 1


@dataclass(frozen=True)
class _Columns:
    """The order in which stakes are written down.

    Attributes:
        paid: names of scores.
        horizons: by metric.
        newest: the last day that has scores.
    """

    models: Sequence[str]
    paid: Sequence[str]
    horizons: Mapping[str, int]
    newest: date

    def of(self, lines: Sequence[Line]) -> OpenStakes:
        """Return the stakes of some lines, by the rules that their rounds carry."""
        import numpy as np

        from numebot_dagster.scoring.luck.stake_paths import OpenStakes

        spans = np.array([self._span(line) for line in lines])
        return OpenStakes(
            models=np.array([self.models.index(line.model) for line in lines]),
            opens_in=spans[:, 0],
            ends_in=spans[:, 1],
            heights=np.array([self._heights(line) for line in lines]),
            horizons=np.array([self.horizons[line.scores[0].metric] for line in lines]),
            positions=_numbers(line.at_risk for line in lines),
            multipliers=np.array([self._multipliers(line) for line in lines]),
            payout_factors=_numbers(line.payout_factor for line in lines),
            clips=_numbers(line.clip for line in lines),
        )

    def _span(self, line: Line) -> tuple[int, int]:
        """Return in how many days the first piece to come begins, and in how many the last ends."""
        import numpy as np

        horizon = self.horizons[line.scores[0].metric]
        scored = [score.day for score in line.scores if score.value is not None and score.day]
        if scored:
            return 0, max(horizon - min(scored), 0)
        ends_in = int(np.busday_count(self.newest, line.resolve_date or self.newest))
        return max(ends_in - horizon, 0), max(ends_in, horizon)

    def _heights(self, line: Line) -> list[float]:
        """Return sqrt(day) times the newest score, by paid score; 0 before the first one."""
        heights = {
            score.name: (score.day or 0) ** 0.5 * float(score.value or 0) for score in line.scores
        }
        return [heights.get(name, 0.0) for name in self.paid]

    def _multipliers(self, line: Line) -> list[float]:
        multipliers = {score.name: float(score.multiplier or 0) for score in line.scores}
        return [multipliers.get(name, 0.0) for name in self.paid]


def _numbers(amounts: Iterable[Decimal | None]) -> np.ndarray:
    import numpy as np

    return np.array([float(amount or 0) for amount in amounts])


def _ends(lines: Sequence[Line], stakes: OpenStakes) -> list[tuple[date, int]]:
    """Return the days on which lines pay, each with the last place in the paths that it has."""
    places = zip((line.resolve_date for line in lines), stakes.ends_in.tolist(), strict=True)
    in_order = sorted((day, place) for day, place in places if day is not None)
    last = accumulate((place for _, place in in_order), max)
    return list(dict(zip((day for day, _ in in_order), last, strict=True)).items())


def _longest_burn(book: Ledger) -> int:
    """Return the longest run of days on which rounds burned on the whole."""
    import numpy as np

    from numebot_dagster.scoring.luck.stake_paths import longest_burn

    paid = [
        (line.resolve_date, line.paid) for line in book.lines if line.resolve_date and line.paid
    ]
    by_day = groupby(sorted(paid), key=lambda each: each[0])
    sums = [float(sum((amount for _, amount in day), Decimal())) for _, day in by_day]
    return longest_burn(np.array(sums))
