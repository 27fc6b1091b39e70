"""Tables for Markdown and the terminal, and the two summaries that are shown most.

The summaries take frames of the views `scores`, `submissions` and `payouts`; columns beyond those
that are named here are ignored.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import polars as pl

from numebot_dagster.reporting.numbers import MISSING
from numebot_dagster.reporting.selection import ONE_SUBMISSION, final_scores, newest_scores

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

HORIZON_DAYS = 60
LEAST_FOR_SHARPE = 3.0  # independent rounds, which take about eight months

STYLES = {
    "on_time": "green",
    "late": "yellow",
    "queued": "yellow",
    "failed": "bold red",
    "missed": "bold red",
    "confirmed": "green",
    "accepted": "cyan",
    "pending": "yellow",
    "invalid": "bold red",
}
"""Colours of the outcomes and states of a submission."""


def markdown_table(frame: pl.DataFrame) -> str:
    """Returns a GitHub-style table: numbers to the right, floats to 4 digits, None as a dash."""
    numeric = [dtype.is_numeric() for dtype in frame.dtypes]
    lines = [
        [_escaped(_heading(name)) for name in frame.columns],
        ["---:" if right else ":---" for right in numeric],
        *([_escaped(_text(value)) for value in row] for row in frame.iter_rows()),
    ]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def rich_table(frame: pl.DataFrame, title: str) -> Table:
    """Returns a table for the terminal, coloured by outcome, by state and by sign."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(
        title=Text(title),
        title_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        collapse_padding=True,
    )
    for column in frame:
        heading = _heading(column.name)
        numeric = column.dtype.is_numeric()
        # In a narrow terminal headings and names are broken before numbers are.
        widest = max(map(len, map(_text, column)), default=1)
        table.add_column(
            Text(heading),
            justify="right" if numeric else "left",
            min_width=widest if numeric else min(widest, 10),
            overflow="fold",
        )
    for row in frame.iter_rows():
        table.add_row(*(_coloured(value, _text(value)) for value in row))
    return table


def rounds_summary(
    scores: pl.DataFrame, submissions: pl.DataFrame, *, corr: str = "corr60", mmc: str = "mmc60"
) -> pl.DataFrame:
    """Returns one row per round and model that was submitted or scored, newest round first.

    Args:
        scores: model, round, metric, version, day, date, value, percentile, resolved.
        submissions: model, round, outcome, state; one row per model and round.
        corr: Numerai's name of the score for the column corr.
        mmc: Numerai's name of the score for the column mmc.

    Returns:
        round, model, outcome, state, day (the newest scoring day of corr), corr and mmc (their
        newest values: noise on day 1, final when resolved) and resolved.
    """
    newest_corr = newest_scores(scores, corr).select(
        *ONE_SUBMISSION, "day", "resolved", corr="value"
    )
    newest_mmc = newest_scores(scores, mmc).select(*ONE_SUBMISSION, mmc="value")
    return (
        submissions.select("model", pl.col("round").cast(pl.Int64), "outcome", "state")
        .join(newest_corr, on=ONE_SUBMISSION, how="full", coalesce=True)
        .join(newest_mmc, on=ONE_SUBMISSION, how="left")
        .select(
            "round", "model", "outcome", "state", "day", "corr", "mmc",
            pl.col("resolved").fill_null(False),
        )
        .sort("round", "model", descending=[True, False])
    )  # fmt: skip


def model_summary(
    scores: pl.DataFrame, payouts: pl.DataFrame, *, corr: str = "corr60", mmc: str = "mmc60"
) -> pl.DataFrame:
    """Returns one row per model that has scores or payouts, by name.

    Args:
        scores: as for `rounds_summary`.
        payouts: date, model, round, payout_nmr, settled; of several days the newest counts.
        corr: Numerai's name of the score for the columns about CORR.
        mmc: Numerai's name of the score for the column mean_mmc.

    Returns:
        model, rounds (with a score), resolved (rounds with a final score), independent (how many
        independent ones say as much, see `independent_rounds`), mean_corr, std_corr (population, as
        in numerai-tools) and sharpe (their ratio; only from `LEAST_FOR_SHARPE` independent rounds
        up) and mean_mmc, all of final scores; percentile (0 to 1) of the CORR that has seen most
        days, the newest of these; settled_nmr and pending_nmr, the sums of payouts in NMR, unknown
        where no payout is.
    """
    newest = newest_scores(scores, corr)
    per_model = newest.group_by("model").agg(rounds=pl.len())
    final = (
        final_scores(scores, corr)
        .group_by("model")
        .agg(
            resolved=pl.len(),
            independent=pl.col("round").map_batches(_independent, pl.Float64, returns_scalar=True),
            mean_corr=pl.col("value").mean(),
            std_corr=_spread(),
        )
    )
    mean_mmc = final_scores(scores, mmc).group_by("model").agg(mean_mmc=pl.col("value").mean())
    percentile = (
        newest.filter(pl.col("percentile").is_not_null())
        .sort("day", "round")
        .group_by("model")
        .agg(pl.col("percentile").last())
    )
    models = pl.concat([newest.select("model"), payouts.select("model")]).unique()
    table = models
    for part in (per_model, final, mean_mmc, percentile, _earned(payouts)):
        table = table.join(part, on="model", how="left")
    spread = pl.col("std_corr")
    tells = (spread > 0) & (pl.col("independent") >= LEAST_FOR_SHARPE)
    return table.select(
        "model",
        pl.col("rounds", "resolved").fill_null(0).cast(pl.Int64),
        "independent",
        "mean_corr",
        "std_corr",
        pl.when(tells).then(pl.col("mean_corr") / spread).alias("sharpe"),
        "mean_mmc",
        "percentile",
        "settled_nmr",
        "pending_nmr",
    ).sort("model")


def independent_rounds(rounds: Sequence[int]) -> float:
    """Return how many independent rounds tell as much of a mean as these, which share days.

    Two rounds that open k rounds apart have `HORIZON_DAYS` - k of their scoring days in common, and
    their scores are taken to correlate as much: n^2 / sum of max(0, 1 - k / `HORIZON_DAYS`) over
    all pairs (the usual effective sample size of a mean).

    Args:
        rounds: numbers of rounds, each once; five open in a week, as many as are days of scoring.
    """
    import numpy as np

    numbers = np.asarray(rounds, dtype=float)
    apart = np.abs(numbers[:, None] - numbers[None, :])
    shared = np.clip(1 - apart / HORIZON_DAYS, 0, None).sum()
    return float(len(numbers) ** 2 / shared) if len(numbers) else 0.0


def _independent(rounds: pl.Series) -> float:
    return independent_rounds(rounds.to_list())


def _spread() -> pl.Expr:
    return pl.when(pl.len() > 1).then(pl.col("value").std(ddof=0))


def _earned(payouts: pl.DataFrame) -> pl.DataFrame:
    """NMR by model: each round once, as the newest day knows it, settled before pending."""
    newest = (
        payouts.with_columns(pl.col("payout_nmr").cast(pl.Float64))
        .sort("date", "settled", nulls_last=False)
        .unique(ONE_SUBMISSION, keep="last", maintain_order=True)
    )
    amount, settled = pl.col("payout_nmr"), pl.col("settled")
    return newest.group_by("model").agg(
        settled_nmr=_sum_of_known(amount.filter(settled)),
        pending_nmr=_sum_of_known(amount.filter(~settled)),
    )


def _sum_of_known(amounts: pl.Expr) -> pl.Expr:
    """A sum that is unknown, and not zero, where no amount is."""
    return pl.when(amounts.count() > 0).then(amounts.sum())


def _heading(column: str) -> str:
    return column.replace("_", " ")


def _text(value: Any) -> str:
    """One cell; a float that rounds to zero loses its sign, which would say nothing."""
    match value:
        case None:
            return MISSING
        case bool():
            return "yes" if value else "no"
        case float() | Decimal():
            if math.isnan(value):
                return MISSING
            rounded = f"{value:.4f}"
            return rounded.removeprefix("-") if float(rounded) == 0 else rounded
        case datetime():
            return value.strftime("%Y-%m-%d %H:%M")
        case date():
            return value.isoformat()
        case _:
            return str(value)


def _escaped(text: str) -> str:
    return " ".join(text.replace("\\", "\\\\").replace("|", "\\|").split())


def _coloured(value: Any, text: str) -> Text:
    from rich.text import Text

    style = STYLES.get(value, "") if isinstance(value, str) else ""
    if isinstance(value, float | Decimal) and float(value) < 0:
        style = "red"
    return Text(text, style)
