"""What a model declares: its parameters, its defaults, and when it is due."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from numebot_dagster import modeling
from numebot_dagster.modeling import NumeraiModel, every, never, on_new_data_version

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("policy", "age_in_weeks", "data_version", "due"),
    [
        (every(weeks=12), 11.99, "v5.3", False),
        (every(weeks=12), 12, "v5.3", True),
        (every(weeks=12), 1, "v5.2", False),
        (every(weeks=0.5), 1, "v5.3", True),
        (never, 1000, "v5.2", False),
        (on_new_data_version, 1000, "v5.3", False),
        (on_new_data_version, 0, "v5.2", True),
    ],
)
def test_when_weights_are_due(policy, age_in_weeks: float, data_version: str, due: bool) -> None:
    trained_at = NOW - timedelta(weeks=age_in_weeks)
    is_due = policy.is_due(
        trained_at=trained_at, data_version=data_version, now=NOW, current_version="v5.3"
    )
    assert is_due is due


def test_an_interval_must_be_above_zero() -> None:
    with pytest.raises(ValueError, match="above 0"):
        every(weeks=0)


class Base(NumeraiModel):
    trees = 100
    options = {"depth": 5}  # noqa: RUF012
    weights = object()  # no JSON
    _private = 1

    def train(self, data): ...
    def predict(self, data): ...
    def save(self, folder): ...
    def load(self, folder): ...

    def helper(self): ...

    @property
    def computed(self):
        return 1


class Derived(Base):
    trees = 200
    name = "derived"
    time_budget = 5


def test_parameters_are_the_declared_json_attributes() -> None:
    assert Derived().parameters == {"trees": 200, "options": {"depth": 5}, "name": "derived"}


def test_defaults() -> None:
    model = Base()
    assert (model.feature_set, model.targets, model.train_on) == ("medium", ("target",), "train")
    assert (model.time_budget, model.memory_budget) == (120, 4)
    assert model.retrain == every(weeks=12)


def test_a_model_must_implement_all_four_methods() -> None:
    class Half(NumeraiModel):
        def train(self, data): ...

    with pytest.raises(TypeError, match="abstract"):
        Half()


def test_the_room_gives_its_data_classes_too() -> None:
    from numebot_dagster.modeling.live_data import LiveData
    from numebot_dagster.modeling.training_data import TrainingData

    assert modeling.LiveData is LiveData
    assert modeling.TrainingData is TrainingData
    with pytest.raises(AttributeError, match="Nothing"):
        _ = modeling.Nothing
