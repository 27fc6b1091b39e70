"""Try a model on a few eras, with every step of a training and a round; nothing is stored."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from numebot_dagster.lake import parquet
from numebot_dagster.modeling.registry import RegisteredModel
from numebot_dagster.modeling.weights import weight_store
from numebot_dagster.modeling.weights.weight_store import Manifest
from numebot_dagster.modeling.worker.failures import ModelError, ModelFailed
from numebot_dagster.modeling.worker.messages import (
    DescribeRequest,
    ModelTraits,
    PredictRequest,
    PredictResult,
    TrainResult,
)
from numebot_dagster.modeling.worker.worker import Worker
from numebot_dagster.operations.health.findings import Check, Finding, Verdict
from numebot_dagster.operations.platform import Platform
from numebot_dagster.operations.rounds import gates
from numebot_dagster.operations.rounds.gates import Gate
from numebot_dagster.operations.rounds.predicting import gates_of_model
from numebot_dagster.operations.training import trainer, vintages
from numebot_dagster.operations.training.vintages import Vintage
from numebot_dagster.submissions import submission_file

if TYPE_CHECKING:
    from numebot_dagster.modeling.training_data import TrainingData

PREDICTED_ERAS = 2  # the second one shows that a model can predict more than once


class CannotTry(Exception):
    """There are no data to try a model on; the text says how to get them."""


@dataclass(frozen=True)
class _Trial:
    """A model, the eras that it learns from, and the eras after them that it predicts."""

    model: RegisteredModel
    vintage: Vintage
    trained: tuple[int, ...]
    predicted: tuple[int, ...]
    folder: Path

    @property
    def weights(self) -> Path:
        return self.folder / "weights"

    def data(self, traits: ModelTraits) -> TrainingData:
        """Return all rows that a training would have."""
        from numebot_dagster.modeling.training_data import TrainingData

        files = trainer.files_of(self.vintage)
        return TrainingData(files, (), traits.targets, traits.train_on)


def try_model(platform: Platform, model: RegisteredModel, eras: int) -> Iterator[Finding]:
    """Train, save, load and predict on the last eras of the newest vintage, as a training does.

    The findings come as the steps end; the first failure is the last finding.

    Raises:
        CannotTry: no vintage is pinned, or it has too few eras.
    """
    with tempfile.TemporaryDirectory(prefix="numebot-try-") as folder:
        trial = _plan(platform, model, eras, Path(folder))
        yield _about(trial)
        try:
            yield from _train(trial)
            yield from _predict(trial)
        except ModelError as error:
            yield from _failure(trial, error)


def _plan(platform: Platform, model: RegisteredModel, eras: int, folder: Path) -> _Trial:
    import numpy as np

    from numebot_dagster.lake.matrix import select_rows

    pinned = platform.lake.stored_vintages()
    if not pinned:
        raise CannotTry(
            "no training data are pinned yet: `numebot train` pins today's, as does "
            "`numebot models try`"
        )
    vintage = vintages.read_vintage(platform, pinned[-1])
    numbers = np.unique(select_rows(trainer.files_of(vintage).train).eras).tolist()
    if len(numbers) < eras + PREDICTED_ERAS:
        raise CannotTry(
            f"vintage {vintage.number} has {len(numbers)} training eras, and {PREDICTED_ERAS} are "
            f"predicted: give --eras {len(numbers) - PREDICTED_ERAS} or fewer"
        )
    trained = numbers[-eras - PREDICTED_ERAS : -PREDICTED_ERAS]
    return _Trial(model, vintage, tuple(trained), tuple(numbers[-PREDICTED_ERAS:]), folder)


def _about(trial: _Trial) -> Finding:
    text = (
        f"vintage {trial.vintage.number} ({trial.vintage.data_version}): learns from "
        f"{_eras(trial.trained)}, predicts {_eras(trial.predicted)}"
    )
    if trial.model.inputs:
        text += f"; random numbers replace its inputs {', '.join(trial.model.inputs)}"
    return Finding(Check.DATA, Verdict.OK, text)


def _eras(numbers: tuple[int, ...]) -> str:
    first, last = numbers[0], numbers[-1]
    return f"era {first}" if first == last else f"eras {first} to {last}"


def _train(trial: _Trial) -> Iterator[Finding]:
    """Train, save, load in a fresh object and compare, as every training does."""
    request = trainer.request(trial.model, trial.vintage, trial.weights, eras=trial.trained)
    with Worker() as worker:
        traits = worker.describe(DescribeRequest(request.model, request.code))
        result = worker.train(request)
    yield from _passed(result.phases)
    yield from _outlook(result, traits, trial)


def _passed(phases: Mapping[str, float]) -> Iterator[Finding]:
    for phase, seconds in phases.items():
        same = "; a fresh object predicts the same after load" if phase == "canary" else ""
        yield Finding(Check(phase), Verdict.OK, f"{seconds:.1f} s{same}")


def _outlook(result: TrainResult, traits: ModelTraits, trial: _Trial) -> Iterator[Finding]:
    """Estimate the time and memory of a training on all eras."""
    manifest = weight_store.read_manifest(trial.weights)
    rows = len(trial.data(traits))
    estimate = result.phases["train"] * rows / manifest.train_rows
    yield Finding(
        Check.TRAIN_TIME,
        Verdict.OK if estimate <= traits.train_time_budget else Verdict.WARNING,
        f"{manifest.train_rows} of {rows} rows took {result.phases['train']:.1f} s; in proportion, "
        f"all rows take about {estimate:.0f} s (train_time_budget {traits.train_time_budget:g} s)",
    )
    matrix = rows * len(manifest.features) / 1e6
    yield Finding(
        Check.TRAIN_MEMORY,
        Verdict.OK if matrix <= traits.train_memory_budget * 1000 else Verdict.WARNING,
        f"{result.peak_memory_mb:.0f} MB on these eras; the features of all rows alone need "
        f"{matrix:.0f} MB (train_memory_budget {traits.train_memory_budget:g} GB)",
    )


def _predict(trial: _Trial) -> Iterator[Finding]:
    """Predict each era as a round is predicted, in a process that did not train."""
    manifest = weight_store.read_manifest(trial.weights)
    with Worker() as worker:
        for era in trial.predicted:
            result = worker.predict(_round(trial, manifest, era))
            closed = gates.closed(_gates(result))
            yield Finding(
                Check.PREDICT,
                Verdict.FAILURE if closed else Verdict.OK,
                f"era {era}: "
                + ("; ".join(gate.text for gate in closed) or _use(result, manifest)),
                f"see {trial.model.code}" if closed else "",
            )
            if closed:
                return


def _round(trial: _Trial, manifest: Manifest, era: int) -> PredictRequest:
    """Write an era of the training file as if it were the live data of a round."""
    import numpy as np
    import polars as pl

    from numebot_dagster.modeling.training_data import TrainingData

    files = trainer.files_of(trial.vintage)
    rows = TrainingData(files, manifest.features, targets=()).of_eras([era])
    benchmarks = {name: rows.benchmark(name) for name in rows.benchmark_names}
    random = np.random.default_rng(era)
    tables = {
        "live": dict(zip(rows.features, rows.matrix.T, strict=True)),
        "benchmarks": benchmarks,
        **{
            f"input {name}": {"prediction": random.uniform(size=len(rows))}
            for name in manifest.inputs
        },
    }
    paths = {name: trial.folder / f"{era} {name}.parquet" for name in tables}
    for name, columns in tables.items():
        head = {"id": rows.ids, "era": ["X"] * len(rows)}
        frame = pl.DataFrame(head | columns, schema_overrides={"id": pl.String})
        parquet.write(paths[name], frame)
    return PredictRequest(
        model=trial.model.name,
        code=trial.model.code,
        weights=trial.weights,
        live=paths["live"],
        benchmarks=paths["benchmarks"] if benchmarks else None,
        inputs={name: paths[f"input {name}"] for name in manifest.inputs},
    )


def _gates(result: PredictResult) -> list[Gate]:
    """Return the gates that a round's predictions pass before they are stored."""
    ids, values = result.ids.tolist(), result.predictions
    raw = gates.submission_rules(submission_file.check_raw(ids, values, ids))
    if not raw.passed:
        return [*gates_of_model(result), raw]
    ranked = submission_file.prepare(ids, submission_file.rank_to_unit_interval(values))
    return [*gates_of_model(result), gates.submission_rules(submission_file.check(ranked, ids))]


def _use(result: PredictResult, manifest: Manifest) -> str:
    values = result.predictions
    return (
        f"{len(values)} rows from {values.min():.4g} to {values.max():.4g}; {result.seconds:.1f} s "
        f"(time_budget {manifest.time_budget:g} s), {result.peak_memory_mb:.0f} MB (memory_budget "
        f"{manifest.memory_budget:g} GB)"
    )


def _failure(trial: _Trial, error: ModelError) -> Iterator[Finding]:
    """Yield the steps that passed, and the method that failed with its place in the code."""
    if not isinstance(error, ModelFailed):
        step = Check.PREDICTING if trial.weights.exists() else Check.TRAINING
        yield Finding(step, Verdict.FAILURE, str(error))
        return
    if not trial.weights.exists():
        # The canary has two parts, so that the phase that failed may have passed once.
        yield from _passed({name: s for name, s in error.phases.items() if name != error.phase})
    place = error.place or f"see {trial.model.code}"
    if error.phase == "train":
        place += f" (if it needs more than {_eras(trial.trained)}, add --eras N)"
    yield Finding(Check(error.phase), Verdict.FAILURE, f"{error.kind}: {error.reason}", place)
