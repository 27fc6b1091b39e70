"""Features are recognised by how they go together."""

from __future__ import annotations

import numpy as np
import pytest

from numebot_dagster.modeling.weights.structure import compare_structure

FEATURES = 40


def bins(random: np.random.Generator, rows: int, loadings: np.ndarray) -> np.ndarray:
    """Return whole numbers from 0 to 4 in equal shares, moved by common factors."""
    common = random.normal(size=(rows, loadings.shape[0])) @ loadings
    order = (common + random.normal(size=common.shape)).argsort(axis=0).argsort(axis=0)
    return (order * 5 // rows).astype(np.int8)


@pytest.fixture
def rows():
    """Return 500 rows of a training and 3,000 of a round whose features go together."""
    random = np.random.default_rng(1)
    loadings = random.normal(size=(5, FEATURES))
    return bins(random, 500, loadings), bins(random, 3000, loadings)


def test_the_same_features_agree_at_least_as_two_halves_do(rows):
    structure = compare_structure(*rows)
    assert structure.agreement > structure.repeated > 0.9
    assert not structure.is_mixed


def test_features_in_another_order_or_without_their_rows_are_mixed(rows):
    training, live = rows
    random = np.random.default_rng(2)
    assert compare_structure(training, live[:, random.permutation(FEATURES)]).is_mixed
    assert compare_structure(training, random.permuted(live, axis=0)).is_mixed
    assert compare_structure(training, np.full_like(live, 2)).is_mixed


@pytest.mark.parametrize("features", [1, 2, FEATURES])
def test_features_that_do_not_go_together_cannot_be_told(features):
    random = np.random.default_rng(3)
    training, live = (bins(random, count, np.zeros((1, features))) for count in (500, 3000))
    structure = compare_structure(training, live[:, ::-1])
    assert structure.repeated < 0.3
    assert not structure.is_mixed


@pytest.mark.parametrize("features", [3, 5, 8, 14])
def test_few_features_cannot_be_told_by_chance(features):
    """Independent ones agree with themselves by chance alone, and not with those of a round."""
    random = np.random.default_rng(4)
    structures = [
        compare_structure(*(bins(random, rows, np.zeros((1, features))) for rows in (500, 3000)))
        for _ in range(40)
    ]
    assert not any(structure.is_mixed for structure in structures)


def test_columns_of_many_features_are_taken_from_all(rows):
    training, live = (np.tile(part, 10) for part in rows)
    swapped = np.hstack([live[:, :200], live[:, 200:][:, ::-1]])
    assert compare_structure(training, live).agreement > 0.9
    assert compare_structure(training, swapped).agreement < 0.9
