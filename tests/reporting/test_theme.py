import re
from dataclasses import fields

import pytest

from numebot_dagster.reporting import theme
from numebot_dagster.reporting.theme import DARK, LIGHT, MOST_LINES, THEMES, Mark

COLOUR = re.compile(r"#[0-9a-f]{6}")


def colours(look):
    values = [getattr(look, field.name) for field in fields(look) if field.name != "name"]
    return [colour for value in values for colour in ([value] if isinstance(value, str) else value)]


def contrast(first, second):
    """Return the contrast of two colours by WCAG 2.2, from 1 to 21."""

    def luminance(colour):
        shares = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
        linear = [
            share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4
            for share in shares
        ]
        return sum(
            part * weight for part, weight in zip(linear, (0.2126, 0.7152, 0.0722), strict=True)
        )

    light, dark = sorted((luminance(first), luminance(second)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("look", THEMES, ids=lambda look: look.name)
def test_a_theme_is_legible(look):
    assert all(COLOUR.fullmatch(colour) for colour in colours(look))
    assert contrast(look.ink, look.panel) > 7
    assert contrast(look.soft, look.panel) > 4.5
    assert all(contrast(colour, look.panel) > 2.0 for colour in (*look.lines, *look.states))
    assert contrast(look.accent, look.panel) > 3
    assert contrast(look.worse, look.panel) > 3


@pytest.mark.parametrize("look", THEMES, ids=lambda look: look.name)
def test_each_line_has_a_look_of_its_own(look):
    looks = set(zip(look.lines, theme.DASHES, strict=True))
    assert len(looks) == len(look.lines) == MOST_LINES


def test_each_meaning_has_its_style_in_both_themes():
    assert set(LIGHT.config["style"]) == set(DARK.config["style"]) == set(Mark)
    assert LIGHT.config["range"] != DARK.config["range"]


@pytest.mark.parametrize(
    ("name", "short"),
    [("short", "short"), ("family_of_models_17", "family_…dels_17"), ("x" * 15, "x" * 15)],
)
def test_long_names_keep_their_end(name, short):
    assert theme.shortened(name, 15) == short


@pytest.mark.parametrize(("count", "apart"), [(0, True), (8, True), (9, False)])
def test_few_models_are_drawn_apart(count, apart):
    assert theme.drawn_apart([f"m{index}" for index in range(count)] * 2) is apart
