from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numerapi
import numpy as np
import pandas as pd
import pytest
import requests
from numerapi import base_api

from numebot_dagster.practice.clock import Round
from numebot_dagster.practice.creation import Plan
from numebot_dagster.practice.market import Market
from numebot_dagster.practice.server import PracticeServer


@dataclass(frozen=True)
class World:
    """A practice tournament over HTTP, numerapi as released on it, and its market for comparison."""

    practice: PracticeServer
    market: Market

    @property
    def api(self) -> numerapi.NumerAPI:
        key = self.practice.credentials
        return numerapi.NumerAPI(
            key.public_id, key.secret_key, verbosity="CRITICAL", show_progress_bars=False
        )

    def rows(self, query: str, *values: Any) -> list[sqlite3.Row]:
        """Reads the state past the server."""
        connection = sqlite3.connect(f"file:{self.practice.folder}/state.sqlite?mode=ro", uri=True)
        connection.row_factory = sqlite3.Row
        try:
            return connection.execute(query, values).fetchall()
        finally:
            connection.close()

    def model_id(self, name: str) -> str:
        return self.rows("SELECT id FROM models WHERE name = ?", name)[0]["id"]

    def predictions(self, number: int, seed: int) -> pd.DataFrame:
        """Half the example model's opinion and half noise, for a round's live ids."""
        opened = Round(number).opened
        noise = np.random.default_rng(seed).uniform(size=len(self.market.live_ids(opened)))
        mixed = (self.market.example_predictions(opened) + noise) / 2
        return pd.DataFrame({"id": self.market.live_ids(opened), "prediction": mixed})

    def upload(self, name: str, table: pd.DataFrame, **more: Any) -> str:
        return self.api.upload_predictions(df=table, model_id=self.model_id(name), **more)

    def post(self, query: str, token: str | None = "own", variables: Any = None) -> dict[str, Any]:
        """Sends a query as any client would; returns the body, whatever it says."""
        key = self.practice.credentials
        own = f"Token {key.public_id}${key.secret_key}"
        headers = {} if token is None else {"Authorization": own if token == "own" else token}
        body = {"query": query, "variables": variables}
        answer = requests.post(self.practice.url, json=body, headers=headers, timeout=60)
        assert answer.status_code == 200
        return answer.json()

    def refusal(self, query: str, token: str | None = "own", variables: Any = None) -> str:
        return self.post(query, token, variables)["errors"][0]["message"]

    def status(self, name: str, newest: int = 20) -> dict[int, tuple[str, str | None]]:
        """Status and submission id by round number, by the fleet's query."""
        query = (
            "query($n: Int) {account {models {name latestSubmissions(latestNRounds: $n) "
            "{id roundNumber status}}}}"
        )
        models = self.post(query, variables={"n": newest})["data"]["account"]["models"]
        latest = next(m["latestSubmissions"] for m in models if m["name"] == name)
        return {row["roundNumber"]: (row["status"], row["id"]) for row in latest}


@pytest.fixture(scope="module")
def make_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., World]]:
    started: list[PracticeServer] = []

    def make(**plan: Any) -> World:
        folder = tmp_path_factory.mktemp("practice")
        started.append(PracticeServer(Path(folder), Plan(**plan)))
        started[-1].start()
        return World(started[-1], Market(plan.get("seed", 0)))

    yield make
    for one in started:
        one.stop()


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch) -> Callable[[World], World]:
    """Points numerapi at a world for one test."""

    def to(world: World) -> World:
        monkeypatch.setattr(base_api, "API_TOURNAMENT_URL", world.practice.url)
        return world

    return to
