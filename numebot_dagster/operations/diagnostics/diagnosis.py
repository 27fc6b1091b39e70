"""Score a model on eras that it has not seen, once, and store the result."""

from __future__ import annotations

import time
from pathlib import Path

from numebot_dagster import command_lines
from numebot_dagster.lake import files
from numebot_dagster.lake.locks import exclusive
from numebot_dagster.modeling.registry import RegisteredModel, code_hash
from numebot_dagster.modeling.weights import weight_store
from numebot_dagster.modeling.weights.weight_store import NoWeights, StoredWeights
from numebot_dagster.modeling.worker.messages import DescribeRequest
from numebot_dagster.modeling.worker.worker import Worker
from numebot_dagster.operations import long_work
from numebot_dagster.operations.diagnostics import diagnosis_store, era_metrics, out_of_sample
from numebot_dagster.operations.diagnostics.diagnosis_store import (
    Diagnosis,
    NotDiagnosed,
    read_diagnosis,
)
from numebot_dagster.operations.diagnostics.era_metrics import ScoredEras
from numebot_dagster.operations.diagnostics.out_of_sample import (
    REFITS,
    NothingToJudge,
    Plan,
    Subject,
)
from numebot_dagster.operations.platform import Platform

__all__ = [
    "Diagnosis",
    "NotDiagnosed",
    "NothingToJudge",
    "OtherCode",
    "diagnose",
    "read_diagnosis",
]


class OtherCode(NoWeights):
    """The weights were trained by other code than the model's present one."""


def diagnose(
    platform: Platform,
    model: RegisteredModel,
    vintage: int | None = None,
    *,
    again: bool = False,
) -> Diagnosis:
    """Score a model out of sample, and store the predictions and their scores.

    A diagnosis that is stored already for the vintage and the model's present code is returned.

    Args:
        platform: whose lake has the weights and the vintage.
        model: the model to score.
        vintage: of the weights; the newest that has some by default.
        again: whether to replace a stored diagnosis.

    Raises:
        NoWeights: there are none of the present code; the text says how to make them.
        NotDiagnosed: an input of a second-order model has no diagnosis; the text says how to make
            it.
        NothingToJudge: there is no era that the weights have not seen.
        ModelError: the model's code fails or leaves its budget.
        GateClosed: the weights do not predict as on the day they were made.
    """
    chosen = _weights(platform, model, vintage)
    folder = platform.lake.diagnosis_folder(model.name, chosen.vintage, chosen.label)
    lock = platform.lake.lock_file(f"diagnose-{model.asset_name}-{chosen.vintage}")
    with exclusive(
        lock,
        lambda holder: platform.log.info(
            "Waiting for another run that diagnoses this model (%s)", holder
        ),
    ):
        if again or not folder.is_dir():
            files.sweep(folder.parent)  # what a killed run left behind
            with files.folder(folder, overwrite=again) as unfinished:
                subject = out_of_sample.open_subject(platform, model, chosen)
                _diagnose(platform, subject, unfinished)
    return diagnosis_store.read(folder)


def _weights(platform: Platform, model: RegisteredModel, vintage: int | None) -> StoredWeights:
    code = code_hash(model)
    pinned = model.vintage if vintage is None else vintage
    chosen = weight_store.choose(platform.lake, model.name, code, pinned)
    if chosen.code_hash != code:
        raise OtherCode(
            f"the code of {model.name} has changed since its weights of vintage {chosen.vintage} "
            f"were trained (it was {chosen.code_hash} and is {code} now). To train it again, type: "
            f"{command_lines.train(model.name)}"
        )
    return chosen


def _diagnose(platform: Platform, subject: Subject, folder: Path) -> None:
    """Fill the folder of a diagnosis."""
    start = time.perf_counter()
    with Worker(background=True) as worker:
        traits = worker.describe(DescribeRequest(subject.model.name, subject.model.code))
        chosen = out_of_sample.plan(
            subject,
            refits=REFITS if traits.train_on == "all" else 0,
            purge=subject.purge_eras,
        )
        peak = out_of_sample.predict(platform, worker, subject, chosen, folder)
    with long_work.reported(platform.log, f"{subject.model.name}: scoring {len(chosen.rows)} eras"):
        scores = era_metrics.judge(
            subject.yardstick, folder / diagnosis_store.PREDICTIONS, chosen.rows
        )
    unscored = len(chosen.rows) - len(scores.by_era.filter(metric="corr"))
    if unscored:
        platform.log.warning(
            "%s: %d of %d eras have no CORR, because the predictions are constant there",
            subject.model.name, unscored, len(chosen.rows),
        )  # fmt: skip
    diagnosis_store.write(_diagnosis(subject, chosen, scores, folder, start, peak))


def _diagnosis(
    subject: Subject, chosen: Plan, scores: ScoredEras, folder: Path, start: float, peak: float
) -> Diagnosis:
    by_era, target = scores.by_era, subject.yardstick.target
    held_out_from = era_metrics.held_out_from(subject.yardstick, subject.weights.manifest.targets)
    return Diagnosis(
        model=subject.model.name,
        vintage=subject.vintage.number,
        code_hash=subject.weights.code_hash,
        data_version=subject.vintage.data_version,
        recipe=_recipe(subject, chosen),
        walk_forward=bool(chosen.refits),
        refits=len(chosen.refits),
        target=target,
        benchmark=subject.yardstick.benchmark,
        by_era=by_era,
        exposure_by_feature=scores.exposure_by_feature,
        summaries=era_metrics.summaries(by_era, target),
        held_out=era_metrics.summaries(by_era, target, held_out_from),
        predictions=folder / diagnosis_store.PREDICTIONS,
        held_out_from=held_out_from,
        seconds=time.perf_counter() - start,
        peak_memory_mb=peak,
    )


def _recipe(subject: Subject, chosen: Plan) -> str:
    manifest, first, last = subject.weights.manifest, min(chosen.rows), max(chosen.rows)
    gap = f"{chosen.purge_eras} eras"
    if chosen.refits:
        return (
            f"The same recipe as the weights of vintage {manifest.vintage}, trained again "
            f"{len(chosen.refits)} times walking forward over eras {first} to {last}, each time up "
            f"to {gap} before the first era scored; the weights in use have seen these eras."
        )
    return (
        f"The weights of vintage {manifest.vintage} themselves: trained on eras "
        f"{manifest.first_era} to {manifest.last_era}, scored on eras {first} to {last}, with at "
        f"least {gap} left out between."
    )
