"""Draw curves that are small enough for a table of the Dagster UI."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from numebot_dagster.reporting.embed import INLINE_LIMIT, svg_picture
from numebot_dagster.reporting.theme import LIGHT

MARGIN = 4
"""Pixels kept free around the curve, so that the mark of the last point is not cut."""

Point = tuple[int, int] | None
"""A place in whole pixels, or a gap."""


def sparkline(
    values: Sequence[float | None], *, width: int = 180, height: int = 36, alt: str | None = None
) -> str:
    """Draw values in their order as a Markdown image of less than 1,000 characters.

    The grey line is zero; the dot is the last known value, blue from zero up and orange below.
    None, NaN and infinite values are gaps; those at the end are left out. What does not fit is
    averaged with its neighbours; the first and the last value are always drawn as they are.

    Args:
        values: any number of values, oldest first.
        width: of the picture, in pixels, 40 to 1000.
        height: of the picture, in pixels, 12 to 400.
        alt: what is shown, in words; by default the number of values and the last one.

    Raises:
        ValueError: when width or height is out of its range.
    """
    if not (40 <= width <= 1000 and 12 <= height <= 400):
        raise ValueError(f"A sparkline is 40 to 1000 by 12 to 400 pixels, not {width} by {height}")
    drawn = [_finite(value) for value in values]
    while drawn and drawn[-1] is None:
        drawn.pop()
    text = alt if alt is not None else _description(drawn)
    points = min(len(drawn), width - 2 * MARGIN)
    while True:
        image = svg_picture(_svg(_downsample(drawn, points), width, height), text)
        if len(image) < INLINE_LIMIT:
            return image
        # A few per cent less each time: at most some dozen tries from a thousand points.
        points = max(2, min(points - 1, points * 9 // 10))


def _finite(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else float(value)


def _description(drawn: Sequence[float | None]) -> str:
    if not drawn or drawn[-1] is None:
        return "no values yet"
    return f"{len(drawn)} values, the last {drawn[-1]:.6g}"


def _downsample(values: Sequence[float | None], points: int) -> list[float | None]:
    """Return means of equal stretches, `points` in all; the first and last value are kept."""
    if len(values) <= max(points, 2):
        return list(values)
    stretches = points - 2
    inner = len(values) - 2
    bounds = [1 + index * inner // stretches for index in range(stretches + 1)] if stretches else []
    return [values[0], *(_mean(values[start:end]) for start, end in pairwise(bounds)), values[-1]]


def _mean(values: Sequence[float | None]) -> float | None:
    numbers = [value for value in values if value is not None]
    # Divided before it is summed: the sum of two huge floats is infinite.
    return sum(value / len(numbers) for value in numbers) if numbers else None


def _svg(values: Sequence[float | None], width: int, height: int) -> str:
    points, zero = _place(values, width, height)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" fill="none">'
        f'<path d="M0 {zero}H{width}" stroke="{LIGHT.untold}"/>'
    ]
    if points and points[-1] is not None:
        x, y = points[-1]
        colour = LIGHT.worse if (values[-1] or 0.0) < 0 else LIGHT.accent
        parts.append(
            f'<path d="{_path(points)}" stroke="{LIGHT.accent}" stroke-width="2" '
            'stroke-linecap="round" stroke-linejoin="round"/>'
            f'<circle cx="{x}" cy="{y}" r="3" fill="{colour}"/>'
        )
    return "".join([*parts, "</svg>"])


def _place(values: Sequence[float | None], width: int, height: int) -> tuple[list[Point], int]:
    """Return the pixel places of the values and of zero; the scale always includes zero."""
    numbers = [value for value in values if value is not None]
    # Scaled to [-1, 1] first: the range of the values themselves may overflow.
    largest = max((abs(value) for value in numbers), default=0.0) or 1.0
    top = max(0.0, max(numbers, default=0.0) / largest)
    bottom = min(0.0, min(numbers, default=0.0) / largest)
    inner_width, inner_height = width - 2 * MARGIN, height - 2 * MARGIN

    def y_of(share: float) -> int:
        if top == bottom:
            return height // 2
        return MARGIN + round((top - share) / (top - bottom) * inner_height)

    steps = max(len(values) - 1, 1)
    places: list[Point] = [
        None
        if value is None
        else (MARGIN + round(index * inner_width / steps), y_of(value / largest))
        for index, value in enumerate(values)
    ]
    return places, y_of(0.0)


def _path(points: Sequence[Point]) -> str:
    """Return relative steps, the shortest notation of a polyline; a gap lifts the pen."""
    steps: list[str] = []
    here = (0, 0)
    drawing = False
    for point, following in zip(points, [*points[1:], None], strict=True):
        if point is not None:
            alone = not drawing and following is None
            # A point between two gaps becomes a dot: a line of no length with round ends.
            steps.append(
                f"{'' if drawing else 'm'}{point[0] - here[0]} {point[1] - here[1]}"
                f"{'h0' if alone else ''}"
            )
            here = point
        drawing = point is not None
    return " ".join(steps).replace(" -", "-").replace(" m", "m")
