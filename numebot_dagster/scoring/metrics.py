"""List the scores by era: how each is computed, and how it is shown."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from numebot_dagster.scoring.era_scores import (
    EraScores,
    Exposure,
    correlation_with,
    feature_exposure,
    feature_neutral_corr,
    score_eras,
)


@dataclass(frozen=True)
class EraData:
    """The rows of some eras, in any order, with everything that they are scored by.

    Attributes:
        eras: (rows,) era numbers.
        predictions: (rows,) of one model.
        target: (rows,).
        features: (rows, F) int8, column-major.
        neutralisers: the columns of `features` that FNC is neutral to.
        meta_model: (rows,), NaN where there is none; None when the data have none.
        benchmark: the same.
    """

    eras: np.ndarray
    predictions: np.ndarray
    target: np.ndarray
    features: np.ndarray
    neutralisers: Sequence[int]
    meta_model: np.ndarray | None = None
    benchmark: np.ndarray | None = None

    @cached_property
    def scores(self) -> EraScores:
        """CORR, MMC and BMC, which are computed together."""
        return score_eras(
            self.eras,
            self.predictions,
            self.target,
            meta_model=self.meta_model,
            benchmark=self.benchmark,
        )

    @cached_property
    def exposures(self) -> list[Exposure]:
        """The exposures of each era, ascending."""
        rows = (np.flatnonzero(self.eras == era) for era in np.unique(self.eras))
        return [
            feature_exposure(self.eras[own], self.predictions[own], self.features[own])
            for own in rows
        ]


@dataclass(frozen=True)
class Metric:
    """A score by era.

    Attributes:
        label: its name in tables.
        meaning: half a sentence, for people.
        by_era: (E, 1) scores, eras ascending; None where the data lack what it needs.
        is_own: whether it judges the model's own predictions by the target: such scores stand on
            the asset's page, and are named where they may be luck.
        adds_up: whether it is of a target, so that its eras overlap and add up to a history; what
            is not has neither Sharpe ratio nor drawdown.
        figure: which of its figures is plotted over vintages.
        plotted: under which name; `mean_<metric>` if empty.
    """

    label: str
    meaning: str
    by_era: Callable[[EraData], np.ndarray | None]
    is_own: bool = True
    adds_up: bool = True
    figure: str = "mean"
    plotted: str = ""


def _fnc(data: EraData) -> np.ndarray:
    neutralisers = data.features[:, data.neutralisers]
    return feature_neutral_corr(data.eras, data.predictions, neutralisers, data.target)


def _benchmark_corr(data: EraData) -> np.ndarray | None:
    if data.benchmark is None:
        return None
    return score_eras(data.eras, data.benchmark, data.target).corr


def _likeness(data: EraData, other: np.ndarray | None) -> np.ndarray | None:
    return None if other is None else correlation_with(data.eras, data.predictions, other)


def _max_exposure(data: EraData) -> np.ndarray:
    return np.concatenate([exposure.maximum for exposure in data.exposures])


def _rms_exposure(data: EraData) -> np.ndarray:
    return np.concatenate([exposure.root_mean_square for exposure in data.exposures])


METRICS: Mapping[str, Metric] = {
    "corr": Metric("CORR", "correlation with the target", lambda data: data.scores.corr),
    "mmc": Metric("MMC", "contribution to the meta model", lambda data: data.scores.mmc),
    "bmc": Metric("BMC", "contribution to the benchmark model", lambda data: data.scores.bmc),
    "fnc": Metric("FNC", "CORR after neutralising to Numerai's set of features for FNCv3", _fnc),
    "benchmark_corr": Metric(
        "benchmark CORR", "CORR of the benchmark model itself", _benchmark_corr,
        is_own=False, plotted="benchmark_corr",
    ),
    "correlation_with_benchmark": Metric(
        "with benchmark", "correlation with the benchmark model's predictions",
        lambda data: _likeness(data, data.benchmark),
        is_own=False, adds_up=False, plotted="with_benchmark",
    ),
    "correlation_with_meta_model": Metric(
        "with meta model", "correlation with the meta model (Numerai's CWMM)",
        lambda data: _likeness(data, data.meta_model),
        is_own=False, adds_up=False, plotted="with_meta_model",
    ),
    "max_feature_exposure": Metric(
        "max exposure", "largest correlation with a feature", _max_exposure,
        is_own=False, adds_up=False, figure="max", plotted="max_exposure",
    ),
    "rms_feature_exposure": Metric(
        "RMS exposure", "root mean square of the correlations with the features", _rms_exposure,
        is_own=False, adds_up=False, plotted="rms_exposure",
    ),
}  # fmt: skip
"""The metrics by name, in the order in which they are shown; one that is added here is shown."""
