"""Compute what each model should have sent, by its own formula and the tournament's own files.

Nothing of the product takes part: the live data were fetched by plain HTTP, the coefficients are
those that the template was made with, and the models of the chaos run are linear.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from tests.chaos.harness.tournament_client import LiveRound
from tests.chaos.plan import FALLBACKS

RUNGS = ("fallback", "previous", "live")

Ranks = NDArray[np.float64]


@dataclass(frozen=True)
class OwnPredictions:
    """The predictions that each model may send for a round.

    Attributes:
        coefficients: by model, one vector for each training, the newest last.
    """

    live: LiveRound
    coefficients: Mapping[str, tuple[NDArray[np.float64], ...]] = field(repr=False)

    @cached_property
    def sources(self) -> dict[str, list[tuple[str, Ranks]]]:
        """By model, what it may send, with its rung: the best first."""
        return {model: list(self._sources_of(model)) for model in self.coefficients}

    def rungs_of(self, model: str, content: bytes) -> list[str]:
        """Return the rungs whose predictions a file holds; none if they are not this model's."""
        sent = _read(content, self.live.ids)
        if sent is None:
            return []
        return [rung for rung, ranks in self.sources[model] if _is_same(sent, ranks)]

    def _sources_of(self, model: str) -> Iterator[tuple[str, Ranks]]:
        *older, newest = self.coefficients[model]
        yield "live", self._predicted(newest)
        for weights in reversed(older):
            yield "previous", self._predicted(weights)
        source = FALLBACKS.get(model)
        if source == "benchmark":
            yield "fallback", _ranks(self.live.benchmark)
        elif source is not None and source in self.coefficients:
            for weights in reversed(self.coefficients[source]):
                yield "fallback", self._predicted(weights)

    def _predicted(self, weights: NDArray[np.float64]) -> Ranks:
        return _ranks((self.live.features.astype(np.float64) - 2) @ weights)


def _ranks(values: NDArray[np.float64]) -> Ranks:
    """Return average ranks in (0, 1): (rank - 0.5) / n."""
    from scipy.stats import rankdata

    ranks: Ranks = (rankdata(values) - 0.5) / len(values)
    return ranks


def _is_same(sent: Ranks, ranks: Ranks) -> bool:
    """Return whether two rankings agree, but for ids that change places by a rounding error."""
    return bool(np.abs(sent - ranks).max() <= 1.5 / len(ranks))


def _read(content: bytes, ids: tuple[str, ...]) -> Ranks | None:
    """Return the ranked predictions of a file in the order of ids; None for other content."""
    try:
        _, *rows = csv.reader(io.StringIO(content.decode()))
        by_id = {row[0]: float(row[1]) for row in rows}
    except (ValueError, IndexError):  # cut off on its way
        return None
    if set(by_id) != set(ids):
        return None
    return _ranks(np.array([by_id[name] for name in ids]))
