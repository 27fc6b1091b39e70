"""`numebot lake check`: what a disk has damaged is named, and nothing is changed."""

from __future__ import annotations

from pathlib import Path

from typer.testing import CliRunner

from numebot_dagster.cli.lake import app


def contents(root):
    return {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_damaged_files_are_named_and_left_alone(fresh_world):
    root = fresh_world.platform.lake.root
    whole = fresh_world.numebot("lake", "check")
    assert whole.returncode == 0, whole.stdout
    assert " stored files and weights in" in whole.stdout
    aside = root / "tournament.json.damaged-2"
    aside.write_text("{")
    noted = fresh_world.numebot("lake", "check")
    assert noted.returncode == 0
    assert noted.stdout.startswith(f"set aside earlier, as damaged: {aside}")
    aside.unlink()

    record = root / "tournament.json"
    record.write_text("{")
    before = contents(root)
    damaged = fresh_world.numebot("lake", "check")
    assert damaged.returncode == 1
    assert damaged.stdout.startswith(f"damaged: {record} is not JSON")
    assert contents(root) == before


def test_a_data_folder_that_does_not_exist_is_not_whole(tmp_path, monkeypatch):
    folder = tmp_path / "none"
    monkeypatch.setenv("NUMERAI_DATA_FOLDER", str(folder))
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ["check"])
    assert result.exit_code == 1
    assert f"there is no data folder {folder}" in "".join(result.stderr.splitlines())
    assert not folder.exists()


def test_what_the_system_refuses_is_not_to_be_deleted(tmp_path, monkeypatch):
    (tmp_path / "tournament.json").write_text("{}")
    monkeypatch.setenv("NUMERAI_DATA_FOLDER", str(tmp_path))

    def refuse(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "read_bytes", refuse)
    result = CliRunner().invoke(app, ["check"])
    assert result.exit_code == 1
    assert result.stdout.startswith("not checked: [Errno 13] Permission denied")
    assert "give your user access" in result.stdout
    assert "delete" not in result.stdout


def test_roll_up_and_unroll(fresh_world):
    number = fresh_world.open_round()
    waiting = fresh_world.numebot("lake", "rollup")
    assert waiting.returncode == 1
    assert f"round {number} is open and has work left" in waiting.stderr
    assert fresh_world.numebot("run").returncode == 0
    fresh_world.practice.advance("2026-09-16T20:00:00Z")
    lake = fresh_world.platform.lake
    before = {path: path.read_bytes() for path in (lake.root / "submissions").rglob("*.parquet")}
    done = fresh_world.numebot("lake", "rollup")
    assert done.returncode == 0, done.stderr
    rolled_up = len(before) + 2  # and two files of predictions
    assert f"{rolled_up} files were rolled up. They are in 2 files now." in done.stdout
    assert not any(path.exists() for path in before)
    shown = fresh_world.numebot("sql", "select model, state from submissions order by 1")
    assert shown.stdout.count("confirmed") == 2
    assert fresh_world.numebot("lake", "check").returncode == 0
    undone = fresh_world.numebot("lake", "unroll")
    assert f"{rolled_up} files were written again." in undone.stdout
    assert all(path.exists() for path in before)
