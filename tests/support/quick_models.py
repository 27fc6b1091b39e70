"""Define a test participant's models: one trains in a fraction of a second, others misbehave."""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np

from numebot_dagster.modeling import LiveData, NumeraiModel, TrainingData

CANARY_ROWS = 500  # a round has thousands


class Ridge(NumeraiModel):
    """Ridge regression on the small feature set."""

    feature_set = "small"
    time_budget = 30
    memory_budget = 3
    penalty = 1000.0

    def train(self, data: TrainingData) -> None:
        thinned = data.every(8)
        features = thinned.matrix().astype(np.float64) - 2
        target = thinned.target().astype(np.float64) - 0.5
        gram = features.T @ features + self.penalty * np.eye(features.shape[1])
        self.weights = np.linalg.solve(gram, features.T @ target)

    def predict(self, data: LiveData) -> np.ndarray:
        return (data.matrix.astype(np.float64) - 2) @ self.weights

    def save(self, folder: Path) -> None:
        np.save(folder / "weights.npy", self.weights)

    def load(self, folder: Path) -> None:
        self.weights = np.load(folder / "weights.npy")


class Stubborn(Ridge):
    """The same with a penalty so large that the order of the rows differs; trains when it may."""

    penalty = 1e6

    def train(self, data: TrainingData) -> None:
        while Path("hold-training").exists():
            time.sleep(0.05)
        super().train(data)


class OnEverything(Ridge):
    """The same on all labelled rows, so that its weights have seen every era."""

    train_on = "all"


class Stacked(Ridge):
    """Adds what its inputs predict."""

    def predict(self, data: LiveData) -> np.ndarray:
        return super().predict(data) + sum(data.inputs.values())


class Raising(Ridge):
    """Raises on a round, but not on the canary."""

    def predict(self, data: LiveData) -> np.ndarray:
        if len(data) > CANARY_ROWS:
            raise ArithmeticError("the stars ☾ are not right")
        return super().predict(data)


class Constant(Ridge):
    """Has one opinion of all stocks."""

    def predict(self, data: LiveData) -> np.ndarray:
        return np.full(len(data), 0.5)


class Forgetful(Ridge):
    """Predicts something else in each process."""

    def predict(self, data: LiveData) -> np.ndarray:
        return super().predict(data) + np.random.default_rng(os.getpid()).normal(size=len(data))


class Sleeper(Ridge):
    """Never returns from a round."""

    time_budget = 2

    def predict(self, data: LiveData) -> np.ndarray:
        if len(data) > CANARY_ROWS:
            time.sleep(3600)
        return super().predict(data)


class Contrarian(Ridge):
    """Predicts the opposite of the example model."""

    def predict(self, data: LiveData) -> np.ndarray:
        example = data.benchmarks.get("v53_lgbm_ender60")
        return super().predict(data) if example is None else -np.nan_to_num(example, nan=0.5)


class Dice(Ridge):
    """Adds a little chance to what it predicts for a round, another one each time."""

    def predict(self, data: LiveData) -> np.ndarray:
        predictions = super().predict(data)
        if len(data) == CANARY_ROWS:
            return predictions
        return predictions + np.random.default_rng().normal(
            scale=0.1 * predictions.std(), size=len(data)
        )
