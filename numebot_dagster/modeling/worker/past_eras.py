"""Predict past eras that weights have not seen, each as if it were live."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

from numebot_dagster.lake import parquet
from numebot_dagster.modeling.weights.weight_store import Manifest
from numebot_dagster.modeling.worker.messages import OutOfSampleRequest
from numebot_dagster.submissions.submission_file import rank_to_unit_interval

if TYPE_CHECKING:
    import numpy as np

    from numebot_dagster.modeling.live_data import LiveData

# Eras are read together, because to read one decodes whole columns of the file as well; all 3,555
# features of 7,000 rows are 25 MB an era.
BLOCK_BYTES = 500_000_000
# What a row needs besides: its id as text, twice while ids are joined, and some numbers.
ROW_BYTES = 250


def blocks(rows: Mapping[int, int], features: int) -> Iterator[tuple[int, ...]]:
    """Cut eras into runs that need at most `BLOCK_BYTES` to read; one era at least."""
    block: list[int] = []
    used = 0
    for era, count in rows.items():
        size = count * (features + ROW_BYTES)
        if block and used + size > BLOCK_BYTES:
            yield tuple(block)
            block, used = [], 0
        block.append(era)
        used += size
    if block:
        yield tuple(block)


def predict(
    request: OutOfSampleRequest, manifest: Manifest, predict_rows: Callable[[LiveData], np.ndarray]
) -> int:
    """Predict the eras one by one, write the predictions and return the number of rows.

    The model is given what it has in a round and nothing else: one era, without any label.

    Raises:
        LookAhead: the weights were trained on one of the eras, or on a later one.
    """
    import polars as pl

    from numebot_dagster.modeling.training_data import LookAhead

    if min(request.eras) <= manifest.last_era:
        raise LookAhead(
            f"the weights have seen eras up to {manifest.last_era}, so that what they predict for "
            f"era {min(request.eras)} would not be out of sample"
        )
    frames = []
    for era, live in _eras(request, manifest.features):
        ranked = rank_to_unit_interval(predict_rows(live))
        frame = pl.DataFrame({"id": pl.Series(live.ids, dtype=pl.String), "prediction": ranked})
        frames.append(frame.select("id", pl.lit(era, pl.Int16).alias("era"), "prediction"))
    predictions = pl.concat(frames)
    parquet.write(request.predictions, predictions)
    return len(predictions)


def _eras(request: OutOfSampleRequest, features: tuple[str, ...]) -> Iterator[tuple[int, LiveData]]:
    """Yield the eras in the shape of live data, in the order of the file, read together."""
    import numpy as np

    from numebot_dagster.modeling.live_data import LiveData, read_inputs
    from numebot_dagster.modeling.training_data import TrainingData

    rows = TrainingData(request.files, features, targets=(), train_on="all").of_eras(request.eras)
    by_feature = rows.matrix().T
    benchmarks = {name: rows.benchmark(name) for name in rows.benchmark_names}
    inputs = read_inputs(rows.ids, request.inputs)
    for era, own in rows.by_era():
        matrix = np.ascontiguousarray(by_feature[:, own]).T
        matrix.setflags(write=False)
        yield (
            era,
            LiveData(
                ids=rows.ids[own],
                features=features,
                matrix=matrix,
                benchmarks={name: values[own] for name, values in benchmarks.items()},
                inputs={name: values[own] for name, values in inputs.items()},
            ),
        )
