from __future__ import annotations

import hashlib
import io

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numerai_tools.scoring import tie_kept_rank

from numebot_dagster.submissions.submission_file import (
    Problem,
    check,
    check_raw,
    correlation_with_example,
    matches,
    prepare,
    rank_to_unit_interval,
)

IDS = [f"n{number:015x}" for number in range(6)]
VALUES = [0.1, 0.9, 0.5, 0.25, 0.75, 0.3]

NUMBERS = st.lists(st.floats(-1e6, 1e6, allow_nan=False), min_size=1, max_size=50)


@given(NUMBERS)
def test_ranking_is_numerais(values):
    expected = tie_kept_rank(pd.Series(values, dtype=float)).to_numpy()
    ranks = rank_to_unit_interval(values)
    np.testing.assert_allclose(ranks, expected, rtol=0, atol=1e-15)
    assert ranks.min() > 0
    assert ranks.max() < 1


def test_ties_share_their_average_rank():
    assert rank_to_unit_interval([5, 1, 5, 9]).tolist() == [0.5, 0.125, 0.5, 0.875]
    assert rank_to_unit_interval([]).tolist() == []


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_has_no_rank(bad):
    with pytest.raises(ValueError, match="not finite"):
        rank_to_unit_interval([1.0, bad])


def test_the_file_is_exactly_what_numerai_takes():
    submission = prepare(["a", "b"], [0.5, 1 / 3])
    assert submission.csv == b"id,prediction\na,0.5\nb,0.3333333333333333\n"
    assert submission.sha256 == hashlib.sha256(submission.csv).hexdigest()
    assert submission.rows == 2
    assert "0.333" not in repr(submission)


def test_as_many_predictions_as_ids():
    with pytest.raises(ValueError, match="zip"):
        prepare(["a", "b"], [0.5])


@given(st.lists(st.floats(0, 1, exclude_min=True, exclude_max=True), min_size=1, max_size=20))
def test_a_file_says_exactly_the_predictions(values):
    ids = [f"n{index}" for index in range(len(values))]
    frame = pd.read_csv(io.BytesIO(prepare(ids, values).csv))
    assert frame["id"].tolist() == ids
    assert frame["prediction"].tolist() == values


def test_a_good_file_has_no_problems():
    assert check(prepare(IDS, VALUES), IDS) == []
    assert check(prepare(IDS, VALUES), IDS[::-1]) == []


@pytest.mark.parametrize(
    ("ids", "values", "tag", "text"),
    [
        (IDS[:-1], VALUES[:-1], "invalid_submission_ids", "Not enough stocks"),
        ([*IDS[:-1], IDS[0]], VALUES, "invalid_submission_ids", "Duplicates"),
        ([*IDS[:-1], ""], VALUES, "invalid_submission_ids", "NaNs in the id"),
        ([*IDS, "n0f"], [*VALUES, 0.4], "invalid_submission_ids", "1 ids are not live"),
        (IDS, [0.5] * 6, "invalid_submission_values", "standard deviation"),
        (IDS, [*VALUES[:-1], np.nan], "invalid_submission_values", "NaNs"),
        (IDS, [*VALUES[:-1], 1.5], "invalid_submission_values", "between 0 and 1"),
        (IDS, [*VALUES[:-1], -0.5], "invalid_submission_values", "between 0 and 1"),
    ],
)
def test_what_numerai_would_refuse_or_drop(ids, values, tag, text):
    [problem] = check(prepare(ids, values), IDS)
    assert problem.tag == tag
    assert text in problem.text
    assert problem.remedy in str(problem)


@pytest.mark.parametrize(
    ("ids", "values", "live", "text"),
    [
        (IDS, VALUES, IDS, None),
        (IDS, [value * 1000 - 5 for value in VALUES], None, None),
        (IDS, VALUES[:-1], None, "shape (5,) for 6 ids"),
        (IDS, [[value] for value in VALUES], None, "shape (6, 1) for 6 ids"),
        (IDS, [*VALUES[:-1], np.nan], None, "1 of 6 are NaN or infinite"),
        (IDS, [*VALUES[:-1], np.inf], None, "1 of 6 are NaN or infinite"),
        (IDS, ["high"] * 6, None, "not numbers"),
        (IDS, [0.5] * 6, None, "all 6 are 0.5"),
        ([*IDS[:-1], IDS[0]], VALUES, None, "1 ids appear twice"),
        (IDS[::-1], VALUES, IDS, "shuffled"),
        (IDS[:-1], VALUES[:-1], IDS, "1 live ids are missing and 0 are not live"),
        ([*IDS[:-1], "n0f"], VALUES, IDS, "1 live ids are missing and 1 are not live"),
    ],
)
def test_raw_output_is_checked_before_ranking_hides_it(ids, values, live, text):
    problems = check_raw(ids, values, live)
    assert [type(problem) for problem in problems] == ([] if text is None else [Problem])
    assert text is None or text in problems[0].text


def test_a_download_in_another_order_and_spelling_matches():
    assert matches(prepare(IDS, VALUES).csv, IDS, VALUES) is None
    assert matches(prepare(IDS[::-1], VALUES[::-1]).csv, IDS, VALUES) is None
    rewritten = "\ufeffid,prediction\r\n" + "".join(
        f'"{name}",{value + 4e-7:.8f}\r\n' for name, value in zip(IDS, VALUES, strict=True)
    )
    assert matches(rewritten.encode(), IDS, VALUES) is None


@pytest.mark.parametrize(
    ("ids", "values", "missing", "unexpected", "different"),
    [
        (IDS[:-1], VALUES[:-1], (IDS[-1],), (), ()),
        ([*IDS, "n0f"], [*VALUES, 0.5], (), ("n0f",), ()),
        (IDS, [*VALUES[:-1], 0.301], (), (), (IDS[-1],)),
        (IDS, [*VALUES[:-1], np.nan], (), (), (IDS[-1],)),
        (IDS, VALUES[::-1], (), (), tuple(IDS[:5])),
    ],
)
def test_a_difference_is_named_id_by_id(ids, values, missing, unexpected, different):
    difference = matches(prepare(ids, values).csv, IDS, VALUES)
    assert difference is not None
    assert (difference.missing, difference.unexpected, difference.different) == (
        missing,
        unexpected,
        different,
    )
    assert "of 6 ids sent" in str(difference)


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"", "its header is []"),
        (b"<Error>Expired</Error>", "its header is"),
        (b"id,prediction\na\n", "line 2 has 1 cells"),
        (b"id,prediction\na,0.5\na,0.6\n", "id a appears twice"),
        (b"id,prediction\na,high\n", "could not convert"),
        (b"\xff\xfe\x00", "codec"),
    ],
)
def test_what_is_no_submission_is_a_mismatch(content, text):
    difference = matches(content, IDS, VALUES)
    assert difference is not None
    assert text in str(difference)


def test_correlation_with_the_example_is_spearmans_on_shared_ids():
    example_ids, example = [*IDS[1:], "n0f"], [0.8, 0.1, 0.3, 0.6, 0.2, 0.9]
    expected = pd.Series(VALUES[1:]).corr(pd.Series(example[:-1]), method="spearman")
    correlation = correlation_with_example(IDS, VALUES, example_ids, example)
    assert correlation == pytest.approx(expected, abs=1e-12)
    assert correlation_with_example(IDS, VALUES, IDS[::-1], VALUES[::-1]) == pytest.approx(1)


@pytest.mark.parametrize(
    ("example_ids", "example", "text"),
    [(["x", "y"], [0.1, 0.2], "fewer than two"), (IDS, [0.5] * 6, "constant")],
)
def test_where_there_is_no_correlation(example_ids, example, text):
    with pytest.raises(ValueError, match=text):
        correlation_with_example(IDS, VALUES, example_ids, example)
