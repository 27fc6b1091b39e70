"""Measure a store of many models and rounds before and after it is rolled up.

    python -m benchmarks.lakes [--models 50] [--rounds 10 100 1000] [--folder FOLDER]

Each lake is made by the product's own writers, beside a practice tournament with as many models, and
kept in the folder for the next time. Each figure is of one call in a process of its own: starting
Python and imports are left out.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import polars as pl

from benchmarks import rate_limits
from numebot_dagster.lake import files, json_records, parquet, tables
from numebot_dagster.lake.layout import Lake
from numebot_dagster.modeling.worker.memory import peak_memory_mb, reset_peak
from numebot_dagster.operations.alerts.outbox import Kind, Raised
from numebot_dagster.operations.health import upkeep
from numebot_dagster.operations.health.upkeep import Settled
from numebot_dagster.practice.rules.clock import PRACTICE_START
from numebot_dagster.practice.server import PracticeServer
from numebot_dagster.submissions import receipts, submission_file
from numebot_dagster.submissions.receipts import Outcome, Receipt, State

IDS_OF_A_ROUND = 500
SCORED_FOR = 64  # rounds, of business days each
ROUNDS_OF_A_WEEK = 5
METRICS = ("corr60", "mmc60", "v2_corr20", "bmc", "fnc_v3")
FIELD = 2000  # models on the leaderboard
QUERIES = {
    "all scores, the first rows": "select * from scores limit 500",
    "the newest submissions": "select round, model, outcome, state from submissions "
    "order by round desc limit 10",
    "mean score by model": "select model, avg(value) from scores "
    "where metric = 'corr60' and day = 60 group by model",
    "weights": "select * from weights",
    "predictions of a round": "select model, avg(prediction) from predictions "
    "where round = {round} group by model",
    "receipts of a round": "select count(*) from receipts where round = {round}",
}


@dataclass(frozen=True)
class History:
    """Rounds that were played before the first one of a practice tournament.

    Attributes:
        first: the number of the oldest round.
        end: the number after that of the newest.
        today: the UTC day on which the tournament stands.
    """

    models: tuple[str, ...]
    first: int
    end: int
    today: date

    @property
    def numbers(self) -> range:
        """The rounds, oldest first."""
        return range(self.first, self.end)

    def opened(self, number: int) -> date:
        """Return the day on which a round opened."""
        weeks, of_week = divmod(self.end - number, ROUNDS_OF_A_WEEK)
        return self.today - timedelta(days=7 * weeks + of_week + 1)

    @property
    def settled(self) -> Settled:
        """What can no longer change: all but the newest rounds have resolved, all have closed."""
        resolved = frozenset(self.numbers[:-SCORED_FOR])
        return Settled(resolved, frozenset(self.numbers), self.today)


def fill(lake: Lake, history: History) -> None:
    """Write a history into a lake, without waiting for the disk."""
    with patch.object(files, "_flush", lambda path: None):
        for number in history.numbers:
            _write_round(lake, history, number)
        for back in range(1, (history.today - history.opened(history.first)).days + 1):
            _write_day(lake, history, history.today - timedelta(days=back))


def _write_round(lake: Lake, history: History, number: int) -> None:
    opened = datetime.combine(history.opened(number), datetime.min.time(), UTC)
    close = opened + timedelta(hours=13)
    details = {
        **dict.fromkeys(tables.ROUNDS.columns),
        "round": number,
        "open_time": opened + timedelta(hours=12),
        "close_staking_time": close,
        "resolve_time": opened + timedelta(days=90),
        "status": "open",
        "score_configs": "[]",
    }
    parquet.write(lake.round_details(number), pl.DataFrame([details], schema=tables.ROUNDS.schema))
    random_numbers = np.random.default_rng(number)
    ids = [f"n{number}_{row:05}" for row in range(IDS_OF_A_ROUND)]
    for model in history.models:
        values = submission_file.rank_to_unit_interval(random_numbers.normal(size=IDS_OF_A_ROUND))
        sha256 = submission_file.prepare(ids, values).sha256
        path = lake.predictions_file(model, number, history.first, sha256)
        parquet.write(path, pl.DataFrame({"id": ids, "prediction": values}))
        _write_receipts(lake, model, number, sha256, close)
    kinds = (Kind.ALL_CONFIRMED, Kind.SCORES_PUBLISHED, Kind.PLAN_TOO_LONG)
    for kind in kinds:
        at = opened.isoformat()
        text = "\n".join(f"- {model}: corr60 0.0123 over 3 rounds" for model in history.models)
        raised = Raised(kind, f"round-{number}", f"Round {number}", text, at, sent=True)
        json_records.create(lake.alert_file(kind, f"round-{number}"), raised)


def _write_receipts(lake: Lake, model: str, number: int, sha256: str, at: datetime) -> None:
    intent = Receipt(
        model,
        number,
        filename=f"{model}-{number}.csv",
        vintage=1,
        predictions_sha256=sha256,
        rows=IDS_OF_A_ROUND,
        predict_seconds=1.5,
        submitted_at=at,
    )
    accepted = replace(
        intent,
        submission_id=f"{model}-{number}",
        state=State.ACCEPTED,
        outcome=Outcome.ON_TIME,
        accepted_at=at,
    )
    for receipt in (intent, accepted, replace(accepted, state=State.CONFIRMED, confirmed_at=at)):
        receipts.append(lake, receipt)


def _write_day(lake: Lake, history: History, day: date) -> None:
    random_numbers = np.random.default_rng(day.toordinal())
    ages = {number: (day - history.opened(number)).days * 5 // 7 for number in history.numbers}
    scored = {number: age for number, age in ages.items() if 1 <= age <= SCORED_FOR}
    submissions = pl.DataFrame({"model": history.models}).join(
        pl.DataFrame({"round": list(scored), "day": list(scored.values())}), how="cross"
    )
    metrics = pl.DataFrame({"metric": METRICS, "version": "1"})
    scores = submissions.join(metrics, how="cross").with_columns(
        date=pl.lit(day),
        value=random_numbers.normal(0.01, 0.03, submissions.height * len(METRICS)),
        percentile=random_numbers.random(submissions.height * len(METRICS)),
        resolved=pl.col("day") == SCORED_FOR,
    )
    if day.weekday() in (6, 0):
        scores = scores.clear()
    schema = tables.SCORES.schema
    parquet.write(lake.day_file("scores", day), scores.select(list(schema)).cast(dict(schema)))
    names = [*history.models, *(f"rival_{n}" for n in range(FIELD - len(history.models)))]
    field = {
        "model": names,
        "rank": range(1, FIELD + 1),
        "nmr_staked": random_numbers.random(FIELD),
        "own": [name in history.models for name in names],
        "corr60": random_numbers.random(FIELD),
    }
    parquet.write(lake.day_file("leaderboard", day), pl.DataFrame(field))
    payouts = submissions.select(
        "model", "round", payout_nmr=pl.lit(0.01), settled=pl.col("day") == SCORED_FOR
    )
    parquet.write(lake.day_file("payouts", day), payouts)
