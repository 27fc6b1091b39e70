"""Make the data folder of a fleet that was played for a while, without playing it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np
import polars as pl

from numebot_dagster.lake import parquet, tables
from numebot_dagster.lake.layout import Lake
from numebot_dagster.modeling.weights import weight_store
from numebot_dagster.modeling.weights.weight_store import Manifest
from numebot_dagster.operations.diagnostics import diagnosis_store, era_metrics, proof
from numebot_dagster.operations.diagnostics.diagnosis_store import Diagnosis
from numebot_dagster.operations.diagnostics.proof import Proof, ReplayedRound
from numebot_dagster.operations.performance.newest_scores import newest_scores
from numebot_dagster.operations.platform import Platform
from numebot_dagster.settings import Settings
from numebot_dagster.submissions import receipts
from numebot_dagster.submissions.receipts import Outcome, Receipt, Rung, State

NEWEST = 1344
OPENED = datetime(2026, 11, 24, 12, tzinfo=UTC)
METRICS = {"mmc60": 15.0, "corr60": 3.0}
ROUNDS = 75  # of which the oldest have resolved
WITH_RECEIPTS = 6
ROWS = 60
CODES = {1300: "4f2a91c0", 1341: "4f2a91c0", 1342: "a1b2c3d4"}
"""The code of the weights of each vintage."""


def fleet(folder: Path, count: int) -> Platform:
    """Return the platform of so many models, whose Numerai does not answer."""
    names = [f"model-{index:02}" for index in range(count)]
    registry = folder / "model_configs.csv"
    tags = ("family=tree", "")
    rows = "".join(
        f"{name},model_code.example_model,{tags[index % 2]}\n" for index, name in enumerate(names)
    )
    registry.write_text(f"numerai_name,model_code,tags\n{rows}")
    settings = Settings(
        numerai_api_url="http://127.0.0.1:9",
        numerai_data_folder=folder / "data",
        model_configs_path=registry,
        numebot_retry_deadline=0.1,
    )
    lake = Lake(folder / "data")
    numbers = range(NEWEST - ROUNDS + 1, NEWEST + 1)
    for number in numbers:
        _write_round(lake, number)
    for number in numbers[-WITH_RECEIPTS:]:
        for index, name in enumerate(names):
            _write_receipt(lake, name, number, fails=(number + index) % 17 == 0)
    _write_scores(lake, names, numbers)
    _write_positions(lake, names, numbers)
    _write_predictions(lake, names, numbers[-2])
    _write_leaderboards(lake, names)
    _write_past(lake, names[0])
    return Platform(settings)


def _opened(number: int) -> datetime:
    return OPENED - timedelta(days=round((NEWEST - number) * 1.4))


def _write_round(lake: Lake, number: int) -> None:
    opened = _opened(number)
    configs = [
        {"name": metric, "version": "1", "is_payout": True, "default_multiplier": multiplier}
        for metric, multiplier in METRICS.items()
    ]
    row = {
        "round": number,
        "open_time": opened,
        "close_staking_time": opened + timedelta(hours=1),
        "close_time": opened + timedelta(days=1),
        "score_time": opened + timedelta(days=5),
        "resolve_time": opened + timedelta(days=89),
        "status": "",
        "score_configs": json.dumps(configs),
    }
    parquet.write(lake.round_details(number), pl.DataFrame([row], schema=tables.ROUNDS.schema))


def _write_receipt(lake: Lake, name: str, number: int, *, fails: bool) -> None:
    moments = [_opened(number) + timedelta(seconds=seconds) for seconds in (20, 60, 121)]
    receipt = Receipt(name, number, f"{name}.csv", outcome=Outcome.FAILED, reason="it raised")
    if not fails:
        submitted, accepted, confirmed = moments
        receipt = Receipt(
            *(name, number, f"{name}.csv", f"{name}-{number}", Outcome.ON_TIME, State.CONFIRMED),
            *(
                Rung.PREVIOUS if number % 5 == 0 else Rung.LIVE,
                _vintage(number),
                sha256_of(name),
                ROWS,
                2.5,
                None,
            ),
            *(submitted, accepted, confirmed),
        )
    receipts.append(lake, receipt)


def _write_positions(lake: Lake, names: Sequence[str], numbers: Sequence[int]) -> None:
    """Store a stake of one NMR for each model and round, as of the newest scores."""
    newest = {
        (row["model"], row["round"], row["metric"]): row
        for row in newest_scores(lake, numbers).iter_rows(named=True)
    }
    rows = []
    for number in numbers:
        resolves = (_opened(number) + timedelta(days=89)).date()
        for name in names:
            for metric, multiplier in METRICS.items():
                score = newest.get((name, number, metric), {"day": None, "value": None})
                value = score["value"]
                paid = None if value is None else Decimal(repr(value)) * Decimal(multiplier)
                stake = (name, number, Decimal(1), "1", 1.0)
                end = (resolves, resolves <= OPENED.date())
                rows.append((*stake, *end, metric, "1", multiplier, score["day"], value, paid))
    frame = pl.DataFrame(rows, schema=tables.POSITIONS.schema, orient="row")
    parquet.write(lake.day_file("positions", OPENED.date()), frame)
    price = pl.DataFrame([(Decimal(12), Decimal(11))], schema=tables.PRICES.schema, orient="row")
    parquet.write(lake.day_file("prices", OPENED.date()), price)


def _write_predictions(lake: Lake, names: Sequence[str], number: int) -> None:
    """Write predictions for a round: each third model's are nearly those of the one before it."""
    random = np.random.default_rng(2)
    ids = [f"n{row:04}" for row in range(ROWS)]
    predictions = random.random(ROWS)
    for index, name in enumerate(names):
        fresh = random.random(ROWS)
        predictions = predictions + fresh / 10 if index % 3 == 2 else fresh
        frame = pl.DataFrame({"id": ids, "prediction": predictions})
        parquet.write(lake.predictions_file(name, number, _vintage(number), sha256_of(name)), frame)


def sha256_of(name: str) -> str:
    """Return the hash by which the receipts name a model's predictions."""
    return hashlib.sha256(name.encode()).hexdigest()


def _write_leaderboards(lake: Lake, names: Sequence[str]) -> None:
    """Write the leaderboards of three days, of which the last one counts for the stakes."""
    for back in range(3):
        rows = [
            {"model": name, "rank": 100 * index + back, "nmr_staked": float(index), "own": True,
             "mmc60Rep": 0.001 * index}
            for index, name in enumerate(names, 1)
        ]  # fmt: skip
        day = OPENED.date() - timedelta(days=back)
        parquet.write(lake.day_file("leaderboard", day), pl.DataFrame(rows))


def _vintage(number: int) -> int:
    return max(vintage for vintage in CODES if vintage < number)


def _write_past(lake: Lake, name: str) -> None:
    """Store weights of two codes, a diagnosis and a replay of a model, as the board reads them."""
    for vintage, code in CODES.items():
        folder = lake.weights_folder(name, vintage, code)
        folder.mkdir(parents=True)
        made = OPENED - timedelta(days=NEWEST - vintage)
        text = {"model": name, "vintage": vintage, "code_hash": code, "data_version": "v5.3"}
        weight_store.write_manifest(
            folder,
            Manifest(
                **text, data_stamp="0", features=("f",), targets=("target",), target_is={},
                inputs=(), parameters={}, library_versions={}, train_eras=1, first_era=1,
                last_era=1, train_rows=1, seconds=1, peak_memory_mb=1, retrain_weeks=None,
                retrain_on_new_data_version=False, time_budget=1, memory_budget=1,
                trained_at=made, canary_rows=1, files={},
            ),
        )  # fmt: skip
    eras = pl.Series("era", range(1000, 1104), pl.Int16)
    values = np.random.default_rng(2).normal(0.006, 0.02, len(eras))
    by_era = pl.DataFrame({"era": eras, "metric": "mmc", "value": values})
    summaries = era_metrics.summaries(by_era, "target_ender_60")
    vintage, code = next(iter(CODES.items()))
    folder = lake.diagnosis_folder(name, vintage, code)
    diagnosis_store.write(
        Diagnosis(
            model=name, vintage=vintage, code_hash=code, data_version="v5.3", recipe="",
            walk_forward=False, refits=0, target="target_ender_60", benchmark=None,
            summaries=summaries, held_out=summaries, by_era=by_era,
            exposure_by_feature=pl.DataFrame({"feature": ["f"], "mean_exposure": [0.1]}),
            predictions=folder / "predictions.parquet",
        )
    )  # fmt: skip
    replayed = [ReplayedRound(NEWEST - back, 1342, proof.Outcome.EQUAL, 1, 0) for back in range(3)]
    proof.store(lake, Proof(name, OPENED, tuple(replayed)))


def _write_scores(lake: Lake, names: Sequence[str], numbers: Sequence[int]) -> None:
    random = np.random.default_rng(1)
    rows = []
    for number in numbers:
        days = min(60, max((OPENED - _opened(number)).days * 5 // 7 - 4, 0))
        for name in names:
            for metric in METRICS:
                path = np.cumsum(random.normal(0.0005, 0.01, 60)) / np.sqrt(np.arange(1, 61))
                first = 1 if name == names[0] else max(1, days - 2)
                for day in range(first, days + 1):
                    when = (_opened(number) + timedelta(days=5 + day * 7 // 5)).date()
                    value, percentile = float(path[day - 1]), float(random.uniform())
                    rows.append(
                        (name, number, metric, "1", day, when, value, percentile, days == 60)
                    )
    frame = pl.DataFrame(rows, schema=tables.SCORES.schema, orient="row")
    for (day,), scores in frame.group_by("date"):
        parquet.write(lake.day_file("scores", day), scores)  # type: ignore[arg-type]
