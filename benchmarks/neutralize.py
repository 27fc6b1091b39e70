"""Neutralise 20 models by 2,748 features on one era of 6,000 rows, together and one by one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.harness import Benchmark, Goal, main

if TYPE_CHECKING:
    import pandas as pd

ROWS, FEATURES, MODELS = 6_000, 2_748, 20


@dataclass(frozen=True)
class Era:
    """The same era as tables, for the baseline, and as arrays, for ours."""

    feature_table: pd.DataFrame
    prediction_table: pd.DataFrame
    features: np.ndarray
    predictions: np.ndarray


def prepare(full: Path | None) -> Era:
    """Make an era of correlated bins; nothing is read, and full size is the same."""
    del full
    import pandas as pd
    import scipy.linalg  # noqa: F401
    from numerai_tools import scoring  # noqa: F401

    import numebot_dagster.modeling.neutralize  # noqa: F401

    random = np.random.default_rng(11)
    loadings = random.standard_normal((FEATURES, 24), dtype=np.float32)
    mixed = loadings @ random.standard_normal((24, ROWS), dtype=np.float32) / 8
    mixed += random.standard_normal(mixed.shape, dtype=np.float32)
    above = np.stack([mixed > cut for cut in (-1, -0.3, 0.3, 1)])
    features = above.sum(axis=0, dtype=np.int8).T
    predictions = random.normal(size=(ROWS, MODELS))
    return Era(pd.DataFrame(features), pd.DataFrame(predictions), features, predictions)


def with_numerai_tools(era: Era) -> np.ndarray:
    """Call `numerai_tools.scoring.neutralize` of all models in one call."""
    from numerai_tools.scoring import neutralize

    return neutralize(era.prediction_table, era.feature_table).to_numpy()


def one_model_with_numerai_tools(era: Era) -> np.ndarray:
    """Call `numerai_tools.scoring.neutralize` of one model: a call that each model makes anew."""
    from numerai_tools.scoring import neutralize

    return neutralize(era.prediction_table[[0]], era.feature_table).to_numpy()


def in_one_call(era: Era) -> np.ndarray:
    """Call `neutralize` of all models in one call."""
    from numebot_dagster.modeling.neutralize import neutralize

    return neutralize(era.predictions, era.features)


def model_after_model(era: Era) -> np.ndarray:
    """Make one `Neutralizer` and call it for each model."""
    from numebot_dagster.modeling.neutralize import Neutralizer

    neutralizer = Neutralizer(era.features)
    return np.column_stack(
        [neutralizer.neutralize(predictions) for predictions in era.predictions.T]
    )


def first_model(neutral: np.ndarray) -> np.ndarray:
    """Make what both sides of the second comparison have."""
    return neutral[:, 0]


TOGETHER = Benchmark(
    title="Neutralise 20 models, one call",
    prepare=prepare,
    baseline=with_numerai_tools,
    ours=in_one_call,
    goals=(
        Goal("11", "seconds", excellent=7, minimum=4),
        Goal("11", "difference", excellent=1e-10, minimum=1e-10),
    ),
    result=np.asarray,
)
ONE_BY_ONE = Benchmark(
    title="Neutralise 20 models, one by one",
    prepare=prepare,
    baseline=one_model_with_numerai_tools,
    ours=model_after_model,
    goals=(Goal("12", "seconds", excellent=100, minimum=50, share=MODELS),),
    result=first_model,
)

if __name__ == "__main__":
    main()
