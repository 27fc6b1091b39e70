import subprocess
import sys

import polars as pl
import pytest

from numebot_dagster.lake import tables
from numebot_dagster.reporting import charts, style
from numebot_dagster.reporting.selection import final_scores
from tests.support.pictures import opened, pixels_of

CHARTS = [charts.scores_by_day, charts.final_by_round, charts.mean_final]
NOTHING = pl.DataFrame(schema=tables.SCORES.schema)


@pytest.fixture
def two_models(score_frame) -> pl.DataFrame:
    return score_frame(
        *(
            (model, round_number, "corr60", day, sign * day / 3000, "1", None, round_number < 1345)
            for model, sign in (("alpha", 1), ("beta", -1))
            for round_number in (1343, 1344, 1345)
            for day in range(1, 61 if round_number < 1345 else 31)
        )
    )


@pytest.mark.heavy
@pytest.mark.parametrize("chart", CHARTS)
def test_a_chart_is_a_small_png_with_one_colour_per_model(chart, two_models):
    png = chart(two_models)
    assert opened(png).size == (990, 506)
    assert len(png) < 60_000
    first, second, third = (pixels_of(png, color) for color in style.PALETTE[:3])
    assert first > 50
    assert second > 50
    assert third == 0


@pytest.mark.parametrize("chart", CHARTS)
def test_a_lone_point_is_seen(chart, score_frame):
    png = chart(score_frame(("a", 1343, "corr60", 60, 0.01, "1", None, True)))
    assert pixels_of(png, style.PALETTE[0]) > 8


@pytest.mark.parametrize("chart", CHARTS)
def test_fifty_models_widen_the_figure_for_their_names(chart, score_frame):
    frame = score_frame(
        *((f"m{index}", 1343, "corr60", 60, index / 1e3, "1", None, True) for index in range(50))
    )
    assert opened(chart(frame)).size == (1155, 506)


@pytest.mark.parametrize("chart", CHARTS)
def test_nothing_to_draw_is_a_notice(chart):
    png = chart(NOTHING)
    assert opened(png).size == (990, 264)
    assert pixels_of(png, style.PALETTE[0]) == 0


@pytest.mark.parametrize(
    ("metric", "day", "message"),
    [
        ("corr60", 12, "Round 1343 is the furthest: scoring day 12 of 60, "
                       "48 scoring days before its final one."),
        ("bmc", 12, "Round 1343 is the furthest: scoring day 12."),
    ],
)  # fmt: skip
def test_what_is_missing_and_when_it_comes(score_frame, metric, day, message):
    frame = score_frame(("a", 1343, metric, day, 0.01), ("a", 1344, metric, day - 1, 0.01))
    assert charts._nothing_resolved(frame, metric) == ("No round has resolved yet", message)
    assert charts._nothing_resolved(NOTHING, metric)[0] == (
        f"No {metric.upper()} score has been published yet"
    )


def test_running_means(score_frame):
    final = final_scores(
        score_frame(
            ("a", 1345, "corr60", 60, 0.06, "1", None, True),
            ("a", 1343, "corr60", 60, 0.01, "1", None, True),
            ("a", 1344, "corr60", 60, 0.02, "1", None, True),
            ("b", 1344, "corr60", 60, -0.5, "1", None, True),
        ),
        "corr60",
    )
    rows = charts.running_means(final).rows()
    assert [row[:3] for row in rows] == [
        ("a", 1343, 1), ("a", 1344, 2), ("a", 1345, 3), ("b", 1344, 1),
    ]  # fmt: skip
    assert [row[3] for row in rows] == pytest.approx([0.01, 0.015, 0.03, -0.5])


def test_no_two_of_fifty_models_look_alike():
    styles = style.series_styles(f"m{index}" for index in range(50))
    assert len(set(styles.values())) == 50
    assert styles == style.series_styles(reversed([f"m{index}" for index in range(50)]))


@pytest.mark.parametrize(
    ("name", "short"),
    [("short", "short"), ("family_of_models_17", "family_…dels_17"), ("x" * 15, "x" * 15)],
)
def test_long_names_keep_their_end(name, short):
    assert style.shortened(name, 15) == short


@pytest.mark.process
def test_importing_the_room_loads_no_plotting_library():
    code = (
        "import sys\n"
        "from numebot_dagster.reporting import charts, performance_tables, sparkline, tables\n"
        "print(sorted({'matplotlib', 'PIL', 'pandas', 'rich', 'dagster'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_mean_ends_where_few_rounds_have_come(score_frame):
    frame = score_frame(
        *(
            ("a", round_number, "corr60", day, -0.05 if day > 30 else 0.01)
            for round_number, last in ((1343, 60), (1344, 30), (1345, 29), (1346, 28))
            for day in range(1, last + 1)
        )
    )
    means = charts.means_by_day(frame)
    assert means["day"].to_list() == list(range(1, 31))  # one round of four has come further
    assert means["value"].to_list() == pytest.approx([0.01] * 30)
