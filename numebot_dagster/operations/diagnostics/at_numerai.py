"""Send the predictions of a diagnosis to Numerai's own diagnostics."""

from __future__ import annotations

from collections.abc import Callable

from numebot_dagster.lake import parquet
from numebot_dagster.numerai import diagnostics
from numebot_dagster.numerai.diagnostics import OfficialDiagnostics
from numebot_dagster.numerai.errors import NumeraiError
from numebot_dagster.operations.diagnostics.diagnosis import Diagnosis
from numebot_dagster.operations.platform import Platform
from numebot_dagster.operations.slots import no_slot

PATIENCE = 1800.0
"""Longest time to wait for Numerai, in seconds; it scores hundreds of eras."""


def slot_of(platform: Platform, model: str) -> str:
    """Return Numerai's id of a model.

    Raises:
        NumeraiError: the account has no model of that name.
    """
    models = platform.client.fleet(latest_rounds=1).models
    if model not in models:
        raise NumeraiError(no_slot(model, models, platform.settings.model_configs_path))
    return models[model].id


def diagnose_at_numerai(
    platform: Platform, diagnosis: Diagnosis, report: Callable[[str], None]
) -> OfficialDiagnostics:
    """Upload the out-of-sample predictions of a model, and wait until Numerai has scored them.

    Args:
        platform: whose account is used.
        diagnosis: whose predictions are sent.
        report: is called with what happens, and with each status that Numerai returns.

    Raises:
        DiagnosticsRefused: Numerai cannot score the file; the text is its own.
        NumeraiUnavailable: Numerai has not finished in time.
    """
    slot = slot_of(platform, diagnosis.model)
    predictions = parquet.read(diagnosis.predictions, ["id", "era", "prediction"])
    content = diagnostics.prepare(predictions)
    report(f"sending {predictions.height:,} predictions, {len(content) / 1e6:.1f} MB")
    transport = platform.client.transport
    identifier = diagnostics.upload(transport, slot, content)
    return diagnostics.wait(transport, slot, identifier, seconds=PATIENCE, on_status=report)
