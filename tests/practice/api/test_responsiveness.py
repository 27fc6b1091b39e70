"""One slow query does not make the others wait."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.practice.served_tournament import ServedTournament


def test_others_are_answered_while_rounds_are_scored(
    make_tournament: Callable[..., ServedTournament],
) -> None:
    tournament = make_tournament()
    tournament.controls.advance(days=19)
    answers: list[Any] = []
    ended: list[float] = []
    profile = '{v3UserProfile(modelName: "rival_01") {dailyModelPerformances {date corr60Rep}}}'

    def ask() -> None:
        answers.append(tournament.post(profile))
        ended.append(time.monotonic())

    # Two at once: neither scores what the other has scored, and neither waits for ever.
    slow = [threading.Thread(target=ask) for _ in range(2)]
    for thread in slow:
        thread.start()
    quick = []
    while any(thread.is_alive() for thread in slow):
        asked = time.monotonic()
        assert tournament.post("{tournaments {active}}")["data"]
        quick.append((asked, time.monotonic()))
    for thread in slow:
        thread.join()
    first_end = min(ended)
    before = [(asked, done) for asked, done in quick if done < first_end]
    assert len(before) > 5  # one before the round, one between two of them, and so on
    took = sorted(done - asked for asked, done in before)
    assert took[len(took) // 2] < (first_end - quick[0][0]) / 4
    days = [answer["data"]["v3UserProfile"]["dailyModelPerformances"] for answer in answers]
    assert days[0] == days[1]
    assert len(days[0]) == 11
    rows = tournament.rows(
        "SELECT count(*) AS n, count(DISTINCT round || '/' || day) AS d FROM scored"
    )
    assert rows[0]["n"] == rows[0]["d"] == 66
