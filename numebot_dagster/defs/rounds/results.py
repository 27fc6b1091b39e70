"""Turn a played round into Dagster's events with metadata, one model at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime

import dagster as dg

from numebot_dagster.defs import metadata
from numebot_dagster.defs.metadata import Metadata
from numebot_dagster.defs.model_assets import predictions_key, submission_key
from numebot_dagster.lake import tables
from numebot_dagster.lake.layout import Lake
from numebot_dagster.operations.causes import by_cause
from numebot_dagster.operations.rounds import gates
from numebot_dagster.operations.rounds.gates import Gate
from numebot_dagster.operations.rounds.outcomes import Ending, Played
from numebot_dagster.operations.rounds.predicting import Prediction
from numebot_dagster.submissions.receipts import Receipt

Event = dg.MaterializeResult | dg.AssetCheckResult | dg.AssetObservation


def events(context: dg.AssetExecutionContext, lake: Lake, played: Played) -> Iterator[Event]:
    """Report of one model what was made, what was checked, and why nothing was made."""
    predictions, submission = predictions_key(played.model), submission_key(played.model)
    if predictions in context.selected_asset_keys:
        yield from _of_predictions(context, predictions, played)
    if submission in context.selected_asset_keys:
        yield from _of_submission(context, lake, submission, played)


def _of_predictions(
    context: dg.AssetExecutionContext, key: dg.AssetKey, played: Played
) -> Iterator[Event]:
    checks = _completed(context, key, metadata.check_results(key, played.gates))
    if played.ending is Ending.FAILED or is_missed(played):
        said = {check.check_name for check in checks}
        silent = [name for name in gates.OF_PREDICTIONS if name not in said]
        checks += metadata.not_reached(key, silent, played.text)
    if played.prediction is not None and _is_news(context, key, played):
        facts = prediction_metadata(played.prediction)
        yield dg.MaterializeResult(asset_key=key, metadata=facts, check_results=checks)
        return
    yield from checks
    yield _observation(context, key, played)


def _of_submission(
    context: dg.AssetExecutionContext, lake: Lake, key: dg.AssetKey, played: Played
) -> Iterator[Event]:
    receipt = played.receipt
    failure = played.text if played.ending is Ending.FAILED else None
    checks = _completed(context, key, submission_verdict(key, receipt, failure))
    confirmed = receipt is not None and receipt.is_confirmed
    if receipt is not None and confirmed and _is_news(context, key, played):
        facts = receipt_metadata(lake, receipt)
        yield dg.MaterializeResult(asset_key=key, metadata=facts, check_results=checks)
        return
    yield from checks
    yield _observation(context, key, played)


def is_missed(played: Played) -> bool:
    """Return whether the round closed without a submission of the model."""
    return played.receipt is not None and played.receipt.is_missed


def reasons(failed: Mapping[str, str]) -> str:
    """Say why each model failed, by its name; a reason that several share is said once."""
    return "; ".join(str(cause) for cause in by_cause(failed.items()))


def submission_verdict(
    key: dg.AssetKey, receipt: Receipt | None, failure: str | None = None
) -> Iterator[dg.AssetCheckResult]:
    """Return the verdict on a submission; none where it is neither confirmed nor lost."""
    if failure is None and receipt is not None and receipt.is_confirmed:
        verdict = Gate(gates.CONFIRMED, True, True, "Numerai's copy matches id by id")
    elif failure is not None:
        verdict = Gate(gates.CONFIRMED, False, True, failure)
    elif receipt is not None and receipt.is_missed:
        verdict = Gate(gates.CONFIRMED, False, True, f"missed: {receipt.reason}")
    else:
        return
    yield from metadata.check_results(key, [verdict])


def _completed(
    context: dg.AssetExecutionContext, key: dg.AssetKey, said: Iterator[dg.AssetCheckResult]
) -> list[dg.AssetCheckResult]:
    """Return this run's verdicts, and earlier ones on what it did not look at again."""
    results = list(said)
    names = {result.check_name for result in results}
    left = [
        check
        for check in context.selected_asset_check_keys
        if check.asset_key == key and check.name not in names
    ]
    earlier = metadata.verdicts_so_far(context.instance, left, context.partition_key)
    return [*results, *map(metadata.as_result, earlier)]


def _is_news(context: dg.AssetExecutionContext, key: dg.AssetKey, played: Played) -> bool:
    """Return whether Dagster does not know it yet: made in this run, or in one that was killed."""
    if played.ending is not Ending.SKIPPED:
        return True
    return context.partition_key not in context.instance.get_materialized_partitions(key)


def _observation(
    context: dg.AssetExecutionContext, key: dg.AssetKey, played: Played
) -> dg.AssetObservation:
    facts = {"outcome": played.ending.value, "reason": played.text}
    return dg.AssetObservation(key, partition=context.partition_key, metadata=facts)


def prediction_metadata(prediction: Prediction) -> Metadata:
    """Return numbers worth a curve over rounds, and what tells predictions apart."""
    numbers = {
        f"{shown}_{name}": value
        for gate, shown in ((gates.CANARY, "canary"), (gates.LIKE_EXAMPLE, "example"))
        for verdict in prediction.gates
        if verdict.name == gate
        for name, value in verdict.facts.items()
    }
    facts = {
        "vintage": "" if prediction.vintage is None else str(prediction.vintage),
        "rung": prediction.rung.value,
        **_known("rung_reason", prediction.rung_reason),
        **_known("seconds", prediction.seconds),
        **_known("peak_memory_mb", prediction.peak_memory_mb),
        "sha256": _short(prediction.submission.sha256),
        **numbers,
        **metadata.stored_in(tables.PREDICTIONS, prediction.path, len(prediction.ids)),
    }
    return metadata.readable(facts)


def receipt_metadata(lake: Lake, receipt: Receipt) -> Metadata:
    """Return a receipt as the asset page shows it; seconds by Numerai's clock."""
    folder = lake.receipts_folder(receipt.model, receipt.round_number)
    return {
        "outcome": str(receipt.outcome),
        "state": str(receipt.state),
        "rung": receipt.rung.value,
        **_known("rung_reason", receipt.rung_reason),
        "submission_id": receipt.submission_id or "",
        "vintage": "" if receipt.vintage is None else str(receipt.vintage),
        "predictions_sha256": _short(receipt.predictions_sha256 or ""),
        **_seconds("seconds_to_accepted", receipt.submitted_at, receipt.accepted_at),
        **_seconds("seconds_to_confirmed", receipt.submitted_at, receipt.confirmed_at),
        **_known("rows", receipt.rows),
        **metadata.stored_in(tables.SUBMISSIONS, folder),
    }


def _short(sha256: str) -> str:
    """Return the beginning of a hash, which tells files apart and fits on the page."""
    return sha256[:16]


def _known(name: str, value: str | float | None) -> Metadata:
    return {} if value is None else {name: value}


def _seconds(name: str, start: datetime | None, end: datetime | None) -> dict[str, float]:
    return {} if start is None or end is None else {name: round((end - start).total_seconds(), 1)}
