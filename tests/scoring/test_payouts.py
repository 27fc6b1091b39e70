from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from numebot_dagster.scoring.payouts import LAST_DIGIT, Stake, Term, exact, net_burns, total

ATOMIC, LEGACY = ("3", "15"), ("0.75", "2.25")


def stake(at_risk, multipliers, scores, factor="1", clip="1"):
    pairs = zip(multipliers, scores, strict=True)
    terms = tuple(Term(Decimal(multiplier), Decimal(score)) for multiplier, score in pairs)
    return Stake(Decimal(at_risk), Decimal(factor), Decimal(clip), terms)


@pytest.mark.parametrize(
    ("made", "payout"),
    [
        (stake("10", ATOMIC, ("0.02", "0.004")), "1.2"),
        (stake("10", ATOMIC, ("-0.02", "-0.004")), "-1.2"),
        (stake("10", ATOMIC, ("0.1", "0.1")), "10"),
        (stake("10", ATOMIC, ("-0.1", "-0.1")), "-10"),
        (stake("0", ATOMIC, ("0.1", "0.1")), "0"),
        (stake("100", LEGACY, ("0.04", "0.01"), "0.08", "0.05"), "0.42"),
        (stake("100", LEGACY, ("0.9", "0.9"), "0.08", "0.05"), "5"),
        # A third of a wei, half a wei (to the even digit) and two thirds.
        (stake("0.000000000000000001", ("1",), ("0.3333",)), "0"),
        (stake("0.000000000000000001", ("1",), ("0.5",)), "0"),
        (stake("0.000000000000000003", ("1",), ("0.5",)), "2e-18"),
        (stake("0.000000000000000001", ("1",), ("0.6667",)), "1e-18"),
        (
            stake("2.5", ATOMIC, ("0.013668968207847429", "0.008721408391633281")),
            "0.429570076245103755",
        ),
    ],
)
def test_a_payout(made, payout):
    assert made.payout == Decimal(payout)


@pytest.mark.parametrize(
    ("made", "parts"),
    [
        (stake("10", ATOMIC, ("0.02", "0.004")), ("0.6", "0.6")),
        (stake("10", ATOMIC, ("0.1", "0.18")), ("1", "9")),
        (stake("10", ATOMIC, ("-0.1", "-0.18")), ("-1", "-9")),
        (stake("10", ATOMIC, ("0.1", "-0.02")), ("3", "-3")),
    ],
)
def test_the_parts_of_a_payout(made, parts):
    assert made.parts == tuple(map(Decimal, parts))


@pytest.mark.parametrize(
    ("amounts", "realised", "deferred"),
    [
        ([], [], []),
        (["2", "3"], ["2", "3"], ["0", "0"]),
        (["-2", "3"], ["0", "1"], ["2", "0"]),
        (["-2", "-1", "1", "4"], ["0", "0", "0", "2"], ["2", "3", "2", "0"]),
        (["5", "-2"], ["5", "0"], ["0", "2"]),
        (["0"], ["0"], ["0"]),
    ],
)
def test_burns_are_netted_with_later_payouts(amounts, realised, deferred):
    netted = net_burns(map(Decimal, amounts))
    assert [each.realised for each in netted] == list(map(Decimal, realised))
    assert [each.deferred for each in netted] == list(map(Decimal, deferred))


@pytest.mark.parametrize(
    ("value", "text"), [(0.1, "0.1"), ("0.10", "0.10"), (Decimal(3), "3"), (1e-7, "1E-7")]
)
def test_numbers_are_read_as_they_are_written(value, text):
    assert str(exact(value)) == text


NMR = st.decimals(0, 10**6, places=18)
SCORE = st.floats(-1, 1)
FACTOR = st.floats(0.01, 1)


@given(NMR, SCORE, SCORE, FACTOR, st.sampled_from([0.05, 1.0]))
def test_a_payout_is_clipped_and_made_up_of_its_parts(at_risk, first, second, factor, clip):
    terms = (Term(Decimal(3), exact(first)), Term(Decimal(15), exact(second)))
    made = Stake(at_risk, exact(factor), exact(clip), terms)
    assert abs(made.payout) <= at_risk * exact(clip) + LAST_DIGIT
    assert abs(total(made.parts) - made.payout) <= 2 * LAST_DIGIT
    assert made.payout == made.payout.quantize(LAST_DIGIT)


@given(NMR, SCORE, SCORE, FACTOR)
def test_double_precision_differs_by_rounding_alone(at_risk, first, second, factor):
    terms = (Term(Decimal(3), exact(first)), Term(Decimal(15), exact(second)))
    made = Stake(at_risk, exact(factor), Decimal(1), terms)
    rate = min(max(factor * (3 * first + 15 * second), -1.0), 1.0)
    by_floats = Decimal(float(at_risk) * rate).quantize(LAST_DIGIT)
    slack = at_risk * Decimal(2) ** -52  # of the stake itself, which is no float at Numerai
    assert abs(by_floats - made.payout) <= made.rounding + slack


@given(st.lists(st.decimals(-1000, 1000, places=18), max_size=30))
def test_what_is_realised_and_deferred_adds_up(amounts):
    netted = net_burns(amounts)
    debt = netted[-1].deferred if netted else Decimal(0)
    assert total([each.realised for each in netted]) - debt == total(amounts)
    assert all(each.realised >= 0 and each.deferred >= 0 for each in netted)
    assert not any(each.realised and each.deferred for each in netted)
