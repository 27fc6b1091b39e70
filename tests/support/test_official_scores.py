from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from tests.support.official_scores import corr, mmc

random = np.random.default_rng(7)
PREDICTIONS, META = random.normal(size=(2, 400))
TARGET = random.choice([0, 0.25, 0.5, 0.75, 1], size=400, p=[0.05, 0.2, 0.5, 0.2, 0.05])


def gaussian_rank(values):
    return stats.norm.ppf((stats.rankdata(values) - 0.5) / len(values))


def power_15(values):
    return np.sign(values) * np.abs(values) ** 1.5


def test_corr_is_the_published_formula():
    expected = np.corrcoef(power_15(gaussian_rank(PREDICTIONS)), power_15(TARGET - TARGET.mean()))
    assert corr(PREDICTIONS, TARGET) == pytest.approx(expected[0, 1], abs=1e-12)
    assert corr(TARGET, TARGET) > 0.9
    assert corr(-TARGET, TARGET) == pytest.approx(-corr(TARGET, TARGET), abs=1e-12)


def test_mmc_is_the_published_formula_on_targets_of_minus_two_to_two():
    own, meta = gaussian_rank(PREDICTIONS), gaussian_rank(META)
    rest = own - meta * (own @ meta) / (meta @ meta)
    target = 4 * TARGET
    expected = (target - target.mean()) @ rest / len(TARGET)
    assert mmc(PREDICTIONS, META, TARGET) == pytest.approx(expected, abs=1e-12)
    assert mmc(META, META, TARGET) == pytest.approx(0, abs=1e-12)


def test_rows_without_target_do_not_count():
    holes = np.where(np.arange(400) < 20, np.nan, TARGET)
    kept = slice(20, None)
    assert mmc(PREDICTIONS, META, holes) == pytest.approx(
        mmc(PREDICTIONS[kept], META[kept], TARGET[kept]), abs=1e-12
    )
