"""What user models are written against: `NumeraiModel`, its data, and how it is run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from numebot_dagster.modeling.contract import (
    NumeraiModel,
    RetrainPolicy,
    every,
    never,
    on_new_data_version,
)

if TYPE_CHECKING:
    from numebot_dagster.modeling.data import LiveData, TrainingData
    from numebot_dagster.modeling.splits import WalkForward, purge_eras

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


def __getattr__(name: str) -> object:
    # These need polars or numpy, which whoever reads only the registry does not.
    if name in ("LiveData", "TrainingData"):
        from numebot_dagster.modeling import data

        return getattr(data, name)
    if name in ("WalkForward", "purge_eras"):
        from numebot_dagster.modeling import splits

        return getattr(splits, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
