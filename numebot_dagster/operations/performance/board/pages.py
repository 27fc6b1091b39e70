"""Write the pages of the board from what the lake holds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

from numebot_dagster.lake import catalog, files, shared_files
from numebot_dagster.operations.diagnostics import proof
from numebot_dagster.operations.diagnostics.proof import Proof
from numebot_dagster.operations.health import status
from numebot_dagster.operations.health.status import Moment
from numebot_dagster.operations.performance.board import (
    fleet_facts,
    model_facts,
    money_facts,
    round_facts,
    today_facts,
)
from numebot_dagster.operations.performance.board.money_facts import Accounts
from numebot_dagster.operations.performance.board.written import Part, digest, written_board
from numebot_dagster.operations.platform import Platform
from numebot_dagster.settings import NUMERAI_API_URL

if TYPE_CHECKING:
    from numebot_dagster.reporting.pages.page import Frame

HOME = "index.html"
VERSION = "vega.txt"
FINAL = "resolved"
"""The source of a page that nothing will change any more.

It was "final" of pages that may have been written before the last scores were collected."""


def write(platform: Platform) -> Path:
    """Write every page anew whose facts may have changed, and return the first one.

    Each is written aside and renamed, so that nobody sees half a page. Nothing is more than a day
    old but what is final, because the day is a part of what pages are made of.
    """
    from numebot_dagster.reporting.pages.page import templates_digest

    _keep_library(platform)
    board = _Board(platform, status.moment(platform))
    with written_board(platform.lake, templates_digest()) as written:
        is_final = partial(written.is_of, source=FINAL)
        written.update_all(board.parts(is_final))
    return platform.lake.board_file(HOME)


@dataclass(frozen=True)
class _Board:
    """What the pages are written from.

    Attributes:
        at: the moment that they show.
    """

    platform: Platform
    at: Moment

    def parts(self, is_final: Callable[[str], bool]) -> Iterator[Part]:
        """Yield the parts of the board.

        Args:
            is_final: whether a page was written for the last time.
        """
        yield from self._rounds(is_final)
        yield self._part("models", model_facts.VIEWS, self._models, self._proofs)
        yield from self._fleet()
        yield self._part("money", money_facts.VIEWS, self._money)
        yield Part("today", digest(self.at.now), self._today)

    def _part(
        self,
        name: str,
        views: tuple[str, ...],
        pages: Callable[[], Iterator[tuple[str, str]]],
        more: object = None,
    ) -> Part:
        """Return a part, written once a day and when a file of its views, or more, changed."""
        source = digest(self._shared, catalog.version(self.platform.lake, views), more)
        return Part(name, source, pages)

    @cached_property
    def _shared(self) -> tuple[object, ...]:
        """What all parts are made of: the day, the models, and exchange rates of the user's own."""
        rates = self.platform.settings.numebot_rates_file
        version = files.version(rates) if rates is not None and rates.is_file() else None
        return self.at.now.date(), self.platform.registry.models, version

    def _rounds(self, is_final: Callable[[str], bool]) -> Iterator[Part]:
        from numebot_dagster.reporting.pages import round as round_page

        def pages(name: str, details: round_page.RoundPage) -> Iterator[tuple[str, str]]:
            yield name, round_page.page(details, self._frame.below())

        for name, details in round_facts.pages(self.platform, self.at, is_final):
            source = FINAL if details.is_final else digest(self._shared, details)
            yield Part(name, source, partial(pages, name, details))

    @property
    def _proofs(self) -> list[Proof | None]:
        """What the last replays proved."""
        lake, models = self.platform.lake, self.platform.registry.models
        return [proof.last(lake, model.name) for model in models]

    def _models(self) -> Iterator[tuple[str, str]]:
        from numebot_dagster.reporting.pages import model as model_page

        for name, model in model_facts.pages(self.platform, self.at):
            yield name, model_page.page(model, self._frame.below())

    def _fleet(self) -> Iterator[Part]:
        """Yield a part for each score; `fleet.html` is that of what is paid most."""
        from numebot_dagster.reporting.pages import fleet as fleet_page
        from numebot_dagster.reporting.pages.page import SECTIONS

        def pages(page: fleet_facts.ScorePage, is_front: bool) -> Iterator[tuple[str, str]]:
            fleet = page.facts()
            yield page.name, fleet_page.page(fleet, self._frame.below())
            if is_front:
                yield SECTIONS["fleet"], fleet_page.page(fleet, self._frame)

        for index, page in enumerate(fleet_facts.pages(self.platform)):
            yield self._part(page.name, page.views, partial(pages, page, index == 0))

    def _money(self) -> Iterator[tuple[str, str]]:
        from numebot_dagster.reporting.pages import money as money_page
        from numebot_dagster.reporting.pages.page import SECTIONS

        yield from money_facts.files(self._accounts.book).items()
        facts = money_facts.money(self.platform, self._accounts)
        yield SECTIONS["money"], money_page.page(facts, self._frame)

    def _today(self) -> Iterator[tuple[str, str]]:
        from numebot_dagster.reporting.pages import today as today_page

        facts = today_facts.today(self.platform, self.at, self._accounts)
        yield HOME, today_page.page(facts, self._frame)

    @cached_property
    def _accounts(self) -> Accounts:
        """The account book, which two pages show, and what the running rounds may pay."""
        return Accounts.of(self.platform)

    @cached_property
    def _frame(self) -> Frame:
        """What surrounds the pages at the top of the board."""
        from numebot_dagster.reporting.pages.page import Frame

        is_numerai = self.platform.settings.numerai_api_url == NUMERAI_API_URL
        name = "Numerai" if is_numerai else "practice tournament"
        return Frame(name, self.at.now, self.at.now - datetime.now(UTC))


def _keep_library(platform: Platform) -> None:
    """Put the library that draws the charts beside the pages, where it is not there yet."""
    from numebot_dagster.reporting.pages import page

    library, version = (platform.lake.board_file(name) for name in (page.LIBRARY, VERSION))
    present = page.library_version()
    if library.is_file() and version.is_file() and version.read_text() == present:
        return
    content = shared_files.made_once(f"charts-{present}.js", page.library)
    files.replace_bytes(library, content)
    files.replace_text(version, present)
