from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from numebot_dagster.practice.market.crowd import map_by_stock
from numebot_dagster.practice.rules.state import Submission
from numebot_dagster.practice.rules.submissions import (
    error_of,
    read_predictions,
    select,
    write_predictions,
)

IDS = pd.Index(["n1", "n2", "n3"], name="id")


@pytest.mark.parametrize(
    ("content", "error"),
    [
        ("id,prediction\nn3,0.3\nn1,0.1\nn2,0.2\n", None),
        ("id,probability\nn1,0.1\nn2,0.2\nn3,0.3\n", None),
        ("id,prediction\nn1,0.1\nn2,0.2\nn3,0.3\nx,\nx,7\n", None),
        ("id,prediction\nn1,0\nn2,1\nn3,0.3\n", None),
        ("", "No columns to parse from file"),
        ("prediction\n0.1\n", "invalid_submission_headers"),
        ("prediction,id\n0.1,n1\n", "invalid_submission_headers"),
        ("id,prediction,era\nn1,0.1,X\n", "invalid_submission_headers"),
        ("id,prediction\nn1,0.1\nn2,0.2\n", "invalid_submission_ids: Not enough stocks"),
        ("id,prediction\nn1,0.1\nn2,0.2\nn3,0.3\nn3,0.4\n", "invalid_submission_ids: Duplicates"),
        ("id,prediction\nn1,0.1\nn2,0.2\nn3,0.3\n,0.4\n", "invalid_submission_ids"),
        ("id,prediction\nn1,0.1\nn2,\nn3,0.3\n", "must not contain NaNs"),
        ("id,prediction\nn1,0.1\nn2,1.2\nn3,0.3\n", "between 0 and 1"),
        ("id,prediction\nn1,0.5\nn2,0.5\nn3,0.5\n", "non-zero standard deviation"),
    ],
)
def test_rules_of_a_file(content: str, error: str | None) -> None:
    actual = error_of(content.encode(), IDS)
    assert actual is None if error is None else error in str(actual)


def test_binary_content_is_an_error_and_no_crash() -> None:
    assert error_of(b"\xff\xfe\x00\x01PAR1", IDS) is not None


def test_predictions_are_read_in_the_order_of_the_ids() -> None:
    content = b"id,probability\nn3,0.3\nx,\nx,9\nn1,0.1\nn2,0.2\n"
    assert read_predictions(content, IDS).tolist() == [0.1, 0.2, 0.3]
    written = write_predictions(IDS, np.array([0.1, 0.2, 0.3]))
    assert written == b"id,prediction\nn1,0.1\nn2,0.2\nn3,0.3\n"


def test_mapping_follows_stocks() -> None:
    mapped = map_by_stock(np.array([0.1, 0.2, 0.9]), np.array([7, 3, 5]), np.array([3, 4, 7]))
    assert mapped.tolist() == [0.2, 0.5, 0.1]


def make(number: int, kind: str, name: str, minute: int, error: str | None = None) -> Submission:
    at = datetime(2026, 6, 2, 12, tzinfo=UTC) + timedelta(minutes=minute)
    return Submission(name, "m", number, kind, f"{name}.csv", number, at, error, None, None, None)


@pytest.mark.parametrize(
    ("submissions", "chosen"),
    [
        ([], {}),
        ([make(1, "window", "a", 1), make(1, "window", "b", 2)], {1: "b"}),
        ([make(1, "window", "a", 1), make(1, "window", "b", 2, "bad")], {1: "a"}),
        ([make(1, "window", "a", 1, "bad")], {}),
        ([make(1, "late", "a", 61), make(2, "carried", "b", 61)], {1: "a", 2: "b"}),
        ([make(1, "window", "a", 1), make(1, "late", "b", 61)], {1: "a"}),
        ([make(1, "late", "a", 61), make(1, "late", "b", 62)], {1: "b"}),
        ([make(2, "carried", "a", 61), make(2, "carried", "b", 62)], {2: "b"}),
        ([make(2, "carried", "a", 61), make(2, "window", "b", 99)], {2: "b"}),
        ([make(2, "carried", "a", 61), make(2, "window", "b", 99, "bad")], {2: "a"}),
        ([make(2, "carried", "a", 61), make(2, "late", "b", 99)], {2: "a"}),
    ],
)
def test_which_submission_counts(submissions: list[Submission], chosen: dict[int, str]) -> None:
    assert {number: submission.id for number, submission in select(submissions).items()} == chosen
