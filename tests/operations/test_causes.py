"""What is said of many models is said once for each cause."""

from __future__ import annotations

import pytest

from numebot_dagster.operations.causes import by_cause, names_of


def test_reasons_that_differ_in_name_and_numbers_are_one_cause():
    causes = by_cause(
        [
            ("alpha", "alpha has no weights: numebot train --models alpha"),
            ("beta", "it took 4.5 GB"),
            ("gamma", "gamma has no weights: numebot train --models gamma"),
            ("delta", "it took\n12 GB"),
            ("alpha_2", "alpha was not played"),
        ]
    )
    assert [str(cause) for cause in causes] == [
        "alpha and gamma: each has no weights: numebot train --models alpha,gamma",
        "beta and delta: it took 4.5 GB",
        "alpha_2: alpha was not played",
    ]


def test_a_command_for_many_models_names_none():
    reasons = [(name, f"no weights: numebot train --models {name}") for name in "abcdef"]
    [cause] = by_cause(reasons)
    assert str(cause) == "a, b, c and 3 more: no weights: numebot train"


def test_models_that_the_account_lacks_are_all_named():
    reasons = [(name, f"the account has no model {name}: see r.csv, line {line}.") for name, line in
               (("a", 2), ("b", 3))]  # fmt: skip
    [cause] = by_cause(reasons)
    assert str(cause) == "a and b: the account has no model a and b: see r.csv, lines 2 and 3."


def test_a_long_reason_is_shortened():
    [cause] = by_cause([("a", "x" * 5000)])
    assert len(cause.text) == 300


@pytest.mark.parametrize(
    ("models", "text"),
    [("a", "a"), ("ab", "a and b"), ("abcd", "a, b, c and d"), ("abcde", "a, b, c and 2 more")],
)
def test_names_in_words(models, text):
    assert names_of(list(models)) == text
