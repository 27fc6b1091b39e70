import base64
import re
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from numebot_dagster.reporting.sparkline import MARGIN, sparkline
from numebot_dagster.reporting.theme import LIGHT

SVG = "{http://www.w3.org/2000/svg}"
anything = st.lists(st.none() | st.floats(allow_nan=True, allow_infinity=True), max_size=700)


def parsed(markdown: str) -> ElementTree.Element:
    match = re.fullmatch(r"!\[[^\]]*\]\(data:image/svg\+xml;base64,([A-Za-z0-9+/=]+)\)", markdown)
    assert match is not None
    return ElementTree.fromstring(base64.b64decode(match.group(1)))


def curve(markdown: str) -> list[list[tuple[int, int]]]:
    """Return the drawn strokes as absolute points, read back from the relative path."""
    path = parsed(markdown).findall(f"{SVG}path")[1].get("d")
    assert path is not None
    strokes: list[list[tuple[int, int]]] = []
    x = y = 0
    for stroke in path.split("m")[1:]:
        numbers = [int(number) for number in re.findall(r"-?\d+", stroke.removesuffix("h0"))]
        strokes.append([])
        for dx, dy in zip(numbers[::2], numbers[1::2], strict=True):
            x, y = x + dx, y + dy
            strokes[-1].append((x, y))
    return strokes


def last_dot(markdown: str) -> tuple[int, int, str]:
    dot = parsed(markdown).find(f"{SVG}circle")
    assert dot is not None
    return int(dot.get("cx", "")), int(dot.get("cy", "")), dot.get("fill", "")


def test_places_of_the_points():
    # 108 by 28 pixels leave 100 by 20 inside the margin: 0.02 is at the top, -0.02 at the bottom.
    markdown = sparkline([0.0, 0.02, -0.02, 0.01, 0.02], width=108, height=28)
    assert curve(markdown) == [[(4, 14), (29, 4), (54, 24), (79, 9), (104, 4)]]
    assert last_dot(markdown) == (104, 4, LIGHT.accent)
    assert parsed(markdown).findall(f"{SVG}path")[0].get("d") == "M0 14H108"


def test_scale_includes_zero_when_all_values_are_on_one_side():
    assert curve(sparkline([0.01, 0.02], width=108, height=28)) == [[(4, 14), (104, 4)]]
    below = sparkline([-0.01, -0.02], width=108, height=28)
    assert curve(below) == [[(4, 14), (104, 24)]]
    assert last_dot(below)[2] == LIGHT.worse


def test_gaps_lift_the_pen_and_gaps_at_the_end_are_left_out():
    values = [None, 0.02, float("nan"), 0.02, 0.0, float("inf"), None]
    strokes = curve(sparkline(values, width=108, height=28))
    assert strokes == [[(29, 4)], [(79, 4), (104, 24)]]


@pytest.mark.parametrize("values", [[], [None], [float("nan"), None, float("-inf")]])
def test_no_values_is_a_zero_line_that_says_so(values):
    markdown = sparkline(values)
    assert markdown.startswith("![no values yet](")
    assert parsed(markdown).find(f"{SVG}circle") is None


def test_alternative_text():
    assert sparkline([0.0123456, None, 0.5]).startswith("![3 values, the last 0.5](")
    assert sparkline([1.0], alt="CORR [of]\n`m`" + "x" * 99).startswith("![CORR of m xxxx")


@pytest.mark.parametrize("count", [2, 30, 60, 75])
def test_a_short_history_keeps_every_point(count):
    values = [((index * 7919) % 101 - 50) / 1000 for index in range(count)]
    assert sum(map(len, curve(sparkline(values)))) == count


def test_a_long_history_keeps_its_ends_and_its_shape():
    # A million values would make a million points; a ramp must still be a ramp from end to end.
    markdown = sparkline([index / 50_000 for index in range(50_001)], width=180, height=36)
    (stroke,) = curve(markdown)
    assert 40 <= len(stroke) <= 172
    assert stroke[0] == (4, 32)
    assert stroke[-1] == (176, 4)
    assert stroke == sorted(stroke, key=lambda point: (point[0], -point[1]))


@given(anything, st.integers(40, 1000), st.integers(12, 400))
def test_any_values_fit_inline_and_inside_the_picture(values, width, height):
    markdown = sparkline(values, width=width, height=height)
    assert len(markdown) < 1000
    root = parsed(markdown)
    assert (root.get("width"), root.get("height")) == (str(width), str(height))
    if root.find(f"{SVG}circle") is not None:
        points = [point for stroke in curve(markdown) for point in stroke]
        assert all(MARGIN <= x <= width - MARGIN for x, _ in points)
        assert all(MARGIN <= y <= height - MARGIN for _, y in points)
        assert points[-1] == last_dot(markdown)[:2]


@given(st.text(max_size=300))
def test_any_alternative_text_fits_inline(alt):
    markdown = sparkline([(-1) ** index * index for index in range(999)], alt=alt)
    assert len(markdown) < 1000
    parsed(markdown)


@pytest.mark.parametrize("size", [(39, 36), (1001, 36), (180, 11), (180, 401)])
def test_unusable_sizes_are_refused(size):
    with pytest.raises(ValueError, match=r"40 to 1000 by 12 to 400 pixels, not \d+ by \d+"):
        sparkline([1.0], width=size[0], height=size[1])
