"""Read, check and write submission files, and select which of several submissions counts."""

from __future__ import annotations

import io
from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from numebot_dagster.practice.rules.state import Submission

if TYPE_CHECKING:
    import pandas as pd

_RANK_OF_KIND = {"late": 0, "carried": 1, "window": 2}


def error_of(content: bytes, ids: pd.Index) -> str | None:
    """Return why a file is no valid submission for these live ids, None when it is one.

    The rules and their texts are those of `numerai_tools.submissions`.
    """
    import pandas as pd
    from numerai_tools.submissions import validate_submission_numerai

    try:
        # Among Arrow's strings, of which pandas makes columns, ids are found much slower.
        with pd.option_context("mode.string_storage", "python"):
            table = pd.read_csv(io.BytesIO(content))
            validate_submission_numerai(ids.to_series(), table)
    except (AssertionError, ValueError, TypeError) as error:
        return str(error) or type(error).__name__
    return None


def read_predictions(content: bytes, ids: pd.Index) -> np.ndarray:
    """Return the predictions of a valid file in the order of `ids`; other rows are ignored."""
    import pandas as pd

    table = pd.read_csv(io.BytesIO(content))
    values = table.set_axis(["id", "prediction"], axis=1).set_index("id")["prediction"]
    live = values[ids.get_indexer(values.index) >= 0]  # `isin` is far slower on Arrow's strings
    return live.reindex(ids).to_numpy(dtype=np.float64)


def write_predictions(ids: pd.Index, predictions: np.ndarray) -> bytes:
    """Return a submission file."""
    import pandas as pd

    return pd.DataFrame({"id": ids, "prediction": predictions}).to_csv(index=False).encode()


def storable(name: str, size: int) -> str:
    """Return as much of a file's name as a disk can store in `size` bytes."""
    printable = "".join(character for character in name if character.isprintable())
    return printable.encode()[:size].decode(errors="ignore")


def select(submissions: Iterable[Submission]) -> dict[int, Submission]:
    """Return, by round, the submission that counts or will count.

    The last valid one uploaded inside the window, otherwise the one carried over, otherwise a late
    one.

    Args:
        submissions: One participant's, oldest first.
    """
    by_round: dict[int, Submission] = {}
    for submission in submissions:
        if submission.error is not None:
            continue
        selected = by_round.get(submission.round)
        if selected is None or _RANK_OF_KIND[submission.kind] >= _RANK_OF_KIND[selected.kind]:
            by_round[submission.round] = submission
    return by_round
