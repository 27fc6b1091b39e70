"""Tabulate a model's diagnostics: its summaries, and Numerai's figures beside ours."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from numebot_dagster.scoring.metrics import METRICS
from numebot_dagster.scoring.summaries import FIGURES, Summary

if TYPE_CHECKING:
    from numebot_dagster.numerai.diagnostics import OfficialDiagnostics

_EXTENT = "±95%"
# The figures of a history, which only metrics that add up have.
_EARNED = [name for name, figure in FIGURES.items() if figure.heading and name != "mean"]
_COLUMNS: dict[str, pl.DataType | type[pl.DataType]] = {
    "score": pl.Enum([metric.label for metric in METRICS.values()]),
    "eras": pl.Int64,
    **dict.fromkeys(("mean", _EXTENT, *(FIGURES[name].heading for name in _EARNED)), pl.Float64),
}


def summary_table(summaries: Mapping[str, Summary]) -> pl.DataFrame:
    """Return one row per summarised metric, in the order of `METRICS`.

    Returns:
        score; eras; mean and half the width of its 95 % interval (nothing where the eras are too
        few); a column for each other figure that has a heading, filled for what adds up over eras.
    """
    rows = [_row(metric, summaries[metric]) for metric in METRICS if metric in summaries]
    return pl.DataFrame(rows, schema=_COLUMNS, orient="row")


def legend() -> str:
    """Return what the headings of `summary_table` mean that are not the figures' own names."""
    shortened = [
        f"{figure.heading} is {figure.label}, {figure.meaning}"
        for figure in FIGURES.values()
        if figure.heading not in ("", figure.label)
    ]
    return "; ".join([f"{_EXTENT} is half the width of the mean's 95 % interval", *shortened])


def figures_table(summaries: Mapping[str, Summary]) -> pl.DataFrame:
    """Return `summary_table` transposed, for a narrow page: a column for each of the own scores.

    The first heading has the number of eras; a score of fewer eras, such as MMC, has its own.
    """
    own = _own(summaries)
    eras = max((summary.n for summary in own.values()), default=0)
    figures = ["mean", _EXTENT, *(FIGURES[name].label for name in _EARNED)]
    columns: dict[str, Sequence[object]] = {f"{eras} eras": figures}
    for metric, summary in own.items():
        label = METRICS[metric].label
        named = label if summary.n == eras else f"{label}, {summary.n} eras"
        columns[named] = _row(metric, summary)[2:]
    return pl.DataFrame(columns)


def intervals_table(summary: Summary) -> pl.DataFrame:
    """Return one row per figure of one score: `figure`, `value`, and its 95 % interval."""
    rows = [(figure.label, *summary[name]) for name, figure in FIGURES.items()]
    schema = {"figure": pl.String} | dict.fromkeys(("value", "low", "high"), pl.Float64)
    return pl.DataFrame(rows, schema=schema, orient="row")


def _own(summaries: Mapping[str, Summary]) -> dict[str, Summary]:
    """Return the summaries of the scores of the model's own predictions, in order."""
    own = (name for name, metric in METRICS.items() if metric.is_own)
    return {name: summaries[name] for name in own if name in summaries}


def caveat(summaries: Mapping[str, Summary]) -> str:
    """Return how much overlapping eras count, and which own scores may be luck.

    Empty for summaries without a score of the model's own.
    """
    own = [(METRICS[metric].label, summary) for metric, summary in _own(summaries).items()]
    if not own:
        return ""
    label, first = own[0]
    text = (
        f"The targets of neighbouring eras overlap: the {first.n} eras of {label} say as much as "
        f"{first.effective_n:.1f} that share no day, and ±95% counts only these."
    )
    undecided, unknown = [], []
    for label, summary in own:
        named = f"{label} ({summary.n} eras, worth {summary.effective_n:.1f})"
        if _extent(summary) is None:
            unknown.append(named)
        elif summary["mean"].low <= 0 <= summary["mean"].high:
            undecided.append(named)
    if undecided:
        text += f" The interval includes zero, so that it may be luck: {', '.join(undecided)}."
    if unknown:
        text += f" There are too few eras for an interval: {', '.join(unknown)}."
    return text


def summaries_beside(
    held_out: Mapping[str, Summary], everything: Mapping[str, Summary]
) -> pl.DataFrame:
    """Return `summary_table` twice by metric: of the held-out eras, then of all eras.

    The column `of`, in place of `eras`, names which.
    """
    parts = [
        summary_table(summaries).with_columns(of=pl.lit(of), place=pl.lit(place))
        for place, (of, summaries) in enumerate((("held out", held_out), ("all", everything)))
    ]
    rows = pl.concat(parts).sort("score", "place")
    return rows.select("score", "of", *list(_COLUMNS)[2:])


def _row(metric: str, summary: Summary) -> tuple[object, ...]:
    adds_up = METRICS[metric].adds_up
    earned = (summary[name].value if adds_up else None for name in _EARNED)
    return (METRICS[metric].label, summary.n, summary["mean"].value, _extent(summary), *earned)


def _extent(summary: Summary) -> float | None:
    """Return half the width of the mean's interval, or None where there are too few eras.

    All scores lie between -1 and 1, so that a wider one says nothing.
    """
    mean, _, high = summary["mean"]
    return high - mean if high - mean < 1 else None


@dataclass(frozen=True)
class Difference:
    """The era in which Numerai's score is farthest from ours."""

    metric: str
    era: int
    size: float


def shared_eras(by_era: pl.DataFrame, official: OfficialDiagnostics) -> pl.DataFrame:
    """Return `era`, `metric`, `ours` and `numerai` where both have a score."""
    return (
        by_era.filter(pl.col("value").is_finite())
        .rename({"value": "ours"})
        .join(official.by_era.rename({"value": "numerai"}), on=["era", "metric"])
        .sort("metric", "era")
    )


def largest_differences(by_era: pl.DataFrame, official: OfficialDiagnostics) -> list[Difference]:
    """Return the largest difference of each metric that both have, the largest of all first."""
    size = (pl.col("ours") - pl.col("numerai")).abs()
    rows = (
        shared_eras(by_era, official)
        .with_columns(size=size)
        .sort("size", descending=True)
        .unique("metric", keep="first", maintain_order=True)
    )
    return [Difference(*row) for row in rows.select("metric", "era", "size").iter_rows()]


def comparison_table(by_era: pl.DataFrame, official: OfficialDiagnostics) -> pl.DataFrame:
    """Return Numerai's figures with ours over the eras that both have scored.

    Returns:
        score, figure, eras (how many are shared), ours, numerai and their difference as text.
    """
    shared = shared_eras(by_era, official)
    rows = []
    for (metric, figure), numerai in official.figures.items():
        scores = shared.filter(pl.col("metric") == metric)["ours"]
        value = FIGURES[figure].of(scores.to_numpy())
        ours, difference = (None, None) if math.isnan(value) else (value, f"{value - numerai:+.1e}")
        labels = METRICS[metric].label, FIGURES[figure].label
        rows.append((*labels, len(scores), ours, numerai, difference))
    schema = {
        "score": pl.String,
        "figure": pl.String,
        "eras": pl.Int64,
        "ours": pl.Float64,
        "numerai": pl.Float64,
        "difference": pl.String,
    }
    return pl.DataFrame(rows, schema=schema, orient="row")
