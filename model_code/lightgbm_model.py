"""Numerai's standard LightGBM model, fed with one byte a cell."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from numebot_dagster.modeling import LiveData, NumeraiModel, TrainingData, every

if TYPE_CHECKING:
    import lightgbm
    import numpy as np


class LightgbmModel(NumeraiModel):
    """Gradient boosted trees with the parameters of Numerai's tutorials."""

    feature_set = "medium"
    targets = ("target",)
    retrain = every(weeks=12)
    time_budget = 60
    memory_budget = 3

    era_stride = 4  # neighbouring eras share most of their target's days: one in four will do
    trees = 2000
    tree_parameters: ClassVar[dict[str, Any]] = {
        "objective": "regression",
        "learning_rate": 0.01,
        "max_depth": 5,
        "num_leaves": 2**5 - 1,
        "feature_fraction": 0.1,
        "seed": 0,
        "deterministic": True,
    }
    # A feature has five values, so seven bins lose nothing and a cell takes four bits. "Missing"
    # features are constant in early eras: they must not be dropped for being so in a sample.
    data_parameters: ClassVar[dict[str, Any]] = {
        "max_bin": 7,
        "bin_construct_sample_cnt": 20_000,
        "feature_pre_filter": False,
        "enable_bundle": False,
        "force_col_wise": True,
    }

    _booster: lightgbm.Booster

    def train(self, data: TrainingData) -> None:
        """Grows the trees on every fourth era."""
        import lightgbm
        import pyarrow as pa

        thinned = data.every(self.era_stride)
        # As an Arrow table LightGBM reads the columns in place, without a copy as float32.
        columns = thinned.matrix().T
        table = pa.table([pa.array(column) for column in columns], names=list(data.features))
        parameters = {**self.tree_parameters, **self.data_parameters, "verbosity": -1}
        dataset = lightgbm.Dataset(table, label=thinned.target(), params=parameters)
        self._booster = lightgbm.train(parameters, dataset, num_boost_round=self.trees)

    def predict(self, data: LiveData) -> np.ndarray:
        """Return the mean target that the trees expect."""
        import numpy as np

        return np.asarray(self._booster.predict(data.matrix))

    def save(self, folder: Path) -> None:
        """Write LightGBM's own text format."""
        self._booster.save_model(folder / "model.txt")

    def load(self, folder: Path) -> None:
        """Read LightGBM's own text format."""
        import lightgbm

        self._booster = lightgbm.Booster(model_file=folder / "model.txt")
