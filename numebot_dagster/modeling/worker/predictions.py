"""Read what a model's `predict` returned as one number for each row, in their order."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np


class WrongPredictions(Exception):
    """The model returned something else than one finite number for each row."""


def as_predictions(returned: Any, ids: np.ndarray) -> np.ndarray:
    """Return the predictions as (rows,) float64, or float32 or float16 where they came as that.

    Args:
        returned: by `predict`: an array, a list, an iterator, a Series, a tensor.
        ids: (rows,) of the rows that were to be predicted.

    Raises:
        WrongPredictions: it is not one finite number for each row, or their order cannot be known.
    """
    import numpy as np

    values = _plain(returned)
    if np.iscomplexobj(values) or np.ma.is_masked(values):
        raise WrongPredictions("predict returned complex or masked numbers; return plain ones")
    try:
        predictions = np.array(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise WrongPredictions(
            f"predict returned {type(returned).__name__}, which is not an array of numbers: {error}"
        ) from None
    if predictions.shape != (len(ids),):
        raise WrongPredictions(
            f"predict returned the shape {predictions.shape}; one number per row is ({len(ids)},)"
        )
    if wrong := int(np.count_nonzero(~np.isfinite(predictions))):
        raise WrongPredictions(f"{wrong} of {len(ids)} predictions are NaN or infinite")
    _require_order(returned, ids)
    # By its type the canary knows how far rounding may go; no digit is lost.
    kind = np.asarray(values).dtype
    return predictions.astype(kind) if kind in (np.float16, np.float32) else predictions


def _plain(returned: Any) -> Any:
    if isinstance(returned, Iterator):
        return list(returned)
    if hasattr(returned, "detach") and hasattr(returned, "cpu"):  # a tensor, wherever it lies
        return returned.detach().cpu()
    return returned


def _require_order(returned: Any, ids: np.ndarray) -> None:
    """Refuse a Series whose index does not show that it is in the order of the rows."""
    import numpy as np

    labels = getattr(returned, "index", None)
    if labels is None or callable(labels):  # a list has a method of that name
        return
    labels = np.asarray(labels)
    if np.array_equal(labels, ids):
        return
    if set(labels.tolist()) == set(ids.tolist()):
        raise WrongPredictions(
            "predict returned a Series whose index is the ids in another order; return "
            "predictions.loc[data.ids]"
        )
    if not (np.issubdtype(labels.dtype, np.integer) and bool(np.all(np.diff(labels) > 0))):
        raise WrongPredictions(
            "predict returned a Series whose index is neither data.ids nor ascending numbers, so "
            "that the order of its rows is not known; index it by data.ids, or return an array in "
            "the order of data.ids"
        )
