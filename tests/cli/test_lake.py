"""`numebot lake check`: what a disk has damaged is named, and nothing is changed."""

from __future__ import annotations

import polars as pl


def contents(root):
    return {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_damaged_files_are_named_and_left_alone(fresh_world):
    world, root = fresh_world, fresh_world.platform.lake.root
    number = world.open_round()
    assert world.numebot("run").returncode == 0
    check = world.numebot("lake", "check")
    assert check.returncode == 0, check.stdout
    assert "stored files and weights in" in check.stdout

    record = root / "tournament.json"
    table, predictions, weights = (
        next(root.glob(pattern))
        for pattern in (
            f"rounds/round={number}/details.parquet",
            f"predictions/*/round={number}/*/*/predictions.parquet",
            "weights/*/*/*/model/*",
        )
    )  # fmt: skip
    record.write_text("{")
    table.write_bytes(table.read_bytes()[:-9])
    reversed_ = pl.read_parquet(predictions).with_columns(pl.col("prediction").reverse())
    reversed_.write_parquet(predictions)
    weights.write_bytes(b"")
    before = contents(root)
    check = world.numebot("lake", "check")
    assert check.returncode == 1
    assert contents(root) == before
    damaged = [line for line in check.stdout.splitlines() if line.startswith("damaged: ")]
    for path in (record, table, predictions, weights):
        assert any(line.startswith(f"damaged: {path} ") for line in damaged), path
    assert len(damaged) == 4
