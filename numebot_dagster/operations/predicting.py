"""Predicting a round with one model, and storing what passed every gate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from numebot_dagster.lake import parquet
from numebot_dagster.modeling import weights
from numebot_dagster.modeling.messages import PredictRequest, PredictResult
from numebot_dagster.modeling.process import Worker
from numebot_dagster.modeling.registry import RegisteredModel, code_hash
from numebot_dagster.numerai import receipts, submission
from numebot_dagster.numerai.receipts import Receipt, Rung
from numebot_dagster.numerai.submission import Submission
from numebot_dagster.operations import fetching, gates
from numebot_dagster.operations.gates import Gate, GateClosed
from numebot_dagster.operations.platform import Platform

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class InputMissing(Exception):
    """A second-order model lacks the predictions of one of its inputs."""


@dataclass(frozen=True)
class Prediction:
    """One model's stored predictions for the live ids of one round.

    Attributes:
        ids: the live ids, in the order of the live file.
        values: one number in (0, 1) per id: the ranked output of the model.
        seconds: from the request to the answer of the worker; 0 when read from the lake.
    """

    model: str
    round_number: int
    vintage: int
    ids: Sequence[str] = field(repr=False)
    values: NDArray[np.float64] = field(repr=False)
    submission: Submission
    path: Path
    rung: Rung = Rung.LIVE
    gates: tuple[Gate, ...] = ()
    seconds: float = 0.0
    peak_memory_mb: float = 0.0


def predict(
    platform: Platform,
    worker: Worker,
    model: RegisteredModel,
    round_number: int,
    inputs: Mapping[str, Path] | None = None,
) -> Prediction:
    """Predicts with the newest verified weights, passes the gates, and stores the result.

    Args:
        platform: whose lake has the weights and the live data.
        worker: the process that the model runs in.
        model: who predicts.
        round_number: for what.
        inputs: for a second-order model the stored predictions of its inputs, by their names.

    Raises:
        NoWeights: when nothing has been trained.
        ModelError: when the model's code fails or leaves its budget.
        RoundNotOpen, DataNotReady: when the live data are not stored and cannot be fetched.
        GateClosed: when a blocking gate does not pass; nothing is stored then.
    """
    chosen = weights.choose(platform.lake, model.name, code_hash(model), model.vintage)
    folder = platform.lake.live_folder(round_number, chosen.manifest.data_version)
    if not folder.is_dir():  # one model was asked for, and not the asset that it depends on
        fetching.fetch_live(platform, round_number, [model])
    result = worker.predict(
        PredictRequest(
            model=model.name,
            code=model.code,
            weights=chosen.folder,
            live=folder / fetching.LIVE,
            benchmarks=_existing(folder / fetching.LIVE_BENCHMARKS),
            inputs=inputs or {},
        )
    )
    ids, live_ids = list(result.ids), fetching.live_ids(folder)
    verdicts = _gates_of(result, live_ids)
    if gates.closed(verdicts):
        raise GateClosed(verdicts)
    ranked = submission.rank_to_unit_interval(result.predictions)
    prepared = submission.prepare(ids, ranked)
    verdicts += [
        gates.submission_rules(submission.check(prepared, live_ids)),
        _like_example(ids, ranked, folder / fetching.LIVE_EXAMPLE),
    ]
    if gates.closed(verdicts):
        raise GateClosed(verdicts)
    return Prediction(
        model=model.name,
        round_number=round_number,
        vintage=chosen.vintage,
        ids=ids,
        values=ranked,
        submission=prepared,
        path=_store(platform, model.name, round_number, chosen.vintage, prepared, ids, ranked),
        gates=tuple(verdicts),
        seconds=result.seconds,
        peak_memory_mb=result.peak_memory_mb,
    )


def stored_prediction(platform: Platform, receipt: Receipt) -> Prediction | None:
    """The predictions that a receipt speaks of, read back from the lake, if they are there."""
    if receipt.predictions_sha256 is None or receipt.vintage is None:
        return None
    path = platform.lake.predictions_file(
        receipt.model, receipt.round_number, receipt.vintage, receipt.predictions_sha256
    )
    if not path.is_file():
        return None
    frame = parquet.read(path, ["id", "prediction"])
    ids, values = frame["id"].to_list(), frame["prediction"].to_numpy()
    return Prediction(
        model=receipt.model,
        round_number=receipt.round_number,
        vintage=receipt.vintage,
        ids=ids,
        values=values,
        submission=submission.prepare(ids, values),
        path=path,
        rung=receipt.rung,
    )


def newest_file(platform: Platform, model: str, round_number: int) -> Path | None:
    """The predictions of a model for a round: those that were sent, else the newest stored."""
    receipt = receipts.latest(platform.lake, round_number).get(model)
    sent = None if receipt is None else stored_prediction(platform, receipt)
    if sent is not None:
        return sent.path
    files = platform.lake.predictions_files(model, round_number)
    return max(files, key=lambda path: path.stat().st_mtime, default=None)


def _gates_of(result: PredictResult, live_ids: Sequence[str]) -> list[Gate]:
    """The gates on a model's own output, before ranking would hide what is wrong with it."""
    features = gates.same_features(result.missing_features, result.unexpected_features)
    if result.missing_features:
        return [features]  # then there are no predictions to judge
    raw = submission.check_raw(list(result.ids), result.predictions, live_ids)
    canary = gates.canary(result.canary_max_difference, result.canary_spread)
    return [features, canary, gates.submission_rules(raw)]


def _like_example(ids: Sequence[str], values: NDArray[np.float64], example: Path) -> Gate:
    if not example.is_file():
        return gates.agrees_with_example(None)
    try:
        frame = parquet.read(example, ["id", "prediction"])
        correlation = submission.correlation_with_example(
            ids, values, frame["id"].to_list(), frame["prediction"].to_numpy()
        )
    except Exception as error:  # whatever is wrong with it, a warning is all that it may cause
        return gates.not_comparable_with_example(str(error))
    return gates.agrees_with_example(correlation)


def _store(
    platform: Platform,
    model: str,
    round_number: int,
    vintage: int,
    prepared: Submission,
    ids: Sequence[str],
    values: NDArray[np.float64],
) -> Path:
    import polars as pl

    path = platform.lake.predictions_file(model, round_number, vintage, prepared.sha256)
    if not path.is_file():
        # The name is the content's hash, so whoever wrote it first wrote the same.
        parquet.write(path, pl.DataFrame({"id": list(ids), "prediction": values}))
    return path


def _existing(path: Path) -> Path | None:
    return path if path.is_file() else None
