"""Say from which columns the columns of the dashboard are made."""

from __future__ import annotations

from typing import TYPE_CHECKING

import dagster as dg

from numebot_dagster.defs.metadata import Metadata

if TYPE_CHECKING:
    import polars as pl

SCORES = dg.AssetKey(["performance", "scores"])
PAYOUTS = dg.AssetKey(["performance", "payouts"])

_FINAL = ((SCORES, "value"), (SCORES, "metric"), (SCORES, "resolved"))
_MODELS = {
    "model": ("its name at Numerai", ((SCORES, "model"), (PAYOUTS, "model"))),
    "resolved": ("rounds with a final score", ((SCORES, "round"), (SCORES, "resolved"))),
    "independent": (
        "how many rounds that share no day say as much",
        ((SCORES, "round"), (SCORES, "resolved")),
    ),
    "mean_corr": ("mean of the final CORR60", _FINAL),
    "mean_mmc": ("mean of the final MMC60", _FINAL),
    "settled_nmr": ("what was paid or burned", ((PAYOUTS, "payout_nmr"), (PAYOUTS, "settled"))),
}


def of_models(models: pl.DataFrame) -> Metadata:
    """Return columns and lineage of the dashboard's table of models, a `model_summary`."""
    columns = [
        dg.TableColumn(name, str(models.schema[name]), description)
        for name, (description, _) in _MODELS.items()
    ]
    sources = {
        name: [dg.TableColumnDep(asset, column) for asset, column in made_of]
        for name, (_, made_of) in _MODELS.items()
    }
    return {
        "dagster/row_count": models.height,
        "dagster/column_schema": dg.TableSchema(columns),
        "dagster/column_lineage": dg.TableColumnLineage(sources),
    }
