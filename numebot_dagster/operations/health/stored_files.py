"""Check that every stored file is whole."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from numebot_dagster.lake import layout, parquet
from numebot_dagster.lake.damaged import DamagedFile
from numebot_dagster.lake.layout import Lake
from numebot_dagster.modeling.weights import weight_store
from numebot_dagster.modeling.weights.weight_store import DamagedWeights
from numebot_dagster.submissions import submission_file


def examine(lake: Lake) -> Iterator[str | None]:
    """Yield for each file, and each folder of weights, what is wrong with it, if something is.

    Parquet files must be whole, JSON records readable, predictions as they were sent, and weights
    as their manifest says.
    """
    for path in lake.stored_files():
        try:
            yield _problem(path)
        except (DamagedFile, OSError) as error:
            yield str(error)
    for place in lake.all_weights_folders():
        try:
            weight_store.verify(place.path)
            yield None
        except (DamagedWeights, OSError) as error:
            yield str(error)


def _problem(path: Path) -> str | None:
    if path.suffix == ".json":
        try:
            json.loads(path.read_bytes())
        except ValueError as error:
            return f"{path} is not JSON: {error}"
        return None
    parquet.verify(path)
    sha256 = layout.predictions_sha256(path)
    if sha256 is not None:
        frame = parquet.read(path, ["id", "prediction"])
        values = frame["prediction"].to_numpy()
        if submission_file.prepare(frame["id"].to_list(), values).sha256 != sha256:
            return f"{path} does not hold the predictions that its name says"
    return None
