import pytest

from numebot_dagster.operations.performance import round_scores


@pytest.mark.parametrize(
    ("metric", "last", "days"), [("mmc60", 12, 60), ("v2_corr20", 5, 20), ("bmc", 7, 7)]
)
def test_the_days_of_a_whole_round(metric, last, days):
    assert round_scores.horizon_of(metric, last) == days
