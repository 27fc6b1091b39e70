"""Rounding passes for the same model, and what is another model does not."""

from __future__ import annotations

import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from numebot_dagster.modeling.live_data import LiveData
from numebot_dagster.modeling.weights import canary
from numebot_dagster.modeling.weights.comparison import compare

ROWS, LEAVES = 500, 8
TYPES = {"float16": np.float16, "float32": np.float32, "float64": np.float64}


def trees(random, count, spread, kind):
    """Return (count, rows): what each tree adds to each row, about 0.5 in sum, as Numerai's do."""
    leaves = 0.5 / count + spread / count**0.5 * random.normal(size=(count, LEAVES))
    places = random.integers(0, LEAVES, (count, ROWS))
    return np.take_along_axis(leaves, places, axis=1).astype(kind)


def added(parts, order):
    """Return one tree after the other, each sum rounded to the type."""
    total = np.zeros(ROWS, parts.dtype)
    for place in order:
        total = total + parts[place]
    return total


MODELS = st.tuples(st.integers(0, 2**32), st.integers(100, 300), st.floats(0.004, 0.05))


@settings(max_examples=60, deadline=None)
@given(MODELS, st.sampled_from(list(TYPES)), st.sampled_from([np.float32, np.float64]))
def test_the_same_sum_in_another_order_is_the_same_model(model, kind, stored_as):
    seed, count, spread = model
    random = np.random.default_rng(seed)
    parts = trees(random, count, spread, TYPES[kind])
    then = added(parts, range(count)).astype(stored_as)
    assert compare(then, added(parts, random.permutation(count))).is_same_model
    # Computed in the type, but given on as averages or ranks: the numbers no longer tell.
    halves = added(parts[::2], range(len(parts[::2]))) / np.float64(3) + then / np.float64(7)
    again = added(parts[::2], range(len(parts[::2]))[::-1]) / np.float64(3) + then / np.float64(7)
    assert kind == "float16" or compare(halves, again).is_same_model
    ranked, ranked_again = (np.argsort(np.argsort(values)) / ROWS for values in (halves, again))
    assert kind == "float16" or compare(ranked, ranked_again).is_same_model


@settings(max_examples=60, deadline=None)
@given(MODELS, st.sampled_from(list(TYPES)))
def test_one_other_tree_in_a_hundred_is_another_model(model, kind):
    """Of a float16 it may be less than rounding; shuffled rows or another target never are."""
    seed, count, spread = model
    random = np.random.default_rng(seed)
    parts = trees(random, count, spread, TYPES[kind])
    then = added(parts, range(count))
    assert not compare(then, random.permutation(then)).is_same_model
    assert not compare(then, 1 - then).is_same_model
    changed = parts.copy()
    changed[: count // 100] = trees(random, count, spread, TYPES[kind])[: count // 100]
    assert kind == "float16" or not compare(then, added(changed, range(count))).is_same_model


@pytest.mark.parametrize("votes", [256, 512, 2048])
@pytest.mark.parametrize("kind", ["float32", "float64"])
def test_shares_of_votes_are_no_halves(votes, kind):
    """They fit into a float16, as k-nearest neighbours and binned outputs do."""
    random = np.random.default_rng(votes)
    then = np.round(random.normal(0.5, 0.03, ROWS) * votes)
    moved = then + random.integers(-votes // 170, votes // 170 + 1, ROWS)
    then, moved = (then / votes).astype(kind), (moved / votes).astype(kind)
    assert np.array_equal(then, then.astype(np.float16)) or votes > 512
    assert not compare(then, moved).is_same_model
    assert compare(then, then).is_same_model


@pytest.mark.parametrize("kind", [*TYPES, "unknown"])
def test_the_type_is_stored_with_the_canary(tmp_path, kind):
    """Rounding is that of the type that `predict` returned; of former weights it is not known."""
    random = np.random.default_rng(0)
    parts = trees(random, 200, 0.02, TYPES.get(kind, np.float32))
    then, now = added(parts, range(200)), added(parts, random.permutation(200))
    ids = np.array([f"n{number}" for number in range(ROWS)], dtype=object)
    rows = LiveData(ids=ids, features=("f",), matrix=np.ones((ROWS, 1), dtype=np.int8))
    path = tmp_path / "canary.parquet"
    canary.write(path, rows, then)
    if kind == "unknown":
        pl.read_parquet(path).drop("prediction_type").write_parquet(path)
    stored = canary.read(path, ("f",))[1]
    assert stored.dtype == TYPES.get(kind, np.float64)
    np.testing.assert_array_equal(stored, then)
    for again in (now, now.astype(np.float64)):
        result = canary.repeat(path, ("f",), lambda _, again=again: again)
        assert result.largest_difference > 0
        assert result.is_same_model


@pytest.mark.parametrize(
    ("then", "now", "same"),
    [
        ([0.5, 0.5, 0.5], [0.5, 0.5, 0.5], True),
        ([0.5, 0.5, 0.5], [0.5, 0.5, 0.6], False),
        ([0.1, 0.2, 0.3], [0.1, 0.2, math.nan], False),
        ([0.1, 0.2, 0.3], [0.1, 0.2, math.inf], False),
        ([1, 2, 3, 99, 100], [1, 2, 3, 100, 99], False),  # whole numbers are no float16
        ([0, 0, 1, 1], [1e-9, 0, 1, 1 - 1e-9], True),  # what was tied is ordered by rounding
        ([0, 0, 1, 1], [0, 1, 0, 1], False),
        ([1, 2, 3, 4], [10, 20, 30, 40], False),  # whose ranks are the same
        ([1, 2, 3, 4, 5, 6, 7, 1e6], [2, 1, 3, 4, 5, 7, 6, 1e6], False),  # one hides no others
    ],
)
def test_cases(then, now, same):
    assert compare(np.array(then, float), np.array(now, float)).is_same_model is same
