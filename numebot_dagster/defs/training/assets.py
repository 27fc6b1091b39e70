"""Define the asset of a vintage's training data."""

import dagster as dg

from numebot_dagster.defs import catalogue
from numebot_dagster.defs.metadata import stored_at
from numebot_dagster.defs.partitions import vintages
from numebot_dagster.defs.resources import PlatformResource
from numebot_dagster.defs.turns import READING, turn
from numebot_dagster.lake import parquet
from numebot_dagster.operations.platform import Platform
from numebot_dagster.operations.training.trainer import vintage_of_today
from numebot_dagster.operations.training.vintages import TRAIN, VALIDATION, fetch_training

TRAINING_DATA = dg.AssetKey(["training", "data"])


@dg.asset(
    key=TRAINING_DATA,
    partitions_def=vintages,
    group_name="training",
    kinds={"numerai", "parquet"},
    metadata=catalogue.source(),
)
def data(context: dg.AssetExecutionContext, platform: PlatformResource) -> dg.MaterializeResult:
    """Pin the training data of one vintage: features, train, validation, benchmarks and meta model.

    A vintage is one pinned release of the training data, named by the round at which it was pinned.
    Files that have not changed since another vintage are shared with it, not downloaded again.
    """
    opened = platform.open(context.log)
    with turn(context, opened.lake, READING):
        vintage = fetch_training(opened, _number(opened, context.partition_key))
    facts = {
        name: parquet.verify(path)
        for name, path in vintage.files.items()
        if path.suffix == ".parquet"
    }
    return dg.MaterializeResult(
        metadata={
            "data_version": vintage.data_version,
            "pinned_at": dg.MetadataValue.timestamp(vintage.pinned_at),
            "validation_rows": facts[VALIDATION].rows,
            "columns": len(facts[TRAIN].columns),
            "megabytes": sum(path.stat().st_size for path in vintage.files.values()) // 1_000_000,
            **stored_at(vintage.files[TRAIN], facts[TRAIN].rows),
        }
    )


def _number(platform: Platform, key: str) -> int:
    """Return the number of a vintage that is stored, or that can be pinned now.

    Raises:
        Failure: it is neither: today's data would be stored under a wrong name.
    """
    if key.isdigit() and int(key) in platform.lake.stored_vintages():
        return int(key)
    today = vintage_of_today(platform)
    if key != str(today):
        raise dg.Failure(
            f"Vintage {key} was never pinned, and today's data belong to vintage {today}: launch "
            "train_today_job, which needs no number.",
            allow_retries=False,
        )
    return today
