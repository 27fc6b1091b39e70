import altair as alt
import polars as pl
import pytest

from numebot_dagster.reporting import marks
from numebot_dagster.reporting.picture import Picture
from numebot_dagster.reporting.theme import DARK, LIGHT, Mark
from tests.support.pictures import Drawing, png_size


@pytest.fixture
def picture() -> Picture:
    frame = pl.DataFrame({"x": [1, 2], "y": [0.5, 0.25]})
    chart = alt.Chart(frame).mark_line(style=Mark.ACCENT).encode(x="x:Q", y="y:Q")
    return Picture(
        "Down it goes", "half each time", "It falls from 0.5 to 0.25.", marks.sized(chart)
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
    assert inside.pop("title") == {"text": "Down it goes", "subtitle": "half each time"}
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
    chart = alt.Chart(frame).mark_tick(style=Mark.TRACE).encode(x="x:Q")
    plain = Picture("Many", "", "", marks.sized(chart)).specification()
    assert sum(len(rows) for rows in plain["datasets"].values()) == 6000
