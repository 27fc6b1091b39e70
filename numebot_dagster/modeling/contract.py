"""Define the contract of a model: what its author declares and implements."""

from __future__ import annotations

import inspect
import json
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

if TYPE_CHECKING:
    import numpy as np

    from numebot_dagster.modeling.live_data import LiveData
    from numebot_dagster.modeling.training_data import TrainingData


@dataclass(frozen=True)
class RetrainPolicy:
    """When a model's weights are too old.

    Attributes:
        weeks: the age at which they are, if age alone decides.
        new_data_version: whether they are when the data version in use is another one.
    """

    weeks: float | None = None
    new_data_version: bool = False

    def is_due(
        self, *, trained_at: datetime, data_version: str, now: datetime, current_version: str
    ) -> bool:
        """Return whether to train again."""
        if self.weeks is not None and now - trained_at >= timedelta(weeks=self.weeks):
            return True
        return self.new_data_version and data_version != current_version


def every(weeks: float) -> RetrainPolicy:
    """Retrain when the weights are so many weeks old."""
    if weeks <= 0:
        raise ValueError(f"every(weeks={weeks}): the number of weeks must be above 0")
    return RetrainPolicy(weeks=weeks)


never = RetrainPolicy()
on_new_data_version = RetrainPolicy(new_data_version=True)


class NumeraiModel(ABC):
    """A model: declare what it needs as class attributes, and implement four methods.

    An instance is made without arguments, in a process of its own, once to train and once for each
    prediction: whatever `predict` needs must pass through `save` and `load`.

    Attributes:
        feature_set: name of a feature set of `features.json`, or a list of feature names.
        targets: the target columns to learn from; rows that lack a value for one are left out.
        train_on: `train` for the training file, `all` for the labelled validation eras as well
            (then no era is left on which the model's skill could be seen).
        retrain: when the weights are too old: `every(weeks=…)`, `never`, `on_new_data_version`.
        time_budget: seconds to predict one round, from the import of the module to the last row.
        memory_budget: GB (10^9 bytes) for predicting, the process and its children together.
        data_files: files that the model reads besides, relative to the module's folder. They count
            as its code: when one changes, the model's code has changed. To be written out in the
            source as a tuple of names, because it is read from there; each is read whole whenever
            the definitions are loaded.
        train_time_budget: seconds to train.
        train_memory_budget: GB (10^9 bytes) for training.
    """

    feature_set: ClassVar[str | Sequence[str]] = "medium"
    targets: ClassVar[Sequence[str]] = ("target",)
    train_on: ClassVar[Literal["train", "all"]] = "train"
    retrain: ClassVar[RetrainPolicy] = every(weeks=12)
    time_budget: ClassVar[float] = 120
    memory_budget: ClassVar[float] = 4
    data_files: ClassVar[Sequence[str]] = ()
    train_time_budget: ClassVar[float] = 4 * 3600
    train_memory_budget: ClassVar[float] = 16

    @abstractmethod
    def train(self, data: TrainingData) -> None:
        """Learn from the training data."""

    @abstractmethod
    def predict(self, data: LiveData) -> np.ndarray:
        """Return one number per row of `data.ids`, in that order; any scale, but no NaN.

        The numbers are ranked to (0, 1) before they are submitted.
        """

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Write what was learned into an empty folder, preferably in the library's own format."""

    @abstractmethod
    def load(self, folder: Path) -> None:
        """Read what `save` wrote."""

    @property
    def parameters(self) -> dict[str, Any]:
        """The declared parameters, for the manifest: public attributes of the class that are JSON.

        What the contract itself declares is left out, as are methods and properties.
        """
        declared: dict[str, Any] = {}
        for kind in reversed(type(self).__mro__):
            if issubclass(kind, NumeraiModel) and kind is not NumeraiModel:
                declared.update(vars(kind))
        return {
            name: value
            for name, value in declared.items()
            if not name.startswith("_") and name not in vars(NumeraiModel) and _is_json(value)
        }


def _is_json(value: Any) -> bool:
    if inspect.isroutine(value) or isinstance(value, property):
        return False
    try:
        json.dumps(value)
    except (TypeError, ValueError):
        return False
    return True
