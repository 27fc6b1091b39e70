from dataclasses import replace

import altair as alt
import polars as pl
import pytest

from numebot_dagster.reporting import charts, marks
from numebot_dagster.reporting.picture import LINE_LENGTH, WIDTH, Picture
from numebot_dagster.reporting.theme import DARK, LIGHT, Mark
from tests.support.pictures import Drawing, png_size


@pytest.fixture
def picture() -> Picture:
    frame = pl.DataFrame({"x": [1, 2], "y": [0.5, 0.25]})
    chart = alt.Chart(frame).mark_line(style=Mark.ACCENT).encode(alt.X("x:Q"), alt.Y("y:Q"))
    return Picture(
        "Down it goes", "half each time", "It falls from 0.5 to 0.25.", marks.plot(chart)
    )


def test_one_definition_has_the_colours_of_each_theme(picture):
    for look, other in ((LIGHT, DARK), (DARK, LIGHT)):
        drawn = Drawing(picture.svg(look))
        assert drawn.colours[look.accent] == 1
        assert other.accent not in drawn.colours
        assert look.panel in picture.svg(look)
        assert {"Down it goes", "half each time"} <= set(drawn.texts)


def test_the_title_stands_outside_on_a_page(picture):
    inside, outside = picture.specification(), picture.specification(with_title=False)
    assert inside.pop("title") == {"text": "Down it goes", "subtitle": ["half each time"]}
    assert "title" not in outside
    assert outside["description"] == "It falls from 0.5 to 0.25."


def test_a_file_is_of_the_kind_that_is_small(picture):
    name, svg = picture.file("fall")
    assert (name, svg[:4]) == ("fall.svg", b"<svg")
    dense = Picture(picture.title, picture.subtitle, picture.result, picture.chart, is_dense=True)
    name, png = dense.file("fall")
    assert (name, png_size(png)) == ("fall.png", Drawing(picture.svg()).size)


def test_more_rows_than_altair_takes_by_itself():
    frame = pl.DataFrame({"x": range(6000)})
    chart = alt.Chart(frame).mark_tick(style=Mark.TRACE).encode(alt.X("x:Q"))
    plain = Picture("Many", "", "", marks.plot(chart)).specification()
    assert sum(len(rows) for rows in plain["datasets"].values()) == 6000


@pytest.mark.parametrize("count", [2, 20])
def test_every_chart_is_valid_vega_lite(score_frame, count):
    """Charts are written without Altair's own check, which takes longer than all else."""
    rows = [
        (f"m{index}", 1343 + number, "corr60", day, 0.01, "1", None, number < 2)
        for index in range(count)
        for number in range(3)
        for day in (59, 60)
    ]
    drawn = [
        chart(score_frame(*rows))
        for chart in (charts.scores_by_day, charts.final_by_round, charts.mean_final)
    ]
    with alt.data_transformers.enable("default", max_rows=None):
        for picture in drawn:
            picture.chart.to_dict(validate=True)


def test_a_long_subtitle_takes_lines_of_its_own(picture):
    long = replace(picture, subtitle="word " * 50)
    lines = long.specification()["title"]["subtitle"]
    assert len(lines) == 3
    assert max(map(len, lines)) <= LINE_LENGTH
    assert Drawing(long.svg()).size[0] == WIDTH
