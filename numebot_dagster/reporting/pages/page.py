"""Render a page of the board from a template: the frame, the colours and the charts."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib import metadata
from typing import Any

import jinja2
from markupsafe import Markup

from numebot_dagster.reporting import numbers
from numebot_dagster.reporting.picture import Picture
from numebot_dagster.reporting.theme import THEMES, Theme

SECTIONS = {"today": "index.html", "fleet": "fleet.html", "money": "money.html"}
"""The pages of the navigation, by name; models and rounds have a page each."""

LIBRARY = "vega.js"
"""The library that draws charts, beside the pages, so that nothing is fetched from outside."""


@dataclass(frozen=True)
class Frame:
    """What surrounds every page.

    Attributes:
        tournament: which one it is, for people: `practice tournament`, for example.
        written_at: aware UTC, by Numerai's clock.
        clock_difference: how far Numerai's clock is ahead of this machine's; a practice tournament
            may live in another year.
        root: the way to the folder of all pages: empty for pages at the top, `../` below it.
        sections: those of `SECTIONS` that were written.
    """

    tournament: str
    written_at: datetime
    clock_difference: timedelta = timedelta()
    root: str = ""
    sections: Sequence[str] = tuple(SECTIONS)

    def below(self) -> Frame:
        """Return the frame of a page in a folder of its own."""
        return replace(self, root="../")

    @property
    def skew(self) -> float:
        """The difference between the clocks in seconds, for `board.js`."""
        return self.clock_difference.total_seconds()


def render(template: str, frame: Frame, **content: Any) -> str:
    """Return a whole page.

    Args:
        template: a file name in `templates`.
        frame: what surrounds it.
        content: what the template shows; every text is escaped.
    """
    text = _environment().get_template(template)
    return text.render(frame=frame, sections=SECTIONS, **content)


def chart(picture: Picture) -> Markup:
    """Return a chart as HTML, which `board.js` draws in the colours of the reader's theme.

    Without scripts the result in words is shown.
    """
    plain = picture.specification(with_title=False)
    del plain["config"]
    plain.pop("width", None)
    datasets = {name: _by_column(rows) for name, rows in plain["datasets"].items()}
    specification = {**plain, "width": "container", "datasets": datasets}
    head = f"<h2>{_escaped(picture.title)} <small>{_escaped(picture.subtitle)}</small></h2>"
    return Markup(  # noqa: S704 - every part is escaped
        f"{head}"
        f'<figure class="chart" role="img" aria-label="{_escaped(picture.result)}">'
        f'<script type="application/json">{as_json(specification)}</script>'
        f"<p>{_escaped(picture.result)}</p></figure>"
    )


def library() -> bytes:
    """Put the library together that draws charts, which takes seconds."""
    import vl_convert

    bundle: str = vl_convert.javascript_bundle(None)  # type: ignore[arg-type] # its stub is wrong
    return bundle.encode()


def library_version() -> str:
    """Return what changes when the library does, as a part of a file's name."""
    import vl_convert

    parts = {
        "vl-convert": metadata.version("vl-convert-python"),
        "vega": vl_convert.get_vega_version(),
        "embed": vl_convert.get_vega_embed_version(),
    }
    return "-".join(f"{name}-{version}" for name, version in parts.items())


def as_json(value: object) -> Markup:
    """Return JSON that can stand in a script element, whatever the texts in it hold."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    for character in "<>&\N{LINE SEPARATOR}\N{PARAGRAPH SEPARATOR}":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)  # noqa: S704 - nothing is left that ends the element


def moment(value: datetime) -> Markup:
    """Return a moment in UTC; the reader's own time shows on hover."""
    stamp = value.astimezone(UTC)
    return Markup('<time datetime="{}">{}</time>').format(
        stamp.isoformat(), f"{stamp:%a} {stamp.day} {stamp:%b %H:%M} UTC"
    )


def age(since: datetime, now: datetime) -> str:
    """Return how long ago something was, in one word or two: `3 weeks`, `41 minutes`."""
    seconds = max((now - since).total_seconds(), 0)
    for unit, length in (("week", 604_800), ("day", 86_400), ("hour", 3600), ("minute", 60)):
        count = int(seconds // length)
        if count >= (2 if unit == "week" else 1):
            return numbers.counted(count, unit)
    return "a moment"


@cache
def templates_digest() -> str:
    """Return what changes when a template does."""
    loader = _environment().loader
    assert loader is not None
    names = sorted(loader.list_templates())
    sources = (loader.get_source(_environment(), name)[0] for name in names)
    return hashlib.sha256("".join(sources).encode()).hexdigest()[:12]


def _by_column(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return rows in a third of their length: each name of a column, and each text in it, once."""
    texts: dict[str, dict[str, int]] = {}

    def short(column: str, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        places = texts.setdefault(column, {})
        return places.setdefault(value, len(places))

    columns = list(rows[0]) if rows else []
    shortened = [[short(column, row[column]) for column in columns] for row in rows]
    return {
        "columns": columns,
        "texts": {column: list(places) for column, places in texts.items()},
        "rows": shortened,
    }


def _amount(value: float | None) -> str:
    """Return an amount of NMR without its unit."""
    return numbers.nmr(None if value is None else float(value)).removesuffix(" NMR")


def _escaped(text: str) -> str:
    return str(jinja2.utils.markupsafe.escape(text))


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("numebot_dagster.reporting.pages"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        score=numbers.score,
        nmr=_amount,
        moment=moment,
        chart=chart,
        json=as_json,
        counted=numbers.counted,
    )
    environment.globals.update(
        library=LIBRARY,
        styles={theme.name: Markup(_variables(theme)) for theme in THEMES},  # noqa: S704 - ours
        charts={theme.name: _page_config(theme) for theme in THEMES},
    )
    return environment


def _page_config(theme: Theme) -> Mapping[str, Any]:
    return {**theme.config, "background": None, "padding": 5}


def _variables(theme: Theme) -> str:
    """Return the colours of a theme as CSS variables."""
    plain = {
        field.name: value
        for field in fields(theme)
        if field.name != "name" and isinstance(value := getattr(theme, field.name), str)
    }
    states = zip(("good", "warn", "late", "bad", "open"), theme.states, strict=True)
    return "".join(f"--{name}:{value};" for name, value in {**plain, **dict(states)}.items())
