"""Do one request in the worker process: import a class, train it, or predict with it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

from numebot_dagster.lake import files, json_records
from numebot_dagster.modeling.contract import NumeraiModel
from numebot_dagster.modeling.weights import weight_store
from numebot_dagster.modeling.weights.weight_store import Manifest
from numebot_dagster.modeling.worker.declarations import WrongModel, describe, import_class
from numebot_dagster.modeling.worker.memory import peak_memory_mb, reset_peak
from numebot_dagster.modeling.worker.messages import (
    Answer,
    DescribeRequest,
    OutOfSampleRequest,
    OutOfSampleResult,
    PredictRequest,
    PredictResult,
    Request,
    TrainRequest,
    TrainResult,
)
from numebot_dagster.modeling.worker.predictions import WrongPredictions, as_predictions

if TYPE_CHECKING:
    import numpy as np

    from numebot_dagster.modeling.live_data import LiveData

# A saved and loaded model may differ by rounding, but not by more than this part of the spread.
_RELOAD_TOLERANCE = 1e-3


class Phases:
    """The phase that is running, and how long each took."""

    def __init__(self, announce: Callable[[str], None] = lambda _: None) -> None:
        self._announce = announce
        self.current = "import"
        self.seconds: dict[str, float] = {}

    @property
    def total(self) -> float:
        """Seconds of all phases together."""
        return sum(self.seconds.values())

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        """Time a phase; after an error `current` says where it was."""
        self.current = name
        self._announce(name)
        start = time.perf_counter()
        yield
        self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - start

    @contextmanager
    def method(self, name: str) -> Iterator[None]:
        """Name a method of the model that runs within a phase, so that its error names it."""
        phase, self.current = self.current, name
        yield
        self.current = phase


def run(request: Request, phases: Phases) -> Answer:
    """Do what is requested; whatever the model's code raises passes through."""
    reset_peak()
    with phases("import"):
        model_class = import_class(request.code)
    match request:
        case DescribeRequest():
            return describe(model_class, request.code)
        case TrainRequest():
            return _train(model_class, request, phases)
        case PredictRequest():
            return _predict(model_class, request, phases)
        case OutOfSampleRequest():
            return _predict_out_of_sample(model_class, request, phases)


def _train(model_class: type[NumeraiModel], request: TrainRequest, phases: Phases) -> TrainResult:
    from numebot_dagster.modeling.columns import require_targets, resolve_features
    from numebot_dagster.modeling.training_data import TrainingData
    from numebot_dagster.modeling.weights import canary
    from numebot_dagster.modeling.worker.manifest import manifest_of

    traits = describe(model_class, request.code)
    with phases("read"):
        features = resolve_features(request.files.features, traits.feature_set)
        require_targets(request.files.train, traits.targets)
        data = TrainingData(request.files, features, traits.targets, traits.train_on)
        if request.eras is not None:
            data = data.of_eras(request.eras)
        if not len(data):
            raise WrongModel(f"no row has a value for all of {', '.join(traits.targets)}")
    with files.folder(request.folder) as folder:
        model_folder = folder / weight_store.MODEL_FOLDER
        model_folder.mkdir()
        with phases("train"):
            model = model_class()
            model.train(data)
        with phases("save"):
            model.save(model_folder)
        with phases("load"):
            rows = canary.choose_rows(data, request.inputs)
            reloaded = model_class()
            with phases.method("load"):
                reloaded.load(model_folder)
        # Each of the two is a prediction, and may take what one may take in a round.
        with phases("canary"):
            predictions = _predictions(reloaded, phases, rows)
        with phases("canary"):
            _require_same(predictions, _predictions(model, phases, rows))
        with phases("store"):
            canary.write(folder / weight_store.CANARY, rows, predictions)
            _write_known_features(folder, request)
            weight_store.write_manifest(
                folder, manifest_of(request, traits, data, folder, phases.total)
            )
    return TrainResult(request.folder, phases.total, phases.seconds, peak_memory_mb())


def _predict(
    model_class: type[NumeraiModel], request: PredictRequest, phases: Phases
) -> PredictResult:
    import numpy as np

    from numebot_dagster.modeling.weights import canary

    model, manifest = _load(model_class, request.weights, phases)
    predict = partial(_predictions, model, phases)
    with phases("canary"):
        repeated = canary.repeat(request.weights / weight_store.CANARY, manifest.features, predict)
    with phases("read"):
        missing, unexpected = _feature_differences(request, manifest)
        live = None if missing else _live_data(request, manifest.features)
    with phases("predict"):
        predictions = np.empty(0) if live is None else predict(live).astype(np.float64)
    structure = None
    if live is not None and request.compares_features:
        structure = canary.structure_of(request.weights / weight_store.CANARY, live)
    return PredictResult(
        ids=np.empty(0, dtype=object) if live is None else live.ids,
        predictions=predictions,
        canary=repeated,
        missing_features=missing,
        unexpected_features=unexpected,
        seconds=phases.total,
        phases=phases.seconds,
        peak_memory_mb=peak_memory_mb(),
        structure=structure,
    )


def _predict_out_of_sample(
    model_class: type[NumeraiModel], request: OutOfSampleRequest, phases: Phases
) -> OutOfSampleResult:
    from numebot_dagster.modeling.weights import canary
    from numebot_dagster.modeling.worker import past_eras

    model, manifest = _load(model_class, request.weights, phases)
    predict = partial(_predictions, model, phases)
    with phases("canary"):
        repeated = canary.repeat(request.weights / weight_store.CANARY, manifest.features, predict)
    with phases("predict"):
        rows = past_eras.predict(request, manifest, predict)
    return OutOfSampleResult(rows, repeated, phases.total, peak_memory_mb())


def _load(
    model_class: type[NumeraiModel], folder: Path, phases: Phases
) -> tuple[NumeraiModel, Manifest]:
    with phases("load"):
        manifest = weight_store.read_manifest(folder)
        model = model_class()
        model.load(folder / weight_store.MODEL_FOLDER)
    return model, manifest


def _predictions(model: NumeraiModel, phases: Phases, data: LiveData) -> np.ndarray:
    """Return what a model predicts, as (rows,) finite numbers of its float type."""
    with phases.method("predict"):
        return as_predictions(model.predict(data), data.ids)


def _require_same(reloaded: np.ndarray, trained: np.ndarray) -> None:
    from numebot_dagster.modeling.weights.comparison import compare

    comparison = compare(trained, reloaded)
    tolerance = _RELOAD_TOLERANCE * comparison.spread
    if not comparison.is_same_model and comparison.largest_difference > tolerance:
        raise WrongPredictions(
            "after save and load the model predicts something else (by up to "
            f"{comparison.largest_difference:.3g}): something that predict needs is not saved"
        )


def _write_known_features(folder: Path, request: TrainRequest) -> None:
    json_records.write(folder / weight_store.KNOWN_FEATURES, _feature_columns(request.files.train))


def _feature_differences(
    request: PredictRequest, manifest: Manifest
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return features that the live file lacks, and those that the training data never had."""
    trained = json_records.read(request.weights / weight_store.KNOWN_FEATURES, list[str])
    live = _feature_columns(request.live)
    missing = set(manifest.features).difference(live)
    unexpected = set(live).difference(trained)
    return tuple(sorted(missing)), tuple(sorted(unexpected))


def _feature_columns(path: Path) -> list[str]:
    from numebot_dagster.lake.matrix import column_names

    return [name for name in column_names(path) if name.startswith("feature")]


def _live_data(request: PredictRequest, features: tuple[str, ...]) -> LiveData:
    from dataclasses import replace

    from numebot_dagster.modeling.live_data import read_inputs

    changed = tuple(
        files.version(path) for path in (request.live, request.benchmarks) if path is not None
    )
    live = _shared_live_data(request.live, features, request.benchmarks, changed)
    return replace(live, inputs=read_inputs(live.ids, request.inputs))


@lru_cache(maxsize=4)
def _shared_live_data(
    live: Path,
    features: tuple[str, ...],
    benchmarks: Path | None,
    changed: tuple[tuple[int, ...], ...],
) -> LiveData:
    """Share the matrix between models of the same file and features; `changed` is for the key."""
    from numebot_dagster.modeling.live_data import read_live

    return read_live(live, features, benchmarks)
