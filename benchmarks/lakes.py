"""Measure a store of many models and rounds before and after it is rolled up.

    python -m benchmarks.lakes [--models 50] [--rounds 10 100 1000] [--folder FOLDER]

Each lake is made by the product's own writers, beside a practice tournament with as many models,
and kept in the folder for the next time, and so is the same lake rolled up. Both are measured
alike: on a fresh copy, at the same hour of the tournament. Each figure is of one call in a process
of its own: starting Python and imports are left out.
"""

from __future__ import annotations

import argparse
import io
import json
import logging
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from unittest.mock import patch

import numpy as np
import polars as pl

from benchmarks import rate_limits
from numebot_dagster.lake import catalog, files, json_records, parquet, tables
from numebot_dagster.lake.layout import Lake
from numebot_dagster.modeling.worker.memory import peak_memory_mb, reset_peak
from numebot_dagster.operations.alerts.outbox import Kind, Raised
from numebot_dagster.operations.health import upkeep
from numebot_dagster.operations.health.upkeep import Settled
from numebot_dagster.operations.performance import history as performance
from numebot_dagster.operations.performance.board import pages as board
from numebot_dagster.operations.platform import Platform
from numebot_dagster.practice.server import PracticeServer
from numebot_dagster.reporting.tables import markdown_table
from numebot_dagster.settings import load_settings
from numebot_dagster.submissions import receipts, submission_file
from numebot_dagster.submissions.receipts import Outcome, Receipt, State

IDS_OF_A_ROUND = 500
SCORED_FOR = 64  # rounds, of business days each
ROUNDS_OF_A_WEEK = 5
METRICS = ("corr60", "mmc60", "v2_corr20", "bmc", "fnc_v3")
FIELD = 2000  # models on the leaderboard
QUERIES = {
    "all scores, as many rows as are shown": "select * from scores limit 100",
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
    ages = {number: (day - history.opened(number)).days for number in history.numbers}
    scored = {
        number: age * 5 // 7
        for number, age in ages.items()
        if 1 <= age * 5 // 7 <= SCORED_FOR and age * 5 // 7 > (age - 1) * 5 // 7  # a business day
    }
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
    schema = tables.SCORES.schema
    parquet.write(lake.day_file("scores", day), scores.select(list(schema)).cast(schema))
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
        "model",
        "round",
        payout_nmr=pl.lit(0.01),
        settled=pl.col("day") == SCORED_FOR,
        payout_text=pl.lit("0.01"),
    ).cast(tables.PAYOUTS.schema)
    parquet.write(lake.day_file("payouts", day), payouts)


def made(folder: Path, models: int, rounds: int) -> Path:
    """Return a participant's folder with a history, beside a tournament; made when missing."""
    names = tuple(f"model_{number:02}" for number in range(models))
    base, place = folder / f"{models}-models", folder / f"{models}-models-{rounds}-rounds"
    if not base.exists():
        unfinished = folder / "unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True)
        rate_limits.prepare(unfinished, list(names))
        unfinished.rename(base)
    if not place.exists():
        unfinished = folder / "unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        shutil.copytree(base, unfinished)
        with PracticeServer(unfinished / "tournament") as practice:
            practice.advance("next-open")
            state = practice.state()
        end, today = int(state["open_round"]), datetime.fromisoformat(state["clock"]["now"]).date()
        history = History(names, end - rounds, end, today)
        fill(Lake(unfinished / "data"), history)
        (unfinished / "history.json").write_bytes(json_records.dump(history))
        unfinished.rename(place)
    return place


def rolled_up(source: Path) -> Path:
    """Return a copy of a folder whose lake is rolled up; made when missing."""
    place = source.with_name(f"{source.name}-rolled-up")
    if not place.exists():
        unfinished = source.with_name("unfinished")
        copy(source, unfinished)
        start = time.perf_counter()
        result = upkeep.roll_up(Lake(unfinished / "data"), history_of(source).settled)
        seconds = time.perf_counter() - start
        if result.problems:
            raise RuntimeError(result.problems[0])
        print(f"{result.rolled_up:,} files were rolled up in {seconds:.0f} s", flush=True)
        unfinished.rename(place)
    return place


def copy(source: Path, target: Path) -> None:
    """Copy a folder; tables are shared, for each is replaced as a whole and never changed."""

    def share(file: str, copied: str) -> None:
        (os.link if file.endswith(".parquet") else shutil.copy2)(file, copied)

    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(source, target, copy_function=share)


def history_of(folder: Path) -> History:
    """Return the history that was written into a folder."""
    return json_records.read(folder / "history.json", History)


def calls(platform: Platform, newest: int) -> dict[str, Callable[[], object]]:
    """Return what is measured, by its name."""
    queries = {
        name: partial(catalog.query, platform.lake, sql.format(round=newest - SCORED_FOR - 1))
        for name, sql in QUERIES.items()
    }
    return {
        **queries,
        "numebot status": _status,
        "figures of all models": partial(_figures, platform),
        "pages of the board, the first time": partial(board.write, platform),
        "figures and pages, the next day": partial(_refresh, platform),
        "play of a round": partial(_play, platform),
    }


def _status() -> None:
    from numebot_dagster.cli.status import status

    with redirect_stdout(io.StringIO()):
        status(rounds=10, as_json=True)


def _figures(platform: Platform) -> None:
    catalog.rebuild(platform.lake)
    for model in platform.registry.enabled:
        performance.model_history(platform.lake, model.name)
    performance.draw_dashboard(platform.lake)


def _refresh(platform: Platform) -> None:
    """Draw and write what `numebot collect` does after it has read the scores of a day."""
    newest = platform.lake.stored_days("scores")[-1]
    platform.lake.day_file("scores", newest).touch()
    _figures(platform)
    board.write(platform)


def _play(platform: Platform) -> None:
    from numebot_dagster.operations.rounds import details, live_data
    from numebot_dagster.operations.rounds.outcomes import Ending, Play
    from numebot_dagster.operations.rounds.playing import play

    number = max(round_.number for round_ in platform.client.open_rounds())
    details.fetch_details(platform, number)
    live_data.fetch_live(platform, number, platform.registry.enabled)
    played = play(platform, Play(number, platform.registry.enabled))
    missing = [result for result in played if result.ending is not Ending.CONFIRMED]
    if missing:
        raise RuntimeError(f"not confirmed: {missing[0]}")


def measure(folder: Path, practice: PracticeServer, name: str) -> tuple[float, float]:
    """Return the seconds and the peak memory in MB of one call, in a process of its own."""
    key = practice.credentials
    environment = {
        **os.environ,
        "NUMERAI_API_URL": practice.url,
        "NUMERAI_PUBLIC_ID": key.public_id,
        "NUMERAI_SECRET_KEY": key.secret_key,
        "NUMERAI_DATA_FOLDER": str(folder / "data"),
        "MODEL_CONFIGS_PATH": str(folder / "models.csv"),
        "DAGSTER_HOME": str(folder / "dagster"),
        "PYTHONPATH": os.pathsep.join([str(folder), str(Path(__file__).parents[1])]),
    }
    command = [sys.executable, "-m", "benchmarks.lakes", "--one", name, "--folder", str(folder)]
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{name} ended with {done.returncode}:\n{done.stderr[-2000:]}")
    seconds, peak = json.loads(done.stdout.splitlines()[-1])
    return seconds, peak


def call_here(folder: Path, name: str) -> None:
    """Make one call in this process, and print its seconds and its peak memory in MB."""
    import duckdb  # imported by every call, and no part of it
    import pyarrow.parquet

    _ = duckdb, pyarrow.parquet
    logging.disable(logging.WARNING)
    platform = Platform(load_settings())
    call = calls(platform, history_of(folder).end - 1)[name]
    reset_peak()
    start = time.perf_counter()
    call()
    print(json.dumps([time.perf_counter() - start, peak_memory_mb()]))


def measure_lake(folder: Path, models: int, rounds: int) -> list[dict[str, str]]:
    """Return a row for each call, for a lake before and after its roll-up."""
    source, place = made(folder, models, rounds), folder / "measured"
    names = list(calls(Platform(load_settings()), history_of(source).end - 1))
    columns: dict[str, dict[str, tuple[float, float]]] = {}
    for state, of_state in (("before", source), ("after", rolled_up(source))):
        columns[state] = {}
        copy(of_state, place)
        with PracticeServer(place / "tournament") as practice:
            for name in names:
                columns[state][name] = measure(place, practice, name)
                print(f"{rounds} rounds, {state}: {name}: {columns[state][name]}", flush=True)
    return [
        {
            "rounds": f"{rounds:,}",
            "what": name,
            "before": "{:.2f} s, {:.0f} MB".format(*columns["before"][name]),
            "after": "{:.2f} s, {:.0f} MB".format(*columns["after"][name]),
        }
        for name in names
    ]


def main() -> None:
    """Measure what the command line asks for, and print one table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=int, default=50)
    parser.add_argument("--rounds", type=int, nargs="+", default=[10, 100, 1000])
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir(), "numebot-lakes"))
    parser.add_argument("--one", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.one:
        call_here(asked.folder, asked.one)
        return
    rows = [row for n in asked.rounds for row in measure_lake(asked.folder, asked.models, n)]
    print(markdown_table(pl.DataFrame(rows)))


if __name__ == "__main__":
    main()
