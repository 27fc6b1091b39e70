from __future__ import annotations

from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numerai_tools import scoring as official

from numebot_dagster.practice.scoring.ledger import payout, payout_of_score
from numebot_dagster.practice.scoring.scores import (
    contribution,
    corr,
    correlations,
    gaussianised,
    percentiles,
    power,
)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(50, 700), st.integers(1, 4), st.integers(3, 400))
def test_scores_equal_those_of_numerai_tools(seed: int, rows: int, columns: int, ties: int) -> None:
    random = np.random.default_rng(seed)
    predictions = np.round(random.normal(size=(rows, columns)) * ties) / ties
    meta = random.uniform(size=rows)
    targets = random.choice([0, 0.25, 0.5, 0.75, 1], size=(rows, 2), p=[0.05, 0.2, 0.5, 0.2, 0.05])
    targets[:2] = [[0.25, 0.5], [0.75, 0.25]]
    index = pd.Index([f"n{i:04d}" for i in range(rows)])
    frame = pd.DataFrame(predictions, index=index)
    ranked = gaussianised(predictions)
    for day in range(2):
        target = pd.Series(targets[:, day], index=index, name="target")
        expected = official.numerai_corr(frame, target)
        np.testing.assert_allclose(corr(ranked, targets)[:, day], expected, rtol=0, atol=1e-12)
        expected = official.correlation_contribution(frame, pd.Series(meta, index=index), target)
        actual = contribution(ranked, gaussianised(meta), targets)[:, day]
        np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-12)
    transformed = official.tie_kept_rank__gaussianize__pow_1_5(frame)
    expected = transformed.corrwith(pd.Series(meta, index=index))
    actual = correlations(power(ranked), meta[:, None])[:, 0]
    np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([3.0], [0.5]),
        ([1.0, 2.0, 3.0], [0.0, 0.5, 1.0]),
        ([2.0, 2.0], [0.5, 0.5]),
        ([-0.1, 0.3, 0.3, 0.9, 0.2], [0.0, 0.625, 0.625, 1.0, 0.25]),
    ],
)
def test_percentiles(values: list[float], expected: list[float]) -> None:
    assert percentiles(np.array(values)).tolist() == expected


@pytest.mark.parametrize(
    ("stake", "corr60", "mmc60", "paid"),
    [
        ("2.5", 0.02, 0.001, "0.1875"),
        ("2.5", -0.02, 0.001, "-0.1125"),
        ("0", 0.02, 0.001, "0"),
        ("10", 0.2, 0.1, "10"),
        ("10", -0.2, -0.1, "-10"),
    ],
)
def test_payouts(stake: str, corr60: float, mmc60: float, paid: str) -> None:
    scores = {"corr60": corr60, "mmc60": mmc60, "bmc": 0.5, "corr_w_meta_model": 0.7}
    assert abs(payout(Decimal(stake), scores) - Decimal(paid)) < Decimal("1e-15")


@given(st.floats(-0.5, 0.5), st.floats(-0.5, 0.5), st.integers(1, 10**6))
def test_parts_of_a_payout_make_it_up(corr60: float, mmc60: float, stake: int) -> None:
    scores = {"corr60": corr60, "mmc60": mmc60, "bmc": 0.1}
    at_risk = Decimal(stake)
    parts = [payout_of_score(at_risk, name, scores) for name in ("corr60", "mmc60")]
    assert payout_of_score(at_risk, "bmc", scores) is None
    assert abs(sum(parts) - payout(at_risk, scores)) <= at_risk * Decimal("1e-12")  # type: ignore[arg-type]
    assert abs(payout(at_risk, scores)) <= at_risk
