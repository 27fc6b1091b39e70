"""Tabulate a model's diagnostics: its summaries, and Numerai's figures beside ours."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    from numebot_dagster.numerai.diagnostics import OfficialDiagnostics
    from numebot_dagster.scoring.summaries import Summary

LABELS = {
    "corr": "CORR",
    "mmc": "MMC",
    "bmc": "BMC",
    "fnc": "FNC",
    "benchmark_corr": "benchmark CORR",
    "correlation_with_benchmark": "with benchmark",
    "max_feature_exposure": "max exposure",
    "rms_feature_exposure": "RMS exposure",
}
"""The metrics in the order in which they are shown."""

OWN = ("corr", "mmc", "bmc", "fnc")
"""The scores of the model's own predictions."""

EARNED = (*OWN, "benchmark_corr")
"""The metrics that add up over eras; the others have no Sharpe ratio or drawdown."""

_COLUMNS: dict[str, pl.DataType | type[pl.DataType]] = {
    "score": pl.Enum(list(LABELS.values())),
    "eras": pl.Int64,
    "mean": pl.Float64,
    "±95%": pl.Float64,
    "std": pl.Float64,
    "Sharpe": pl.Float64,
    "smart": pl.Float64,
    "drawdown": pl.Float64,
}


def summary_table(summaries: Mapping[str, Summary]) -> pl.DataFrame:
    """Return one row per summarised metric, in the order of `LABELS`.

    Returns:
        score; eras; mean and half the width of its 95 % interval (nothing where the eras are too
        few); std; Sharpe and the
        Sharpe ratio corrected for autocorrelation ("smart"); the largest drawdown. See
        `scoring.summaries` for their formulas. The last four only for what adds up over eras.
    """
    rows = [_row(metric, summaries[metric]) for metric in LABELS if metric in summaries]
    return pl.DataFrame(rows, schema=_COLUMNS, orient="row")


def figures_table(summaries: Mapping[str, Summary]) -> pl.DataFrame:
    """Return `summary_table` transposed, for a narrow page: a column for each of four scores.

    The first heading has the number of eras; a score of fewer eras, such as MMC, has its own.
    """
    own = {metric: summaries[metric] for metric in OWN if metric in summaries}
    eras = max((summary.n for summary in own.values()), default=0)
    figures = ["mean", "±95%", "std", "Sharpe", "smart Sharpe", "max drawdown"]
    columns: dict[str, Sequence[object]] = {f"{eras} eras": figures}
    for metric, summary in own.items():
        label = LABELS[metric]
        named = label if summary.n == eras else f"{label}, {summary.n} eras"
        columns[named] = _row(metric, summary)[2:]
    return pl.DataFrame(columns)


def intervals_table(summary: Summary) -> pl.DataFrame:
    """Return one row per figure of one score: `figure`, `value`, and its 95 % interval."""
    names = ("mean", "std", "sharpe", "smart_sharpe", "max_drawdown")
    rows = [
        (
            name.replace("_", " "),
            *(getattr(summary, f"{name}{end}") for end in ("", "_low", "_high")),
        )
        for name in names
    ]
    schema = {"figure": pl.String} | dict.fromkeys(("value", "low", "high"), pl.Float64)
    return pl.DataFrame(rows, schema=schema, orient="row")


def caveat(summaries: Mapping[str, Summary]) -> str:
    """Return how much overlapping eras count, and which own scores may be luck.

    Empty for summaries without a score of the model's own.
    """
    own = [(LABELS[metric], summaries[metric]) for metric in OWN if metric in summaries]
    if not own:
        return ""
    label, first = own[0]
    text = (
        f"The targets of neighbouring eras overlap: the {first.n} eras of {label} say as much as "
        f"{first.effective_n:.1f} that share no day, and ±95% counts only these."
    )
    undecided = [
        f"{label} ({summary.n} eras, worth {summary.effective_n:.1f})"
        for label, summary in own
        if not (summary.mean_low > 0 or summary.mean_high < 0)  # also where it is unknown
    ]
    if undecided:
        text += f" The interval includes zero, so that it may be luck: {', '.join(undecided)}."
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
    width = summary.mean_high - summary.mean
    # All scores lie between -1 and 1: a wider interval means that there are too few eras.
    reach = width if width < 1 else None
    earned = (summary.std, summary.sharpe, summary.smart_sharpe, summary.max_drawdown)
    shown = earned if metric in EARNED else (None,) * len(earned)
    return (LABELS[metric], summary.n, summary.mean, reach, *shown)


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
        ours = _figure(figure, scores)
        difference = None if ours is None else f"{ours - numerai:+.1e}"
        rows.append((LABELS[metric], figure, len(scores), ours, numerai, difference))
    schema = {
        "score": pl.String,
        "figure": pl.String,
        "eras": pl.Int64,
        "ours": pl.Float64,
        "numerai": pl.Float64,
        "difference": pl.String,
    }
    return pl.DataFrame(rows, schema=schema, orient="row")


def _figure(name: str, scores: pl.Series) -> float | None:
    """Return one figure of the scores of eras in order, as `scoring.summaries` defines it."""
    from numebot_dagster.scoring.summaries import summarise

    if scores.is_empty():
        return None
    summary = summarise(scores.to_numpy(), horizon_days=60)  # which these figures do not depend on
    value = {
        "mean": summary.mean,
        "std": summary.std,
        "Sharpe": summary.sharpe,
        "max drawdown": summary.max_drawdown,
        "max": max(scores),
    }[name]
    return None if math.isnan(value) else value
