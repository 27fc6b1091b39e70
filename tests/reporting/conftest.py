"""Make frames of scores from short rows."""

from collections.abc import Callable
from datetime import date, timedelta

import altair
import polars as pl
import pytest

from numebot_dagster.lake import tables

FIRST_SCORE = date(2026, 9, 3)


@pytest.fixture(autouse=True)
def _encodings_have_types(monkeypatch: pytest.MonkeyPatch) -> None:
    """Refuse `encode(x="day:Q")`: Altair takes 16 ms to tell what each such text is meant to be."""

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError('give charts `alt.X("day:Q")`, not its text')

    monkeypatch.setattr(altair.SchemaBase, "from_dict", refuse)


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
