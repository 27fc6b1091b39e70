"""Define how every chart looks: quiet, legible in light and dark, safe for the colour-blind.

A chart names what a mark means (`Mark`), never a colour; a theme gives each meaning its colour, as
a Vega-Lite configuration. So one chart serves the light and the dark page and the Dagster UI.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

FONT = "Inter, Arial, 'Liberation Sans', Helvetica, sans-serif"
MOST_LINES = 8
"""Lines that are told apart by colour and dashes; larger fleets are drawn as bands or rows."""

DASHES = ((1, 0), (6, 3), (2, 2), (8, 3, 2, 3), (1, 0), (6, 3), (2, 2), (8, 3, 2, 3))
"""The dashes of the lines in their order: no two of one colour or neighbouring colours agree."""


class Mark(StrEnum):
    """What a mark stands for; each has a style of this name in the configuration."""

    ACCENT = "accent"  # what is looked at; better than what it is compared with
    UNTOLD = "untold"  # what cannot be told apart; of no emphasis
    WORSE = "worse"
    OUTER_BAND = "outer-band"  # nine tenths
    INNER_BAND = "inner-band"  # half
    MIDDLE = "middle"  # the median or mean of a band
    TRACE = "trace"  # thin lines that only show where others went
    ZERO = "zero"
    NOTE = "note"
    LABEL = "label"
    GROUND = "ground"  # a shaded part of the plot


_BARE_AXIS = {"domain": False, "ticks": False, "labelPadding": 6, "titlePadding": 8}


@dataclass(frozen=True)
class Theme:
    """Colours by what they mean, as `#rrggbb`.

    Attributes:
        ink: titles and figures.
        soft: labels and notes.
        grid: lines of the grid.
        panel: the ground of a chart, and the middle of diverging colours.
        shade: a part of the ground that is set off.
        accent: the only colour of emphasis.
        untold: what cannot be told.
        worse: what is below; the other end of diverging colours.
        states: on time, previous weights, late, failed, not yet known: states of operation.
        lines: of up to `MOST_LINES` models (after Okabe and Ito, "Color Universal Design", 2008,
            without the yellow that vanishes on white).
    """

    name: str
    ink: str
    soft: str
    grid: str
    panel: str
    shade: str
    accent: str
    untold: str
    worse: str
    states: tuple[str, ...]
    lines: tuple[str, ...]

    @property
    def config(self) -> dict[str, Any]:
        """The Vega-Lite configuration."""
        words = {
            "labelColor": self.soft,
            "titleColor": self.soft,
            "labelFontSize": 11,
            "titleFontSize": 11,
            "titleFontWeight": "normal",
        }
        return {
            "background": self.panel,
            "font": FONT,
            "padding": 10,
            "view": {"stroke": None},
            "title": {
                "color": self.ink,
                "subtitleColor": self.soft,
                "anchor": "start",
                "fontSize": 14,
                "subtitleFontSize": 11,
                "subtitlePadding": 5,
                "offset": 12,
            },
            "axis": {**words, "gridColor": self.grid, **_BARE_AXIS},
            "legend": {**words, "labelLimit": 150, "symbolStrokeWidth": 2},
            "range": {
                "category": list(self.lines),
                "ordinal": list(self.states),
                "diverging": [self.worse, self.panel, self.accent],
            },
            "line": {"strokeWidth": 2, "strokeCap": "round", "strokeJoin": "round"},
            "style": self._styles,
        }

    @property
    def _styles(self) -> dict[Mark, dict[str, Any]]:
        """How each mark is drawn."""
        text = {"font": FONT, "color": self.soft, "fontSize": 11}
        return {
            Mark.ACCENT: {"color": self.accent},
            Mark.UNTOLD: {"color": self.untold},
            Mark.WORSE: {"color": self.worse},
            Mark.OUTER_BAND: {"color": self.accent, "opacity": 0.12},
            Mark.INNER_BAND: {"color": self.accent, "opacity": 0.2},
            Mark.MIDDLE: {"color": self.accent, "strokeDash": [4, 3], "strokeWidth": 1.5},
            Mark.TRACE: {"color": self.ink, "strokeWidth": 1, "opacity": 0.35},
            Mark.ZERO: {"color": self.soft, "strokeDash": [3, 3], "strokeWidth": 1},
            Mark.NOTE: {**text, "fontStyle": "italic"},
            Mark.LABEL: {**text, "color": self.ink},
            Mark.GROUND: {"color": self.shade, "opacity": 1},
        }


LIGHT = Theme(
    name="light",
    ink="#1f2937",
    soft="#5f6b7a",
    grid="#e5e7eb",
    panel="#ffffff",
    shade="#f3f4f6",
    accent="#1f6feb",
    untold="#9aa3b2",
    worse="#c2410c",
    states=("#2da44e", "#d4a72c", "#8250df", "#cf222e", "#9aa3b2"),
    lines=(
        *("#0072b2", "#d55e00", "#009e73", "#cc79a7"),
        *("#56b4e9", "#e69f00", "#7a5cc4", "#4d4d4d"),
    ),
)

DARK = Theme(
    name="dark",
    ink="#e6edf3",
    soft="#9da7b3",
    grid="#30363d",
    panel="#161b22",
    shade="#1f262e",
    accent="#4493f8",
    untold="#7d8590",
    worse="#f0883e",
    states=("#3fb950", "#d29922", "#a371f7", "#f85149", "#7d8590"),
    lines=(
        *("#4da3e0", "#f08a4b", "#2fc29a", "#e3a3c6"),
        *("#8fd0f5", "#f2bb4a", "#a48be0", "#c9d1d9"),
    ),
)

THEMES = (LIGHT, DARK)


def shortened(name: str, length: int) -> str:
    """Shorten a long name in the middle: names of one family differ at the end."""
    if len(name) <= length:
        return name
    tail = length // 2
    return f"{name[: length - tail - 1]}…{name[-tail:]}"


def drawn_apart(models: Iterable[str]) -> bool:
    """Return whether so few models are drawn that each has a line of its own."""
    return len(set(models)) <= MOST_LINES
