"""Compute Numerai's scores of many models and eras, equal to numerai-tools and far faster.

`numerai_tools.scoring` is the authority on what a score is. Here the same numbers, to rounding, are
computed for all eras at once: see `ranks` for how. A score is NaN where numerai-tools answers NaN
or refuses: when more than a fifth of an era's rows lack a value, or when one side is constant. Each
model is scored by itself, so that the missing predictions of one do not touch another's score.

All functions take rows in any order, `eras` naming each row's era; they are quickest when eras
ascend. Infinite targets are not supported.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from numebot_dagster.scoring.era_rows import EraRows, Places
from numebot_dagster.scoring.projection import Neutralizer, correlations
from numebot_dagster.scoring.ranks import centred_norm, gaussianise, power_15, rank_products

_MOST_DROPPED = 0.2  # numerai-tools' DEFAULT_MAX_FILTERED_INDEX_RATIO
_LEAST_LIKENESS = 0.9  # its `power` refuses a target that the 1.5 power changes more than this
_TINY = np.finfo(np.float64).tiny
# What is left of predictions by neutralising is rounding, not signal, below this share of them.
_ROUNDING = 1e-9


@dataclass(frozen=True)
class EraScores:
    """Scores of M models in E eras.

    Attributes:
        eras: (E,) int16, ascending.
        corr: (E, M) `numerai_corr`.
        mmc: (E, M) `correlation_contribution` to the meta model; None when none was given.
        bmc: (E, M) the same against the benchmark; None when none was given.
    """

    eras: np.ndarray
    corr: np.ndarray
    mmc: np.ndarray | None
    bmc: np.ndarray | None


@dataclass(frozen=True)
class Exposure:
    """How M models' predictions correlate (Pearson) with F features in E eras.

    A feature that is constant in an era, and so has no correlation, is left out of that era.

    Attributes:
        eras: (E,) int16, ascending.
        maximum: (E, M) largest magnitude over the features, as `max_feature_correlation`.
        root_mean_square: (E, M) root of the mean square over the features.
        mean_by_feature: (M, F) mean over the eras, signed.
    """

    eras: np.ndarray
    maximum: np.ndarray
    root_mean_square: np.ndarray
    mean_by_feature: np.ndarray


def score_eras(
    eras: np.ndarray,
    predictions: np.ndarray,
    target: np.ndarray,
    *,
    meta_model: np.ndarray | None = None,
    benchmark: np.ndarray | None = None,
) -> EraScores:
    """Return CORR, MMC and BMC of every model in every era.

    Args:
        eras: (rows,) era numbers.
        predictions: (rows, M) or (rows,), of any scale; NaN where there is none.
        target: (rows,) between 0 and 1, NaN where there is none. Other scales do too, but only
            targets between 0 and 1 are multiplied by four for the contributions.
        meta_model: (rows,) or None; NaN where there is none.
        benchmark: (rows,) or None; NaN where there is none.
    """
    references = [reference for reference in (meta_model, benchmark) if reference is not None]
    rows = EraRows.of(eras, predictions, target, *references)
    scores = rows.each_era(_score)
    scored = iter(np.moveaxis(scores, 1, 0))
    return EraScores(
        eras=rows.eras,
        corr=next(scored),
        mmc=None if meta_model is None else next(scored),
        bmc=None if benchmark is None else next(scored),
    )


def correlation_with(eras: np.ndarray, predictions: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return the correlation with other predictions, as Numerai's with the meta model (CWMM).

    Pearson's correlation of p^<1.5>, the tail-weighted Gaussianised ranks of the predictions, with
    the other predictions as they are (`pearson_correlation` of numerai-tools on its
    `tie_kept_rank__gaussianize__pow_1_5`). Of uniformly spread predictions with themselves it is
    therefore about 0.91, not 1.

    Args:
        eras: (rows,) era numbers.
        predictions: (rows, M) or (rows,).
        other: (rows,), for example the meta model, a benchmark or the example predictions.

    Returns:
        (E, M), eras ascending.
    """
    return EraRows.of(eras, predictions, other).each_era(_likeness)[:, 0]


def feature_exposure(eras: np.ndarray, predictions: np.ndarray, features: np.ndarray) -> Exposure:
    """Return how predictions, as they are, correlate with features, era by era.

    Args:
        eras: (rows,) era numbers.
        predictions: (rows, M) or (rows,); a model with a NaN in an era has no exposure there.
        features: (rows, F) without NaN, fastest as column-major int8. An era of it at a time is
            worked on, in blocks: memory grows by M x F numbers, no more.
    """
    rows = EraRows.of(eras, predictions)
    width, models = features.shape[1], rows.columns.shape[1]
    maximum, root_mean_square = np.empty((2, len(rows.eras), models))
    total, count = np.zeros((2, models, width))
    for era, places in enumerate(rows.places):
        correlation = correlations(features[places], rows.predictions(places)).T
        is_defined = ~np.isnan(correlation)
        magnitude = np.where(is_defined, np.abs(correlation), 0)
        with np.errstate(invalid="ignore"):
            maximum[era] = np.where(
                is_defined.any(axis=1), magnitude.max(axis=1, initial=0), np.nan
            )
            root_mean_square[era] = np.sqrt((magnitude**2).sum(axis=1) / is_defined.sum(axis=1))
        total += np.where(is_defined, correlation, 0)
        count += is_defined
    with np.errstate(invalid="ignore"):
        return Exposure(rows.eras, maximum, root_mean_square, total / count)


def feature_neutral_corr(
    eras: np.ndarray, predictions: np.ndarray, features: np.ndarray, target: np.ndarray
) -> np.ndarray:
    """Return FNC: CORR of what is left of the Gaussianised ranks by neutralising.

    Source: `numerai_tools.scoring.feature_neutral_corr`: rank, Gaussianise, neutralise, CORR.

    Args:
        eras: (rows,) era numbers.
        predictions: (rows, M) or (rows,); a model with a NaN in an era has no score there.
        features: (rows, F) without NaN, fastest as column-major int8.
        target: (rows,) as in `score_eras`.

    Returns:
        (E, M), eras ascending. NaN also where the features explain a prediction fully, as they do
        every prediction of an era that has no more rows than they have independent columns:
        nothing but rounding is left, which numerai-tools would score. Rows that are alike in their
        predictions and in all features tie but for rounding, there as here.
    """
    rows = EraRows.of(eras, predictions, target)
    scores = np.full((len(rows.eras), rows.columns.shape[1]), np.nan)
    for era, places in enumerate(rows.places):
        columns = rows.predictions(places)
        whole = np.flatnonzero(~np.isnan(columns).any(axis=0) & (np.ptp(columns, axis=0) > 0))
        if not len(whole):
            continue
        gaussian = np.column_stack([gaussianise(columns[:, model]) for model in whole])
        neutral = Neutralizer(features[places]).neutralize(gaussian)
        left = neutral.std(axis=0) > _ROUNDING * gaussian.std(axis=0)
        scores[era, whole[left]] = _score(neutral[:, left].T, rows.others[0][places])[0]
    return scores


def _score(predictions: np.ndarray, target: np.ndarray, *references: np.ndarray) -> np.ndarray:
    """Return (1 + references, M): CORR of (M, n) predictions, and contribution to references."""
    scores = np.full((1 + len(references), len(predictions)), np.nan)
    present = ~np.isnan(target)
    masks = [present, *(present & ~np.isnan(reference) for reference in references)]
    # numerai-tools takes the mean before it drops what has no prediction.
    centred = target - np.nansum(target) / max(1, present.sum())
    for mask, lines in _alike(masks):
        for models, kept in _without_holes(predictions, mask):
            chosen = [references[line - 1][kept] for line in lines if line]
            rows = _score_whole(predictions[models][:, kept], centred[kept], target[kept], chosen)
            for line, row in zip(lines, rows if 0 in lines else rows[1:], strict=True):
                scores[line, models] = row
    return scores


def _score_whole(
    predictions: np.ndarray, centred: np.ndarray, target: np.ndarray, references: list[np.ndarray]
) -> np.ndarray:
    """Do `_score` where nothing is missing; `centred` is the target less its era's mean."""
    gaussian = [gaussianise(reference) for reference in references]
    if target.min() >= 0 and target.max() <= 1:
        target = 4 * target
    target = target - target.mean()
    correlated, products = rank_products(
        predictions, _powered(centred), np.column_stack([target, *gaussian])
    )
    with np.errstate(invalid="ignore", divide="ignore"):
        contributions = [
            (products[:, 0] - (reference @ target) * products[:, line] / (reference @ reference))
            / len(target)
            for line, reference in enumerate(gaussian, start=1)
        ]
    return np.stack([correlated, *contributions])


def _powered(centred: np.ndarray) -> np.ndarray:
    """Return the target to the 1.5 power, centred, or zeros where it is refused."""
    powered = power_15(centred)
    powered -= powered.mean()
    likeness = powered @ centred / max(centred_norm(powered) * centred_norm(centred), _TINY)
    if np.ptp(centred) == 0 or likeness < _LEAST_LIKENESS:
        return np.zeros_like(centred)
    return powered


def _likeness(predictions: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return the (1, M) correlation of p^<1.5> of (M, n) predictions with another column."""
    scores = np.full((1, len(predictions)), np.nan)
    for models, kept in _without_holes(predictions, ~np.isnan(other)):
        values = other[kept]
        centred = values - values.mean() if np.ptp(values) else np.zeros_like(values)
        nothing = np.empty((len(values), 0))
        scores[0, models] = rank_products(predictions[models][:, kept], centred, nothing)[0]
    return scores


def _alike(masks: list[np.ndarray]) -> list[tuple[np.ndarray, list[int]]]:
    """Return the different masks, each with the lines that share it."""
    groups: dict[bytes, tuple[np.ndarray, list[int]]] = {}
    for line, mask in enumerate(masks):
        groups.setdefault(mask.tobytes(), (mask, []))[1].append(line)
    return list(groups.values())


def _without_holes(predictions: np.ndarray, mask: np.ndarray) -> list[tuple[Places, Places]]:
    """Return models that are scored on the same rows, and these rows; skip too few rows."""
    missing = np.isnan(predictions)
    if mask.all() and not missing.any():
        return [(slice(None), slice(None))]  # views of everything, no copies
    holed = (missing & mask).any(axis=1)
    groups = [(np.flatnonzero(~holed), mask)]
    groups += [(np.array([model]), mask & ~missing[model]) for model in np.flatnonzero(holed)]
    return [
        (models, np.flatnonzero(kept))
        for models, kept in groups
        if len(models) and kept.any() and kept.sum() / len(kept) >= 1 - _MOST_DROPPED
    ]
