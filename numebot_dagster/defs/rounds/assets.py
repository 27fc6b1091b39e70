"""Define the assets of a round's details and live data."""

from collections import Counter
from collections.abc import Iterator, Sequence
from logging import DEBUG, WARNING
from pathlib import Path

import dagster as dg
from pydantic import Field

from numebot_dagster.defs import catalogue, metadata
from numebot_dagster.defs.model_assets import predictions_key, submission_key
from numebot_dagster.defs.partitions import rounds
from numebot_dagster.defs.resources import PlatformResource
from numebot_dagster.defs.rounds import results
from numebot_dagster.lake import parquet, tables
from numebot_dagster.modeling.registry import RegisteredModel
from numebot_dagster.numerai.errors import DataNotReady, NumeraiError, RoundNotOpen
from numebot_dagster.operations.platform import Platform
from numebot_dagster.operations.rounds import follow_up, gates
from numebot_dagster.operations.rounds.details import fetch_details
from numebot_dagster.operations.rounds.live_data import LIVE, FetchedLiveData, fetch_live
from numebot_dagster.reporting.numbers import counted
from numebot_dagster.submissions import receipts
from numebot_dagster.submissions.receipts import Receipt

DETAILS = dg.AssetKey(["rounds", "details"])
LIVE_DATA = dg.AssetKey(["rounds", "live_data"])

# Live data have come late by minutes; ten minutes of patience leave time for the rest of the hour.
LATE_DATA_RETRIES, LATE_DATA_WAIT = 20, 30
_FEATURE = "feature_"
_CHECKS = {
    gates.NEW_IDS: "Blocks: the live ids differ from the last round's.",
    gates.WELLFORMED: "Blocks: the ids are unique, the features are whole numbers from 0 to 4.",
    gates.USUAL_ROW_COUNT: "Warns: as many rows as in the last rounds.",
}

Events = Iterator[dg.MaterializeResult | dg.AssetCheckResult | dg.AssetObservation]


class LiveConfig(dg.Config):
    """What a run may be asked for besides its round."""

    late: bool = Field(
        default=False,
        description="Fetch the live data although the round has closed, for a late submission: set "
        "it for play_round as well.",
    )


@dg.asset(
    key=DETAILS,
    partitions_def=rounds,
    group_name="rounds",
    kinds={"numerai", "parquet"},
    metadata={**catalogue.source(), **catalogue.table(tables.ROUNDS)},
)
def details(context: dg.AssetExecutionContext, platform: PlatformResource) -> dg.MaterializeResult:
    """Fetch the times, the status and the score configurations of one round.

    How the round is scored and paid is read from here, never from constants in the code.
    """
    opened = platform.open(context.log)
    round_ = fetch_details(opened, int(context.partition_key))
    window = round_.close_staking_time - round_.open_time
    paid = [config.name for config in round_.score_configs if config.is_payout]
    return dg.MaterializeResult(
        metadata={
            "open_time": dg.MetadataValue.timestamp(round_.open_time),
            "close_staking_time": dg.MetadataValue.timestamp(round_.close_staking_time),
            "window_minutes": round(window.total_seconds() / 60),
            "score_configurations": len(round_.score_configs),
            "paid_scores": ", ".join(paid) or "none stated",
            **metadata.stored_in(tables.ROUNDS, opened.lake.round_details(round_.number)),
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
            metadata=catalogue.source(),
            skippable=True,
            description=(
                "The live features of one round, with benchmark and example predictions.\n\n"
                "One folder per data version that an enabled model's weights need; a version that "
                "cannot be fetched stops only the models that need it. Each file is checked for "
                "its size, its Parquet footer, its ids and its features, and the ids must differ "
                "from those of earlier rounds: as long as they do not, Numerai has not published "
                "the round's data yet, and the step waits and asks again."
            ),
        )
    ],
    partitions_def=rounds,
    can_subset=True,
    check_specs=[
        dg.AssetCheckSpec(name, asset=LIVE_DATA, description=text, partitions_def=rounds)
        for name, text in _CHECKS.items()
    ],
)
def live_data(
    context: dg.AssetExecutionContext, config: LiveConfig, platform: PlatformResource
) -> Events:
    """Fetch the live data of one round; if it has closed, record how it ended."""
    opened = platform.open(context.log)
    number = int(context.partition_key)
    try:
        fetched = fetch_live(opened, number, opened.registry.enabled, late=config.late)
    except RoundNotOpen as reason:
        context.log.log(WARNING if config.late else DEBUG, "Skipped: %s", reason)
        not_open = reason
    except DataNotReady as error:
        context.log.warning("%s; %s", error, _pipeline(platform.open_for_tick(context.log)))
        raise dg.RetryRequested(LATE_DATA_RETRIES, LATE_DATA_WAIT) from error
    else:
        yield _fetched(fetched)
        return
    missed = _end_without_live_data(context, opened, number)
    so_far = metadata.verdicts_so_far(
        context.instance, context.selected_asset_check_keys, context.partition_key
    )
    yield from map(metadata.as_result, so_far)
    yield dg.AssetObservation(
        LIVE_DATA, partition=context.partition_key, metadata={"skipped": str(not_open)}
    )
    if missed:  # a missed round shall look like one
        text = f"Round {number} was missed: {results.reasons(missed)}"
        raise dg.Failure(text, metadata=missed, allow_retries=False)


def _fetched(fetched: Sequence[FetchedLiveData]) -> dg.MaterializeResult:
    newest = fetched[-1]
    return dg.MaterializeResult(
        asset_key=LIVE_DATA,
        metadata={
            "data_versions": ", ".join(data.data_version for data in fetched),
            "columns": len(newest.columns),
            "folder": dg.MetadataValue.path(newest.folder),
            "dagster/column_schema": _columns(newest.folder / LIVE),
            **metadata.stored_at(newest.folder / LIVE, newest.rows),
        },
        check_results=list(
            metadata.check_results(LIVE_DATA, [gate for data in fetched for gate in data.gates])
        ),
    )


def _columns(live: Path) -> dg.TableSchema:
    """Return the columns of the live data, with one line for all features of a type."""
    columns = parquet.schema(live)
    others = {name: kind for name, kind in columns.items() if not name.startswith(_FEATURE)}
    features = Counter(kind for name, kind in columns.items() if name not in others)
    shown = [dg.TableColumn(name, kind) for name, kind in others.items()]
    for kind, count in features.items():
        shown.append(dg.TableColumn(f"{_FEATURE}…", kind, counted(count, "feature")))
    return dg.TableSchema(shown)


def _pipeline(opened: Platform) -> str:
    """Return what Numerai says of its data pipeline, for the reader: what counts are the ids."""
    try:
        ready = opened.client.enrichment.pipeline_status().get("dataReadyAt")
    except NumeraiError as error:
        return f"its pipeline cannot be asked ({error})"
    if ready is None:
        return "according to its pipeline they are not ready"
    return f"according to its pipeline data have been ready since {ready:%a %H:%M} UTC"


def _end_without_live_data(
    context: dg.AssetExecutionContext, opened: Platform, round_number: int
) -> dict[str, str]:
    """Record how a closed round ended: without live data the models' own step does not run.

    Returns:
        Why each model without a submission missed it, by name; nothing while the round may open.
    """
    round_ = opened.client.round(round_number)
    if opened.client.now() < round_.close_staking_time:
        return {}
    follow_up.settle(opened, round_, opened.registry.enabled)
    latest = receipts.latest(opened.lake, round_number)
    missed = {}
    for model in opened.registry.enabled:
        if not model.submit:
            continue
        receipt = latest.get(model.name)
        _report_end(context, model, receipt)
        if receipt is not None and receipt.is_missed:
            missed[model.name] = receipt.reason or ""
    return missed


def _report_end(
    context: dg.AssetExecutionContext, model: RegisteredModel, receipt: Receipt | None
) -> None:
    """Report the end of a model's round at its own assets, whose step does not run."""
    key, partition = submission_key(model), context.partition_key
    verdicts = list(results.submission_verdict(key, receipt))
    for verdict in verdicts:
        context.log_event(metadata.as_evaluation(verdict, partition))
    predictions = predictions_key(model)
    checks = [dg.AssetCheckKey(predictions, name) for name in gates.OF_PREDICTIONS]
    if not verdicts:
        checks.append(dg.AssetCheckKey(key, gates.CONFIRMED))
    so_far = metadata.verdicts_so_far(context.instance, checks, partition)
    for evaluation in so_far:
        context.log_event(evaluation)
    if receipt is not None and receipt.is_missed:
        said = {evaluation.check_name for evaluation in so_far}
        silent = [name for name in gates.OF_PREDICTIONS if name not in said]
        for verdict in metadata.not_reached(predictions, silent, f"missed: {receipt.reason}"):
            context.log_event(metadata.as_evaluation(verdict, partition))
    if receipt is not None:
        facts = {"outcome": str(receipt.outcome), "reason": receipt.reason or ""}
        context.log_event(dg.AssetObservation(key, partition=partition, metadata=facts))
