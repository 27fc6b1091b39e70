"""Serve the folder of the board: pages and pictures, which may change at any time.

Nothing in a page may come from elsewhere or be sent anywhere, and a picture that is opened by
itself runs no script: names of models and texts of Numerai appear in both. A picture is found by
its name without the ending too, because large fleets are drawn as PNG and others as SVG.
"""

from __future__ import annotations

import os
from http import HTTPStatus
from pathlib import Path, PurePath

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import NotModifiedResponse, StaticFiles
from starlette.types import Scope

from numebot_dagster.reporting.embed import BOARD
from numebot_dagster.web.pages import page

FRONT_PAGE = "index.html"

_MEDIA_TYPES = {
    ".html": "text/html",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".csv": "text/csv",
    ".json": "application/json",
    ".js": "text/javascript",
}
_KINDS_OF_PICTURE = (".svg", ".png")
_FROM_THIS_SITE = (
    "default-src 'none'; img-src 'self' data:; font-src data:; style-src 'unsafe-inline'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)
_OF_A_PAGE = f"{_FROM_THIS_SITE}; script-src 'self' 'unsafe-inline'"
_OF_A_PICTURE = f"{_FROM_THIS_SITE}; sandbox"

_NOT_DRAWN = """\
<svg xmlns="http://www.w3.org/2000/svg" width="320" height="60" font-family="sans-serif">
<rect width="320" height="60" rx="6" fill="none" stroke="#888"/>
<text x="160" y="35" text-anchor="middle" font-size="14" fill="#888">Not drawn yet</text>
</svg>
"""


def board_routes(folder: Path) -> list[BaseRoute]:
    """Return the routes of the board."""
    return [Route(BOARD, _to_the_front_page), Mount(BOARD, Board(folder))]


async def _to_the_front_page(_: Request) -> Response:
    return RedirectResponse(f"{BOARD}/")


class Board(StaticFiles):
    """The files of a folder that need not exist yet; nothing hidden and nothing outside of it."""

    def __init__(self, folder: Path) -> None:
        super().__init__(directory=folder, check_dir=False)
        self.config_checked = True  # which would be that the folder exists

    async def get_response(self, path: str, scope: Scope) -> Response:
        """Return a file, or what stands in for a page or picture that was not drawn yet."""
        place = PurePath(path)
        if any(part.startswith(".") for part in place.parts):
            raise HTTPException(HTTPStatus.NOT_FOUND)
        for name in _names(place):
            try:
                return await super().get_response(name, scope)
            except HTTPException as error:
                if error.status_code != HTTPStatus.NOT_FOUND:
                    raise
        if not place.parts:
            return page("empty_board", title="Nothing drawn yet")
        if place.parent.name == "figures":
            return Response(_NOT_DRAWN, HTTPStatus.NOT_FOUND, _headers(".svg"), "image/svg+xml")
        raise HTTPException(HTTPStatus.NOT_FOUND)

    def file_response(
        self,
        full_path: str | os.PathLike[str],
        stat_result: os.stat_result,
        scope: Scope,
        status_code: int = HTTPStatus.OK,
    ) -> Response:
        """Return a file of a type that the board has; the browser asks each time if it changed."""
        suffix = PurePath(full_path).suffix
        if suffix not in _MEDIA_TYPES:
            raise HTTPException(HTTPStatus.NOT_FOUND)
        response = FileResponse(
            full_path,
            status_code,
            _headers(suffix),
            media_type=_MEDIA_TYPES[suffix],
            stat_result=stat_result,
        )
        request = Request(scope)
        if self.is_not_modified(response.headers, request.headers):
            return NotModifiedResponse(response.headers)
        return response


def _names(place: PurePath) -> list[str]:
    """Return the files that are meant by a path: a chart may be a picture of either kind."""
    if not place.parts:
        return [FRONT_PAGE]
    if place.suffix:
        return [str(place)]
    return [f"{place}{suffix}" for suffix in _KINDS_OF_PICTURE]


def _headers(suffix: str) -> dict[str, str]:
    return {
        "Cache-Control": "no-cache",
        "Content-Security-Policy": _OF_A_PAGE if suffix == ".html" else _OF_A_PICTURE,
        "X-Content-Type-Options": "nosniff",
    }
