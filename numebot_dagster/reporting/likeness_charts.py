"""Draw how alike the predictions of models are."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from numebot_dagster.reporting import marks
from numebot_dagster.reporting.picture import Picture

CORRELATION = "+.2f"
MOST_NAMED = 10
"""Models whose columns have room for their names."""


def correlations(pairs: pl.DataFrame, models: Sequence[str], result: str) -> Picture:
    """Draw the correlation of each pair of models as a heat map.

    Args:
        pairs: model, other and value; each pair twice, and each model with itself.
        models: the order of rows and columns.
        result: what is seen in it, in words.
    """
    import altair as alt

    both = f"{marks.IS_SHOWN} && {marks.IS_SHOWN.replace('datum.model', 'datum.other')}"
    axis = alt.Axis(title=None, labelAngle=-35, labelLimit=110)
    columns = alt.X(
        "other:N",
        sort=list(models),
        axis=axis if len(models) <= MOST_NAMED else None,
        scale=alt.Scale(paddingInner=0.08, paddingOuter=0),
    )
    chart = (
        alt.Chart(pairs.with_columns(pl.col("value").round(3)))
        .transform_filter(both)
        .mark_rect()
        .encode(
            x=columns,
            y=marks.model_rows(models),
            color=marks.diverging("correlation", 1, "+.0f"),
            tooltip=[
                alt.Tooltip("model:N"),
                alt.Tooltip("other:N"),
                alt.Tooltip("value:Q", format=CORRELATION),
            ],
        )
    )
    return Picture(
        "Live predictions side by side",
        "Blue: alike. Orange: opposite. Models that are alike stand together; columns have the "
        "order of the rows.",
        result,
        marks.rows(chart),
        is_dense=True,
    )
