"""The script on luck prints both tables; its estimators are those that they are said to be."""

from __future__ import annotations

import math
import sys

import numpy as np
import pytest

from benchmarks import luck
from tests.support.luck_cases import NAN, scores_of


def test_the_tables_of_a_few_models(monkeypatch, capsys):
    options = ["--rounds", "70", "90", "--markets", "3", "--models", "1"]
    monkeypatch.setattr(sys, "argv", ["luck", *options])
    luck.main()
    lines = capsys.readouterr().out.splitlines()
    rows = [line.split(" | ") for line in lines if line.startswith("| ")]
    assert [row[0].removeprefix("| ") for row in rows[2:9]] == list(luck.TESTS)
    shares = [float(cell.rstrip(" |")) for row in rows[2:9] for cell in row[1:]]
    assert all(share in (0, 0.33, 0.67, 1) for share in shares)
    means = [float(cell.rstrip(" |")) for cell in rows[-1][1:]]
    assert means[0] > means[1] > 0
    assert lines[-1].startswith("3 models on 3 markets")


def test_newey_and_west_by_hand():
    finals = np.array([3.0, 1.0, 2.0, 0.0, 4.0])
    scores = scores_of(np.column_stack([np.full((5, 2), NAN), finals]))
    apart = finals - 2
    # Three days: lags 1 and 2 with the weights 2/3 and 1/3.
    sums = (apart @ apart, apart[1:] @ apart[:-1], apart[2:] @ apart[:-2])
    variance = (sums[0] + 2 * (2 / 3 * sums[1] + 1 / 3 * sums[2])) / 5
    assert luck._newey_west_t(scores) == pytest.approx(2 / math.sqrt(variance / 5))
