"""Ask the practice tournament by plain HTTP, for the harness's own needs."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import requests
from numpy.typing import NDArray

from numebot_dagster.practice.creation import Credentials

BENCHMARK = "v53_lgbm_ender60"
DATA_VERSION = "v5.3"
SECONDS = 60.0


@dataclass(frozen=True)
class LiveRound:
    """The live data of a round: ids, the features of the models in their order, a benchmark.

    Attributes:
        features: (ids, features) of whole numbers from 0 to 4.
    """

    ids: tuple[str, ...]
    features: NDArray[np.int8]
    benchmark: NDArray[np.float64]


@dataclass(frozen=True)
class TournamentClient:
    """The tournament at an address, asked as the participant."""

    url: str
    credentials: Credentials

    def ask(self, text: str, **variables: Any) -> dict[str, Any]:
        """Return the data that answer a GraphQL text.

        Raises:
            RuntimeError: the tournament refused.
        """
        key = self.credentials
        answer = requests.post(
            self.url,
            json={"query": text, "variables": variables},
            headers={"Authorization": f"Token {key.public_id}${key.secret_key}"},
            timeout=SECONDS,
        )
        answer.raise_for_status()
        content: dict[str, Any] = answer.json()
        if content.get("errors"):
            raise RuntimeError(f"the practice tournament refused {text}: {content['errors']}")
        return dict(content["data"])

    def dataset(self, name: str) -> io.BytesIO:
        """Fetch a file of the newest data version."""
        query = "query($name: String!) { dataset(filename: $name) }"
        answer = self.ask(query, name=f"{DATA_VERSION}/{name}")
        content = requests.get(answer["dataset"], timeout=SECONDS)
        content.raise_for_status()
        return io.BytesIO(content.content)

    @cached_property
    def feature_names(self) -> list[str]:
        """The features of the models in their order."""
        features = json.loads(self.dataset("features.json").read())
        return list(features["feature_sets"]["small"])

    def live_round(self) -> LiveRound:
        """Fetch the newest live data."""
        import polars as pl

        features = self.feature_names
        live = pl.read_parquet(self.dataset("live.parquet"), columns=["id", *features])
        models = pl.read_parquet(self.dataset("live_benchmark_models.parquet"))
        joined = live.select("id").join(models.select("id", BENCHMARK), on="id", how="left")
        return LiveRound(
            tuple(live["id"]),
            live.select(features).to_numpy(),
            joined[BENCHMARK].cast(pl.Float64).to_numpy(),
        )
