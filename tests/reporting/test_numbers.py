"""Numbers as they are read."""

from __future__ import annotations

import pytest

from numebot_dagster.reporting import numbers


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.01234567, "+0.0123"),
        (-0.01234567, "\N{MINUS SIGN}0.0123"),
        (-0.00001, "0.0000"),
        (0.0, "0.0000"),
        (None, "\N{EN DASH}"),
        (float("nan"), "\N{EN DASH}"),
    ],
)
def test_scores_have_a_sign_and_four_digits(value, text):
    assert numbers.score(value) == text


def test_amounts_have_their_unit():
    assert numbers.nmr(-1.25) == "\N{MINUS SIGN}1.250 NMR"
    assert numbers.nmr(None) == "\N{EN DASH}"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1059.74, "+1,059.7"),
        (-99.994, "\N{MINUS SIGN}99.99"),
        (12.4, "+12.40"),
        (0.0014, "+0.001"),
        (0.0, "0.000"),
        (None, "\N{EN DASH}"),
    ],
)
def test_amounts_at_a_glance_have_one_to_three_digits(value, text):
    assert numbers.brief_nmr(value) == text


def test_counts_and_digits():
    assert (numbers.counted(1, "model"), numbers.counted(0, "model")) == ("1 model", "0 models")


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.123456789012, 0.1235),
        (-0.0123456, -0.0123),
        (0.00123456, 0.0012),
        (0.000123456, 0.000123),
        (-2.34567e-10, -2.35e-10),
        (1.0, 1.0),
        (51.25412, 51.25),
        (372.5432, 372.5),
        (123456.789, 123457.0),
        (0.0, 0.0),
        (float("inf"), float("inf")),
    ],
)
def test_what_is_plotted_has_four_digits(value, shown):
    assert numbers.plotted(value) == shown
    assert numbers.plotted(shown) == shown
