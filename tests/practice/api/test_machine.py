"""Any sequence of uploads, openings, closes and days, against a plain model of the rules."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import suppress
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from numebot_dagster.practice import creation
from numebot_dagster.practice.api.graphql import answer
from numebot_dagster.practice.api.request import ApiRequest, Services
from numebot_dagster.practice.creation import Plan, open_tournament
from numebot_dagster.practice.market.market import Scale
from numebot_dagster.practice.rules.clock import Refused
from numebot_dagster.practice.rules.events import advance

pytestmark = pytest.mark.heavy

TINY = Scale(
    stocks=50,
    features=40,
    train_eras=8,
    validation_eras=16,
    missing_eras=2,
    benchmark_gap=2,
    meta_model_eras=6,
)
START = datetime(2026, 6, 1, tzinfo=UTC)
MODELS = ("one", "two")
FIRST = 1279  # opened on Saturday 2026-05-30

# --- the rules, as Numerai tells them -------------------------------------------------------------

# Numbers of rounds by their days: Tuesdays to Saturdays, five a week.
DAYS = [
    date(2026, 5, 30) + timedelta(days=days)
    for days in range(400)
    if (date(2026, 5, 30) + timedelta(days=days)).weekday() not in (6, 0)
]


def opening(number: int) -> datetime:
    return datetime.combine(DAYS[number - FIRST], time(12, tzinfo=UTC))


def deadline(number: int) -> datetime:
    day = DAYS[number - FIRST]
    if day.weekday() == 5:
        return datetime.combine(day + timedelta(days=1), time(14, tzinfo=UTC))
    return datetime.combine(day, time(13, tzinfo=UTC))


def newest(now: datetime) -> int:
    return FIRST + sum(opening(FIRST + n) <= now for n in range(len(DAYS))) - 1


def scored_days(number: int, now: datetime, rules_change: int) -> int:
    """Return the days of scores: Tuesday to Saturday at 10:00, from the fourth such day after."""
    later = DAYS[number - FIRST + 1 :]
    published = sum(datetime.combine(day, time(10, tzinfo=UTC)) <= now for day in later)
    return min(max(published - 3, 0), 20 if number < rules_change else 60)


class PlainModel:
    """What was uploaded when, and nothing else."""

    def __init__(self) -> None:
        self.uploads: list[tuple[datetime, str, bool, str]] = []
        self.stakes: dict[str, list[tuple[int, Decimal]]] = {name: [] for name in MODELS}

    def entry(self, name: str, number: int, now: datetime) -> tuple[str, str | None]:
        """Return status and upload that count for a model in a round."""
        before = opening(number - 1) if number > FIRST else datetime.min.replace(tzinfo=UTC)
        valid = [(at, key) for at, who, good, key in self.uploads if who == name and good]
        inside = [key for at, key in valid if opening(number) <= at < deadline(number)]
        carried = [
            key for at, key in valid
            if number > FIRST and before <= at < opening(number) and at >= deadline(number - 1)
        ]  # fmt: skip
        late = [key for at, key in valid if deadline(number) <= at < opening(number + 1)]
        if inside or carried:
            status = "on-time" if opening(number) <= now else "queued"
            return status, (inside or carried)[-1]
        return ("late", late[-1]) if late else ("none", None)

    def stake(self, name: str, number: int, now: datetime) -> Decimal:
        status, _ = self.entry(name, number, now)
        if status != "on-time" or now < deadline(number):
            return Decimal(0)
        positions = [nmr for start, nmr in self.stakes[name] if start <= number]
        return positions[-1] if positions else Decimal(0)


# --- the machine ----------------------------------------------------------------------------------


class Rounds(RuleBasedStateMachine):
    rules_change = 1284

    @initialize()
    def begin(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="practice-machine-"))
        self.model = PlainModel()
        self.filenames: dict[str, str] = {}
        self.open()

    def open(self) -> None:
        plan = Plan(scale="tiny", models=MODELS, rules_change_at=self.rules_change)
        self.tournament = open_tournament(self.folder, plan)
        self.services = Services.of(self.tournament)
        self.token = self.tournament.state.tokens("practice")[0]
        self.ids = {model.name: model.id for model in self.tournament.models("practice")}

    def teardown(self) -> None:
        if hasattr(self, "tournament"):
            self.tournament.state.close()
            shutil.rmtree(self.folder)

    @property
    def now(self) -> datetime:
        return self.tournament.clock.now()

    def ask(self, query: str) -> Any:
        body = answer({"query": query}, ApiRequest(self.services, self.token, "http://here"))
        assert "errors" not in body, body
        return body["data"]

    def rounds(self, status: str) -> Any:
        return self.ask(f"{{rounds(status: {status}) {{number}}}}")["rounds"]

    @rule(hours=st.sampled_from([0.4, 1, 5, 23, 49, 200]))
    def wait(self, hours: float) -> None:
        advance(self.tournament, hours=hours)

    @rule(event=st.sampled_from(["next-open", "next-close", "next-score"]))
    def wait_for(self, event: str) -> None:
        advance(self.tournament, event)

    @rule()
    def wait_for_the_last_second(self) -> None:
        number = newest(self.now)
        if self.now < deadline(number):
            self.tournament.clock.advance_to(deadline(number) - timedelta(seconds=1))

    @precondition(lambda self: self.model.uploads)
    @rule()
    def wait_for_a_resolution(self) -> None:
        with suppress(Refused):  # no unresolved round has a submission
            advance(self.tournament, "resolve")

    @rule(name=st.sampled_from(MODELS), seed=st.integers(0, 99), flaw=st.sampled_from(["", "", *(
        "constant", "short", "nan", "garbage")]))  # fmt: skip
    def upload(self, name: str, seed: int, flaw: str) -> None:
        tournament = self.tournament
        ids = tournament.uploads.live_ids(newest(self.now))
        table = pd.DataFrame({"id": ids})
        table["prediction"] = np.random.default_rng(seed).uniform(size=len(ids))
        if flaw == "constant":
            table["prediction"] = 0.5
        elif flaw == "nan":
            table.loc[3, "prediction"] = np.nan
        content = table.iloc[int(flaw == "short") :].to_csv(index=False).encode()
        model = tournament.model(self.ids[name], "practice")
        filename = tournament.uploads.authorise_upload("p.csv", model)
        tournament.state.receive(filename, b"\xff" if flaw == "garbage" else content, self.now)
        created = self.ask(
            f'mutation {{createSubmission(filename: "{filename}", tournament: 8, '
            f'modelId: "{model.id}") {{id round {{number}}}}}}'
        )["createSubmission"]
        assert created["round"]["number"] == newest(self.now)
        self.model.uploads.append((self.now, name, not flaw, filename))

    @rule(name=st.sampled_from(MODELS), seed=st.integers(0, 99))
    def upload_late(self, name: str, seed: int) -> None:
        advance(self.tournament, "next-close")
        self.upload(name=name, seed=seed, flaw="")

    @rule(name=st.sampled_from(MODELS), nmr=st.sampled_from(["0", "1.5", "250"]))
    def stake(self, name: str, nmr: str) -> None:
        number = newest(self.now)
        start = number if self.now < deadline(number) else number + 1
        self.tournament.set_position(name, nmr, None)
        others = [pair for pair in self.model.stakes[name] if pair[0] != start]
        self.model.stakes[name] = sorted([*others, (start, Decimal(nmr))])

    @rule()
    def restart(self) -> None:
        self.tournament.state.close()
        self.open()

    @invariant()
    def statuses_are_those_of_the_model(self) -> None:
        models = self.ask(
            "{account {models {name latestSubmissions(latestNRounds: 9) "
            "{roundNumber status filename timestamp id}}}}"
        )["account"]["models"]
        number = newest(self.now)
        for model in models:
            entries = {
                row["roundNumber"]: (row["status"], row["filename"])
                for row in model["latestSubmissions"]
            }
            queued = self.model.entry(model["name"], number + 1, self.now)
            expected = {} if queued[0] == "none" else {number + 1: queued}
            for past in range(number, max(FIRST, number - 8) - 1, -1):
                if len(expected) < 9:
                    expected[past] = self.model.entry(model["name"], past, self.now)
            assert entries == expected
            assert list(entries) == sorted(entries, reverse=True)

    @invariant()
    def one_submission_of_a_round_counts(self) -> None:
        for name, model_id in self.ids.items():
            rows = self.ask(
                f'{{submissions(modelId: "{model_id}") {{filename selected round {{number}}}}}}'
            )["submissions"]
            selected = {row["round"]["number"]: row["filename"] for row in rows if row["selected"]}
            assert len(selected) == sum(row["selected"] for row in rows)
            expected = {
                number: filename
                for number in range(FIRST, newest(self.now) + 1)
                if (filename := self.model.entry(name, number, self.now)[1])
            }
            assert selected == expected

    @invariant()
    def rounds_are_where_the_calendar_says(self) -> None:
        number = newest(self.now)
        numbers = {
            status: {row["number"] for row in self.rounds(status)}
            for status in ("UPCOMING", "OPEN", "RESOLVING", "RESOLVED")
        }
        assert numbers["UPCOMING"] == {number + 1}
        assert numbers["OPEN"] == ({number} if self.now < deadline(number) else set())
        assert set.union(*numbers.values()) == set(range(FIRST, number + 2))
        assert sum(map(len, numbers.values())) == number + 2 - FIRST
        asked = f"{{rounds(number: {number}) {{number openTime closeStakingTime}}}}"
        rounds = {row["number"]: row for row in self.ask(asked)["rounds"]}
        assert datetime.fromisoformat(rounds[number]["openTime"]) == opening(number)
        assert datetime.fromisoformat(rounds[number]["closeStakingTime"]) == deadline(number)

    @invariant()
    def what_counts_is_scored_and_paid(self) -> None:
        for name, model_id in self.ids.items():
            performances = self.ask(
                f'{{v2RoundModelPerformances(modelId: "{model_id}", lastNRounds: 40) '
                "{roundNumber atRisk submissionScores {displayName day payoutPending "
                "payoutSettled}}}"
            )["v2RoundModelPerformances"]
            for row in performances:
                number = row["roundNumber"]
                status, _ = self.model.entry(name, number, self.now)
                days = scored_days(number, self.now, self.rules_change) if status != "none" else 0
                scores = row["submissionScores"]
                assert {score["day"] for score in scores} == (
                    {days, min(days, 20)} if days else set()
                )
                at_risk = self.model.stake(name, number, self.now)
                assert Decimal(row["atRisk"]) == at_risk
                paid = {
                    score["displayName"]
                    for score in scores
                    if (score["payoutPending"] or score["payoutSettled"]) is not None
                }
                old = number < self.rules_change
                names = {"v2_corr20", "mmc"} if old else {"corr60", "mmc60"}
                assert paid == (names if days and at_risk else set())


@pytest.fixture(autouse=True)
def _tiny_scale(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(creation.SCALES, "tiny", TINY)


TestRounds = Rounds.TestCase
TestRounds.settings = settings(
    max_examples=12,
    stateful_step_count=14,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
