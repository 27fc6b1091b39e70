"""Send validation predictions to Numerai's own diagnostics, and read the scores back.

They submit to no round and concern no stake. Numerai documents neither the words of their status
nor how long they take, so both are read leniently and waited for with a deadline.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import polars as pl

from numebot_dagster.numerai import parsing, queries
from numebot_dagster.numerai.errors import (
    DiagnosticsRefused,
    NotAuthorised,
    NumeraiUnavailable,
    QueryRefused,
    UnexpectedAnswer,
)
from numebot_dagster.numerai.numerapi_bridge import CLASSIC

if TYPE_CHECKING:
    from numebot_dagster.numerai.http.transport import Transport

DECIMALS = 7
"""Written digits of a rank in (0, 1): neighbours of 100,000 ids stay apart, and ties stay ties."""

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 15.0
"""Seconds between two questions whether Numerai has finished; they grow by half each time."""

_WAITING = ("pending", "queued", "running", "started", "processing", "in_progress")
_FAILED = ("failed", "error", "errored", "invalid", "rejected", "cancelled")
_DONE = ("done", "complete", "completed", "finished", "success", "succeeded")

_METRICS = {
    "corr": "validationCorr",
    "mmc": "validationMmc",
    "bmc": "validationBmc",
    "fnc": "validationFeatureNeutralCorrV3",
    "max_feature_exposure": "validationFeatureCorrMax",
}
_FIGURES = {
    ("corr", "mean"): "validationCorrMean",
    ("corr", "std"): "validationCorrStd",
    ("corr", "sharpe"): "validationCorrSharpe",
    ("corr", "max_drawdown"): "validationCorrMaxDrawdown",
    ("mmc", "mean"): "validationMmcMean",
    ("mmc", "std"): "validationMmcStd",
    ("mmc", "sharpe"): "validationMmcSharpe",
    ("bmc", "mean"): "validationBmcMean",
    ("fnc", "mean"): "validationFeatureNeutralCorrV3Mean",
    ("max_feature_exposure", "max"): "validationFeatureCorrMax",
}


@dataclass(frozen=True)
class OfficialDiagnostics:
    """What Numerai made of validation predictions.

    Attributes:
        eras_missing: the validation eras that the file lacks, wholly or in part.
        trained_on_validation: whether Numerai suspects that the model has seen these eras.
        figures: by metric and figure, for example `("corr", "sharpe")`; what is null is left out.
        by_era: `era` Int16, `metric` String, `value` Float64, with the names of our own metrics.
    """

    id: str
    eras_accepted: int
    eras_missing: tuple[str, ...]
    trained_on_validation: bool | None
    figures: Mapping[tuple[str, str], float]
    by_era: pl.DataFrame


def prepare(predictions: pl.DataFrame) -> bytes:
    """Return `id`, `era`, `prediction` as Numerai's CSV, ranked within each era.

    Ranks are (average rank - 0.5) / n, ties kept, by which Numerai ranks each era itself.

    Raises:
        DiagnosticsRefused: a prediction is missing or not finite.
    """
    value = pl.col("prediction").cast(pl.Float64)
    bad = predictions.filter(~value.is_finite().fill_null(False))
    if not bad.is_empty():
        raise DiagnosticsRefused(
            f"{bad.height} of {predictions.height} predictions are missing or not finite, the "
            f"first in era {bad['era'][0]}: correct the model's predict() and diagnose it again"
        )
    rank = (value.rank("average") - 0.5) / pl.len()
    ranked = predictions.select("id", prediction=rank.over("era"))
    return ranked.write_csv(float_precision=DECIMALS).encode()


def upload(transport: Transport, model_id: str, content: bytes) -> str:
    """Send a file of `prepare` for scoring and return the id of the diagnostics.

    Raises:
        DiagnosticsRefused: Numerai refuses the file or its registration.
    """
    variables = {"tournament": CLASSIC, "modelId": model_id}
    try:
        asked = {**variables, "filename": "diagnostics.csv"}
        answer = transport.query(queries.AUTHORISE_DIAGNOSTICS, asked, authorised=True)
        target = parsing.need(answer, "diagnosticsUploadAuth")
        filename = parsing.needed(parsing.read_text, target, "filename")
        _put(transport, parsing.needed(parsing.read_text, target, "url"), content)
        # Twice costs nothing: the file is scored a second time.
        created = transport.query(
            queries.CREATE_DIAGNOSTICS, {**variables, "filename": filename}, authorised=True
        )
    except QueryRefused as refusal:
        raise DiagnosticsRefused(f"Numerai refused the diagnostics: {refusal}") from None
    answer = parsing.need(created, "createDiagnostics")
    return parsing.needed(parsing.read_text, answer, "id")


def _put(transport: Transport, url: str, content: bytes) -> None:
    try:
        transport.put(url, content)
    except NotAuthorised as refusal:  # by the storage, which knows no token: a link gone stale
        raise DiagnosticsRefused(f"the upload was refused, try it again: {refusal}") from None


def wait(
    transport: Transport,
    model_id: str,
    identifier: str,
    *,
    seconds: float,
    on_status: Callable[[str], None] = lambda status: None,
) -> OfficialDiagnostics:
    """Ask Numerai, at growing intervals, until the diagnostics are there.

    Raises:
        DiagnosticsRefused: Numerai cannot score the file; the text is its own.
        NumeraiUnavailable: they are not there in time.
        UnexpectedAnswer: Numerai does not know them, or calls them done without any scores.
    """
    deadline, pause = time.monotonic() + seconds, FIRST_PAUSE
    variables = {"id": identifier, "modelId": model_id}
    while True:
        data = transport.query(queries.DIAGNOSTICS, variables, authorised=True)
        answer = _of(identifier, data)
        if _is_over(identifier, answer):
            return _parse(identifier, answer)
        status = str(answer.get("status") or "no status")
        left = deadline - time.monotonic()
        if left <= 0:
            raise NumeraiUnavailable(
                f"Numerai has not finished diagnostics {identifier} after {seconds:.0f} s; their "
                f"status is {status!r}. Numerai goes on: numer.ai shows the result with the model."
            )
        on_status(status)
        time.sleep(min(pause, left))
        pause = min(pause * 1.5, LONGEST_PAUSE)


def _of(identifier: str, data: Mapping[str, Any]) -> Mapping[str, Any]:
    for row in parsing.rows(data, "diagnostics"):
        if row.get("id") == identifier:
            return row
    raise UnexpectedAnswer(f"Numerai has no diagnostics {identifier}; upload them again")


def _is_over(identifier: str, answer: Mapping[str, Any]) -> bool:
    """Return whether the scores are there; an unknown status counts as done when they are."""
    word = str(answer.get("status") or "").lower()
    if word in _FAILED:
        reason = answer.get("message") or f"its status is {word!r}, without a reason"
        raise DiagnosticsRefused(f"Numerai cannot score diagnostics {identifier}: {reason}")
    scored = bool(parsing.rows(answer, "perEraDiagnostics"))
    if word in _DONE and not scored:
        reason = answer.get("message") or "without a reason"
        raise UnexpectedAnswer(
            f"Numerai gives diagnostics {identifier} as {word}, but without scores: {reason}"
        )
    return scored and word not in _WAITING


def _parse(identifier: str, answer: Mapping[str, Any]) -> OfficialDiagnostics:
    eras = parsing.rows(answer, "perEraDiagnostics")
    values = [
        (number, metric, value)
        for era in eras
        if (number := parsing.unless_odd(parsing.read_int, era, "era")) is not None
        and 0 <= number < 2**15
        for metric, field in _METRICS.items()
        if (value := parsing.unless_odd(parsing.read_float, era, field)) is not None
    ]
    schema = {"era": pl.Int16, "metric": pl.String, "value": pl.Float64}
    return OfficialDiagnostics(
        id=identifier,
        eras_accepted=parsing.unless_odd(parsing.read_int, answer, "erasAcceptedCount")
        or len(eras),
        eras_missing=tuple(str(era) for era in parsing.read_list(answer, "erasMissing")),
        trained_on_validation=parsing.unless_odd(parsing.read_bool, answer, "trainedOnVal"),
        figures={
            name: value
            for name, field in _FIGURES.items()
            if (value := parsing.unless_odd(parsing.read_float, answer, field)) is not None
        },
        by_era=pl.DataFrame(values, schema=schema, orient="row"),
    )
