import polars as pl
import pytest

from numebot_dagster.reporting import marks
from numebot_dagster.reporting.picture import Picture
from numebot_dagster.reporting.theme import LIGHT
from tests.support.pictures import Drawing


def drawn(chart):
    return Drawing(Picture("Title", "", "", marks.plot(chart)).svg())


@pytest.mark.parametrize(
    ("first", "last", "ticks"),
    [
        (1343, 1343, [1343]),
        (1343, 1349, list(range(1343, 1350))),
        (1343, 1362, list(range(1344, 1363, 2))),
        (1201, 1320, list(range(1210, 1321, 10))),
        (300, 1299, list(range(300, 1300, 100))),
    ],
)
def test_a_dozen_round_numbers_are_named(first, last, ticks):
    assert marks._ticks(first, last) == ticks


def test_names_that_break_out_of_nothing():
    """A Numerai name may have any character; long ones are shortened in the legend."""
    names = ['it\'s "quoted" \\', "a" * 30, "<b>&amp;"]
    frame = pl.DataFrame({"model": names, "x": [1, 1, 1], "y": [0.1, 0.2, 0.3]})
    lines = marks.lines(frame, marks.whole_axis("x", "x"), "y", "y")
    texts = drawn(lines.encode(**marks.by_model(names))).texts
    assert {names[0], "aaaaaaaaa…aaaaaaaaaa", names[2]} <= set(texts)


def test_a_single_model_needs_no_legend():
    frame = pl.DataFrame({"model": ["a"], "x": [1], "y": [0.1]})
    lines = marks.lines(frame, marks.whole_axis("x", "x"), "y", "y")
    assert "a" not in drawn(lines.encode(**marks.by_model(["a"]))).texts


def test_zero_is_white_and_what_is_running_is_lighter():
    frame = pl.DataFrame(
        {
            "model": ["a", "a", "b", "b"],
            "round": [1, 2, 1, 2],
            "value": [0.02, -0.02, 0.0, 0.02],
            "resolved": [True, True, True, False],
        }
    )
    svg = drawn(marks.heat_map(frame, ["a", "b"], "MMC60", 0.02))
    full = f"rgb{tuple(int(LIGHT.accent[place : place + 2], 16) for place in (1, 3, 5))}"
    assert svg.colours[full] == 2
    assert svg.colours["rgb(255, 255, 255)"] == 1
    assert 'opacity="0.55"' in svg.svg


def test_bands_are_the_quantiles_of_values():
    frame = pl.DataFrame({"day": [1] * 21, "value": [index / 20 for index in range(21)]})
    by_day = frame.group_by("day").agg(*marks.quantiles())
    assert by_day.row(0, named=True) == pytest.approx(
        {"day": 1, "q05": 0.05, "q25": 0.25, "q50": 0.5, "q75": 0.75, "q95": 0.95}
    )
