"""What the page of a model shows of its weights."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from numebot_dagster.operations.health.status import RoundModel, Standing
from numebot_dagster.operations.performance.board.model_facts import _Source
from numebot_dagster.reporting.model_charts import Change
from numebot_dagster.submissions.receipts import Receipt

START = datetime(2026, 11, 2, 13, tzinfo=UTC)


def opened(number: int) -> datetime:
    return START + timedelta(days=number - 1300)


def cell(number: int, vintage: int) -> RoundModel:
    submitted = opened(number) + timedelta(hours=1)
    receipt = Receipt("m", number, vintage=vintage, submitted_at=submitted)
    return RoundModel(number, "m", Standing.CONFIRMED, receipt)


def test_a_change_of_code_is_marked_where_a_vintage_was_trained_twice() -> None:
    """With the code that was there when the round was played."""
    trainings = [
        (1290, opened(1290), "0" * 64),
        (1300, opened(1300), "a" * 64),
        (1300, opened(1303), "b" * 64),
        (1310, opened(1305), "b" * 64),
    ]
    columns = ["vintage", "trained_at", "code_hash"]
    weights = [dict(zip(columns, training, strict=True)) for training in trainings[::-1]]
    numbers = range(1299, 1308)
    source = _Source(
        platform=None, metrics=[], now=START, opened={number: opened(number) for number in numbers},
        standings={}, scores={}, payouts={}, weights={"m": weights}, stakes={},
    )  # fmt: skip
    vintages = {1299: 1290, 1305: 1310, 1306: 1310, 1307: 1320}  # the last is stored no more
    cells = [cell(number, vintages.get(number, 1300)) for number in reversed(numbers)]
    assert source._changes(cells) == [
        Change(opened(1300).date(), 1300, "a" * 8),
        Change(opened(1303).date(), 1300, "b" * 8),
        Change(opened(1305).date(), 1310),
        Change(opened(1307).date(), 1320),
    ]
