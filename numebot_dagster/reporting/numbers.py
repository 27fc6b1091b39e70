"""Format scores, amounts and counts with their digits, sign and unit."""

from __future__ import annotations

import math

MISSING = "\N{EN DASH}"
SCORE_DIGITS = 4
NMR_DIGITS = 3
SMALL = 0.001


def score(value: float | None) -> str:
    """Return a score with its sign and four digits, as `+0.0123`; a dash for what is unknown."""
    return _signed(value, SCORE_DIGITS)


def nmr(value: float | None) -> str:
    """Return an amount of NMR earned or burned, as `+1.250 NMR`; a dash for what is unknown."""
    text = _signed(value, NMR_DIGITS)
    return text if text == MISSING else f"{text} NMR"


def brief_nmr(value: float | None) -> str:
    """Return an amount of NMR for a glance, of one to three digits, as `+12.40` or `+1,059.7`."""
    size = abs(value or 0.0)
    return _signed(value, 1 if size >= 100 else 2 if size >= 10 else 3)


def counted(count: int, noun: str) -> str:
    """Return a number with its noun, as `1 model` or `3 models`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def plotted(value: float) -> float:
    """Return a number as a curve and its table need it: four digits, or all of a whole number.

    Of these, at most four lie behind the point, as in `0.0123` and `51.25`; below a thousandth,
    three significant ones say more.
    """
    if not math.isfinite(value) or value == 0:
        return value
    if abs(value) < SMALL:
        return float(f"{value:.3g}")
    before_the_point = max(0, math.floor(math.log10(abs(value))) + 1)
    return round(value, max(0, SCORE_DIGITS - before_the_point))


def _signed(value: float | None, digits: int) -> str:
    if value is None or not math.isfinite(value):
        return MISSING
    text = f"{value:+,.{digits}f}"
    if not text.strip("+-0."):
        return text[1:]
    return text.replace("-", "\N{MINUS SIGN}")
