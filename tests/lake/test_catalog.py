"""The views: their columns on an empty lake, and their rows on a filled one."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest

from numebot_dagster.lake import catalog, json_records, parquet
from numebot_dagster.lake.layout import Lake

NAME = "a-b c/d%20"
OPEN = datetime(2026, 8, 28, 12, tzinfo=UTC)
LATER = datetime(2026, 8, 28, 12, 5, tzinfo=UTC)
DAY = date(2026, 9, 3)

PROMISED = {
    "rounds": "round open_time close_staking_time resolve_time status",
    "weights": (
        "model vintage code_hash data_version trained_at train_eras seconds peak_memory_mb"
    ),
    "diagnostics": "model vintage code_hash era metric value held_out walk_forward recipe",
    "predictions": "model round id prediction vintage sha256",
    "submissions": (
        "model round submission_id outcome state rung vintage submitted_at accepted_at "
        "confirmed_at predictions_sha256 rows"
    ),
    "receipts": "model round submission_id filename state recorded_at",
    "scores": "model round metric version day date value percentile resolved",
    "leaderboard": "date model rank nmr_staked",
    "payouts": "date model round payout_nmr settled payout_text",
    "positions": (
        "date model round at_risk payout_factor clip resolve_date resolved metric version "
        "multiplier day value payout_nmr"
    ),
    "claims": "date model round payout_nmr burn_nmr",
    "prices": "date nmr_usd nmr_eur",
    "alerts": "kind subject title text raised_at sent",
    "paid_metrics": "round metric multiplier clip days",
}
TIMES = ("open_time", "trained_at", "submitted_at", "recorded_at", "raised_at")


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    root = tmp_path / "data [1]*'s"  # wildcards and quotes in the root's own name must not matter
    root.mkdir(parents=True)
    return Lake(root)


def rows(lake: Lake, sql: str) -> list[tuple[Any, ...]]:
    with catalog.connect(lake) as connection:
        return connection.execute(sql).fetchall()


def types(lake: Lake, view: str) -> dict[str, str]:
    return {row[0]: row[1] for row in rows(lake, f"DESCRIBE {view}")}


def fill(lake: Lake) -> None:
    def receipt(state: str, at: datetime, **more: object) -> pl.DataFrame:
        return pl.DataFrame({"submission_id": "s1", "state": state, "recorded_at": at, **more})

    details = {"round": 1343, "open_time": OPEN, "status": "open", "added_tomorrow": 1}
    parquet.write(lake.round_details(1343), pl.DataFrame(details))
    parquet.write(lake.round_details(1344), pl.DataFrame({"round": 1344, "status": None}))
    parquet.write(
        lake.predictions_file(NAME, 1343, 1340, "ff"),
        pl.DataFrame({"id": ["n1", "n2"], "prediction": [0.25, 0.75]}),
    )
    parquet.write(
        lake.diagnosis_folder(NAME, 1340, "abcd0123") / "by_era.parquet",
        pl.DataFrame({"era": [600, 601], "metric": "corr", "value": [0.01, None]}),
    )
    receipts = lake.receipts_folder(NAME, 1343)
    parquet.create(receipts / "1.parquet", receipt("pending", OPEN))
    parquet.create(receipts / "2.parquet", receipt("accepted", LATER, rows=2, vintage=1340))
    parquet.create(lake.receipts_folder("007", 1343) / "1.parquet", receipt("pending", OPEN))
    score = {"model": NAME, "round": 1343, "metric": "corr60", "day": 1, "date": DAY, "value": 0.01}
    parquet.write(lake.day_file("scores", DAY), pl.DataFrame(score))
    parquet.write(
        lake.day_file("leaderboard", DAY),
        pl.DataFrame({"model": "x", "rank": 1, "corr60_rep": 0.02}),
    )
    parquet.write(
        lake.day_file("payouts", DAY),
        pl.DataFrame({"model": NAME, "round": 1343, "payout_nmr": 1.5}),
    )
    fill_json(lake)


def fill_json(lake: Lake) -> None:
    raised = {"kind": "round-missed", "subject": "round-1343/a", "raised_at": OPEN.isoformat()}
    json_records.write(
        lake.alert_file("round-missed", "round-1343/a"), raised | {"sent": True, "delivered": []}
    )
    json_records.write(
        lake.weights_folder(NAME, 1340, "abcd0123") / "manifest.json",
        {
            "model": NAME,
            "vintage": 1340,
            "code_hash": "abcd0123",
            "trained_at": OPEN.isoformat(),
            "train_eras": 574,
            "target_is": {"target": "target_ender_60"},
            "features": ["feature_a"],
            "added_tomorrow": {},
        },
    )


@pytest.mark.parametrize("filled", [False, True])
@pytest.mark.parametrize("view", list(PROMISED))
def test_promised_columns_and_types(lake: Lake, view: str, filled: bool) -> None:
    empty = types(lake, view)
    assert set(PROMISED[view].split()) <= set(empty)
    if filled:
        fill(lake)
        assert types(lake, view).items() >= empty.items()
    else:
        assert rows(lake, f"SELECT count(*) FROM {view}") == [(0,)]
    for column in set(TIMES) & set(empty):
        assert empty[column] == "TIMESTAMP WITH TIME ZONE"


def test_all_views_are_promised() -> None:
    assert set(catalog.VIEWS) == set(PROMISED)


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        (
            "SELECT round, open_time, status, added_tomorrow FROM rounds ORDER BY round",
            [(1343, OPEN, "open", 1), (1344, None, None, None)],
        ),
        (
            "SELECT model, round, id, prediction, vintage, sha256 FROM predictions ORDER BY id",
            [(NAME, 1343, "n1", 0.25, 1340, "ff"), (NAME, 1343, "n2", 0.75, 1340, "ff")],
        ),
        (
            "SELECT model, round, state, rows, vintage FROM submissions ORDER BY model",
            [("007", 1343, "pending", None, None), (NAME, 1343, "accepted", 2, 1340)],
        ),
        (
            "SELECT model, vintage, code_hash, era, metric, value, held_out, recipe "
            "FROM diagnostics ORDER BY era",
            [
                (NAME, 1340, "abcd0123", 600, "corr", 0.01, None, None),
                (NAME, 1340, "abcd0123", 601, "corr", None, None, None),
            ],
        ),
        ("SELECT count(*) FROM receipts", [(3,)]),
        (
            "SELECT model, round, metric, day, date, value, resolved FROM scores",
            [(NAME, 1343, "corr60", 1, DAY, 0.01, None)],
        ),
        ("SELECT date, model, rank, corr60_rep FROM leaderboard", [(DAY, "x", 1, 0.02)]),
        ("SELECT date, model, round, payout_nmr FROM payouts", [(DAY, NAME, 1343, 1.5)]),
        (
            "SELECT kind, subject, raised_at, sent FROM alerts",
            [("round-missed", "round-1343/a", OPEN, True)],
        ),
        (
            "SELECT model, vintage, code_hash, trained_at, train_eras, seconds, "
            "target_is->>'target' FROM weights",
            [(NAME, 1340, "abcd0123", OPEN, 574, None, "target_ender_60")],
        ),
    ],
)
def test_rows(lake: Lake, sql: str, expected: list[tuple[Any, ...]]) -> None:
    fill(lake)
    assert rows(lake, sql) == expected


@pytest.mark.parametrize(
    "sql",
    [
        "from submissions",
        'SELECT count(*) FROM "Receipts" ORDER BY 1 DESC',
        "WITH mine AS (FROM scores) FROM mine",
        "with receipts as (select 1 as n) from receipts",
        "from query_table('round' || 's')",
        "from query('from ' || 'alerts')",
        "SELECT s.model FROM submissions s JOIN weights USING (model)",
        "FROM (SELECT 1) WHERE EXISTS (FROM leaderboard)",
        "/* newest */ from payouts",
        "SHOW TABLES",
        "DESCRIBE",
        "DESC predictions",
        "from (show tables)",
        "from (describe)",
        "from (desc)",
        "select table_name, column_name from information_schema.columns",
        "from duckdb_views()",
        "select name from sqlite_master",
        "from pg_tables",
        "select 1; show tables",
        "SUMMARIZE scores",
        "PIVOT scores ON metric USING max(value) GROUP BY model",
        "TABLE rounds",
        "VALUES (1)",
    ],
)
def test_every_statement_is_answered_as_over_all_views(lake: Lake, sql: str) -> None:
    fill(lake)

    def read(answer: duckdb.DuckDBPyRelation | None) -> object:
        if answer is None:
            return None
        # DuckDB returns rows in any order unless a query asks for one.
        return answer.columns, sorted(map(repr, answer.fetchall()))

    with catalog.connect(lake) as connection:
        assert catalog.run(lake, sql, read) == read(connection.sql(sql))


def test_a_misspelt_view_is_answered_with_its_name(lake: Lake) -> None:
    with pytest.raises(duckdb.CatalogException, match='Did you mean "receipts"'):
        catalog.query(lake, "from recipts")


def test_files_of_other_views_are_left_alone(lake: Lake) -> None:
    fill(lake)
    [score] = lake.root.glob("scores/**/*.parquet")
    score.write_bytes(b"damaged")
    assert len(catalog.query(lake, "from weights")) == 1
    assert score.exists()
    assert len(catalog.query(lake, "from scores")) == 0
    assert not score.exists()


def test_what_a_round_pays_by(lake: Lake) -> None:
    paid = {"is_payout": True, "default_multiplier": "0.75", "clip_threshold": 0.05}
    configs = [
        {"name": "a", "display_name": "corr60", **paid, "total_score_days": 60},
        {"name": "mmc60", "display_name": None, **paid, "default_multiplier": "many"},
        {"name": "bmc", "is_payout": False},
        {"name": "odd", "is_payout": "maybe"},
        "no configuration",
    ]
    details = {"round": [1343, 1344, 1345], "score_configs": [json.dumps(configs), "[{", None]}
    parquet.write(lake.round_details(1343), pl.DataFrame(details))
    assert rows(lake, "FROM paid_metrics ORDER BY metric") == [
        (1343, "corr60", 0.75, 0.05, 60),
        (1343, "mmc60", None, 0.05, None),
    ]
    assert catalog.query(lake, "select count(*) from paid_metrics").item() == 2


def test_of_two_receipts_of_one_instant_the_further_one_is_the_latest(lake: Lake) -> None:
    folder = lake.receipts_folder("x", 1)
    accepted = {"state": "accepted", "recorded_at": OPEN, "accepted_at": OPEN}
    parquet.create(folder / "1.parquet", pl.DataFrame(accepted))
    parquet.create(folder / "2.parquet", pl.DataFrame({"state": "pending", "recorded_at": OPEN}))
    assert rows(lake, "SELECT state FROM submissions") == [("accepted",)]


def test_the_database_file_holds_the_same_views(lake: Lake, monkeypatch, tmp_path: Path) -> None:
    fill(lake)
    path = catalog.rebuild(lake)
    monkeypatch.chdir(tmp_path)  # its paths are absolute
    with duckdb.connect(str(path), read_only=True) as connection:
        for view in catalog.VIEWS:
            sql = f"SELECT count(*) FROM {view}"
            assert connection.execute(sql).fetchall() == rows(lake, sql)
    assert [path.name for path in lake.root.iterdir() if path.is_file()] == ["numebot.duckdb"]


def test_the_database_file_is_rebuilt_while_a_client_has_it_open(lake: Lake) -> None:
    path = catalog.rebuild(lake)
    with duckdb.connect(str(path), read_only=True) as client:
        fill(lake)
        catalog.rebuild(lake)
        assert client.execute("SELECT count(*) FROM receipts").fetchall() == [(0,)]
    with duckdb.connect(str(path), read_only=True) as client:
        assert client.execute("SELECT count(*) FROM receipts").fetchall() == [(3,)]


def test_a_relative_root_works_from_anywhere(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    fill(Lake(Path("data")))
    catalog.rebuild(Lake(Path("data")))
    monkeypatch.chdir("/")
    with duckdb.connect(str(tmp_path / "data" / "numebot.duckdb"), read_only=True) as connection:
        assert connection.execute("SELECT count(*) FROM rounds").fetchall() == [(2,)]
