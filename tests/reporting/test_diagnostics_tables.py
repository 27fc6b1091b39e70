from collections import Counter

import numpy as np
import polars as pl
import pytest

from numebot_dagster.numerai.diagnostics import OfficialDiagnostics
from numebot_dagster.reporting.diagnostics_tables import (
    Difference,
    caveat,
    comparison_table,
    figures_table,
    intervals_table,
    largest_differences,
    summaries_beside,
    summary_table,
)
from numebot_dagster.reporting.embed import INLINE_LIMIT
from numebot_dagster.reporting.tables import markdown_table, rich_table
from numebot_dagster.scoring.metrics import METRICS
from numebot_dagster.scoring.summaries import FIGURES, Summary

NAN = float("nan")
METRIC_NAMES = tuple(METRICS)


def summary(**changes):
    """Return a summary of 104 eras, all of its figures the same but for some."""
    values = {"n": 104, "effective_n": 9.0, "mean": 0.012, "mean_low": 0.002, "mean_high": 0.022}
    values |= {"std": 0.018, "sharpe": 0.67, "smart_sharpe": 0.42, "max_drawdown": 0.09}
    every = dict.fromkeys((name + end for name in FIGURES for end in ("", "_low", "_high")), NAN)
    return Summary({**every, **values, **changes})


SUMMARY = summary()
SCHEMA = {"era": pl.Int16, "metric": pl.String, "value": pl.Float64}


def frame(*rows):
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")


def official(by_era, **figures):
    named = {tuple(name.split("__")): value for name, value in figures.items()}
    return OfficialDiagnostics("d-1", 3, (), False, named, by_era)


def test_each_figure_with_its_interval():
    table = intervals_table(summary(std_low=0.015, std_high=0.03))
    assert table["figure"].to_list() == [figure.label for figure in FIGURES.values()]
    assert table.rows()[:2] == [("mean", 0.012, 0.002, 0.022), ("std", 0.018, 0.015, 0.03)]


def test_a_row_per_metric_in_a_fixed_order():
    table = summary_table({"mmc": summary(n=40, mean=-0.001), "corr": SUMMARY})
    headings = [figure.heading for figure in FIGURES.values() if figure.heading]
    assert table.columns == ["score", "eras", "mean", "±95%", *headings[1:]]
    first, second = table.rows()
    assert first[:3] == ("CORR", 104, 0.012)
    assert first[3:8] == pytest.approx((0.01, 0.018, 0.67, 0.42, 0.09))
    assert second[:3] == ("MMC", 40, -0.001)


@pytest.mark.parametrize("metric", METRIC_NAMES)
def test_only_what_adds_up_has_a_sharpe_ratio(metric):
    [row] = summary_table({metric: SUMMARY}).rows()
    assert all(cell is None for cell in row[4:]) is not METRICS[metric].adds_up


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (0.002, 0.022, ""),
        (-0.02, -0.01, ""),
        (-0.6, 0.6, "The interval includes zero, so that it may be luck"),
        (-2.0, 2.0, "There are too few eras for an interval"),
        (NAN, NAN, "There are too few eras for an interval"),
    ],
)
def test_the_caveat_counts_eras_that_do_not_overlap(low, high, verdict):
    mmc = summary(n=13, effective_n=1.84, mean_low=low, mean_high=high)
    corr = summary(effective_n=8.66, mean_low=0.002, mean_high=0.022)
    text = caveat({"max_feature_exposure": SUMMARY, "mmc": mmc, "corr": corr})
    assert "the 104 eras of CORR say as much as 8.7 that share no day" in text
    end = f" {verdict}: MMC (13 eras, worth 1.8)." if verdict else "±95% counts only these."
    assert text.endswith(end)
    assert caveat({"max_feature_exposure": SUMMARY}) == ""


def test_held_out_stands_above_all_of_each_metric():
    everything = {"corr": summary(mean=0.5), "mmc": summary(mean=0.25)}
    table = summaries_beside({"corr": SUMMARY}, everything)
    assert table.select("score", "of", "mean").rows() == [
        ("CORR", "held out", 0.012), ("CORR", "all", 0.5), ("MMC", "all", 0.25),
    ]  # fmt: skip


def test_for_a_narrow_page_scores_are_columns_that_tell_their_eras():
    table = figures_table(
        {
            "max_feature_exposure": SUMMARY,
            "benchmark_corr": summary(mean=0.5),
            "mmc": summary(n=40, smart_sharpe=NAN),
            "corr": SUMMARY,
        }
    )
    assert table.columns == ["104 eras", "CORR", "MMC, 40 eras"]
    labels = [figure.label for figure in FIGURES.values() if figure.heading]
    assert table["104 eras"].to_list() == ["mean", "±95%", *labels[1:]]
    assert table["CORR"].to_list()[:6] == pytest.approx([0.012, 0.01, 0.018, 0.67, 0.42, 0.09])
    assert table["MMC, 40 eras"].is_nan().to_list()[:6] == [False] * 4 + [True, False]
    assert figures_table({}).columns == ["0 eras"]


def test_the_table_of_all_metrics_is_shown_inline_and_fits_a_terminal(capsys):
    from rich.console import Console

    # As wide as they get: a standard deviation, a fall and a share have no sign.
    wide = dict.fromkeys(FIGURES, 0.4321) | {
        "mean": -0.1234, "sharpe": -1.2345, "smart_sharpe": -1.1234,
    }  # fmt: skip
    everything = dict.fromkeys(METRIC_NAMES, summary(**wide))
    assert len(markdown_table(figures_table(everything))) < INLINE_LIMIT
    Console(width=80).print(rich_table(summaries_beside(everything, everything), "title"))
    words = Counter(capsys.readouterr().out.split())  # a cell that is broken or cut is another word
    adding_up = 2 * sum(metric.adds_up for metric in METRICS.values())
    assert words["-0.1234"] == 2 * len(METRIC_NAMES)
    assert (words["-1.2345"], words["-1.1234"], words["0.4321"]) == (
        adding_up, adding_up, 3 * adding_up,
    )  # fmt: skip
    headings = [figure.heading for figure in FIGURES.values() if figure.heading]
    assert [heading for heading in headings if not words[heading]] == []


def test_figures_are_ours_on_the_eras_that_both_have():
    ours = frame(
        (1, "corr", 0.02), (2, "corr", -0.01), (3, "corr", 0.05), (4, "corr", 9.0),
        (1, "mmc", NAN), (2, "mmc", 0.5), (1, "max_feature_exposure", 0.3),
        (3, "max_feature_exposure", 0.2),
    )  # fmt: skip
    theirs = frame(
        (1, "corr", 0.02), (2, "corr", -0.01), (3, "corr", 0.05), (5, "corr", 7.0),
        (1, "mmc", 0.1), (2, "mmc", 0.5), (1, "max_feature_exposure", 0.3),
    )  # fmt: skip
    table = comparison_table(
        ours,
        official(
            theirs, corr__mean=0.021, corr__std=0.0, corr__sharpe=1.0,
            corr__max_drawdown=0.01, mmc__mean=0.5, bmc__mean=0.1,
            max_feature_exposure__max=0.3,
        ),
    )  # fmt: skip
    scores = np.array([0.02, -0.01, 0.05])
    expected = [
        ("CORR", "mean", 3, 0.02, 0.021, "-1.0e-03"),
        ("CORR", "std", 3, scores.std(), 0.0, "+2.4e-02"),
        ("CORR", "Sharpe", 3, 0.02 / scores.std(), 1.0, "-1.8e-01"),
        ("CORR", "max drawdown", 3, 0.01, 0.01, None),
        ("MMC", "mean", 1, 0.5, 0.5, "+0.0e+00"),
        ("BMC", "mean", 0, None, 0.1, None),
        ("max exposure", "max", 1, 0.3, 0.3, "+0.0e+00"),
    ]
    for row, cells in zip(table.rows(), expected, strict=True):
        assert row[:3] == cells[:3]
        assert row[3] == (None if cells[3] is None else pytest.approx(cells[3]))
        assert row[4] == cells[4]
        if cells[5] is not None:
            assert row[5] == cells[5]


def test_where_the_two_are_farthest_apart():
    ours = frame((1, "corr", 0.02), (2, "corr", 0.03), (1, "mmc", 0.5), (9, "bmc", 1.0))
    theirs = frame((1, "corr", 0.02), (2, "corr", 0.01), (1, "mmc", 0.75), (8, "bmc", 1.0))
    differences = largest_differences(ours, official(theirs))
    assert differences == [Difference("mmc", 1, 0.25), Difference("corr", 2, pytest.approx(0.02))]
