"""What `predict` may return, and what is refused because its order is not known."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest

from numebot_dagster.modeling.worker.predictions import WrongPredictions, as_predictions

IDS = np.array(["a", "b", "c"], dtype=object)
VALUES = [3.0, 1.0, 2.0]


class Tensor:
    """What a tensor on a graphics card answers."""

    def detach(self):
        return self

    def cpu(self):
        return np.array(VALUES, dtype=np.float32)


READ = {
    "array": np.array(VALUES),
    "float32": np.array(VALUES, dtype=np.float32),
    "list": VALUES,
    "tuple": tuple(VALUES),
    "generator": (value for value in VALUES),
    "map": map(float, VALUES),
    "pandas by id": pd.Series(VALUES, index=IDS),
    "pandas numbered": pd.Series(VALUES),
    "pandas a part of a table": pd.Series(VALUES, index=[5, 7, 9]),
    "polars": pl.Series(VALUES),
    "tensor": Tensor(),
}


@pytest.mark.parametrize("name", READ)
def test_what_is_read(name: str) -> None:
    predictions = as_predictions(READ[name], IDS)
    assert predictions.dtype == (np.float32 if name in ("float32", "tensor") else np.float64)
    assert predictions.tolist() == VALUES


REFUSED = {
    "shuffled numbers": (pd.Series(VALUES, index=[2, 0, 1]), "neither data.ids nor ascending"),
    "sorted by value": (pd.Series(VALUES).sort_values(), "neither data.ids nor ascending"),
    "repeated numbers": (pd.Series(VALUES, index=[0, 0, 1]), "neither data.ids nor ascending"),
    "other texts": (pd.Series(VALUES, index=["x", "y", "z"]), "neither data.ids nor ascending"),
    "ids in another order": (pd.Series(VALUES, index=["b", "a", "c"]), "predictions.loc[data.ids]"),
    "pandas table": (pd.DataFrame({"prediction": VALUES}, index=IDS), "the shape (3, 1)"),
    "polars table": (pl.DataFrame({"prediction": VALUES}), "the shape (3, 1)"),
    "table with ids": (pd.DataFrame({"id": IDS, "prediction": VALUES}), "not an array of numbers"),
    "set": ({1.0, 2.0, 3.0}, "returned set, which is not an array of numbers"),
    "dict": ({"a": 1.0}, "returned dict, which is not an array of numbers"),
    "complex": (np.array(VALUES) + 1j, "complex or masked"),
    "masked": (np.ma.array(VALUES, mask=[True, False, False]), "complex or masked"),
    "nothing": (None, "is not an array of numbers|the shape ()"),
    "one missing": ([1.0, None, 2.0], "1 of 3 predictions are NaN"),
    "too short": ((value for value in VALUES[:2]), "the shape (2,)"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused(name: str) -> None:
    returned, complaint = REFUSED[name]
    with pytest.raises(WrongPredictions) as caught:
        as_predictions(returned, IDS)
    assert any(text in str(caught.value) for text in complaint.split("|"))
