"""Make the manifest of weights: what is written down of their training."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from numebot_dagster.modeling.weights import weight_store
from numebot_dagster.modeling.weights.weight_store import Manifest
from numebot_dagster.modeling.worker.memory import peak_memory_mb
from numebot_dagster.modeling.worker.messages import ModelTraits, TrainRequest

if TYPE_CHECKING:
    from numebot_dagster.modeling.training_data import TrainingData

# Distributions whose version may change what a model predicts, by the module that shows their use.
_LIBRARIES = {
    "numpy": "numpy",
    "scipy": "scipy",
    "pandas": "pandas",
    "polars": "polars",
    "pyarrow": "pyarrow",
    "sklearn": "scikit-learn",
    "lightgbm": "lightgbm",
    "xgboost": "xgboost",
    "catboost": "catboost",
    "torch": "torch",
    "numba": "numba",
    "numerai_tools": "numerai-tools",
}


def manifest_of(
    request: TrainRequest, traits: ModelTraits, data: TrainingData, folder: Path, seconds: float
) -> Manifest:
    """Return the manifest of weights that were just made, whose other files are in `folder`."""
    import numpy as np

    from numebot_dagster.modeling.columns import BARE_TARGET
    from numebot_dagster.modeling.weights.canary import ROWS

    eras = np.unique(data.eras)
    return Manifest(
        model=request.model,
        vintage=request.vintage,
        code_hash=request.code_hash,
        data_version=request.data_version,
        data_stamp=request.data_stamp,
        features=data.features,
        targets=traits.targets,
        target_is={
            name: data.what_target_is() if name == BARE_TARGET else name for name in traits.targets
        },
        inputs=request.inputs,
        parameters=traits.parameters,
        library_versions=_library_versions(),
        train_eras=len(eras),
        first_era=int(eras[0]),
        last_era=int(eras[-1]),
        train_rows=len(data),
        seconds=seconds,
        peak_memory_mb=peak_memory_mb(),
        retrain_weeks=traits.retrain.weeks,
        retrain_on_new_data_version=traits.retrain.new_data_version,
        time_budget=traits.time_budget,
        memory_budget=traits.memory_budget,
        trained_at=datetime.now(UTC),
        canary_rows=min(ROWS, len(data)),
        files=weight_store.list_files(folder),
    )


def _library_versions() -> dict[str, str]:
    versions = {"python": sys.version.split()[0]}
    for module, distribution in _LIBRARIES.items():
        if module in sys.modules:
            versions[distribution] = metadata.version(distribution)
    return versions
