"""Predict a round with one model, and store what passed every gate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from numebot_dagster import command_lines
from numebot_dagster.lake import parquet, rollups
from numebot_dagster.modeling.registry import RegisteredModel
from numebot_dagster.modeling.weights.weight_store import StoredWeights
from numebot_dagster.modeling.worker.messages import PredictRequest, PredictResult
from numebot_dagster.modeling.worker.worker import Worker
from numebot_dagster.operations.platform import Platform
from numebot_dagster.operations.rounds import gates, live_data
from numebot_dagster.operations.rounds.gates import Gate, GateClosed
from numebot_dagster.submissions import submission_file as submission
from numebot_dagster.submissions.receipts import Receipt, RoundRecord, Rung
from numebot_dagster.submissions.submission_file import Submission

if TYPE_CHECKING:
    import numpy as np
    import polars
    from numpy.typing import NDArray


# Of the benchmark models the one that learns what Numerai pays for; without it the first is used.
PREFERRED_BENCHMARK = "ender60"


class InputMissing(Exception):
    """A second-order model lacks the predictions of one of its inputs."""


@dataclass(frozen=True)
class Prediction:
    """One model's stored predictions for the live ids of one round.

    Attributes:
        vintage: of the weights that predicted; none when they were not ours.
        ids: the live ids, in the order of the live file.
        values: one number in (0, 1) per id: the ranked output of the model.
        rung_reason: why a lower rung than the live one was used, and what stands in.
        seconds: from the request to the answer of the worker; unknown when none was asked.
        made_at: when the worker had answered, by Numerai's clock.
    """

    model: str
    round_number: int
    vintage: int | None
    ids: Sequence[str] = field(repr=False)
    values: NDArray[np.float64] = field(repr=False)
    submission: Submission
    path: Path
    rung: Rung = Rung.LIVE
    rung_reason: str | None = None
    gates: tuple[Gate, ...] = ()
    seconds: float | None = None
    peak_memory_mb: float | None = None
    made_at: datetime | None = None


@dataclass(frozen=True)
class Task:
    """One prediction that is asked of a model's own code.

    Attributes:
        rung: what the predictions are to be called.
        inputs: for a second-order model the stored predictions of its inputs, by their names.
        seconds: the most that it may take; its weights' manifest may allow less.
    """

    model: RegisteredModel
    round_number: int
    weights: StoredWeights
    rung: Rung = Rung.LIVE
    inputs: Mapping[str, Path] = field(default_factory=dict)
    seconds: float | None = None


@dataclass(frozen=True)
class StandIn:
    """Predictions that somebody else made: one number of any scale per id."""

    ids: Sequence[str] = field(repr=False)
    values: NDArray[np.float64] = field(repr=False)
    vintage: int | None = None


def predict(platform: Platform, worker: Worker, task: Task) -> Prediction:
    """Predict with the given weights, pass the gates, and store the result.

    Raises:
        ModelError: when the model's code fails or leaves its budget.
        RoundNotOpen, DataNotReady: when the live data are not stored and cannot be fetched.
        GateClosed: when a blocking gate does not pass; nothing is stored then.
    """
    model, number = task.model, task.round_number
    folder = live_folder(platform, number, task.weights.manifest.data_version)
    result = worker.predict(request_for(model, task.weights, folder, task.inputs), task.seconds)
    made_at = platform.client.now()
    verdicts = gates_of_model(result)
    if gates.closed(verdicts):
        raise GateClosed(verdicts)
    made = StandIn(list(result.ids), result.predictions, task.weights.vintage)
    stored = _judged_and_stored(platform, model.name, number, made, folder, verdicts)
    return replace(
        stored,
        rung=task.rung,
        seconds=result.seconds,
        peak_memory_mb=result.peak_memory_mb,
        made_at=made_at,
    )


def request_for(
    model: RegisteredModel, weights: StoredWeights, live_folder: Path, inputs: Mapping[str, Path]
) -> PredictRequest:
    """Return the request to predict the live data in a folder."""
    benchmarks = live_folder / live_data.LIVE_BENCHMARKS
    return PredictRequest(
        model=model.name,
        code=model.code,
        weights=weights.folder,
        live=live_folder / live_data.LIVE,
        benchmarks=benchmarks if benchmarks.is_file() else None,
        inputs=inputs,
    )


def stand_in(platform: Platform, model: str, round_number: int, source: StandIn) -> Prediction:
    """Store somebody else's predictions as a model's own, once they have passed the gates.

    Raises:
        GateClosed: when a blocking gate does not pass; nothing is stored then.
        FileNotFoundError: when no live data are stored for the round.
    """
    folder = _any_live_folder(platform, round_number)
    stored = _judged_and_stored(platform, model, round_number, source, folder, [])
    return replace(stored, rung=Rung.FALLBACK)


def benchmark(platform: Platform, round_number: int) -> tuple[str, StandIn]:
    """Return name and live predictions of the benchmark model that stands in for failed ones.

    Raises:
        FileNotFoundError: when Numerai's benchmark predictions are not stored for the round.
    """
    from numebot_dagster.modeling.columns import prediction_names

    path = _any_live_folder(platform, round_number) / live_data.LIVE_BENCHMARKS
    if not path.is_file():
        raise FileNotFoundError(
            f"round {round_number} has no benchmark predictions: {path} does not exist"
        )
    names = prediction_names([path])
    if not names:
        raise ValueError(f"{path} holds no benchmark model")
    name = next((name for name in names if name.endswith(PREFERRED_BENCHMARK)), names[0])
    frame = parquet.read(path, ["id", name])
    # What Numerai leaves out is a NaN here, and stopped by the gates.
    values = frame[name].cast(float).fill_null(float("nan")).to_numpy()
    return name, StandIn(frame["id"].to_list(), values)


def stored_prediction(platform: Platform, receipt: Receipt) -> Prediction | None:
    """Return the predictions that a receipt names, read back from the lake, if they are whole.

    A file with another content than its receipt names does not count.
    """
    if receipt.predictions_sha256 is None:
        return None
    path = platform.lake.predictions_file(
        receipt.model, receipt.round_number, receipt.vintage, receipt.predictions_sha256
    )
    if not path.is_file():
        rollups.bring_back(platform.lake, receipt.model, receipt.round_number)
    whole = _read_whole(path, receipt.predictions_sha256)
    if whole is None:
        if path.is_file():
            platform.log.warning("%s: %s is damaged and not used", receipt.model, path)
        return None
    ids, values, prepared = whole
    return Prediction(
        model=receipt.model,
        round_number=receipt.round_number,
        vintage=receipt.vintage,
        ids=ids,
        values=values,
        submission=prepared,
        path=path,
        rung=receipt.rung,
        rung_reason=receipt.rung_reason,
        gates=gates.from_text(receipt.gates),
        seconds=receipt.predict_seconds,
        peak_memory_mb=receipt.peak_memory_mb,
        made_at=receipt.predicted_at,
    )


def newest_file(platform: Platform, record: RoundRecord) -> Path | None:
    """Return the predictions that were sent, otherwise the newest whole ones of the round."""
    receipt = record.standing
    sent = None if receipt is None else stored_prediction(platform, receipt)
    if sent is not None:
        return sent.path
    files = rollups.predictions_files(platform.lake, record.model_name, record.round_number)
    newest_first = sorted(files, key=lambda path: path.stat().st_mtime, reverse=True)
    return next((path for path in newest_first if _read(path) is not None), None)


def live_folder(platform: Platform, round_number: int, data_version: str) -> Path:
    """Return the folder of the round's live data of one version; fetch them if they are missing.

    Raises:
        RoundNotOpen, DataNotReady, DownloadFailed: when they are not stored and cannot be fetched.
    """
    folder = platform.lake.live_folder(round_number, data_version)
    if not folder.is_dir():
        live_data.fetch_version(platform, round_number, data_version)
    return folder


def _any_live_folder(platform: Platform, round_number: int) -> Path:
    """Return the live folder of the newest stored version: all versions have the same ids."""
    folders = platform.lake.live_folders(round_number)
    if not folders:
        raise FileNotFoundError(
            f"no live data are stored for round {round_number}: materialise rounds/live_data, or "
            f"run `{command_lines.run(round_number)}`"
        )
    with_benchmarks = [
        folder for folder in folders.values() if (folder / live_data.LIVE_BENCHMARKS).is_file()
    ]
    return (with_benchmarks or list(folders.values()))[-1]


def _judged_and_stored(
    platform: Platform,
    model: str,
    round_number: int,
    made: StandIn,
    folder: Path,
    passed: Sequence[Gate],
) -> Prediction:
    """Rank predictions and store them, if the gates on them pass."""
    ids, live_ids = list(made.ids), live_data.live_ids(folder)
    raw = gates.submission_rules(submission.check_raw(ids, made.values, live_ids))
    if gates.closed([raw]):
        raise GateClosed([*passed, raw])
    ranked = submission.rank_to_unit_interval(made.values)
    prepared = submission.prepare(ids, ranked)
    verdicts = [
        *passed,
        gates.submission_rules(submission.check(prepared, live_ids)),
        _like_example(ids, ranked, folder / live_data.LIVE_EXAMPLE),
    ]
    if gates.closed(verdicts):
        raise GateClosed(verdicts)
    path = platform.lake.predictions_file(model, round_number, made.vintage, prepared.sha256)
    _store(path, prepared, ranked, ids)
    return Prediction(
        model=model,
        round_number=round_number,
        vintage=made.vintage,
        ids=ids,
        values=ranked,
        submission=prepared,
        path=path,
        gates=tuple(verdicts),
    )


def gates_of_model(result: PredictResult) -> list[Gate]:
    """Judge how a model predicted; what it predicted is judged like everybody's."""
    features = gates.same_features(result.missing_features, result.unexpected_features)
    if result.missing_features:
        return [features]  # then there are no predictions to judge
    return [features, gates.canary(result.canary)]


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
    path: Path, prepared: Submission, values: NDArray[np.float64], ids: Sequence[str]
) -> None:
    import polars as pl

    # The name is the content's hash, so whoever wrote it first wrote the same.
    if _read_whole(path, prepared.sha256) is None:
        parquet.write(path, pl.DataFrame({"id": list(ids), "prediction": values}))


def _read_whole(
    path: Path, sha256: str
) -> tuple[Sequence[str], NDArray[np.float64], Submission] | None:
    """Return ids, values and their file as it was sent, if it still has the hash of its name."""
    frame = _read(path)
    if frame is None:
        return None
    ids, values = frame["id"].to_list(), frame["prediction"].to_numpy()
    prepared = submission.prepare(ids, values)
    return (ids, values, prepared) if prepared.sha256 == sha256 else None


def _read(path: Path) -> polars.DataFrame | None:
    """Return a predictions file, if it is there and not damaged."""
    from polars.exceptions import PolarsError

    try:
        return parquet.read(path, ["id", "prediction"])
    except (PolarsError, OSError):
        return None
