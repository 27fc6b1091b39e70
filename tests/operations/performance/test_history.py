"""Summaries are made from the few scores and payouts that they need, as if from all."""

from __future__ import annotations

import math
import random
from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest

from numebot_dagster.lake import catalog, parquet, tables
from numebot_dagster.lake.layout import Lake
from numebot_dagster.operations.performance import history
from numebot_dagster.reporting.performance_tables import model_summary, rounds_summary

FIRST = date(2026, 9, 1)


def filled(root: Path, seed: int) -> Lake:
    """Write eight days of scores and payouts: values missing, versions mixed, days stored twice."""
    lake, chance = Lake(root), random.Random(seed)
    for back in range(8):
        day = FIRST + timedelta(days=back)
        scores = [
            (
                *(model, round_number, metric, version),
                chance.choice([back + 1, back + 1, back, None]),
                day,
                chance.choice([chance.random(), 0.5, None, math.nan]),
                chance.choice([chance.random(), None]),
                chance.choice([True, False, None]),
            )
            for model in "ab"
            for round_number in (1, 2)
            for metric in ("corr60", "mmc60", "other")
            for version in chance.choice([["1"], ["1", "2"], ["10", None], []])
        ]
        frame = pl.DataFrame(scores, schema=tables.SCORES.schema, orient="row")
        parquet.write(lake.day_file("scores", day), frame)
        payouts = [
            (
                model,
                round_number,
                chance.choice([0.5, None]),
                chance.choice([True, False, None]),
                "",
            )
            for model in "ab"
            for round_number in (1, 2)
            if chance.random() < 0.8
        ]
        frame = pl.DataFrame(payouts, schema=tables.PAYOUTS.schema, orient="row")
        parquet.write(lake.day_file("payouts", day), frame)
    return lake


@pytest.mark.parametrize("seed", range(8))
def test_summaries_of_the_last_scores_are_those_of_all(tmp_path: Path, seed: int) -> None:
    lake = filled(tmp_path, seed)
    scores, payouts = catalog.query(lake, "from scores"), catalog.query(lake, "from payouts")
    submissions = catalog.query(lake, "from submissions")
    last = history._last_scores(lake)
    last_payouts = history.last_payouts(lake)
    assert model_summary(last, last_payouts).equals(model_summary(scores, payouts))
    assert rounds_summary(last, submissions).equals(rounds_summary(scores, submissions))
    of_model = history.model_history(lake, "a").summary
    whole = model_summary(scores, payouts).filter(pl.col("model") == "a")
    assert of_model.equals(whole)
