"""Show pictures in Markdown, as the Dagster UI does it.

The UI strips raw `<svg>`, but it shows images by their address: stored figures by that of the
board, which `numebot up` serves beside the UI, and small ones by an address that holds their bytes
(data URI). Markdown under `INLINE_LIMIT` characters appears in the metadata table itself, longer
Markdown behind a link.
"""

from __future__ import annotations

import base64
from urllib.parse import quote

from numebot_dagster.lake.figures import Figure

INLINE_LIMIT = 1000
"""Dagster shows Markdown inline only when it is shorter than this many characters."""

BOARD = "/numebot"
"""Where `numebot up` serves the folder of the board."""

BOARD_IS_SERVED = "NUMEBOT_BOARD_IS_SERVED"
"""Set in the environment of the processes of `numebot up`."""

LONGEST_ALT = 80


def figure_picture(figure: Figure) -> str:
    """Return Markdown that shows a stored figure, and its path below for where no board is served.

    The address changes with the content, so that the browser shows no former one.
    """
    shown = served_picture(f"{figure.name}?v={figure.version}", figure.title)
    return f"{shown}\n\n`{figure.path}`"


def served_picture(name: str, alt: str) -> str:
    """Return Markdown that shows whatever figure the board serves by a name.

    It is as wide as there is room; a click shows it in its own size.
    """
    address = f"{BOARD}/figures/{quote(name, safe='?=')}"
    return f"[![{_plain(alt)}]({address})]({address})"


def svg_picture(svg: str, alt: str) -> str:
    """Return Markdown that holds an SVG document and shows it."""
    encoded = base64.b64encode(svg.encode()).decode()
    return f"![{_plain(alt)}](data:image/svg+xml;base64,{encoded})"


def _plain(alt: str) -> str:
    """Return one line without the characters that would end the alternative text early."""
    kept = "".join(" " if character in "[]\\`<>" else character for character in alt)
    return " ".join(kept.split())[:LONGEST_ALT]
