"""Write the pages of the board from what the lake holds."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from numebot_dagster.lake import files
from numebot_dagster.operations.health import status
from numebot_dagster.operations.health.status import Moment
from numebot_dagster.operations.performance.board import (
    fleet_facts,
    links,
    model_facts,
    money_facts,
    round_facts,
    today_facts,
)
from numebot_dagster.operations.performance.money.ledger import account_book
from numebot_dagster.operations.platform import Platform
from numebot_dagster.settings import NUMERAI_API_URL

if TYPE_CHECKING:
    from numebot_dagster.reporting.pages.page import Frame

HOME = "index.html"
VERSION = "vega.txt"


def write(platform: Platform) -> Path:
    """Write every page anew that may have changed, and return the first one.

    Each is written aside and renamed, so that nobody sees half a page.
    """
    at = status.moment(platform)
    _keep_library(platform)
    for name, page in _pages(platform, at, _frame(platform, at)):
        files.replace_text(platform.lake.board_file(name), page)
    return platform.lake.board_file(HOME)


def _pages(platform: Platform, at: Moment, frame: Frame) -> Iterator[tuple[str, str]]:
    from numebot_dagster.reporting.pages import fleet as fleet_page
    from numebot_dagster.reporting.pages import model as model_page
    from numebot_dagster.reporting.pages import money as money_page
    from numebot_dagster.reporting.pages import round as round_page
    from numebot_dagster.reporting.pages import today as today_page
    from numebot_dagster.reporting.pages.page import SECTIONS

    for number, details in round_facts.changed(platform, at):
        yield links.round_(number), round_page.page(details, frame.below())
    for name, model in model_facts.pages(platform):
        yield name, model_page.page(model, frame.below())
    for index, (name, fleet) in enumerate(fleet_facts.pages(platform)):
        yield name, fleet_page.page(fleet, frame.below())
        if index == 0:
            yield SECTIONS["fleet"], fleet_page.page(fleet, frame)
    book = account_book(platform)
    yield from money_facts.files(book).items()
    yield SECTIONS["money"], money_page.page(money_facts.money(platform, book), frame)
    yield HOME, today_page.page(today_facts.today(platform, at), frame)


def _keep_library(platform: Platform) -> None:
    """Put the library that draws the charts beside the pages, where it is not there yet."""
    from numebot_dagster.reporting.pages import page

    library, version = (platform.lake.board_file(name) for name in (page.LIBRARY, VERSION))
    if library.is_file() and version.is_file() and version.read_text() == page.library_version():
        return
    files.replace_bytes(library, page.library())
    files.replace_text(version, page.library_version())


def _frame(platform: Platform, at: Moment) -> Frame:
    from numebot_dagster.reporting.pages.page import Frame

    is_numerai = platform.settings.numerai_api_url == NUMERAI_API_URL
    name = "Numerai" if is_numerai else "practice tournament"
    return Frame(name, at.now, at.now - datetime.now(UTC))
