"""Score 20 models over many eras: CORR, MMC and BMC of each, with ties in one of the models."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.harness import Benchmark, Goal, main

if TYPE_CHECKING:
    import pandas as pd

MODELS = [f"model_{number:02d}" for number in range(20)]
BINS, SHARES = [0, 0.25, 0.5, 0.75, 1], [0.05, 0.2, 0.5, 0.2, 0.05]


@dataclass(frozen=True)
class Predictions:
    """The same rows as a table, for the baseline, and as arrays, for ours."""

    table: pd.DataFrame
    eras: np.ndarray
    predictions: np.ndarray
    target: np.ndarray
    meta_model: np.ndarray
    benchmark: np.ndarray


def prepare(full: Path | None) -> Predictions:
    """Return 104 eras of about 5,000 rows, or 512 at full size; nothing is read from files."""
    import pandas as pd
    import scipy.special  # noqa: F401
    from numerai_tools import scoring  # noqa: F401

    import numebot_dagster.scoring.era_scores  # noqa: F401

    random = np.random.default_rng(9)
    sizes = random.integers(3_200, 6_800, 104 if full is None else 512)
    eras = np.repeat(np.arange(1, len(sizes) + 1, dtype=np.int16), sizes)
    predictions = random.normal(size=(len(eras), len(MODELS)))
    predictions[:, 7] = predictions[:, 7].round(1)
    target = random.choice(BINS, len(eras), p=SHARES)
    meta_model, benchmark = random.normal(size=(2, len(eras)))
    table = pd.DataFrame(predictions, columns=MODELS).assign(
        era=eras, target=target, meta_model=meta_model, benchmark=benchmark
    )
    return Predictions(table, eras, predictions, target, meta_model, benchmark)


def with_numerai_tools(data: Predictions) -> np.ndarray:
    """Call numerai-tools era by era, as its documentation has it: `groupby("era").apply`."""
    from numerai_tools.scoring import correlation_contribution, numerai_corr

    def corr(era: pd.DataFrame) -> pd.Series:
        return numerai_corr(era[MODELS], era["target"])

    def contribution(era: pd.DataFrame, other: str) -> pd.Series:
        return correlation_contribution(era[MODELS], era[other], era["target"])

    eras = data.table.groupby("era")
    scores = [
        eras.apply(corr),
        eras.apply(contribution, "meta_model"),
        eras.apply(contribution, "benchmark"),
    ]
    return np.stack([frame.to_numpy() for frame in scores])


def at_once(data: Predictions) -> np.ndarray:
    """Call `score_eras`, on all processors."""
    from numebot_dagster.scoring.era_scores import score_eras

    scores = score_eras(
        data.eras,
        data.predictions,
        data.target,
        meta_model=data.meta_model,
        benchmark=data.benchmark,
    )
    return np.stack([score for score in (scores.corr, scores.mmc, scores.bmc) if score is not None])


BENCHMARK = Benchmark(
    title="CORR, MMC and BMC, 20 models",
    prepare=prepare,
    baseline=with_numerai_tools,
    ours=at_once,
    goals=(
        Goal("9", "seconds", excellent=50, minimum=30),
        Goal("10", "difference", excellent=1e-12, minimum=1e-9),
    ),
    result=np.asarray,
)

if __name__ == "__main__":
    main()
