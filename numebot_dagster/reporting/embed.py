"""Embed pictures in Markdown, as the Dagster UI shows them.

The UI strips raw `<svg>` and cannot fetch files, but it shows images whose bytes are part of their
address (data URIs). Markdown under `INLINE_LIMIT` characters appears in the metadata table itself,
longer Markdown behind a link.
"""

from __future__ import annotations

import base64

INLINE_LIMIT = 1000
"""Dagster shows Markdown inline only when it is shorter than this many characters."""

LONGEST_ALT = 80


def picture(png: bytes, alt: str) -> str:
    """Return Markdown that shows a PNG.

    Raises:
        ValueError: when the bytes are not a PNG.
    """
    if not png.startswith(b"\x89PNG\r\n\x1a\n"):
        raise ValueError(f"These {len(png)} bytes are not a PNG; draw one with reporting.charts")
    return _image("image/png", png, alt)


def svg_picture(svg: str, alt: str) -> str:
    """Return Markdown that shows an SVG document; `alt` as in `picture`."""
    return _image("image/svg+xml", svg.encode(), alt)


def _image(media_type: str, content: bytes, alt: str) -> str:
    return f"![{_plain(alt)}](data:{media_type};base64,{base64.b64encode(content).decode()})"


def _plain(alt: str) -> str:
    """Return one line without the characters that would end the alternative text early."""
    kept = "".join(" " if character in "[]\\`<>" else character for character in alt)
    return " ".join(kept.split())[:LONGEST_ALT]
