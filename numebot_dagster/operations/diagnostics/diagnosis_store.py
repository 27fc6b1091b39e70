"""Store diagnoses and read them back."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from numebot_dagster import command_lines
from numebot_dagster.lake import json_records, parquet
from numebot_dagster.modeling.registry import RegisteredModel, code_hash
from numebot_dagster.modeling.weights import weight_store
from numebot_dagster.operations.diagnostics import era_metrics
from numebot_dagster.operations.platform import Platform
from numebot_dagster.scoring.summaries import Summary

if TYPE_CHECKING:
    import polars as pl

PREDICTIONS = "predictions.parquet"
_BY_ERA = "by_era.parquet"
_EXPOSURE = "exposure_by_feature.parquet"
_FACTS = "diagnosis.json"


class NotDiagnosed(Exception):
    """A diagnosis is not stored, or cannot be read; the text says what to type."""


@dataclass(frozen=True, kw_only=True)
class DiagnosisFacts(json_records.Record):
    """What is known of a diagnosis besides its tables.

    Metrics are those of `scoring.metrics`. An era has no row of a metric that cannot be computed,
    as of MMC where there is no meta model.

    Attributes:
        model: the Numerai name.
        vintage: whose data were used.
        code_hash: of the model's source.
        data_version: for example `v5.3`.
        recipe: one sentence: what these numbers speak for.
        walk_forward: whether the recipe was trained again for them, because the weights in use have
            seen these eras.
        refits: how often it was trained again; 0 when the weights themselves predicted.
        target: what the scores are against.
        benchmark: the benchmark model that it is compared with, if the vintage has one.
        summaries: by metric, over all out-of-sample eras.
        held_out: by metric, over the newest labelled eras alone, which are kept from tuning and
            blending: what may be published.
        held_out_from: the first of the held-out eras.
        seconds: from the first training or prediction to the last score.
        peak_memory_mb: highest resident size of the worker process, in MB (10^6 bytes).
    """

    model: str
    vintage: int
    code_hash: str
    data_version: str
    recipe: str
    walk_forward: bool
    refits: int
    target: str
    benchmark: str | None
    summaries: Mapping[str, Summary]
    held_out: Mapping[str, Summary]
    held_out_from: int = 0
    seconds: float = 0.0
    peak_memory_mb: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Diagnosis(DiagnosisFacts):
    """Out-of-sample predictions of one model and their scores.

    Attributes:
        by_era: `era` Int16, `metric` String, `value` Float64.
        exposure_by_feature: `feature` String, `mean_exposure` Float64, largest magnitude first.
        predictions: Parquet file of `id`, `era` and `prediction`, ranked to (0, 1) in each era.
    """

    by_era: pl.DataFrame
    exposure_by_feature: pl.DataFrame
    predictions: Path


def folder_of(platform: Platform, model: RegisteredModel, vintage: int) -> Path:
    """Return where the diagnosis of a model's present code on a vintage is, or would be."""
    present = code_hash(model)
    places = weight_store.candidates(platform.lake, model.name, present, vintage)
    labels = [place.label for place in places if place.code_hash == present]
    return platform.lake.diagnosis_folder(model.name, vintage, labels[0] if labels else present)


def read_diagnosis(platform: Platform, model: RegisteredModel, vintage: int) -> Diagnosis:
    """Return the stored diagnosis of a vintage: of the present code, otherwise of the newest.

    Raises:
        NotDiagnosed: there is none; the text says how to make it.
    """
    for folder in (
        folder_of(platform, model, vintage),
        *platform.lake.diagnosis_folders(model.name, vintage),
    ):
        if folder.is_dir():
            return read(folder)
    raise NotDiagnosed(
        f"{model.name} has not been diagnosed on vintage {vintage}. "
        f"Type: {command_lines.diagnose(model.name, vintage)}"
    )


def read(folder: Path) -> Diagnosis:
    """Read the diagnosis in a folder.

    Raises:
        NotDiagnosed: it cannot be read.
    """
    try:
        facts = json_records.read(folder / _FACTS, DiagnosisFacts)
        by_era = parquet.read(folder / _BY_ERA, ["era", "metric", "value"])
        return Diagnosis(
            **vars(_with_all_figures(facts, by_era)),
            by_era=by_era,
            exposure_by_feature=parquet.read(folder / _EXPOSURE),
            predictions=folder / PREDICTIONS,
        )
    except (OSError, ValueError) as error:
        raise NotDiagnosed(
            f"{folder} cannot be read: {error}. To replace it, type: numebot models diagnose MODEL "
            "--again"
        ) from error


def _with_all_figures(facts: DiagnosisFacts, by_era: pl.DataFrame) -> DiagnosisFacts:
    """Return the facts with the figures that an earlier version did not compute."""
    if all(summary.is_complete for summary in facts.summaries.values()):
        return facts
    return dataclasses.replace(
        facts,
        summaries=era_metrics.summaries(by_era, facts.target),
        held_out=era_metrics.summaries(by_era, facts.target, facts.held_out_from),
    )


def write(diagnosis: Diagnosis) -> None:
    """Store all but the predictions, beside them."""
    import polars as pl

    folder = diagnosis.predictions.parent
    names = [field.name for field in dataclasses.fields(DiagnosisFacts)]
    facts = DiagnosisFacts(**{name: getattr(diagnosis, name) for name in names})
    json_records.write(folder / _FACTS, facts)
    parquet.write(folder / _EXPOSURE, diagnosis.exposure_by_feature)
    parquet.write(
        folder / _BY_ERA,
        diagnosis.by_era.with_columns(
            held_out=pl.col("era") >= diagnosis.held_out_from,
            walk_forward=pl.lit(diagnosis.walk_forward),
            recipe=pl.lit(diagnosis.recipe),
        ),
    )
