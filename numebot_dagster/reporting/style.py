"""Style all figures alike: quiet, readable at half size, safe for the colour-blind.

Figures are made with matplotlib's objects, not with pyplot, whose global state is neither safe in
threads nor ever freed. matplotlib itself is imported by the first figure, not by this module.
"""

from __future__ import annotations

import io
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

POSITIVE = "#0072b2"
NEGATIVE = "#d55e00"
GREY = "#999"
INK = "#262626"
SOFT_INK = "#6b6b6b"
SHADE = "#f1f1ee"

# Okabe and Ito, "Color Universal Design" (2008), without the yellow that vanishes on white.
PALETTE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#000000")
DASHES: tuple[Any, ...] = ("-", (0, (5, 2)), (0, (1.2, 1.4)), (0, (6, 2, 1.2, 2)))
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")

DOTS_PER_INCH = 110
HEADLINE_INCHES = 0.5
LEGEND_ROWS = 25
LEGEND_COLUMN_INCHES = 1.5


@dataclass(frozen=True)
class SeriesStyle:
    """The style of one model in every figure."""

    color: str
    dashes: Any
    marker: str


def series_styles(models: Iterable[str]) -> dict[str, SeriesStyle]:
    """Return a different style for each model, in alphabetical order.

    Colours repeat after 7 models, with other dashes and markers: no two of the first 56 models
    look alike.
    """
    return {
        model: SeriesStyle(
            PALETTE[index % len(PALETTE)],
            DASHES[index // len(PALETTE) % len(DASHES)],
            MARKERS[index // len(PALETTE) % len(MARKERS)],
        )
        for index, model in enumerate(sorted(set(models)))
    }


def new_figure(title: str, subtitle: str, height: float = 4.6) -> tuple[Figure, Axes]:
    """Return a figure 9 inches wide with its headline and one empty, quiet plot."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, height), dpi=DOTS_PER_INCH, facecolor="white")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    top = 1 - 0.1 / height
    figure.text(0.012, top, title, fontsize=13, fontweight="bold", color=INK, va="top")
    figure.text(0.012, top - 0.29 / height, subtitle, fontsize=9, color=SOFT_INK, va="top")
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color(GREY)
    axes.tick_params(colors=SOFT_INK, labelsize=9, length=0)
    axes.grid(axis="y", color="#e4e4e4", linewidth=0.8)
    axes.set_axisbelow(True)
    return figure, axes


def label_axes(axes: Axes, x: str, y: str) -> None:
    """Label both axes, mark zero, and show only whole numbers on the x axis."""
    from matplotlib.ticker import MaxNLocator, StrMethodFormatter

    axes.set_xlabel(x, fontsize=9.5, color=INK, labelpad=6)
    axes.set_ylabel(y, fontsize=9.5, color=INK, labelpad=8)
    axes.axhline(0, color=INK, linewidth=0.9, zorder=1.5)
    axes.xaxis.set_major_locator(
        MaxNLocator(nbins=10, steps=[1, 2, 5, 10], integer=True, min_n_ticks=1)
    )
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:.0f}"))


def add_legend(axes: Axes, models: list[str]) -> None:
    """Put the legend beside the plot, in the order of `models`.

    A single model needs none: its name is in the title. For each column of names beyond the first
    the figure grows wider, so that the plot keeps its size.
    """
    handles, labels = axes.get_legend_handles_labels()
    by_name = dict(zip(labels, handles, strict=True))
    if len(by_name) < 2:
        return
    columns = 1 + (len(models) - 1) // LEGEND_ROWS
    figure = axes.get_figure(root=True)
    assert figure is not None
    figure.set_figwidth(figure.get_figwidth() + (columns - 1) * LEGEND_COLUMN_INCHES)
    axes.legend(
        [by_name[model] for model in models],
        [shortened(model, 22 if columns == 1 else 18) for model in models],
        loc="upper left",
        bbox_to_anchor=(1.01, 1.02),
        borderaxespad=0,
        frameon=False,
        fontsize=8.5 if len(models) <= 12 else 7,
        labelcolor=INK,
        handlelength=2.4,
        columnspacing=1.2,
        ncols=columns,
    )


def shortened(name: str, length: int) -> str:
    """Shorten a long name in the middle: names of one family differ at the end."""
    if len(name) <= length:
        return name
    tail = length // 2
    return f"{name[: length - tail - 1]}…{name[-tail:]}"


def render(figure: Figure) -> bytes:
    """Return the figure as a PNG of few colours.

    The Dagster UI keeps metadata for ever, so every picture is reduced to 128 colours, which makes
    it four times smaller. By octree: Pillow's median cut drops the colour of a lone point.
    """
    from PIL import Image

    figure.tight_layout(rect=(0, 0, 1, 1 - HEADLINE_INCHES / figure.get_figheight()))
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    with Image.open(buffer) as picture:
        reduced = picture.convert("RGB").quantize(
            colors=128, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE
        )
    small = io.BytesIO()
    reduced.save(small, format="png", optimize=True)
    return small.getvalue()
