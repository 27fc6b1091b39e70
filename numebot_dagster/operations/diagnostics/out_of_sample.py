"""Which eras a model can be judged on, and its predictions for them.

A model that leaves the validation eras alone is judged by its very weights. One that trains on
everything has seen them all: there its recipe is judged, trained anew on the past of each stretch
of validation eras. Either way the eras that the longest target reaches over are left out between
training and judgement, and predictions are made as in a round: one era at a time, without labels.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from numebot_dagster import command_lines
from numebot_dagster.lake import files, parquet
from numebot_dagster.modeling.registry import RegisteredModel
from numebot_dagster.modeling.weights.weight_store import StoredWeights
from numebot_dagster.modeling.worker.messages import OutOfSampleRequest
from numebot_dagster.modeling.worker.worker import Worker
from numebot_dagster.operations import patience
from numebot_dagster.operations.diagnostics import diagnosis_store, era_metrics
from numebot_dagster.operations.diagnostics.diagnosis_store import NotDiagnosed
from numebot_dagster.operations.diagnostics.era_metrics import Yardstick
from numebot_dagster.operations.platform import Platform
from numebot_dagster.operations.rounds import gates
from numebot_dagster.operations.rounds.gates import GateClosed
from numebot_dagster.operations.training import trainer, vintages
from numebot_dagster.operations.training.vintages import Vintage

if TYPE_CHECKING:
    from numebot_dagster.modeling.splits import EraSplit

# How often a recipe is trained anew. More cost more trainings; with fewer the later eras are judged
# by older weights than anybody would use. Four over the twelve years of validation eras are one in
# three years, as Numerai itself trains its benchmark models.
REFITS = 4


class NothingToJudge(Exception):
    """The vintage has no labelled era that the weights have not seen."""


@dataclass(frozen=True)
class Subject:
    """A model with the weights to judge, and what to judge them by.

    Attributes:
        model: who is judged.
        weights: made by its present code.
        vintage: that they were made from.
        yardstick: what the vintage offers to judge by.
        inputs: diagnosed predictions of a second-order model's inputs by their names.
    """

    model: RegisteredModel
    weights: StoredWeights
    vintage: Vintage
    yardstick: Yardstick
    inputs: Mapping[str, Path]

    @property
    def purge_eras(self) -> int:
        """As the longest horizon needs, of all targets learned from and judged by."""
        from numebot_dagster.modeling.splits import purge_eras

        learnt = self.weights.manifest.target_is
        return purge_eras(
            [*(resolved or name for name, resolved in learnt.items()), self.yardstick.target]
        )


@dataclass(frozen=True)
class Plan:
    """Which eras are judged.

    Attributes:
        rows: number of rows by judged era, oldest first.
        purge_eras: how many eras lie between training and judgement at the least.
        refits: what to train on and then predict; none when the weights themselves predict.
    """

    rows: Mapping[int, int]
    purge_eras: int
    refits: tuple[EraSplit, ...] = ()


def open_subject(platform: Platform, model: RegisteredModel, chosen: StoredWeights) -> Subject:
    """Gathers what the diagnosis of a model's weights needs.

    Raises:
        NotDiagnosed: an input of a second-order model has no diagnosis on this vintage.
    """
    vintage = vintages.read_vintage(platform, chosen.vintage)
    by = era_metrics.yardstick(trainer.files_of(vintage), chosen.manifest.features)
    inputs = {
        name: _input(platform, platform.registry[name], chosen.vintage) for name in model.inputs
    }
    return Subject(model, chosen, vintage, by, inputs)


def _input(platform: Platform, model: RegisteredModel, vintage: int) -> Path:
    folder = diagnosis_store.folder_of(platform, model, vintage)
    if not folder.is_dir():
        first = command_lines.diagnose(model.name, vintage)
        raise NotDiagnosed(
            f"the input {model.name} has no out-of-sample predictions on vintage {vintage} by its "
            f"present code; first type: {first}"
        )
    return folder / diagnosis_store.PREDICTIONS


def plan(subject: Subject, *, refits: int, purge: int) -> Plan:
    """Chooses the eras to judge.

    Args:
        subject: who is judged.
        refits: how often to train anew, to predict stretches of equal length; with 0 the weights
            themselves predict, and only eras beyond their last one and the purge are judged.
        purge: eras to leave out between training and judgement.

    Raises:
        NothingToJudge: no era is left.
    """
    manifest = subject.weights.manifest
    rows = era_metrics.judged_eras(subject.yardstick, 0 if refits else manifest.last_era + purge)
    for predictions in subject.inputs.values():
        known = set(parquet.read(predictions, ["era"])["era"].unique())
        rows = {era: count for era, count in rows.items() if era in known}
    if not rows:
        raise NothingToJudge(
            f"{subject.model.name}: vintage {subject.vintage.number} has no labelled validation "
            f"era more than {purge} eras after the last one trained on, {manifest.last_era}; a "
            "vintage pinned later has more: numebot train"
        )
    return Plan(rows, purge, _walk(subject, rows, purge, refits) if refits else ())


def _walk(
    subject: Subject, rows: Mapping[int, int], purge: int, refits: int
) -> tuple[EraSplit, ...]:
    from numebot_dagster.modeling.splits import EraSplit, WalkForward

    first, last = min(rows), max(rows)
    walk = WalkForward(
        test_eras=-(-(last - first + 1) // refits), purge_eras=purge, first_test_era=first
    )
    learnable = era_metrics.labelled_eras(subject.yardstick, subject.weights.manifest.targets)
    steps = [
        EraSplit(step.train, tuple(era for era in step.test if era in rows))
        for step in walk.split_eras([*learnable, *rows])
    ]
    return tuple(step for step in steps if step.test)


def predict(
    platform: Platform, worker: Worker, subject: Subject, chosen: Plan, folder: Path
) -> float:
    """Writes the predictions of the planned eras to `predictions.parquet` in a folder.

    Returns:
        Highest resident size of the worker in MB.
    """
    import polars as pl

    parts: list[Path] = []
    peak = 0.0
    for trained, eras, megabytes in _weights_and_eras(platform, worker, subject, chosen, folder):
        parts.append(folder / f"part-{len(parts)}.parquet")
        request = OutOfSampleRequest(
            model=subject.model.name,
            code=subject.model.code,
            weights=trained,
            files=subject.yardstick.files,
            eras=eras,
            predictions=parts[-1],
            inputs=subject.inputs,
        )
        what = f"{subject.model.name}: predicting eras {eras[0]} to {eras[-1]}"
        with patience.told(platform.log, what):
            result = worker.predict_out_of_sample(request)
        verdict = gates.canary(result.canary)
        if not verdict.passed:
            raise GateClosed([verdict])
        peak = max(peak, megabytes, result.peak_memory_mb)
        platform.log.info(
            "%s: eras %d to %d predicted in %.1f s, %d of %d to do",
            *(subject.model.name, eras[0], eras[-1], result.seconds),
            *(sum(era > eras[-1] for era in chosen.rows), len(chosen.rows)),
        )
    parquet.write(folder / diagnosis_store.PREDICTIONS, pl.concat(map(parquet.read, parts)))
    for part in parts:
        files.remove(part)
    return peak


def _weights_and_eras(
    platform: Platform, worker: Worker, subject: Subject, chosen: Plan, folder: Path
) -> Iterator[tuple[Path, tuple[int, ...], float]]:
    """Weights, eras to predict that they have not seen, and the MB that a training took for it."""
    from numebot_dagster.modeling.worker.past_eras import blocks

    features = len(subject.weights.manifest.features)
    if not chosen.refits:
        for eras in blocks(chosen.rows, features):
            yield subject.weights.folder, eras, 0.0
    for number, step in enumerate(chosen.refits, 1):
        what = (
            f"{subject.model.name}: training {number} of {len(chosen.refits)}, on eras "
            f"{step.train[0]} to {step.train[-1]}, to predict eras {step.test[0]} to "
            f"{step.test[-1]}"
        )
        trained = folder / "refit"
        with patience.told(platform.log, what):
            result = worker.train(
                trainer.request(subject.model, subject.vintage, trained, eras=step.train)
            )
        for eras in blocks({era: chosen.rows[era] for era in step.test}, features):
            yield trained, eras, result.peak_memory_mb
        files.remove(trained)
