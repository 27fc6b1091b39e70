"""Define the messages between the platform and a worker process: frozen and picklable."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from numebot_dagster.modeling.contract import RetrainPolicy

if TYPE_CHECKING:
    import numpy as np

    from numebot_dagster.modeling.training_data import TrainingFiles
    from numebot_dagster.modeling.weights.comparison import Comparison
    from numebot_dagster.modeling.weights.structure import Structure


@dataclass(frozen=True)
class ModelCode:
    """Where a model's class is found.

    Attributes:
        search_path: folders that are searched before Python's own.
    """

    module: str
    class_name: str
    search_path: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.module}:{self.class_name}"


@dataclass(frozen=True)
class DescribeRequest:
    """A request for what a model declares."""

    model: str
    code: ModelCode


@dataclass(frozen=True)
class ModelTraits:
    """What a model declares; see `NumeraiModel` for the meaning and the units."""

    feature_set: str | tuple[str, ...]
    targets: tuple[str, ...]
    train_on: Literal["train", "all"]
    retrain: RetrainPolicy
    time_budget: float
    memory_budget: float
    train_time_budget: float
    train_memory_budget: float
    parameters: dict[str, Any]


@dataclass(frozen=True)
class TrainRequest:
    """A request for weights.

    Attributes:
        code_hash: of the model's source, for the manifest.
        data_stamp: what names the content of the files, for the manifest.
        folder: the weights folder to make.
        inputs: names of the models whose predictions this one is given when it predicts.
        eras: the only eras to learn from; all labelled ones by default.
    """

    model: str
    code: ModelCode
    code_hash: str
    vintage: int
    data_version: str
    data_stamp: str
    files: TrainingFiles
    folder: Path
    inputs: tuple[str, ...] = ()
    eras: tuple[int, ...] | None = None


@dataclass(frozen=True)
class TrainResult:
    """Weights were made and verified.

    Attributes:
        folder: the weights folder; its manifest says the rest.
        seconds: time taken, the import of the model's code included.
        phases: seconds by phase: import, read, train, save, load, canary, store.
        peak_memory_mb: highest resident size of the worker process, in MB (10^6 bytes).
    """

    folder: Path
    seconds: float
    phases: dict[str, float]
    peak_memory_mb: float


@dataclass(frozen=True)
class PredictRequest:
    """A request for predictions of one round.

    Attributes:
        live: the round's `live.parquet`, of the data version of the weights.
        inputs: predictions files (`id`, `prediction`) of the model's inputs by their names.
        compares_features: whether to compare how features go together in the round and in the
            training, for which there is no time in the hour of a round.
    """

    model: str
    code: ModelCode
    weights: Path
    live: Path
    benchmarks: Path | None = None
    inputs: Mapping[str, Path] = field(default_factory=dict)
    compares_features: bool = False


@dataclass(frozen=True)
class PredictResult:
    """What a model predicts.

    Attributes:
        ids: (rows,) str objects, in the order of the live file; none when features are missing.
        predictions: (rows,) float64, finite, as the model gave them: not ranked.
        canary: what the model predicted for the canary rows when it was trained, and now.
        missing_features: features that the model was trained on and the live file lacks; with
            such there are no predictions.
        unexpected_features: features of the live file that the training data did not have.
        seconds: time taken, the import of the model's code included.
        phases: seconds by phase: import, load, canary, read, predict.
        peak_memory_mb: highest resident size of the worker process, in MB (10^6 bytes).
        structure: of the features that the model was given, where that was asked for.
    """

    ids: np.ndarray
    predictions: np.ndarray
    canary: Comparison
    missing_features: tuple[str, ...]
    unexpected_features: tuple[str, ...]
    seconds: float
    phases: dict[str, float]
    peak_memory_mb: float
    structure: Structure | None = None


@dataclass(frozen=True)
class OutOfSampleRequest:
    """A request for predictions of past eras by weights that have not seen them.

    Attributes:
        files: the vintage's files; the eras are those of its validation file.
        eras: numbers of the eras to predict, all of them later than those trained on.
        predictions: the Parquet file to write: `id`, `era`, `prediction`, for every row of the
            eras, ranked to (0, 1) within each era as a round's predictions are.
        inputs: the same files of the model's inputs by their names.
    """

    model: str
    code: ModelCode
    weights: Path
    files: TrainingFiles
    eras: tuple[int, ...]
    predictions: Path
    inputs: Mapping[str, Path] = field(default_factory=dict)


@dataclass(frozen=True)
class OutOfSampleResult:
    """The eras were predicted and the predictions written."""

    rows: int
    canary: Comparison
    seconds: float
    peak_memory_mb: float


@dataclass(frozen=True)
class PhaseBegun:
    """The phase that a worker process begins, sent before its answer.

    Attributes:
        name: import, read, train, save, load, canary, store, predict.
    """

    name: str


@dataclass(frozen=True)
class Failure:
    """The model's code raised, or gave something that is not what the contract asks for.

    Attributes:
        phase: what it was doing: import, read, train, save, load, canary, predict.
        traceback: the lines of the model's own code that led there, `file:line in function: code`.
        phases: seconds of the phases that ended before.
    """

    phase: str
    kind: str
    message: str
    traceback: str
    phases: dict[str, float] = field(default_factory=dict)


Request = DescribeRequest | TrainRequest | PredictRequest | OutOfSampleRequest
Answer = ModelTraits | TrainResult | PredictResult | OutOfSampleResult | Failure
