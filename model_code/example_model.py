"""Numerai's classic XGBoost example, brought to today's data."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from numebot_dagster.modeling import LiveData, NumeraiModel, TrainingData, every

if TYPE_CHECKING:
    import numpy as np
    import xgboost


class ExampleModel(NumeraiModel):
    """Gradient boosted trees with the parameters of the original example."""

    feature_set = "medium"
    targets = ("target",)
    retrain = every(weeks=12)
    time_budget = 60
    memory_budget = 3

    era_stride = 4  # neighbouring eras share most of their target's days: one in four will do
    trees = 2000
    tree_parameters: ClassVar[dict[str, Any]] = {
        "objective": "reg:squarederror",
        "learning_rate": 0.01,
        "max_depth": 5,
        "colsample_bytree": 0.1,
        "tree_method": "hist",
        "max_bin": 8,  # a feature has five values
        "seed": 0,
    }

    _booster: xgboost.Booster

    def train(self, data: TrainingData) -> None:
        """Grows the trees on every fourth era."""
        import xgboost

        thinned = data.every(self.era_stride)
        matrix = xgboost.QuantileDMatrix(
            thinned.matrix(), label=thinned.target(), max_bin=self.tree_parameters["max_bin"]
        )
        self._booster = xgboost.train(self.tree_parameters, matrix, num_boost_round=self.trees)

    def predict(self, data: LiveData) -> np.ndarray:
        """Return the mean target that the trees expect."""
        return self._booster.inplace_predict(data.matrix)

    def save(self, folder: Path) -> None:
        """Write XGBoost's own binary JSON."""
        self._booster.save_model(folder / "model.ubj")

    def load(self, folder: Path) -> None:
        """Read XGBoost's own binary JSON."""
        import xgboost

        self._booster = xgboost.Booster(model_file=folder / "model.ubj")
