"""Select the labelled eras of a vintage, and score out-of-sample predictions on them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import polars as pl

    from numebot_dagster.lake.matrix import RowSelection
    from numebot_dagster.modeling.training_data import TrainingFiles
    from numebot_dagster.scoring.summaries import Summary

# The target by which Numerai scores and pays since v5.3.
SCORED_TARGET = "target_ender_60"
# The share of targets that numerai-tools requires of an era.
LEAST_LABELLED = 0.8
ALL_FEATURES = "all"
NEUTRALISERS = "fncv3_features"
# Scores without a target do not overlap between eras: their horizon is one era.
_NO_HORIZON = 5


@dataclass(frozen=True)
class Yardstick:
    """The data of one vintage by which predictions are scored.

    Attributes:
        files: of the vintage.
        target: the target of CORR and all other scores.
        benchmark: the model for BMC, if the vintage has one: as in Numerai's diagnostics, the one
            that learns the target.
        features: the features whose exposure is measured: all, as Numerai does.
        neutralisers: the features that FNC is neutral to: Numerai's set for FNCv3.
    """

    files: TrainingFiles
    target: str
    benchmark: str | None
    features: tuple[str, ...]
    neutralisers: tuple[str, ...]

    @property
    def validation(self) -> Path:
        """The file that holds the eras."""
        if self.files.validation is None:
            raise ValueError("the vintage has no validation file, so that no era can be judged")
        return self.files.validation


@dataclass(frozen=True)
class ScoredEras:
    """Scores by era and exposures; see `Diagnosis` for the columns."""

    by_era: pl.DataFrame
    exposure_by_feature: pl.DataFrame


def yardstick(files: TrainingFiles, own_features: Sequence[str]) -> Yardstick:
    """Return the data of a vintage by which predictions are scored.

    Args:
        files: of the vintage.
        own_features: those of the model, which stand in for a set that the vintage lacks.
    """
    from numebot_dagster.lake.matrix import column_names
    from numebot_dagster.modeling.columns import feature_sets
    from numebot_dagster.modeling.training_data import TrainingData

    data = TrainingData(files, (), targets=(), train_on="all")
    target = SCORED_TARGET
    if target not in column_names(files.train):
        target = data.what_target_is() or "target"
    sets = feature_sets(files.features)
    neutralisers = sets.get(NEUTRALISERS, own_features)
    return Yardstick(
        files=files,
        target=target,
        benchmark=_benchmark(data.benchmark_names, target),
        features=tuple(dict.fromkeys([*sets.get(ALL_FEATURES, own_features), *neutralisers])),
        neutralisers=tuple(neutralisers),
    )


def _benchmark(names: Sequence[str], target: str) -> str | None:
    """Return the benchmark that learns a target: `v53_lgbm_ender60` for `target_ender_60`."""
    learnt = target.removeprefix("target_").replace("_", "")
    return next((name for name in names if name.endswith(learnt)), next(iter(names), None))


def judged_eras(by: Yardstick, after: int = 0) -> dict[int, int]:
    """Return the rows by era of the labelled validation eras after a given one."""
    import polars as pl

    from numebot_dagster.lake.matrix import scan

    label = pl.col(by.target)
    frame = (
        scan(by.validation)
        .group_by(pl.col("era").cast(pl.Int16))
        .agg(rows=pl.len(), labelled=(label.is_not_null() & label.is_not_nan()).mean())
        .filter(pl.col("labelled") >= LEAST_LABELLED, pl.col("era") > after)
        .sort("era")
        .collect()
    )
    return dict(zip(frame["era"].to_list(), frame["rows"].to_list(), strict=True))


def labelled_eras(by: Yardstick, targets: Sequence[str]) -> list[int]:
    """Return the eras of both files in which some row has a value for all of these targets."""
    import numpy as np

    from numebot_dagster.modeling.training_data import TrainingData

    return [int(era) for era in np.unique(TrainingData(by.files, (), targets, "all").eras)]


def held_out_from(by: Yardstick, targets: Sequence[str]) -> int:
    """Return the first of the newest eras that `TrainingData.for_tuning` keeps from tuning.

    Args:
        by: the vintage.
        targets: those that the model learns from.
    """
    from numebot_dagster.lake.matrix import column_names
    from numebot_dagster.modeling.columns import BARE_TARGET
    from numebot_dagster.modeling.splits import HELD_OUT_ERAS

    paid_by = [BARE_TARGET] if BARE_TARGET in column_names(by.files.train) else []
    return labelled_eras(by, [*targets, *paid_by])[-1] - HELD_OUT_ERAS + 1


def judge(by: Yardstick, predictions: Path, rows: Mapping[int, int]) -> ScoredEras:
    """Score a file of out-of-sample predictions era by era.

    Only the features of some eras are in memory at a time; see `modeling.worker.past_eras.blocks`.

    Args:
        by: the vintage.
        predictions: Parquet file of `id`, `era`, `prediction`.
        rows: number of rows by era, of the eras to score.
    """
    import numpy as np
    import polars as pl

    from numebot_dagster.lake import matrix
    from numebot_dagster.scoring.metrics import METRICS, EraData

    selection = matrix.select_rows(by.validation, keep_eras=rows)
    columns: dict[str, np.ndarray] = defaultdict(lambda: np.empty(len(selection)))
    for block in _blocks(selection, rows, features=0):
        for name, values in _columns(by, selection.pick(block), predictions).items():
            columns[name][block] = values
    place = {name: index for index, name in enumerate(by.features)}
    neutralisers = [place[name] for name in by.neutralisers]
    by_era, by_feature = [], []
    for block in _blocks(selection, rows, len(by.features)):
        data = EraData(
            eras=selection.eras[block],
            features=matrix.fill_matrix([selection.pick(block)], by.features),
            neutralisers=neutralisers,
            **{name: values[block] for name, values in columns.items()},
        )
        scores = {name: metric.by_era(data) for name, metric in METRICS.items()}
        by_era.append(_long(np.unique(data.eras), scores))
        by_feature += [exposure.mean_by_feature for exposure in data.exposures]
    return ScoredEras(
        by_era=pl.concat(by_era).filter(pl.col("value").is_finite()).sort("metric", "era"),
        exposure_by_feature=_mean_exposure(by.features, np.concatenate(by_feature)),
    )


def _blocks(
    selection: RowSelection, rows: Mapping[int, int], features: int
) -> Iterator[np.ndarray]:
    """Yield the places of the rows of as many eras as fit into the memory."""
    import numpy as np

    from numebot_dagster.modeling.worker.past_eras import blocks

    for eras in blocks(rows, features):
        yield np.flatnonzero(np.isin(selection.eras, eras))


def summaries(by_era: pl.DataFrame, target: str, first_era: int = 0) -> dict[str, Summary]:
    """Return the summaries by metric of the scores from an era on.

    Args:
        by_era: rows of `era`, `metric` and `value`, eras ascending.
        target: the target of the scores: its horizon is how far neighbouring eras overlap.
        first_era: the first era that counts.
    """
    import polars as pl

    from numebot_dagster.modeling.splits import horizon_days
    from numebot_dagster.scoring.metrics import METRICS
    from numebot_dagster.scoring.summaries import summarise

    counted = by_era.filter(pl.col("era") >= first_era)
    scores = {name: counted.filter(metric=name)["value"].to_numpy() for name in METRICS}
    return {
        name: summarise(values, horizon_days(target) if METRICS[name].adds_up else _NO_HORIZON)
        for name, values in scores.items()
        if len(values)
    }


def _columns(by: Yardstick, selection: RowSelection, predictions: Path) -> dict[str, np.ndarray]:
    """Return what rows are scored by besides their features, by the names of `EraData`."""
    import polars as pl

    from numebot_dagster.lake import matrix
    from numebot_dagster.modeling.columns import META_MODEL, aligned
    from numebot_dagster.modeling.live_data import read_inputs

    ids, eras = matrix.read_ids(selection), selection.eras
    target = matrix.read_rows(selection, [by.target])[by.target]
    columns = read_inputs(ids, {"predictions": predictions})
    columns["target"] = target.cast(pl.Float64).to_numpy()
    if by.benchmark is not None:
        columns["benchmark"] = aligned(
            ids, by.files.benchmarks, by.benchmark, pl.Float64, eras=eras
        )
    if by.files.meta_model is not None:
        columns["meta_model"] = aligned(
            ids, [by.files.meta_model], META_MODEL, pl.Float64, eras=eras
        )
    return columns


def _mean_exposure(features: Sequence[str], by_era: np.ndarray) -> pl.DataFrame:
    """Return means over the eras in which a feature and the predictions are not constant."""
    import numpy as np
    import polars as pl

    finite = np.isfinite(by_era)
    total, count = np.where(finite, by_era, 0).sum(axis=0), finite.sum(axis=0)
    mean = pl.DataFrame({"feature": features, "total": total, "count": count})
    return (
        mean.filter(pl.col("count") > 0)
        .select("feature", mean_exposure=pl.col("total") / pl.col("count"))
        .sort(pl.col("mean_exposure").abs(), descending=True)
    )


def _long(eras: np.ndarray, columns: Mapping[str, np.ndarray | None]) -> pl.DataFrame:
    """Return (eras, 1) values by metric as rows of era, metric and value."""
    import polars as pl

    frames = [
        pl.DataFrame({"era": eras, "value": values[:, 0]}).select(
            pl.col("era").cast(pl.Int16), pl.lit(metric).alias("metric"), "value"
        )
        for metric, values in columns.items()
        if values is not None
    ]
    return pl.concat(frames)
