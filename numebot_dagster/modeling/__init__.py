"""Give user models their base class, their data, and what runs them."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from numebot_dagster.modeling.contract import (
    NumeraiModel,
    RetrainPolicy,
    every,
    never,
    on_new_data_version,
)

if TYPE_CHECKING:
    from numebot_dagster.modeling.live_data import LiveData
    from numebot_dagster.modeling.splits import WalkForward, purge_eras
    from numebot_dagster.modeling.training_data import TrainingData

__all__ = [
    "LiveData",
    "NumeraiModel",
    "RetrainPolicy",
    "TrainingData",
    "WalkForward",
    "every",
    "never",
    "on_new_data_version",
    "purge_eras",
]


# These need polars or numpy, which whoever reads only the registry does not.
_HOMES = {
    "LiveData": "live_data",
    "TrainingData": "training_data",
    "WalkForward": "splits",
    "purge_eras": "splits",
}


def __getattr__(name: str) -> object:
    if name in _HOMES:
        return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
