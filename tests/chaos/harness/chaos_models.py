"""Define the models of the chaos run: tiny and honest, until the moods file says otherwise.

Copied into the participant's folder, where the moods file is written beside it.
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import numpy as np

from numebot_dagster.modeling import LiveData, NumeraiModel, TrainingData

MOODS_FILE = Path(__file__).with_name("moods.json")
CANARY_ROWS = 500  # a round has thousands


def _moods() -> dict[str, Any]:
    moods: dict[str, Any] = json.loads(MOODS_FILE.read_text())
    return moods


class Alpha(NumeraiModel):
    """Ridge regression on the small set; what it does on a round, its mood decides."""

    feature_set = "small"
    time_budget = 3
    memory_budget = 3
    penalty = 1e3

    def train(self, data: TrainingData) -> None:
        """Remember which training this was, so that a mood can concern the newest weights only."""
        self.training = int(_moods()["training"])
        thinned = data.every(8)
        # No two trainings learn the same, so that what was sent tells by which it was made: each
        # has a penalty and rows of its own.
        rows = slice(self.training % 3, None, 3)
        features = thinned.matrix()[rows].astype(np.float64) - 2
        penalty = self.penalty * 4.0**self.training
        gram = features.T @ features + penalty * np.eye(features.shape[1])
        self.weights = np.linalg.solve(gram, features.T @ (thinned.target()[rows] - 0.5))

    def predict(self, data: LiveData) -> np.ndarray:
        """Predict; the canary always, a round unless the mood forbids."""
        predictions = (data.matrix.astype(np.float64) - 2) @ self.weights
        if len(data) <= CANARY_ROWS:
            return predictions
        mood, newest = _moods().get(type(self).__name__.lower()), int(_moods()["training"])
        if mood == "raise" or (mood == "newest" and self.training == newest):
            raise ArithmeticError("the stars are not right")
        if mood == "hang":
            time.sleep(3600)
        if mood == "exit":
            os._exit(7)
        return np.full(len(data), np.nan) if mood == "nan" else predictions

    def save(self, folder: Path) -> None:
        """Store coefficients and the number of the training."""
        np.savez(folder / "weights.npz", weights=self.weights, training=self.training)

    def load(self, folder: Path) -> None:
        """Read what `save` stored."""
        with np.load(folder / "weights.npz") as arrays:
            self.weights, self.training = arrays["weights"], int(arrays["training"])


class Beta(Alpha):
    """The same, more careful."""

    penalty = 1e4


class Gamma(Alpha):
    """More careful still."""

    penalty = 1e5


class Delta(Alpha):
    """So careful that the order of the rows differs."""

    penalty = 1e6


class Epsilon(Alpha):
    """Hardly careful at all."""

    penalty = 1e1
