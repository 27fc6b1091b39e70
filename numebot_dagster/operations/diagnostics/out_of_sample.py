"""Choose the eras on which a model can be scored, and predict them.

A model that leaves the validation eras alone is scored with its weights. A model that trains on
all eras has seen them: its recipe is scored, trained again on the past of each stretch of
validation eras. In both cases the eras within the longest target's horizon are left out between
training and scoring, and predictions are made as in a round: one era at a time, without labels.
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
from numebot_dagster.operations import long_work
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

# How often a recipe is trained again. With fewer trainings the later eras are predicted by older
# weights than anybody would use. Four in the twelve years of validation eras are one in three
# years, as Numerai trains its benchmark models.
REFITS = 4


class NothingToJudge(Exception):
    """The vintage has no labelled era that the weights have not seen."""


@dataclass(frozen=True)
class Subject:
    """A model with the weights to score, and the data to score them by.

    Attributes:
        model: the model to score.
        weights: trained by its present code.
        vintage: the training data of the weights.
        yardstick: the data of the vintage to score by.
        inputs: diagnosed predictions of a second-order model's inputs by their names.
    """

    model: RegisteredModel
    weights: StoredWeights
    vintage: Vintage
    yardstick: Yardstick
    inputs: Mapping[str, Path]

    @property
    def purge_eras(self) -> int:
        """The eras within the longest horizon of all targets, learned from or scored by."""
        from numebot_dagster.modeling.splits import purge_eras

        learnt = self.weights.manifest.target_is
        return purge_eras(
            [*(resolved or name for name, resolved in learnt.items()), self.yardstick.target]
        )


@dataclass(frozen=True)
class Plan:
    """The eras to score.

    Attributes:
        rows: number of rows by era, oldest first.
        purge_eras: the least number of eras between training and scoring.
        refits: what to train on and then predict; none when the weights themselves predict.
    """

    rows: Mapping[int, int]
    purge_eras: int
    refits: tuple[EraSplit, ...] = ()


def open_subject(platform: Platform, model: RegisteredModel, chosen: StoredWeights) -> Subject:
    """Return everything that the diagnosis of a model's weights needs.

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
            f"the present code of the input {model.name} has no out-of-sample predictions on "
            f"vintage {vintage}. Type first: {first}"
        )
    return folder / diagnosis_store.PREDICTIONS


def plan(subject: Subject, *, refits: int, purge: int) -> Plan:
    """Choose the eras to score.

    Args:
        subject: the model and its data.
        refits: how often to train again, to predict stretches of equal length; with 0 the weights
            themselves predict, and only eras beyond their last one and the purge are scored.
        purge: eras to leave out between training and scoring.

    Raises:
        NothingToJudge: no era is left.
    """
    manifest = subject.weights.manifest
    rows = era_metrics.judged_eras(subject.yardstick, 0 if refits else manifest.last_era + purge)
    for predictions in subject.inputs.values():
        predicted = set(parquet.read(predictions, ["era"])["era"].unique())
        rows = {era: count for era, count in rows.items() if era in predicted}
    if not rows:
        raise NothingToJudge(
            f"{subject.model.name}: vintage {subject.vintage.number} has no labelled validation "
            f"era more than {purge} eras after the last training era, {manifest.last_era}. To pin "
            "newer data, type: numebot train"
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
    """Write the predictions of the planned eras to `predictions.parquet` in a folder.

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
        with long_work.reported(platform.log, what):
            result = worker.predict_out_of_sample(request)
        verdict = gates.canary(result.canary)
        if not verdict.passed:
            raise GateClosed([verdict])
        peak = max(peak, megabytes, result.peak_memory_mb)
        platform.log.info(
            "%s: eras %d to %d predicted in %.1f s, %d of %d remain",
            subject.model.name, eras[0], eras[-1], result.seconds,
            sum(era > eras[-1] for era in chosen.rows), len(chosen.rows),
        )  # fmt: skip
    parquet.write(folder / diagnosis_store.PREDICTIONS, pl.concat(map(parquet.read, parts)))
    for part in parts:
        files.remove(part)
    return peak


def _weights_and_eras(
    platform: Platform, worker: Worker, subject: Subject, chosen: Plan, folder: Path
) -> Iterator[tuple[Path, tuple[int, ...], float]]:
    """Yield weights, the unseen eras that they predict, and the MB that their training needed."""
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
        with long_work.reported(platform.log, what):
            result = worker.train(
                trainer.request(subject.model, subject.vintage, trained, eras=step.train)
            )
        for eras in blocks({era: chosen.rows[era] for era in step.test}, features):
            yield trained, eras, result.peak_memory_mb
        files.remove(trained)
