"""Serve practice tournaments from threads of this process."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import pytest
import uvicorn
from numerapi import base_api

from numebot_dagster.practice.api.app import make_app
from numebot_dagster.practice.api.rate_limits import Enforcement
from numebot_dagster.practice.controls import Controls
from numebot_dagster.practice.creation import Plan, credentials, open_tournament
from numebot_dagster.practice.market.market import Market
from numebot_dagster.practice.rules.tournament import Tournament
from numebot_dagster.practice.server import PracticeServer
from tests.practice.served_tournament import ServedTournament


@cache
def _market() -> Market:
    """Return a market for comparisons, which no tournament has."""
    return Market()


class Serving:
    """Serves a tournament on a free port from a thread of this process."""

    def __init__(self, tournament: Tournament, rate_limits: Enforcement) -> None:
        app = make_app(tournament, rate_limits=rate_limits)
        config = uvicorn.Config(
            app, log_level="warning", date_header=False, timeout_graceful_shutdown=1
        )
        self._tournament = tournament
        self._server = uvicorn.Server(config)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._server.run, args=([self._listener],))
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def end(self) -> None:
        """Ask it to end; takes no time, so that many end at once."""
        self._server.should_exit = True

    def close(self) -> None:
        """Wait for the end."""
        self._thread.join()
        self._listener.close()
        self._tournament.state.close()


@pytest.fixture(scope="module")
def make_tournament(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Callable[..., ServedTournament]]:
    running: list[Serving] = []

    def make(rate_limits: Enforcement = Enforcement.OFF, **plan: Any) -> ServedTournament:
        folder = tmp_path_factory.mktemp("practice")
        tournament = open_tournament(folder, Plan(**plan))
        running.append(Serving(tournament, rate_limits))
        return ServedTournament(
            Controls(running[-1].url), folder, credentials(tournament), _market()
        )

    yield make
    for server in running:
        server.end()
    for server in running:
        server.close()


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch) -> Callable[[ServedTournament], ServedTournament]:
    """Point numerapi at a tournament for one test."""

    def to(tournament: ServedTournament) -> ServedTournament:
        monkeypatch.setattr(base_api, "API_TOURNAMENT_URL", tournament.controls.url)
        return tournament

    return to


@pytest.fixture
def tournament(
    make_tournament: Callable[..., ServedTournament],
    connect: Callable[[ServedTournament], ServedTournament],
) -> ServedTournament:
    """Return a tournament of the test's own, before its first round."""
    return connect(make_tournament())


@pytest.fixture
def tournament_of(
    connect: Callable[[ServedTournament], ServedTournament],
) -> Callable[[PracticeServer], ServedTournament]:
    """Wrap a server in a process of its own."""
    return lambda practice: connect(
        ServedTournament(practice, practice.folder, practice.credentials, _market())
    )
