"""The harness measures real processes; the scripts run from the command line on tiny files."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks import report, scores, stand_in
from benchmarks.harness import Measured, Outcome, largest_difference, measure

HERE = Path(__file__).parent
ROOT = HERE.parents[1]


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("PYTHONPATH", str(HERE))  # for the processes that measure
    monkeypatch.syspath_prepend(str(HERE))
    return "tiny_benchmark"


@pytest.mark.process
def test_both_sides_are_measured_in_processes_of_their_own(tiny: str) -> None:
    outcome = measure(tiny, "BENCHMARK", repeat=2)
    assert (len(outcome.baseline), len(outcome.ours)) == (2, 2)
    for run in outcome.baseline:
        assert run.seconds >= 0.4
        assert 160 <= run.peak_mb - run.held_mb < 200
    for run in outcome.ours:
        assert 0.1 <= run.seconds < 0.4
        assert 8 <= run.peak_mb - run.held_mb < 30
        assert run.result_mb == 8
    goals = {goal.row: goal for goal in outcome.benchmark.goals}
    assert outcome.value(goals["d"]) == 0.25
    assert outcome.value(goals["e"]) == pytest.approx(20 * outcome.value(goals["a"]))
    assert {row: outcome.verdict(goal) for row, goal in goals.items()} == {
        "a": "excellent", "b": "minimum", "c": "missed", "d": "minimum", "e": "excellent",
    }  # fmt: skip


@pytest.mark.process
def test_a_failing_side_is_reported_with_its_error(tiny: str) -> None:
    with pytest.raises(RuntimeError, match=r"(?s)BROKEN ours .*ended with 1.*cannot be measured"):
        measure(tiny, "BROKEN", repeat=1)


def test_full_size_memory_is_counted_with_all_that_the_process_holds(tiny: str) -> None:
    import tiny_benchmark

    heavy, light = Measured(8, 6000, 150, 0), Measured(2, 1000, 150, 900)
    outcome = Outcome(tiny_benchmark.BENCHMARK, (heavy,) * 3, (light,), 0.0, full=True)
    shown = report.table([outcome]).rows_by_key("row", named=True, unique=True)
    assert shown["a"]["reached"] == "4x"
    assert (shown["b"]["reached"], shown["b"]["verdict"]) == ("6x", "minimum")
    assert shown["c"]["reached"] == "1.11"
    assert shown["d"]["verdict"] == "excellent"
    assert (shown["e"]["baseline"], shown["e"]["ours"]) == ("160 s, 6.00 GB", "2 s, 1.00 GB")


def test_no_verdict_is_cut_at_the_80_characters_of_a_pipe(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    slow, fast = Measured(72.8, 1260, 150, 0), Measured(1.33, 1190, 150, 0)
    report.show([Outcome(scores.BENCHMARK, (slow,), (fast,), 7.63e-16, full=True)])
    printed = capsys.readouterr().out
    assert "54.7x     ≥ 50x      ≥ 30x    excellent\n" in printed
    assert "7.63e-16  ≤ 1e-12    ≤ 1e-09  excellent\n" in printed


def test_results_differ_by_their_largest_difference(tmp_path: Path) -> None:
    def difference(first: list, other: list) -> float:
        np.save(tmp_path / "one.npy", first)
        np.save(tmp_path / "other.npy", other)
        return largest_difference(tmp_path / "one.npy", tmp_path / "other.npy")

    assert difference([1.0, np.nan, 3.0], [1.5, np.nan, 2.0]) == 1.0
    assert difference([1.0, np.nan], [1.0, 2.0]) == float("inf")
    assert difference([1.0, 2.0], [1.0]) == float("inf")


@pytest.mark.process
@pytest.mark.parametrize(("script", "rows"), [("load_eras", ["2"]), ("load_all", ["3", "4"])])
def test_a_script_on_tiny_files(tmp_path: Path, script: str, rows: list[str]) -> None:
    nested = tmp_path / "data" / "v5.3"
    nested.mkdir(parents=True)
    stand_in.write(nested / "train.parquet", features=24, rows=30_000, row_group=7_000)
    names = stand_in.names(24)
    sets = {"medium": names[:10], "all": names}
    (nested / "features.json").write_text(json.dumps({"feature_sets": sets}))
    done = subprocess.run(
        [sys.executable, "-m", f"benchmarks.{script}", "--full", str(tmp_path), "--repeat", "1",
         "--json", str(tmp_path / "figures.json"), "--markdown", str(tmp_path / "table.md")],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "excellent" in done.stdout
    assert f"| {rows[0]} |" in (tmp_path / "table.md").read_text()
    figures = json.loads((tmp_path / "figures.json").read_text())
    [benchmark] = figures["benchmarks"]
    assert figures["machine"]["cores"] >= 1
    assert benchmark["difference"] == 0
    assert [goal["row"] for goal in benchmark["goals"]] == rows
    assert all(goal["value"] > 0 for goal in benchmark["goals"])


def test_missing_full_size_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no train\.parquet under .* --scale full"):
        stand_in.find(tmp_path, "all")
