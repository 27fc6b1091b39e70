"""Submission files, and which of several submissions counts; functions of what they are given."""

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
    """Returns why a file is no valid submission for these live ids, None when it is one.

    The rules and their texts are those of ``numerai_tools.submissions``.
    """
    import pandas as pd
    from numerai_tools.submissions import validate_submission_numerai

    try:
        table = pd.read_csv(io.BytesIO(content))
        validate_submission_numerai(ids.to_series(), table)
    except (AssertionError, ValueError, TypeError) as error:
        return str(error) or type(error).__name__
    return None


def read_predictions(content: bytes, ids: pd.Index) -> np.ndarray:
    """Returns the predictions of a valid file in the order of ``ids``; other rows are ignored."""
    import pandas as pd

    table = pd.read_csv(io.BytesIO(content))
    values = table.set_axis(["id", "prediction"], axis=1).set_index("id")["prediction"]
    live = values[values.index.isin(ids)]
    return live.reindex(ids).to_numpy(dtype=np.float64)


def write_predictions(ids: pd.Index, predictions: np.ndarray) -> bytes:
    """Returns a submission file."""
    import pandas as pd

    return pd.DataFrame({"id": ids, "prediction": predictions}).to_csv(index=False).encode()


def storable(name: str, size: int) -> str:
    """Returns what of a file's name a disk can hold in ``size`` bytes."""
    printable = "".join(character for character in name if character.isprintable())
    return printable.encode()[:size].decode(errors="ignore")


def select(submissions: Iterable[Submission]) -> dict[int, Submission]:
    """Returns, by round, the submission that counts or will count.

    The last valid one uploaded inside the window; else the one carried over; else a late one.

    Args:
        submissions: One participant's, oldest first.
    """
    chosen: dict[int, Submission] = {}
    for submission in submissions:
        if submission.error is not None:
            continue
        held = chosen.get(submission.round)
        if held is None or _RANK_OF_KIND[submission.kind] >= _RANK_OF_KIND[held.kind]:
            chosen[submission.round] = submission
    return chosen
