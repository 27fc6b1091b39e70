"""Sort rows into eras, and work on one era after another or on several at a time."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

Places = slice | np.ndarray


@dataclass(frozen=True)
class EraRows:
    """Columns of all rows, and where each era is.

    Attributes:
        eras: (E,) int16, ascending.
        places: the rows of each era: a slice where they are together.
        columns: (rows, M) predictions.
        others: (rows,) float64 each, what they are compared with.
    """

    eras: np.ndarray
    places: Sequence[Places]
    columns: np.ndarray
    others: Sequence[np.ndarray]

    @classmethod
    def of(cls, eras: np.ndarray, predictions: np.ndarray, *others: np.ndarray) -> EraRows:
        """Find the eras of columns whose rows are in any order.

        Raises:
            ValueError: a column has more or fewer rows than `eras`.
        """
        eras, predictions = np.asarray(eras), np.asarray(predictions)
        for column in (predictions, *others):
            if len(column) != len(eras):
                raise ValueError(f"{len(eras)} eras for a column of {len(column)} rows")
        order = None if (eras[1:] >= eras[:-1]).all() else np.argsort(eras, kind="stable")
        ascending = eras if order is None else eras[order]
        starts = np.flatnonzero(np.diff(ascending, prepend=ascending[:1] - 1))
        runs = [slice(*run) for run in pairwise([*starts, len(eras)])]
        return cls(
            eras=ascending[starts].astype(np.int16),
            places=runs if order is None else [order[run] for run in runs],
            columns=predictions[:, None] if predictions.ndim == 1 else predictions,
            others=[np.asarray(other, dtype=np.float64) for other in others],
        )

    def predictions(self, places: Places) -> np.ndarray:
        """Return the (rows, M) float64 predictions of an era."""
        predictions: np.ndarray = self.columns[places].astype(np.float64, copy=False)
        return predictions

    def each_era(self, judge: Callable[..., np.ndarray]) -> np.ndarray:
        """Return (E, k, M): `judge` of the (M, rows) predictions and k others of each era."""
        scores = np.empty((len(self.places), len(self.others), self.columns.shape[1]))
        threads = os.cpu_count() or 1

        def work(first: int) -> None:
            for era in range(first, len(scores), threads):
                places = self.places[era]
                others = (other[places] for other in self.others)
                scores[era] = judge(self.predictions(places).T, *others)

        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(work, range(threads)))  # the list raises what a thread raised
        return scores
