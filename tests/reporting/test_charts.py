import subprocess
import sys

import polars as pl
import pytest

from numebot_dagster.lake import tables
from numebot_dagster.reporting import charts
from numebot_dagster.reporting.selection import final_scores
from numebot_dagster.reporting.theme import LIGHT
from tests.support.pictures import Drawing, png_size

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
def test_a_chart_is_a_small_svg_with_one_colour_per_model(chart, two_models):
    picture = chart(two_models)
    svg = picture.svg()
    drawn = Drawing(svg)
    assert drawn.size == (700, 280)
    assert len(svg) < 60_000
    first, second, third = (drawn.colours[colour] for colour in LIGHT.lines[:3])
    assert first > 0
    assert second > 0
    assert third == 0
    assert picture.result.endswith("Highest: alpha +0.0200; lowest: beta \N{MINUS SIGN}0.0200.")
    # The legend is a ranking too.
    assert [text for text in drawn.texts if text in ("alpha", "beta")] == ["alpha", "beta"]
    assert picture.title in drawn.texts


def test_thin_lines_are_the_recent_rounds(score_frame):
    days, rounds = (1, 2, 3), range(1300, 1400)
    rows = [("a", number, "corr60", day, 0.001) for number in rounds for day in days]
    drawn = Drawing(charts.scores_by_day(score_frame(*rows)).svg())
    mean = 1 + len(days)  # with its points
    assert drawn.colours[LIGHT.lines[0]] == charts.MOST_TRACES + mean


@pytest.mark.parametrize("chart", CHARTS)
def test_a_lone_point_is_seen(chart, score_frame):
    picture = chart(score_frame(("a", 1343, "corr60", 60, 0.01, "1", None, True)))
    assert Drawing(picture.svg()).colours[LIGHT.lines[0]] > 0
    assert picture.result.endswith("a: +0.0100.")


@pytest.mark.parametrize("chart", CHARTS)
def test_fifty_models_are_bands_or_rows_and_no_lines(chart, score_frame):
    names = [f"m{index:02}" for index in range(50)]
    rows = [
        (name, number, "corr60", day, index / 1e3, "1", None, True)
        for index, name in enumerate(names)
        for number in (1343, 1344)
        for day in (59, 60)
    ]
    picture = chart(score_frame(*rows))
    drawn = Drawing(picture.svg())
    assert drawn.size[0] == 700
    assert not set(LIGHT.lines) & set(drawn.colours)
    assert picture.result.endswith("Highest: m49 +0.0490; lowest: m00 0.0000.")
    assert drawn.colours[LIGHT.accent] == 3  # two bands and the median


def test_a_heat_map_has_a_row_for_each_model_and_is_stored_as_dots(score_frame):
    names = [f"m{index:02}" for index in range(50)]
    rows = [(name, 1343, "corr60", 60, 0.01, "1", None, True) for name in names]
    picture = charts.scores_by_round(score_frame(*rows), "corr60", names[::-1])
    drawn = Drawing(picture.svg())
    assert [text for text in drawn.texts if text in names] == names[::-1]
    file_name, png = picture.file("heat")
    assert (file_name, png_size(png)) == ("heat.png", drawn.size)


@pytest.mark.parametrize("chart", CHARTS)
def test_nothing_to_draw_is_a_notice(chart):
    picture = chart(NOTHING)
    drawn = Drawing(picture.svg())
    assert drawn.size == (700, 90)
    assert "No CORR60 score has been published yet" in drawn.texts
    assert not set(LIGHT.lines) & set(drawn.colours)


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


@pytest.mark.process
def test_importing_the_room_loads_no_plotting_library():
    code = (
        "import sys\n"
        "from numebot_dagster.reporting import charts, diagnostics_charts, marks, picture, theme\n"
        "from numebot_dagster.reporting import performance_tables, sparkline, tables\n"
        "print(sorted({'altair', 'vl_convert', 'pandas', 'rich', 'dagster'} & set(sys.modules)))"
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
