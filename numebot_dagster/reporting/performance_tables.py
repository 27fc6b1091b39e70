"""Summarise scores, submissions and payouts by round and by model.

The functions take frames of the views `scores`, `submissions` and `payouts`; columns beyond those
that are named here are ignored.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from numebot_dagster.reporting.numbers import NMR_DIGITS
from numebot_dagster.reporting.selection import ONE_SUBMISSION, final_scores, newest_scores

CORR, MMC = "corr60", "mmc60"
HORIZON_DAYS = 60
LEAST_FOR_SHARPE = 3.0  # independent rounds, which take about eight months
ROUNDS_ON_THE_DASHBOARD = 40
ROUNDS_OF_A_MODEL = 10


def rounds_summary(scores: pl.DataFrame, submissions: pl.DataFrame) -> pl.DataFrame:
    """Return one row per round and model that was submitted or scored, newest round first.

    Args:
        scores: model, round, metric, version, day, date, value, percentile, resolved.
        submissions: model, round, outcome, state; one row per model and round.

    Returns:
        round, model, outcome, state, day (the newest scoring day of CORR), corr and mmc (their
        newest values: noise on day 1, final when resolved) and resolved.
    """
    corr = newest_scores(scores, CORR).select(*ONE_SUBMISSION, "day", "resolved", corr="value")
    mmc = newest_scores(scores, MMC).select(*ONE_SUBMISSION, mmc="value")
    return (
        submissions.select("model", pl.col("round").cast(pl.Int64), "outcome", "state")
        .join(corr, on=ONE_SUBMISSION, how="full", coalesce=True)
        .join(mmc, on=ONE_SUBMISSION, how="left")
        .select(
            "round", "model", "outcome", "state", "day", "corr", "mmc",
            pl.col("resolved").fill_null(False),
        )
        .sort("round", "model", descending=[True, False])
    )  # fmt: skip


def scored_rounds(scores: pl.DataFrame) -> pl.DataFrame:
    """Return the newest rounds of one model that have scores, the newest first.

    Returns:
        round, day, corr, mmc and percentile (0 to 100, of CORR), of the newest scoring day with a
        value, and resolved.
    """
    mmc = newest_scores(scores, MMC).select("round", mmc="value")
    return (
        newest_scores(scores, CORR)
        .join(mmc, on="round", how="left")
        .sort("round", descending=True)
        .head(ROUNDS_OF_A_MODEL)
        .select(
            "round", "day", "mmc", "resolved", corr="value",
            percentile=(pl.col("percentile") * 100).round().cast(pl.Int64),
        )
        .select("round", "day", "corr", "mmc", "percentile", "resolved")
    )  # fmt: skip


def rounds_of_dashboard(summary: pl.DataFrame) -> pl.DataFrame:
    """Return the newest rounds of a `rounds_summary`, as narrow as a page of the Dagster UI.

    The outcome is shown only where it is not the usual one.
    """
    state = (
        pl.when(pl.col("outcome") == "on_time")
        .then(pl.col("state"))
        .otherwise(pl.concat_str("outcome", "state", separator=" ", ignore_nulls=True))
        .alias("state")
    )
    newest = summary.head(ROUNDS_ON_THE_DASHBOARD)
    return newest.select("round", "model", state, "day", "corr", "mmc")


def model_summary(scores: pl.DataFrame, payouts: pl.DataFrame) -> pl.DataFrame:
    """Return one row per model that has scores or payouts, by name.

    Args:
        scores: as for `rounds_summary`.
        payouts: date, model, round, payout_nmr, settled; of several days the newest counts.

    Returns:
        model, rounds (with a score), resolved (rounds with a final score), independent (how many
        independent ones say as much, see `independent_rounds`), mean_corr, std_corr (population, as
        in numerai-tools) and sharpe (their ratio; only from `LEAST_FOR_SHARPE` independent rounds
        up) and mean_mmc, all of final scores; percentile (0 to 1) of the CORR that has seen most
        days, the newest of these; settled_nmr and pending_nmr, the sums of payouts in NMR, unknown
        where no payout is.
    """
    newest = newest_scores(scores, CORR)
    table = pl.concat([newest.select("model"), payouts.select("model")]).unique()
    for part in (
        newest.group_by("model").agg(rounds=pl.len()),
        _final_corr(scores),
        final_scores(scores, MMC).group_by("model").agg(mean_mmc=pl.col("value").mean()),
        _newest_percentile(newest),
        _earned(payouts),
    ):
        table = table.join(part, on="model", how="left")
    spread = pl.col("std_corr")
    is_enough = (spread > 0) & (pl.col("independent") >= LEAST_FOR_SHARPE)
    return table.select(
        "model",
        pl.col("rounds", "resolved").fill_null(0).cast(pl.Int64),
        "independent",
        "mean_corr",
        "std_corr",
        pl.when(is_enough).then(pl.col("mean_corr") / spread).alias("sharpe"),
        "mean_mmc",
        "percentile",
        "settled_nmr",
        "pending_nmr",
    ).sort("model")


def models_of_dashboard(summary: pl.DataFrame) -> pl.DataFrame:
    """Return the columns of a `model_summary` that fit on a page of the Dagster UI."""
    return summary.select(
        "model",
        "resolved",
        pl.col("independent").map_elements("{:.1f}".format, pl.String),
        "mean_corr",
        "mean_mmc",
        pl.col("settled_nmr").round(NMR_DIGITS).alias("settled NMR"),
    )


def independent_rounds(rounds: Sequence[int]) -> float:
    """Return how many independent rounds say as much about a mean as these, which share days.

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


def _final_corr(scores: pl.DataFrame) -> pl.DataFrame:
    """Return resolved, independent, mean_corr and std_corr by model."""
    value = pl.col("value")

    def independent(rounds: pl.Series) -> float:
        return independent_rounds(rounds.to_list())

    return (
        final_scores(scores, CORR)
        .group_by("model")
        .agg(
            resolved=pl.len(),
            independent=pl.col("round").map_batches(independent, pl.Float64, returns_scalar=True),
            mean_corr=value.mean(),
            std_corr=pl.when(pl.len() > 1).then(value.std(ddof=0)),
        )
    )


def _newest_percentile(newest: pl.DataFrame) -> pl.DataFrame:
    """Return the percentile of the score that has seen most days by model."""
    published = newest.filter(pl.col("percentile").is_not_null()).sort("day", "round")
    return published.group_by("model").agg(pl.col("percentile").last())


def _earned(payouts: pl.DataFrame) -> pl.DataFrame:
    """Return NMR by model: each round once, as of the newest day, settled before pending."""
    newest = (
        payouts.with_columns(pl.col("payout_nmr").cast(pl.Float64))
        .sort("date", "settled", nulls_last=False)
        .unique(ONE_SUBMISSION, keep="last", maintain_order=True)
    )
    amount, settled = pl.col("payout_nmr"), pl.col("settled")
    return newest.group_by("model").agg(
        settled_nmr=_sum_or_null(amount.filter(settled)),
        pending_nmr=_sum_or_null(amount.filter(~settled)),
    )


def _sum_or_null(amounts: pl.Expr) -> pl.Expr:
    """Return a sum that is null, and not zero, when there is no amount."""
    return pl.when(amounts.count() > 0).then(amounts.sum())
