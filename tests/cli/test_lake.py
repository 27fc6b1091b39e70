"""`numebot lake check`: what a disk has damaged is named, and nothing is changed."""

from __future__ import annotations


def contents(root):
    return {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_damaged_files_are_named_and_left_alone(fresh_world):
    root = fresh_world.platform.lake.root
    whole = fresh_world.numebot("lake", "check")
    assert whole.returncode == 0, whole.stdout
    assert " stored files and weights in" in whole.stdout

    record = root / "tournament.json"
    record.write_text("{")
    before = contents(root)
    damaged = fresh_world.numebot("lake", "check")
    assert damaged.returncode == 1
    assert damaged.stdout.startswith(f"damaged: {record} is not JSON")
    assert contents(root) == before
