import polars as pl
import pytest

from numebot_dagster.reporting.diagnostics_charts import (
    CUMULATED,
    cumulative,
    cumulative_scores,
    feature_exposure,
)
from numebot_dagster.reporting.theme import LIGHT
from tests.support.pictures import Drawing

ERAS = range(900, 950)
SCHEMA = {"era": pl.Int16, "metric": pl.String, "value": pl.Float64}
COLOURS = dict(zip(CUMULATED, LIGHT.lines, strict=False))


def frame(*rows):
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")


@pytest.fixture
def by_era():
    rows = [(era, "corr", 0.02) for era in ERAS]
    rows += [(era, "benchmark_corr", 0.01) for era in ERAS]
    rows += [(era, "mmc", -0.004) for era in ERAS if era >= 930]
    return frame(*rows, *((era, "rms_feature_exposure", 9.0) for era in ERAS))


def test_scores_add_up_in_the_order_of_eras_over_gaps():
    rows = frame((3, "corr", 0.5), (1, "corr", 0.25), (2, "corr", float("nan")), (2, "mmc", 9.0))
    assert cumulative(rows, "corr").rows() == [(1, 0.25), (3, 0.75)]
    assert cumulative(rows, "bmc").is_empty()


def test_three_lines_and_the_held_out_eras_on_a_shaded_ground(by_era):
    picture = cumulative_scores(by_era, model="alpha", benchmark="a_benchmark", held_out=20)
    drawn = Drawing(picture.svg())
    assert drawn.size == (700, 280)
    assert all(drawn.colours[colour] > 0 for colour in COLOURS.values())
    assert "held out: 20 eras" in drawn.texts
    assert drawn.colours[LIGHT.shade] == 1
    assert "Benchmark: a_benchmark." in picture.subtitle
    assert picture.result == (
        "Sums at the end: CORR +1.0000, CORR of the benchmark +0.5000, MMC \N{MINUS SIGN}0.0800."
    )


def test_a_model_without_benchmark_and_meta_model(by_era):
    alone = by_era.filter(pl.col("metric") == "corr")
    drawn = Drawing(cumulative_scores(alone, model="alpha", benchmark=None, held_out=0).svg())
    assert drawn.colours[COLOURS["corr"]] > 0
    assert drawn.colours[COLOURS["mmc"]] == drawn.colours[LIGHT.shade] == 0


def test_one_era_is_seen_and_none_is_no_error():
    single = cumulative_scores(frame((900, "corr", 0.1)), model="a", benchmark=None, held_out=1)
    assert Drawing(single.svg()).colours[COLOURS["corr"]] > 0
    none = cumulative_scores(frame(), model="a", benchmark=None, held_out=0)
    assert none.result.startswith("No era has a score")


def test_exposure_is_drawn_to_both_sides_for_the_most_exposed():
    rows = pl.DataFrame(
        {
            "feature": ["small", "large", *(f"f{index}" for index in range(30))],
            "mean_exposure": [0.001, -0.4, *([0.1] * 30)],
        }
    )
    picture = feature_exposure(rows, model="alpha")
    drawn = Drawing(picture.svg())
    assert (drawn.colours[LIGHT.accent], drawn.colours[LIGHT.worse]) == (19, 1)
    assert picture.result == "The largest is that of large, \N{MINUS SIGN}0.4000."
    few = Drawing(feature_exposure(rows.head(2), model="alpha").svg())
    assert few.size[1] < drawn.size[1]
    assert feature_exposure(rows.clear(), model="alpha").title == "Feature exposure of alpha"
