"""Correlations of live predictions: recomputed by scipy, and each round read once."""

from __future__ import annotations

import polars as pl
import pytest
from scipy.stats import spearmanr

from numebot_dagster.lake import parquet
from numebot_dagster.lake.layout import Lake
from numebot_dagster.operations.performance import live_correlations as module
from numebot_dagster.operations.performance.live_correlations import live_correlations
from numebot_dagster.submissions import receipts
from numebot_dagster.submissions.receipts import Outcome, Receipt, State
from tests.support.world import HONEST, TOURNAMENT

IDS = ["a", "b", "c", "d", "e"]


def submit(
    lake: Lake, model: str, number: int, predictions: list[float], sha256: str = "",
    state: State = State.CONFIRMED,
) -> None:  # fmt: skip
    """Store predictions for the first ids, and a receipt that names them."""
    name = sha256 or f"{model}{number}"
    frame = pl.DataFrame({"id": IDS[: len(predictions)], "prediction": predictions})
    parquet.write(lake.predictions_file(model, number, 1300, name), frame)
    receipt = Receipt(model, number, outcome=Outcome.ON_TIME, state=state, predictions_sha256=name)
    receipts.append(lake, receipt)


@pytest.fixture
def lake(tmp_path):
    lake = Lake(tmp_path)
    for number in range(1340, 1348):
        parquet.write(lake.round_details(number), pl.DataFrame({"round": [number]}))
        submit(lake, "first", number, [0.1, 0.2, 0.3, 0.4, 0.5])
        submit(lake, "second", number, [0.1, 0.2, 0.3, 0.5, 0.4])
    submit(lake, "third", 1347, [0.5, 0.4, 0.3])
    for state in (State.PENDING, State.INVALID):  # was never held by Numerai
        submit(lake, state.value, 1347, [0.1, 0.3, 0.2, 0.4, 0.5], state=state)
    return lake


def test_the_last_rounds_by_pair(lake):
    pairs = live_correlations(lake)
    assert pairs["round"].unique().sort().to_list() == list(range(1343, 1348))
    newest = pairs.filter(pl.col("round") == 1347)
    # Rows that a model lacks count for none; the two others agree on these.
    assert newest.select("model", "other", "correlation").rows() == [
        ("first", "second", pytest.approx(1.0)),
        ("first", "third", pytest.approx(-1.0)),
        ("second", "third", pytest.approx(-1.0)),
    ]
    assert pairs.row(0)[3] == pytest.approx(0.9)


def test_a_round_is_read_once_and_again_when_others_were_submitted(lake, monkeypatch):
    read = []
    pairs_of = module._pairs
    monkeypatch.setattr(
        module, "_pairs", lambda lake, number, models: (
            read.append(number), pairs_of(lake, number, models)
        )[1]
    )  # fmt: skip
    first = live_correlations(lake)
    assert live_correlations(lake).equals(first)
    assert read == list(range(1343, 1348))
    submit(lake, "second", 1345, [0.5, 0.4, 0.3, 0.2, 0.1], "changed")
    changed = live_correlations(lake).filter(pl.col("round") == 1345)
    assert changed["correlation"].to_list() == pytest.approx([-1.0])
    assert read[5:] == [1345]


def test_a_model_with_few_rows_costs_the_others_nothing(lake):
    submit(lake, "few", 1347, [0.1, 0.2])
    newest = live_correlations(lake).filter(pl.col("round") == 1347)
    assert "few" not in {*newest["model"], *newest["other"]}
    assert newest.height == 3


def test_nothing_was_played_by_two(tmp_path):
    assert live_correlations(Lake(tmp_path)).is_empty()


def sent(world, model: str, number: int) -> dict[str, float]:
    """Return the predictions of the file that the practice tournament was sent."""
    [row] = world.rows(
        "SELECT s.filename FROM submissions s JOIN models m ON m.id = s.model_id "
        "WHERE m.name = ? AND s.round = ?", model, number,
    )  # fmt: skip
    file = pl.read_csv(world.folder / TOURNAMENT / "uploads" / row["filename"])
    return dict(zip(*file.get_columns(), strict=True))


def test_what_the_tournament_was_sent_correlates_alike(world, run_round):
    number = world.open_round()
    assert run_round(world, number).success
    first, second = (sent(world, model, number) for model in sorted(HONEST))
    expected = spearmanr([first[key] for key in first], [second[key] for key in first]).statistic
    pairs = live_correlations(world.platform.lake).filter(pl.col("round") == number)
    assert pairs["correlation"].to_list() == pytest.approx([expected])
