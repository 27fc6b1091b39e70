"""Redrawn days: blocks stay together, every day is drawn alike, means shrink."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from numebot_dagster.scoring.luck.redrawn_days import BLOCK, redraw, shrunk


@given(st.integers(1, 40), st.integers(1, 45))
def test_blocks_follow_each_other_and_wrap_around(dates, days):
    places = redraw(np.random.default_rng(0), dates, (3, days))
    assert places.shape == (3, days)
    steps = np.diff(places, axis=1) % dates
    inside = np.arange(1, days) % BLOCK != 0
    assert (steps[:, inside] == 1 % dates).all()
    assert ((places >= 0) & (places < dates)).all()


def test_every_day_is_drawn_as_often():
    counts = np.bincount(redraw(np.random.default_rng(0), 25, (4000, 50)).ravel())
    assert counts / counts.mean() == pytest.approx(1, abs=0.05)


def test_means_shrink_and_the_rest_stays():
    values = np.array([[1.0, 10.0], [3.0, 30.0]])
    np.testing.assert_allclose(shrunk(values, 0.25), [[-0.5, -5], [1.5, 15]])
