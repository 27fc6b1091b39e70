"""Correlate the predictions that Numerai holds of the models, each of the last rounds once."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np

from numebot_dagster.lake import catalog, parquet
from numebot_dagster.lake.damaged import read_or_set_aside
from numebot_dagster.lake.layout import Lake
from numebot_dagster.scoring.likeness import rank_correlations

if TYPE_CHECKING:
    import polars as pl

ROUNDS = 5
"""How many of the newest rounds count: a week."""
_LOOKED_AT = 15  # of the newest rounds, for those that were played

_SUBMITTED = """
select round, model, predictions_sha256 as sha256 from submissions
where round >= ? and predictions_sha256 is not null and state in ('accepted', 'confirmed')
order by all
"""
_PREDICTIONS = """
select model, id, any_value(prediction) as prediction from predictions
where round = ? and list_contains(?, sha256) group by all
"""


def live_correlations(lake: Lake) -> pl.DataFrame:
    """Return round, model, other and correlation of the last rounds that two models played.

    A round is read once and again only when other predictions were submitted; what was computed
    is stored. Each pair of models is one row, in the order of the alphabet.
    """
    import polars as pl

    file = lake.live_correlations_file
    stored = read_or_set_aside(file, parquet.read) if file.is_file() else None
    if stored is None:
        stored = _empty()
    rounds = [_empty()]
    for number, models in _submitted(lake).items():
        digest = hashlib.sha256(repr(sorted(models.items())).encode()).hexdigest()
        pairs = stored.filter(pl.col("round") == number, pl.col("inputs") == digest)
        if pairs.is_empty():
            pairs = _pairs(lake, number, models).with_columns(inputs=pl.lit(digest))
        rounds.append(pairs)
    present = pl.concat(rounds)
    if not present.equals(stored):
        parquet.write(file, present)
    return present.drop("inputs").drop_nulls("correlation")


def _submitted(lake: Lake) -> dict[int, dict[str, str]]:
    """Return the hash of each model's predictions, of the last rounds with at least two."""
    first = min(lake.stored_rounds()[-_LOOKED_AT:], default=0)
    rounds: dict[int, dict[str, str]] = {}
    for number, model, sha256 in catalog.query(lake, _SUBMITTED, [first]).iter_rows():
        rounds.setdefault(number, {})[model] = sha256
    played = [number for number, models in rounds.items() if len(models) > 1]
    return {number: rounds[number] for number in sorted(played)[-ROUNDS:]}


def _pairs(lake: Lake, number: int, models: dict[str, str]) -> pl.DataFrame:
    """Return the correlations of a round; null for models that share no rows or never vary.

    A model with predictions for fewer than half of the rows is left out: for the others' sake.
    """
    import polars as pl

    rows = catalog.query(lake, _PREDICTIONS, [number, list(models.values())])
    table = rows.pivot("model", index="id", values="prediction")
    names = sorted(
        name for name in set(table.columns) & set(models)
        if 2 * table[name].is_not_null().sum() >= table.height
    )  # fmt: skip
    matrix = rank_correlations(table.select(names).to_numpy().astype(np.float64))
    pairs = [
        (number, name, other, float(matrix[first, second]))
        for first, name in enumerate(names)
        for second, other in enumerate(names)
        if first < second
    ]
    frame = pl.DataFrame(pairs, schema=_empty().drop("inputs").schema, orient="row")
    return frame.with_columns(pl.col("correlation").fill_nan(None))


def _empty() -> pl.DataFrame:
    import polars as pl

    columns = {"round": pl.Int64(), "model": pl.String(), "other": pl.String()}
    return pl.DataFrame(schema={**columns, "correlation": pl.Float64(), "inputs": pl.String()})
