"""A round's details and live data."""

from collections.abc import Iterator

import dagster as dg

from numebot_dagster.defs import metadata
from numebot_dagster.defs.partitions import rounds
from numebot_dagster.defs.resources import PlatformResource
from numebot_dagster.numerai.errors import DataNotReady, RoundNotOpen
from numebot_dagster.operations import fetching, gates, submitting
from numebot_dagster.operations.fetching import LIVE
from numebot_dagster.operations.platform import Platform

DETAILS = dg.AssetKey(["rounds", "details"])
LIVE_DATA = dg.AssetKey(["rounds", "live_data"])

# Live data have come late by minutes; ten minutes of patience leave time for the rest of the hour.
LATE_DATA_RETRIES, LATE_DATA_WAIT = 20, 30

Events = Iterator[dg.MaterializeResult | dg.AssetCheckResult | dg.AssetObservation]


@dg.asset(key=DETAILS, partitions_def=rounds, group_name="rounds", kinds={"numerai", "parquet"})
def details(context: dg.AssetExecutionContext, platform: PlatformResource) -> dg.MaterializeResult:
    """Times, status and score configurations of one round, as Numerai states them.

    How the round is scored and paid is read from here, never from constants in the code.
    """
    shop = platform.open(context.log)
    found = fetching.fetch_details(shop, int(context.partition_key))
    window = found.close_staking_time - found.open_time
    paid = [one.name for one in found.score_configs if one.is_payout]
    return dg.MaterializeResult(
        metadata={
            "open_time": dg.MetadataValue.timestamp(found.open_time),
            "close_staking_time": dg.MetadataValue.timestamp(found.close_staking_time),
            "window_minutes": window.total_seconds() / 60,
            "score_configurations": len(found.score_configs),
            "paid_scores": ", ".join(paid) or "none stated",
            **metadata.table_metadata(
                1, metadata.columns_of(shop.lake.round_details(found.number))
            ),
        }
    )


# A multi-asset because only there the checks may be left out when the round has closed.
@dg.multi_asset(
    name="live_data",
    specs=[
        dg.AssetSpec(
            LIVE_DATA,
            deps=[DETAILS],
            group_name="rounds",
            kinds={"numerai", "parquet"},
            skippable=True,
            description=(
                "The live features of one round, with benchmark and example predictions.\n\n"
                "One folder per data version that an enabled model's weights need. Each file is "
                "checked for its size and its Parquet footer, and the ids must differ from those "
                "of the last round: as long as they do not, Numerai has not published the round's "
                "data yet, and the step waits and asks again."
            ),
        )
    ],
    partitions_def=rounds,
    can_subset=True,
    check_specs=[
        metadata.check_spec(
            gates.NEW_IDS, LIVE_DATA, rounds, "Blocks: the live ids differ from the last round's."
        ),
        metadata.check_spec(
            gates.USUAL_ROW_COUNT, LIVE_DATA, rounds, "Warns: as many rows as in the last rounds."
        ),
    ],
)
def live_data(context: dg.AssetExecutionContext, platform: PlatformResource) -> Events:
    """Fetches the live data of one round; a round that closed before is noted as missed."""
    shop = platform.open(context.log)
    number = int(context.partition_key)
    try:
        fetched = fetching.fetch_live(shop, number, shop.registry.enabled)
    except RoundNotOpen as reason:
        context.log.warning("Skipped: %s", reason)
        _note_missed(shop, number, str(reason))
        yield dg.AssetObservation(
            LIVE_DATA, partition=context.partition_key, metadata={"skipped": str(reason)}
        )
        return
    except DataNotReady as error:
        raise dg.RetryRequested(LATE_DATA_RETRIES, LATE_DATA_WAIT) from error
    newest = fetched[-1]
    yield dg.MaterializeResult(
        asset_key=LIVE_DATA,
        metadata={
            "data_versions": ", ".join(one.data_version for one in fetched),
            "columns": len(newest.columns),
            "folder": dg.MetadataValue.path(newest.folder),
            **metadata.table_metadata(newest.rows, metadata.columns_of(newest.folder / LIVE)[:50]),
        },
        check_results=list(
            metadata.check_results(LIVE_DATA, [gate for one in fetched for gate in one.gates])
        ),
    )


def _note_missed(shop: Platform, round_number: int, reason: str) -> None:
    """Without live data the models are not asked, so that nobody else would note it."""
    if shop.client.now() >= shop.client.round(round_number).close_staking_time:
        for model in shop.registry.enabled:
            if model.submit:
                submitting.record_missed(shop, round_number, model.name, reason)
