"""All methods of numerapi are called somewhere in these tests, and its two checks of the time."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from numerapi import NumerAPI, base_api

if TYPE_CHECKING:
    from tests.practice.served_tournament import ServedTournament

NOT_CALLED = {
    "set_global_data_dir": "asks the service nothing: it says where the client puts its files",
}


def methods_in(path: Path) -> Iterator[str]:
    """Yield the attributes that a test takes of a client, as in ``tournament.api.get_models``."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Attribute):
            owner = node.value
            name = owner.attr if isinstance(owner, ast.Attribute) else getattr(owner, "id", "")
            if name == "api":
                yield node.attr


def test_every_method_of_numerapi_is_called() -> None:
    methods = {
        name
        for name, _ in inspect.getmembers(NumerAPI, inspect.isfunction)
        if not name.startswith("_")
    }
    assert {"get_leaderboard", "upload_predictions"} < methods  # of its own, of its base class
    called = {
        name for path in Path(__file__).parent.rglob("test_*.py") for name in methods_in(path)
    }
    assert sorted(methods - called) == sorted(NOT_CALLED)


@pytest.fixture
def tournament(
    make_tournament: Callable[..., ServedTournament],
    connect: Callable[[ServedTournament], ServedTournament],
    monkeypatch: pytest.MonkeyPatch,
) -> ServedTournament:
    """Return a tournament whose clock is numerapi's too, which reads that of the machine."""
    tournament = connect(make_tournament())

    class Clock(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
            return datetime.fromisoformat(tournament.controls.state()["clock"]["now"]).astimezone(
                tz
            )

    monkeypatch.setattr(base_api, "datetime", SimpleNamespace(datetime=Clock, timedelta=timedelta))
    return tournament


def test_the_checks_of_the_time(tournament: ServedTournament) -> None:
    for to, is_open, new_within in (
        ("2026-06-02T11:59:59Z", False, ()),  # Tuesday, a second before the opening
        ("2026-06-02T12:00:01Z", True, (1, 12)),
        ("2026-06-02T12:59:59Z", True, (1, 12)),
        ("2026-06-02T13:00:00Z", False, ()),  # number 0 is refused from here on
        ("2026-06-06T12:00:01Z", True, (1, 12)),
        ("2026-06-07T00:30:00Z", True, (13,)),  # Saturday's round, half a day later
        ("2026-06-07T14:00:00Z", False, ()),
    ):
        tournament.controls.advance(to)
        assert tournament.api.check_round_open() is is_open
        answered = [hours for hours in (1, 12, 13) if tournament.api.check_new_round(hours)]
        assert answered == [hours for hours in (1, 12, 13) if new_within and hours >= new_within[0]]
