from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from numebot_dagster.numerai.errors import UnexpectedAnswer
from numebot_dagster.numerai.records import Round, ScoreConfig
from tests.support.payouts import payout, payout_scores

OPEN = datetime(2026, 8, 28, 12, tzinfo=UTC)


def config(name, multiplier=None, clip=1.0, factor=1.0, is_payout=True):
    return ScoreConfig(
        name=name,
        display_name=name,
        is_payout=is_payout,
        default_multiplier=multiplier,
        clip_threshold=clip,
        payout_factor=factor,
    )


def round_of(*configs, payout_factor=None):
    return Round(
        1343,
        OPEN,
        OPEN.replace(hour=13),
        score_configs=configs,
        payout_factor=payout_factor,
    )


ATOMIC = round_of(config("corr60", 3), config("mmc60", 15), config("bmc", is_payout=False))
LEGACY = round_of(
    config("v2_corr20", 0.75, clip=0.05, factor=None),
    config("mmc", 2.25, clip=0.05, factor=None),
    payout_factor=Decimal("0.08"),
)


@pytest.mark.parametrize(
    ("round_", "scores", "stake", "expected"),
    [
        (ATOMIC, {"corr60": 0.02, "mmc60": 0.004}, "10", "1.2"),
        (ATOMIC, {"corr60": -0.02, "mmc60": -0.004}, "10", "-1.2"),
        (ATOMIC, {"corr60": 0.1, "mmc60": 0.1}, "10", "10"),
        (ATOMIC, {"corr60": -0.1, "mmc60": -0.1}, "10", "-10"),
        (ATOMIC, {"corr60": 0, "mmc60": 0}, "10", "0"),
        (ATOMIC, {"corr60": 0.1, "mmc60": 0, "bmc": 9}, "0", "0"),
        (LEGACY, {"v2_corr20": 0.04, "mmc": 0.01}, "100", "0.42"),
        (LEGACY, {"v2_corr20": 0.9, "mmc": 0.9}, "100", "5"),
    ],
)
def test_a_payout(round_, scores, stake, expected):
    assert payout(round_, scores, Decimal(stake)) == Decimal(expected)


@pytest.mark.parametrize(
    ("round_", "scores", "text"),
    [
        (round_of(), {}, "round 1343 carries no payout score"),
        (round_of(config("corr60")), {"corr60": 0.1}, "corr60 has no default multiplier"),
        (ATOMIC, {"corr60": 0.1}, "pays for mmc60"),
        (round_of(config("a", 1, clip=None)), {"a": 0.1}, "one clip threshold; found none"),
        (round_of(config("a", 1, factor=None)), {"a": 0.1}, "one payout factor; found none"),
        (
            round_of(config("a", 1), config("b", 1, clip=0.05)),
            {"a": 0.1, "b": 0.1},
            "one clip threshold; found 0.05, 1.0",
        ),
    ],
)
def test_what_is_missing_is_named(round_, scores, text):
    with pytest.raises(UnexpectedAnswer, match=text):
        payout(round_, scores, Decimal(1))


def test_the_scores_that_count():
    assert payout_scores(ATOMIC) == ("corr60", "mmc60")


SCORE = st.floats(-1, 1, allow_nan=False)


@given(SCORE, SCORE, st.decimals(0, 1000, places=2))
def test_no_stake_loses_more_than_itself(corr60, mmc60, stake):
    assert abs(payout(ATOMIC, {"corr60": corr60, "mmc60": mmc60}, stake)) <= stake
