"""Serve a practice tournament over HTTP and compare it with numerapi and the market's own facts."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numerapi
import numpy as np
import pandas as pd
import requests
from numerai_tools.scoring import stake_weight, tie_kept_rank

from numebot_dagster.practice.controls import Controls
from numebot_dagster.practice.creation import Credentials
from numebot_dagster.practice.market.crowd import Crowd
from numebot_dagster.practice.market.market import Market
from numebot_dagster.practice.rules.clock import Round
from tests.support.tournament_state import read_state


@dataclass(frozen=True)
class ServedTournament:
    """A practice tournament over HTTP, numerapi as released, and the market for comparison."""

    controls: Controls
    folder: Path
    credentials: Credentials
    market: Market

    @cached_property
    def crowd(self) -> Crowd:
        return Crowd(self.market)

    @property
    def api(self) -> numerapi.NumerAPI:
        key = self.credentials
        return numerapi.NumerAPI(
            key.public_id, key.secret_key, verbosity="CRITICAL", show_progress_bars=False
        )

    def rows(self, query: str, *values: Any) -> list[sqlite3.Row]:
        """Read the state past the server."""
        return read_state(self.folder, query, *values)

    def model_id(self, name: str) -> str:
        return self.rows("SELECT id FROM models WHERE name = ?", name)[0]["id"]

    def meta_model(self, number: int) -> pd.Series:
        """Return stake-weighted ranks of a round by numerai-tools, from the stored facts."""
        opened = Round(number).opened
        ids = pd.Index(self.market.live_ids(opened), name="id")
        stakes, columns = {}, {}
        for row in self.rows(
            "SELECT name, nmr, filename FROM positions "
            "JOIN models ON models.id = positions.model_id "
            "LEFT JOIN submissions ON submissions.model_id = models.id AND round = ? "
            "AND submissions.kind != 'late' AND error IS NULL "
            "WHERE from_round <= ? ORDER BY from_round, submissions.inserted_at",
            number, number,
        ):  # fmt: skip
            stakes[row["name"]] = float(row["nmr"])
            if row["filename"]:
                table = pd.read_csv(self.folder / "uploads" / row["filename"], index_col="id")
                columns[row["name"]] = table.iloc[:, 0].reindex(ids)
        for played in self.crowd.played(opened):
            if played.attendance == "on-time":
                columns[played.participant.name] = pd.Series(played.predictions, ids)
        ranks = tie_kept_rank(pd.DataFrame(columns, index=ids))
        return stake_weight(ranks, pd.Series(stakes).reindex(columns).dropna())

    def predictions(self, number: int, seed: int) -> pd.DataFrame:
        """Return half the example model's opinion and half noise, for a round's live ids."""
        opened = Round(number).opened
        noise = np.random.default_rng(seed).uniform(size=len(self.market.live_ids(opened)))
        mixed = (self.market.example_predictions(opened) + noise) / 2
        return pd.DataFrame({"id": self.market.live_ids(opened), "prediction": mixed})

    def upload(self, name: str, table: pd.DataFrame, **more: Any) -> str:
        return self.api.upload_predictions(df=table, model_id=self.model_id(name), **more)

    def post(self, query: str, token: str | None = "own", variables: Any = None) -> dict[str, Any]:
        """Send a query as any client would and return the body, whatever it says."""
        key = self.credentials
        own = f"Token {key.public_id}${key.secret_key}"
        headers = {} if token is None else {"Authorization": own if token == "own" else token}
        body = {"query": query, "variables": variables}
        answer = requests.post(self.controls.url, json=body, headers=headers, timeout=60)
        assert answer.status_code == 200
        return answer.json()

    def refusal(self, query: str, token: str | None = "own", variables: Any = None) -> str:
        return self.post(query, token, variables)["errors"][0]["message"]

    def authorise(self, name: str) -> dict[str, str]:
        query = (
            'query($m: ID) {submissionUploadAuth(filename: "p.csv", tournament: 8, modelId: $m) '
            "{filename url}}"
        )
        answer = self.post(query, variables={"m": self.model_id(name)})
        return answer["data"]["submissionUploadAuth"]

    def create(self, name: str, filename: str) -> dict[str, Any]:
        query = (
            "mutation($f: String!, $m: ID) {createSubmission(filename: $f, tournament: 8, "
            'modelId: $m, triggerId: "t-1", source: "me") '
            "{id triggerId sourcePlatform selected}}"
        )
        return self.post(query, variables={"f": filename, "m": self.model_id(name)})

    def status(self, name: str, newest: int = 20) -> dict[int, tuple[str, str | None]]:
        """Return status and submission id by round number, by the fleet's query."""
        query = (
            "query($n: Int) {account {models {name latestSubmissions(latestNRounds: $n) "
            "{id roundNumber status}}}}"
        )
        models = self.post(query, variables={"n": newest})["data"]["account"]["models"]
        latest = next(m["latestSubmissions"] for m in models if m["name"] == name)
        return {row["roundNumber"]: (row["status"], row["id"]) for row in latest}
