"""Computes what each model should have sent, by its own formula and the tournament's own files.

Nothing of the product takes part: the live data are fetched by plain HTTP, the coefficients are
those that the template was made with, and the models of the chaos run are linear.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import requests
from numpy.typing import NDArray

from tests.chaos.plan import FALLBACKS

if TYPE_CHECKING:
    from tests.chaos.world import World

RUNGS = ("fallback", "previous", "live")
BENCHMARK = "v53_lgbm_ender60"
DATA_VERSION = "v5.3"
SECONDS = 60.0

Ranks = NDArray[np.float64]


def graphql(world: World, text: str, **variables: Any) -> dict[str, Any]:
    """Asks the tournament as the participant; for the harness's own needs."""
    key = world.environment
    token = f"Token {key['NUMERAI_PUBLIC_ID']}${key['NUMERAI_SECRET_KEY']}"
    answer = requests.post(
        world.practice.url,
        json={"query": text, "variables": variables},
        headers={"Authorization": token},
        timeout=SECONDS,
    )
    answer.raise_for_status()
    content: dict[str, Any] = answer.json()
    if content.get("errors"):
        raise RuntimeError(f"the practice tournament refused {text}: {content['errors']}")
    return dict(content["data"])


@dataclass(frozen=True)
class LiveRound:
    """The live data of a round: ids, the features of the models in their order, a benchmark.

    Attributes:
        features: (ids, features) of whole numbers from 0 to 4.
        coefficients: by model, one vector for each training, the newest last.
    """

    ids: tuple[str, ...]
    features: NDArray[np.int8]
    benchmark: NDArray[np.float64]
    coefficients: Mapping[str, tuple[NDArray[np.float64], ...]] = field(repr=False)

    @cached_property
    def sources(self) -> dict[str, list[tuple[str, Ranks]]]:
        """By model, what it may send, with its rung: the best first."""
        return {model: list(self._sources_of(model)) for model in self.coefficients}

    def rungs_of(self, model: str, content: bytes) -> list[str]:
        """The rungs whose predictions a file holds; none if they are not this model's."""
        sent = _read(content, self.ids)
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
            yield "fallback", _ranks(self.benchmark)
        elif source is not None and source in self.coefficients:
            for weights in reversed(self.coefficients[source]):
                yield "fallback", self._predicted(weights)

    def _predicted(self, weights: NDArray[np.float64]) -> Ranks:
        return _ranks((self.features.astype(np.float64) - 2) @ weights)


def fetch_live(world: World) -> LiveRound:
    """Fetches a round's live data before anything goes wrong with the tournament."""
    import polars as pl

    features = world.feature_names
    live = pl.read_parquet(read_dataset(world, "live.parquet"), columns=["id", *features])
    models = pl.read_parquet(read_dataset(world, "live_benchmark_models.parquet"))
    joined = live.select("id").join(models.select("id", BENCHMARK), on="id", how="left")
    return LiveRound(
        tuple(live["id"]),
        live.select(features).to_numpy(),
        joined[BENCHMARK].cast(pl.Float64).to_numpy(),
        world.coefficients,
    )


def read_coefficients(folder: Path, models: tuple[str, ...]) -> dict[str, tuple[Any, ...]]:
    """The stored weights of each model by training, oldest first."""
    coefficients = {}
    for model in models:
        place = folder / "data" / "weights" / f"model={model}"
        files = sorted(place.glob("vintage=*/code=*/model/weights.npz"))
        coefficients[model] = tuple(np.load(path)["weights"] for path in files)
    return coefficients


def read_dataset(world: World, name: str) -> io.BytesIO:
    """A file of the newest data version."""
    query = "query($name: String!) { dataset(filename: $name) }"
    answer = graphql(world, query, name=f"{DATA_VERSION}/{name}")
    content = requests.get(answer["dataset"], timeout=SECONDS)
    content.raise_for_status()
    return io.BytesIO(content.content)


def _ranks(values: NDArray[np.float64]) -> Ranks:
    """Average ranks in (0, 1): (rank - 0.5) / n."""
    from scipy.stats import rankdata

    ranks: Ranks = (rankdata(values) - 0.5) / len(values)
    return ranks


def _is_same(sent: Ranks, ranks: Ranks) -> bool:
    """Whether two rankings agree, but for ids that change places by a rounding error."""
    return bool(np.abs(sent - ranks).max() <= 1.5 / len(ranks))


def _read(content: bytes, ids: tuple[str, ...]) -> Ranks | None:
    """The predictions of a file in the order of ids, ranked; none where it has no such content."""
    try:
        _, *rows = csv.reader(io.StringIO(content.decode()))
        by_id = {row[0]: float(row[1]) for row in rows}
    except (ValueError, IndexError):  # cut off on its way
        return None
    if set(by_id) != set(ids):
        return None
    return _ranks(np.array([by_id[name] for name in ids]))
