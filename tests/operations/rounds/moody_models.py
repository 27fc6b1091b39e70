"""Define models whose weights say how they behave on a round: one vintage may fail, another not."""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
from quick_models import CANARY_ROWS, Ridge

from numebot_dagster.modeling import LiveData


class Moody(Ridge):
    """A ridge, or the mean of its inputs, unless `mood.txt` among its weights says otherwise."""

    def load(self, folder: Path) -> None:
        super().load(folder)
        mood = folder / "mood.txt"
        self.mood = mood.read_text() if mood.is_file() else "good"

    def predict(self, data: LiveData) -> np.ndarray:
        if data.inputs:
            return np.mean(list(data.inputs.values()), axis=0)
        predicted = super().predict(data)
        if len(data) <= CANARY_ROWS:
            return predicted
        match self.mood:
            case "raises":
                raise ArithmeticError("the stars are not right")
            case "exits":
                os._exit(3)
            case "hangs":
                time.sleep(3600)
            case "hoards":
                self.hoard = np.ones(10**8)
                time.sleep(3600)
            case "constant":
                return np.full(len(data), 0.5)
            case "nan":
                predicted[7] = np.nan
        return predicted
