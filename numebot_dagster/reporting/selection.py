"""Select the rows of the `scores` view for figures and tables.

A score frame has the columns model, round, metric, version, day, date, value, percentile and
resolved. A metric may be published in several versions, and a day may have been stored twice
(once before and once after its round resolved): both cases are resolved here.
"""

from __future__ import annotations

import polars as pl

ONE_SUBMISSION = ["model", "round"]


def scores_of(scores: pl.DataFrame, metric: str) -> pl.DataFrame:
    """Return one row per model, round and day of one metric, sorted by these.

    Of several versions of the metric in one round the newest counts (by its number, then by its
    text); of a day stored twice, the row published last. NaN and infinity become null, and
    `resolved` is that of the whole round.
    """
    own = scores.filter(pl.col("metric") == metric, pl.col("day").is_not_null())
    if own["version"].n_unique() > 1:
        own = _newest_version(own)
    if not _is_arranged(own):  # to sort a million rows takes a hundred times as long as to look
        own = own.sort([*ONE_SUBMISSION, "day", "date", "resolved"], nulls_last=False).unique(
            [*ONE_SUBMISSION, "day"], keep="last", maintain_order=True
        )
    return own.with_columns(
        pl.when(pl.col("value").is_finite()).then(pl.col("value")),
        pl.col("resolved").fill_null(False).any().over(ONE_SUBMISSION),
    )


def _newest_version(scores: pl.DataFrame) -> pl.DataFrame:
    """Return the rows of the newest version in each round."""
    number = pl.col("version").str.extract(r"(\d+)").cast(pl.Int64, strict=False)
    order = [*ONE_SUBMISSION, number, "version"]
    newest = pl.col("version").last().over(ONE_SUBMISSION)
    return scores.sort(order, nulls_last=False).filter(pl.col("version").eq_missing(newest))


def of_newest_version(scores: pl.DataFrame) -> pl.DataFrame:
    """Return the rows of the newest version of all, of one metric.

    What an earlier version measured is another score, so that no mean may be taken over both.
    """
    number = pl.col("version").str.extract(r"(\d+)").cast(pl.Int64, strict=False)
    versions = scores.select(pl.col("version").unique()).sort(number, "version", nulls_last=False)
    if versions.height <= 1:
        return scores
    newest = pl.lit(versions["version"][-1], pl.String)
    return scores.filter(pl.col("version").eq_missing(newest))


def _is_arranged(scores: pl.DataFrame) -> bool:
    """Return whether rows are sorted by model, round and day, and none of these is there twice."""
    is_after = pl.lit(False)
    for name in ("day", "round", "model"):
        column = pl.col(name)
        is_after = (column > column.shift()) | ((column == column.shift()) & is_after)
    return bool(scores.select(is_after.slice(1).all()).item())


def newest_scores(scores: pl.DataFrame, metric: str) -> pl.DataFrame:
    """Return one row per model and round: that of the newest day with a value."""
    published = scores_of(scores, metric).filter(pl.col("value").is_not_null())
    return published.unique(ONE_SUBMISSION, keep="last", maintain_order=True)


def final_scores(scores: pl.DataFrame, metric: str) -> pl.DataFrame:
    """Return one row per model and resolved round: that of the last day, which alone is paid.

    A resolved round whose last day has no value (a submission that was not scored) is left out.
    """
    last_days = scores_of(scores, metric).unique(ONE_SUBMISSION, keep="last", maintain_order=True)
    return last_days.filter(pl.col("resolved"), pl.col("value").is_not_null())
