"""Correlate 20 models with 2,748 features on one era of 6,000 rows."""

from __future__ import annotations

import numpy as np

from benchmarks.harness import Benchmark, Goal, main
from benchmarks.neutralize import ROWS, Era, prepare


def with_pandas(era: Era) -> np.ndarray:
    """Call `DataFrame.corrwith` of each model, as Numerai's example scripts do."""
    features, predictions = era.feature_table, era.prediction_table
    return np.stack([features.corrwith(predictions[model]).to_numpy() for model in predictions])


def at_once(era: Era) -> np.ndarray:
    """Call `feature_exposure`, whose mean over a single era is that era."""
    from numebot_dagster.scoring.era_scores import feature_exposure

    return feature_exposure(np.ones(ROWS), era.predictions, era.features).mean_by_feature


BENCHMARK = Benchmark(
    title="Exposure of 20 models",
    prepare=prepare,
    baseline=with_pandas,
    ours=at_once,
    goals=(Goal("13", "seconds", excellent=150, minimum=50),),
    result=np.asarray,
)

if __name__ == "__main__":
    main()
