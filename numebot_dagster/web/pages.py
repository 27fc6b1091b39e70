"""Render the pages of our own that stand beside those of Dagster and of the board."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from jinja2 import Environment, PackageLoader
from starlette.responses import HTMLResponse

_TEMPLATES = Environment(loader=PackageLoader("numebot_dagster.web"), autoescape=True)
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}


def page(
    template: str,
    status: HTTPStatus = HTTPStatus.OK,
    headers: Mapping[str, str] | None = None,
    **values: Any,
) -> HTMLResponse:
    """Return a page that fetches nothing, by the name of its template and the values in it."""
    html = _TEMPLATES.get_template(f"{template}.html").render(values)
    return HTMLResponse(html, status, {**_HEADERS, **(headers or {})})
