import io

import polars as pl
import pytest
from PIL import Image

from numebot_dagster.reporting import style
from numebot_dagster.reporting.diagnostics_charts import (
    CUMULATED,
    cumulative,
    cumulative_scores,
    feature_exposure,
)
from tests.support.pictures import pixels_of

ERAS = range(900, 950)
SCHEMA = {"era": pl.Int16, "metric": pl.String, "value": pl.Float64}
CORR, BENCHMARK, MMC = (CUMULATED[name][1] for name in ("corr", "benchmark_corr", "mmc"))


def frame(*rows):
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")


def shaded(png):
    return pixels_of(png, style.SHADE) - pixels_of(png, "#ffffff")


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


@pytest.mark.heavy
def test_three_lines_and_the_held_out_eras_on_a_shaded_ground(by_era):
    drawn = cumulative_scores(by_era, model="alpha", benchmark="a_benchmark", held_out=20)
    assert Image.open(io.BytesIO(drawn)).size == (990, 506)
    assert len(drawn) < 40_000
    assert all(pixels_of(drawn, colour) > 100 for colour in (CORR, MMC))
    more = cumulative_scores(by_era, model="alpha", benchmark="a_benchmark", held_out=40)
    none = cumulative_scores(by_era, model="alpha", benchmark="a_benchmark", held_out=0)
    assert shaded(more) > shaded(drawn) > shaded(none)


@pytest.mark.heavy
def test_a_model_without_benchmark_and_meta_model(by_era):
    alone = by_era.filter(pl.col("metric") == "corr")
    drawn = cumulative_scores(alone, model="alpha", benchmark=None, held_out=0)
    assert pixels_of(drawn, CORR) > 100
    assert pixels_of(drawn, MMC) == 0


@pytest.mark.heavy
def test_one_era_is_seen_and_none_is_no_error():
    single = cumulative_scores(frame((900, "corr", 0.1)), model="a", benchmark=None, held_out=1)
    assert pixels_of(single, CORR) > 8
    assert pixels_of(cumulative_scores(frame(), model="a", benchmark=None, held_out=0), CORR) == 0


@pytest.mark.heavy
def test_exposure_is_drawn_to_both_sides_for_the_most_exposed():
    rows = pl.DataFrame(
        {
            "feature": ["small", "large", *(f"f{index}" for index in range(30))],
            "mean_exposure": [0.001, -0.4, *([0.1] * 30)],
        }
    )
    drawn = feature_exposure(rows, model="alpha")
    blue, orange = pixels_of(drawn, style.POSITIVE), pixels_of(drawn, style.NEGATIVE)
    # One bar of 0.4 to the left, 19 of 0.1 to the right.
    assert blue / orange == pytest.approx(19 / 4, rel=0.1)
    few = feature_exposure(rows.head(2), model="alpha")
    assert Image.open(io.BytesIO(few)).height < Image.open(io.BytesIO(drawn)).height
    assert feature_exposure(rows.clear(), model="alpha").startswith(b"\x89PNG")
