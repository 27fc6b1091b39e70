"""The tables of scores by era and of figures over eras: each row is whole, and is all it takes."""

from __future__ import annotations

import numpy as np
import pytest

from numebot_dagster.numerai import diagnostics
from numebot_dagster.scoring.metrics import METRICS, EraData
from numebot_dagster.scoring.summaries import FIGURES

ERAS = np.repeat([3, 5], 50)


@pytest.fixture(scope="module")
def data() -> EraData:
    random = np.random.default_rng(0)
    features = np.asfortranarray(random.integers(0, 5, (100, 4), dtype=np.int8))
    target, predictions, meta_model, benchmark = random.random((4, 100))
    return EraData(ERAS, predictions, np.round(target * 4) / 4, features, [0, 1], meta_model,
                   benchmark)  # fmt: skip


@pytest.mark.parametrize("name", METRICS)
def test_a_metric_has_one_score_by_era(name: str, data: EraData) -> None:
    scores = METRICS[name].by_era(data)
    assert scores is not None
    assert scores.shape == (2, 1)
    assert np.isfinite(scores).all()


@pytest.mark.parametrize("row", [*METRICS.values(), *FIGURES.values()], ids=lambda row: row.label)
def test_a_row_says_what_it_means(row) -> None:
    assert row.label
    assert len(row.meaning.split()) > 2
    assert not row.meaning.endswith(".")  # it becomes a part of sentences


def test_no_two_rows_share_a_name() -> None:
    plotted = [metric.plotted or f"mean_{name}" for name, metric in METRICS.items()]
    headings = [figure.heading for figure in FIGURES.values() if figure.heading]
    for names in ([*plotted, *FIGURES], headings, [row.label for row in METRICS.values()]):
        assert len(set(names)) == len(names)
    assert {metric.figure for metric in METRICS.values()} <= FIGURES.keys()


def test_numerais_figures_are_among_ours() -> None:
    assert diagnostics._METRICS.keys() <= METRICS.keys()
    assert {metric for metric, _ in diagnostics._FIGURES} <= METRICS.keys()
    assert {figure for _, figure in diagnostics._FIGURES} <= FIGURES.keys()
