"""The gates as pure functions, by tables."""

from __future__ import annotations

import math

import polars as pl
import pytest

from numebot_dagster.modeling.weights.comparison import Comparison
from numebot_dagster.operations.rounds import gates
from numebot_dagster.operations.rounds.gates import Gate, GateClosed
from numebot_dagster.submissions.submission_file import check_raw


@pytest.mark.parametrize(
    ("ids", "previous", "passed"),
    [
        (["a", "b"], None, True),
        (["a", "b"], ["c", "d"], True),
        (["a", "b"], ["a", "c"], True),  # Numerai has never reused one, and it is not ours to say
        (["a", "b"], ["a", "b"], False),
        (["b", "a"], ["a", "b"], False),
    ],
)
def test_live_ids_must_be_new(ids, previous, passed):
    gate = gates.ids_are_new(ids, previous)
    assert (gate.name, gate.passed, gate.blocking) == ("ids_are_new", passed, True)
    assert gate.facts == {"rows": 2}


@pytest.mark.parametrize(
    ("ids", "values", "text"),
    [
        (["a", "b"], pl.Series([0, 4], dtype=pl.Int8), "ids are unique"),
        (["a", "b"], pl.Series([0.0, 4.0]), "ids are unique"),
        (["a", "a"], pl.Series([0, 4]), "1 ids appear twice"),
        (["a", None], pl.Series([0, 4]), "1 ids are missing"),
        (["a", "b"], pl.Series([0, 5]), "1 features hold something other"),
        (["a", "b"], pl.Series([-1, 0]), "1 features hold something other"),
        (["a", "b"], pl.Series([0.5, 1.0]), "1 features hold something other"),
        (["a", "b"], pl.Series([float("nan"), 1.0]), "50% of the feature values are missing"),
        (["a", "b"], pl.Series([None, 1]), "50% of the feature values are missing"),
        (["a", "b"], pl.Series(["0", "1"]), "1 features hold something other"),
        ([], pl.Series([], dtype=pl.Int8), "there are no rows"),
    ],
)
def test_live_data_must_be_wellformed(ids, values, text):
    frame = pl.DataFrame({"id": pl.Series(ids, dtype=pl.String), "feature_x": values})
    gate = gates.live_data_wellformed(frame)
    assert gate.text.startswith(text)
    assert (gate.passed, gate.blocking) == (text == "ids are unique", True)


@pytest.mark.parametrize("gap", [None, float("nan")])
def test_a_few_gaps_cost_no_round(gap):
    values = pl.Series([gap, *[3.0] * 19])
    gate = gates.live_data_wellformed(
        pl.DataFrame({"id": [f"id{row}" for row in range(20)], "feature_x": values})
    )
    assert gate.passed
    assert gate.text.endswith("5.00% of the values are missing and are read as 2")


def test_live_data_without_ids_or_features():
    gate = gates.live_data_wellformed(pl.DataFrame())
    assert gate.text == "there is no column id; there are no features"


@pytest.mark.parametrize(
    ("rows", "earlier", "passed", "text"),
    [
        (5000, [], True, "5000 rows; no earlier round to compare with"),
        (5000, [5000], True, "5000 rows, +0.0% against the mean of the last 1 rounds"),
        (5500, [5000, 5000], True, "5500 rows, +10.0% against the mean of the last 2 rounds"),
        (5501, [5000, 5000], False, "5501 rows, +10.0% against the mean of the last 2 rounds"),
        (4500, [4000, 6000], True, "4500 rows, -10.0% against the mean of the last 2 rounds"),
        (2500, [5000] * 5, False, "2500 rows, -50.0% against the mean of the last 5 rounds"),
    ],
)
def test_row_count_warns(rows, earlier, passed, text):
    gate = gates.usual_row_count(rows, earlier)
    assert (gate.passed, gate.blocking, gate.text) == (passed, False, text)


@pytest.mark.parametrize(
    ("missing", "unexpected", "passed", "text"),
    [
        ([], [], True, "the features are those of the weights' manifest"),
        (["f1"], [], False, "1 missing (f1); train again with `numebot train`"),
        (
            ["f1", "f2", "f3", "f4"], ["g"], False,
            "4 missing (f1, f2, f3, …) and 1 not in the manifest (g); train again with "
            "`numebot train`",
        ),
    ],
)  # fmt: skip
def test_features_must_be_those_of_the_manifest(missing, unexpected, passed, text):
    gate = gates.same_features(missing, unexpected)
    assert (gate.passed, gate.blocking, gate.text) == (passed, True, text)


@pytest.mark.parametrize(
    ("difference", "steps", "displacement", "correlation", "passed"),
    [
        (0.0, 0.0, 0.0, 1.0, True),
        (0.1, 16.0, 0.02, 0.95, True),  # rounding, of a coarse type
        (0.01, 1e9, 1e-4, 1.0, True),  # the ranks stay
        (0.1, 1e9, 1e-4, 1.0, False),  # they do, but not the numbers
        (0.1, 17.0, 0.02, 0.95, False),
        (0.1, 2.0, 0.3, 0.1, False),  # a step is all that the model knows
        (math.nan, math.nan, math.nan, math.nan, False),
        (math.inf, math.inf, 0.3, 0.99, False),
    ],
)
def test_the_canary_blocks_what_rounding_does_not_explain(
    difference, steps, displacement, correlation, passed
):
    gate = gates.canary(Comparison(difference, 0.2, steps, displacement, correlation))
    assert (gate.passed, gate.blocking) == (passed, True)
    assert ("train again" in gate.text) is not passed


@pytest.mark.parametrize(
    ("correlation", "passed"), [(None, True), (0.5, True), (0.0, False), (-0.2, False)]
)
def test_correlation_with_the_example_warns(correlation, passed):
    gate = gates.agrees_with_example(correlation)
    assert (gate.passed, gate.blocking) == (passed, False)


@pytest.mark.parametrize(
    ("values", "passed"),
    [([0.1, 0.9, 0.3], True), ([0.5, 0.5, 0.5], False), ([0.1, math.nan, 0.3], False)],
)
def test_submission_rules_block(values, passed):
    ids = ["a", "b", "c"]
    gate = gates.submission_rules(check_raw(ids, values, ids))
    assert (gate.passed, gate.blocking) == (passed, True)


VERDICTS = [Gate("w", False, False, "odd"), Gate("f", True, True, "right")]


@pytest.mark.parametrize(
    ("text", "verdicts"),
    [
        (gates.as_text(VERDICTS), VERDICTS),
        (gates.as_text([]), []),
        ("", []),
        ('[{"name": "w", "passed"; false}]', []),  # a bit of it flipped
        ('[{"name": "w"}]', []),
        ('[{"name": "w", "passed": true, "blocking": true, "text": "", "newer": 1}]', []),
        ("null", []),
    ],
)
def test_verdicts_of_a_receipt_cost_no_round(text, verdicts):
    assert gates.from_text(text) == tuple(verdicts)


def test_only_blocking_gates_close():
    warning = Gate("w", False, False, "odd")
    blocking = Gate("b", False, True, "wrong")
    fine = Gate("f", True, True, "right")
    assert gates.closed([warning, blocking, fine]) == [blocking]
    assert str(GateClosed([warning, blocking, fine])) == "b: wrong"
    assert GateClosed([warning, blocking]).gates == (warning, blocking)
