"""Make frames of scores from short rows."""

from collections.abc import Callable
from datetime import date, timedelta

import polars as pl
import pytest

from numebot_dagster.lake import tables

FIRST_SCORE = date(2026, 9, 3)


@pytest.fixture
def score_frame() -> Callable[..., pl.DataFrame]:
    """Make a frame from short rows: model, round, metric, day, value, then optional columns."""

    def make(*rows: tuple) -> pl.DataFrame:
        defaults = ("1", None, False)
        full = []
        for model, round_number, metric, day, value, *rest in rows:
            version, percentile, resolved = (*rest, *defaults[len(rest) :])
            published = None if day is None else FIRST_SCORE + timedelta(days=day - 1)
            full.append(
                (model, round_number, metric, version, day, published, value, percentile, resolved)
            )
        return pl.DataFrame(full, schema=tables.SCORES.schema, orient="row")

    return make
