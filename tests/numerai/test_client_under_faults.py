"""The client against every fault of the practice tournament: the right error, or success in time.

The tournament runs in a process of its own and is told over its control API what goes wrong; what
the client then holds is compared with what it held before.
"""

from __future__ import annotations

import hashlib
import logging
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import requests

from numebot_dagster.lake import parquet
from numebot_dagster.numerai import diagnostics, registration
from numebot_dagster.numerai.client import NumeraiClient
from numebot_dagster.numerai.errors import (
    DiagnosticsRefused,
    DownloadFailed,
    NotAuthorised,
    NumeraiError,
    NumeraiUnavailable,
    QueryRefused,
    RoundNotOpen,
    SubmissionRejected,
    UnexpectedAnswer,
)
from numebot_dagster.numerai.http.transport import Transport
from numebot_dagster.numerai.schema_use import REQUIRED_FIELDS
from numebot_dagster.practice.creation import Plan
from numebot_dagster.practice.faults.kinds import KINDS
from numebot_dagster.practice.server import PracticeServer
from numebot_dagster.settings import Settings
from numebot_dagster.submissions import submission_file
from tests.support.tournament_state import read_state

LIVE = "v5.3/live.parquet"
SCORED = 1280  # Tuesday 2 June 2026; played, and scored for some days


class Season:
    """A tournament in which a round is scored and another is open, and what it holds."""

    def __init__(self, practice: PracticeServer, make: Callable[..., NumeraiClient]) -> None:
        self.practice, self.make = practice, make
        # Patient at first: what is asked for the first time is made first.
        self.client = make(numebot_read_timeout=60.0, numebot_retry_deadline=60.0)
        practice.advance("next-open")
        self.first = self.submit("alpha", seed=1)
        self.client = make()
        practice.advance(days=11)
        practice.advance("next-open")
        self.round = self.client.open_rounds()[-1]
        self.alpha, self.beta = (self.client.fleet().models[name] for name in ("alpha", "beta"))

    def next_round(self) -> None:
        """Move on to the next opening."""
        self.practice.advance("next-open")
        self.round = self.client.open_rounds()[-1]

    def csv(self, seed: int = 0) -> bytes:
        path = self.practice.folder / "live-of-tests.parquet"
        ids = parquet.read(self.client.download(LIVE, path).path, ["id"])["id"].to_list()
        noise = np.random.default_rng(seed).normal(size=len(ids))
        return submission_file.prepare(ids, submission_file.rank_to_unit_interval(noise)).csv

    def register(self, client: NumeraiClient) -> bool:
        """Upload for beta undisturbed, register by a client, return whether it is registered."""
        target = self.client.authorise_upload(self.beta.id, "predictions.csv")
        self.client.put_upload(target, self.csv(11))
        mine = client.create_submission(self.beta.id, target.filename)
        return mine in self.client.submission_states([mine])

    def submit(self, model: str, seed: int) -> str:
        client, content = self.client, self.csv(seed)
        identifier = client.fleet().models[model].id
        target = client.authorise_upload(identifier, "predictions.csv")
        client.put_upload(target, content)
        return client.create_submission(identifier, target.filename)

    def registered(self, filename: str) -> list[str]:
        """Return the ids under which the tournament's own state has a file."""
        query = "SELECT id FROM submissions WHERE filename = ?"
        return [row["id"] for row in read_state(self.practice.folder, query, filename)]

    @contextmanager
    def fault(
        self, kind: str, *, strikes: int | None = 1, may_miss: bool = False, **more: Any
    ) -> Iterator[None]:
        """Let something go wrong inside; None when it is not known how often."""
        identifier = self.practice.add_fault(kind, **more)
        try:
            yield
            fault = {row["id"]: row for row in self.practice.faults()}[identifier]
            # A deadline is moved when the fault is added.
            assert (
                may_miss
                or fault["struck"] == strikes
                or (strikes is None and (fault["struck"] or kind == "deadline-moved"))
            )
        finally:
            self.practice.remove_faults(identifier)


@pytest.fixture(scope="module")
def season(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Season]:
    folder = tmp_path_factory.mktemp("faults") / "practice"
    plan = Plan(models=("alpha", "beta"), stakes={"alpha": "10"})
    with PracticeServer(folder, plan, strict=True) as practice:

        def make(**changes: Any) -> NumeraiClient:
            key = practice.credentials
            values = {
                "numerai_public_id": key.public_id,
                "numerai_secret_key": key.secret_key,
                "numerai_api_url": practice.url,
                "numebot_read_timeout": 1.0,
                "numebot_retry_deadline": 6.0,
            }
            return NumeraiClient(Transport(Settings(_env_file=None, **(values | changes))))

        yield Season(practice, make)


Call = Callable[[NumeraiClient, Season], Any]
HOUR: dict[str, Call] = {
    "open rounds": lambda c, s: c.open_rounds(),
    "rounds": lambda c, s: c.rounds(),
    "round": lambda c, s: c.round(SCORED),
    "fleet": lambda c, s: c.fleet(),
    "states": lambda c, s: c.submission_states([s.first]),
    "authorisation": lambda c, s: c.authorise_upload(s.alpha.id, "p.csv").filename[:2],
    "registration": lambda c, s: s.register(c),
    "submission": lambda c, s: c.download_submission(s.first),
    "file": lambda c, s: c.identify(LIVE).etag,
}
ENRICHMENT: dict[str, Call] = {
    "details": lambda c, s: c.enrichment.round_details(SCORED),
    "account": lambda c, s: c.enrichment.account(),
    "identity": lambda c, s: c.enrichment.identity(),
    "scores": lambda c, s: c.enrichment.scores(s.alpha),
    "refusal": lambda c, s: c.enrichment.refusal(s.first),
    "leaderboard": lambda c, s: c.enrichment.leaderboard(),
    "payouts": lambda c, s: c.enrichment.payouts(),
    "pipeline": lambda c, s: c.enrichment.pipeline_status(),
    "datasets": lambda c, s: c.enrichment.list_datasets(),
}
CALLS = HOUR | ENRICHMENT
PASSING: list[tuple[str, dict[str, Any]]] = [
    ("status", {"status": 500}),
    ("status", {"status": 502, "acted": 1}),
    ("status", {"status": 429, "retry_after": 0}),
    ("status", {"status": 503}),
    ("cut", {"bytes": -1}),
    ("cut", {"bytes": 0}),
    ("html", {}),
    ("redirect", {}),
    ("not-json", {}),
    ("empty-answer", {}),
    ("latency", {"seconds": 1.2}),
]


# --- what passes ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CALLS)
def test_each_call_outlives_three_passing_faults(season: Season, name: str) -> None:
    expected = CALLS[name](season.client, season)
    with (
        season.fault("status", where="graphql:*", times=1),
        season.fault("cut", strikes=None, where="graphql:*", times=1),
        season.fault("html", strikes=None, times=1),
    ):
        assert CALLS[name](season.client, season) == expected
        assert sum(fault["struck"] for fault in season.practice.faults()) == 3


@pytest.mark.parametrize(("kind", "values"), PASSING)
def test_each_passing_fault_costs_one_try(
    season: Season, kind: str, values: dict[str, Any]
) -> None:
    expected = season.client.fleet()
    with season.fault(kind, where="graphql:account", times=1, values=values):
        assert season.client.fleet() == expected


@pytest.mark.parametrize(("kind", "values"), PASSING)
def test_a_fault_that_stays_ends_at_the_deadline(
    season: Season, kind: str, values: dict[str, Any]
) -> None:
    client = season.make(numebot_retry_deadline=0.8, numebot_read_timeout=0.3)
    started = time.monotonic()
    with (
        season.fault(kind, strikes=None, where="graphql:rounds", values=values),
        pytest.raises(NumeraiUnavailable),
    ):
        client.open_rounds()
    assert time.monotonic() - started < 2.5


def test_retry_after_is_honoured_and_never_beyond_the_deadline(season: Season) -> None:
    started = time.monotonic()
    values = {"status": 429, "retry_after": 1}
    with season.fault("status", where="graphql:rounds", times=1, values=values):
        assert season.client.open_rounds() == [season.round]
    assert time.monotonic() - started >= 1.0
    client = season.make(numebot_retry_deadline=0.8)
    started = time.monotonic()
    with (
        season.fault("status", strikes=None, where="*", values={"status": 429, "retry_after": 99}),
        pytest.raises(NumeraiUnavailable, match="429"),
    ):
        client.open_rounds()
    assert time.monotonic() - started < 2.5


def test_a_body_that_drips_is_read_while_it_comes(season: Season) -> None:
    with season.fault("drip", where="graphql:account", times=1, values={"seconds": 0.05}):
        assert set(season.client.fleet().models) == {"alpha", "beta"}


def test_large_answers_that_time_out_leave_the_small_ones(season: Season) -> None:
    everything = season.client.enrichment.scores(season.alpha)
    assert {score.metric for score in everything} >= {"corr60", "mmc60"}
    client = season.make(numebot_retry_deadline=2.0)
    with season.fault("too-large", strikes=None, values={"bytes": 2_000}):
        with pytest.raises(NumeraiUnavailable, match="504"):
            client.enrichment.scores(season.alpha)
        assert client.open_rounds() == [season.round]


def test_random_faults_are_outlived(season: Season) -> None:
    with season.fault("status", strikes=None, where="graphql:*", probability=0.5, seed=3):
        answers = [season.client.open_rounds() for _ in range(20)]
        struck = season.practice.faults()[0]
    assert answers == [[season.round]] * 20
    assert 5 < struck["struck"] < struck["seen"]


def test_a_server_that_is_gone_is_unavailable(season: Season) -> None:
    client = season.make(
        numerai_api_url="http://127.0.0.1:9", numebot_retry_deadline=0.5
    )  # the discard port: nobody listens
    with pytest.raises(NumeraiUnavailable, match="failed"):
        client.open_rounds()


# --- what is refused --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "error"),
    [(400, QueryRefused), (401, NotAuthorised), (403, NotAuthorised), (404, QueryRefused)],
)
def test_a_refusal_is_told_at_once(season: Season, status: int, error: type[NumeraiError]) -> None:
    with (
        season.fault("status", where="graphql:account", values={"status": status}),
        pytest.raises(error, match=str(status)),
    ):
        season.client.fleet()


@pytest.mark.parametrize(
    ("message", "error"),
    [
        ("Internal server error", QueryRefused),
        ("Your session is invalid or has expired.", NotAuthorised),
        ("Current round not open for submissions", RoundNotOpen),
    ],
)
def test_graphql_errors_are_told_apart(
    season: Season, message: str, error: type[NumeraiError]
) -> None:
    with (
        season.fault("error", where="graphql:account", values={"message": message}),
        pytest.raises(error, match=message),
    ):
        season.client.fleet()


def test_no_open_round_is_an_answer(season: Season) -> None:
    with season.fault("not-open"):
        assert season.client.open_rounds() == []


@pytest.mark.parametrize(
    ("scope", "call", "strikes"),
    [
        ("read_user_info", "fleet", 1),
        ("read_submission_info", "fleet", 1),
        ("read_submission_info", "states", 1),
        ("upload_submission", "authorisation", 1),
        ("download_submission", "submission", 1),
    ],
)
def test_a_scope_that_is_withdrawn_is_named(
    season: Season, scope: str, call: str, strikes: int
) -> None:
    with (
        season.fault("scope-withdrawn", strikes=strikes, values={"scope": scope}),
        pytest.raises(NotAuthorised, match=scope),
    ):
        CALLS[call](season.client, season)
    with season.fault("scope-withdrawn", values={"scope": scope}, where="graphql:apiTokenInfo"):
        query = "{apiTokenInfo {scopes}}"
        data = season.client.transport.query(query, authorised=True)
    assert scope not in data["apiTokenInfo"]["scopes"]


# --- a schema that drifts ---------------------------------------------------------------------

FIELDS = [f"{kind}.{name}" for kind, names in REQUIRED_FIELDS.items() for name in sorted(names)]
NO_ROWS = b"id,prediction\n"
OF_DIAGNOSTICS = [field for field in FIELDS if "iagnostics" in field]
OF_CALLS = [field for field in FIELDS if field not in OF_DIAGNOSTICS]


def outcome(call: Call, season: Season) -> str:
    """Return what a call ended with: ok, or the name of an error of ours; others are not caught."""
    try:
        call(season.client, season)
    except NumeraiError as error:
        return type(error).__name__
    return "ok"


@pytest.fixture(scope="module")
def asked(season: Season) -> dict[str, set[str]]:
    """Return the words of the queries of each call, which alone a change of a field can touch."""
    words: dict[str, set[str]] = {name: set() for name in CALLS}
    query = Transport.query
    with pytest.MonkeyPatch.context() as patch:
        for name, call in CALLS.items():

            def noting(
                self: Transport, text: str, *rest: Any, name: str = name, **more: Any
            ) -> Any:
                words[name].update(re.findall(r"\w+", text))
                return query(self, text, *rest, **more)

            patch.setattr(Transport, "query", noting)
            call(season.client, season)
    return words


def outcomes_of(field: str, season: Season, asked: dict[str, set[str]]) -> dict[str, str]:
    """Return what each call ended with that asks for a field of that name."""
    name = field.partition(".")[2]
    return {call: outcome(CALLS[call], season) for call in CALLS if name in asked[call]}


@pytest.mark.parametrize("field", OF_CALLS)
def test_null_in_any_field_is_an_error_of_ours_or_none(
    season: Season, asked: dict[str, set[str]], field: str
) -> None:
    # A field that is null already cannot be changed.
    with season.fault("null", may_miss=True, values={"field": field}):
        outcomes = outcomes_of(field, season, asked)
    assert outcomes
    assert set(outcomes.values()) <= {"ok", "UnexpectedAnswer"}, outcomes


@pytest.mark.parametrize(
    ("field", "call"),
    [
        ("Round.number", "open rounds"),
        ("Round.openTime", "open rounds"),
        ("Round.closeStakingTime", "open rounds"),
        ("RootQueryType.account", "fleet"),
        ("Account.models", "fleet"),
        ("Model.id", "fleet"),
        ("Model.name", "fleet"),
        ("RootQueryType.submissionUploadAuth", "authorisation"),
        ("FileUploadAuth.filename", "authorisation"),
        ("FileUploadAuth.url", "authorisation"),
        ("FileUploadAuth.url", "submission"),
        ("Round.roundScoreConfigs", "details"),
        ("RootQueryType.pendingModelPayouts", "payouts"),
        ("RootQueryType.pipelineStatus", "pipeline"),
        ("SubmissionScore.displayName", "scores"),
        ("V2LeaderboardEntry.username", "leaderboard"),
    ],
)
def test_null_where_it_cannot_be_done_without(season: Season, field: str, call: str) -> None:
    with (
        season.fault("null", strikes=None, values={"field": field}),
        pytest.raises(UnexpectedAnswer),
    ):
        CALLS[call](season.client, season)


def test_null_in_all_that_may_be_absent(season: Season) -> None:
    with season.fault("null", strikes=None, values={"field": "LatestSubmission.*"}):
        fleet = season.client.fleet()
    assert set(fleet.models) == {"alpha", "beta"}
    assert fleet.submissions == ()
    with season.fault("null", values={"field": "SubmissionScore.value"}):
        assert {score.value for score in season.client.enrichment.scores(season.alpha)} == {None}
    with season.fault("null", values={"field": "V2LeaderboardEntry.*Rep"}):
        [first, *_] = season.client.enrichment.leaderboard()
    assert set(first.reputations.values()) == {None}


@pytest.mark.parametrize("field", OF_CALLS)
def test_a_field_that_is_removed_is_named(
    season: Season, asked: dict[str, set[str]], field: str
) -> None:
    with season.fault("field-removed", strikes=None, values={"field": field}):
        outcomes = outcomes_of(field, season, asked)
    refused = {"QueryRefused", "SubmissionRejected"}  # the latter by the registration
    assert refused & set(outcomes.values()), outcomes
    assert set(outcomes.values()) <= {"ok", *refused}, outcomes


def upload_and_ask(season: Season, identifier: str) -> None:
    diagnostics.upload(season.client.transport, season.alpha.id, NO_ROWS)
    diagnostics.wait(season.client.transport, season.alpha.id, identifier, seconds=0)


@pytest.mark.parametrize("field", OF_DIAGNOSTICS)
def test_a_field_of_diagnostics_that_is_removed_is_named(season: Season, field: str) -> None:
    identifier = diagnostics.upload(season.client.transport, season.alpha.id, NO_ROWS)
    with (
        season.fault("field-removed", strikes=None, values={"field": field}),
        pytest.raises((QueryRefused, DiagnosticsRefused), match=field.partition(".")[2]),
    ):
        upload_and_ask(season, identifier)


def test_a_registration_without_its_mutation(season: Season) -> None:
    field = "RootMutationType.createSubmission"
    with (
        season.fault("field-removed", values={"field": field}),
        pytest.raises(SubmissionRejected, match="Cannot query field 'createSubmission'"),
    ):
        season.register(season.client)


def test_a_removed_field_of_the_leaderboard_does_not_cost_a_round(season: Season) -> None:
    values = {"field": "V2LeaderboardEntry.corr60Rep"}
    with season.fault("field-removed", strikes=None, values=values):
        with pytest.raises(QueryRefused, match="corr60Rep"):
            season.client.enrichment.leaderboard()
        assert [outcome(call, season) for call in HOUR.values()] == ["ok"] * len(HOUR)
        assert "corr60Rep" not in season.client.enrichment.schema_fields("V2LeaderboardEntry")
    assert "corr60Rep" in season.client.enrichment.schema_fields("V2LeaderboardEntry")


# --- odd values -------------------------------------------------------------------------------


def test_an_unknown_status_is_kept_and_reported(
    season: Season, caplog: pytest.LogCaptureFixture
) -> None:
    with (
        season.fault("unknown-status", values={"status": "under-review"}),
        caplog.at_level(logging.WARNING),
    ):
        submission = season.client.fleet(latest_rounds=20).submission_of("alpha", SCORED)
    assert submission is not None
    assert submission.status == "under-review"
    assert "under-review" in caplog.text


def test_an_unknown_score_is_a_score(season: Season) -> None:
    with season.fault("unknown-score", strikes=2, values={"name": "zeta60"}):
        scores = {score.metric: score for score in season.client.enrichment.scores(season.alpha)}
        configs = {
            config.name: config
            for config in season.client.enrichment.round_details(SCORED).score_configs
        }
    assert scores["zeta60"].value == scores["corr60"].value
    assert not configs["zeta60"].is_payout


def test_two_payout_configurations_are_both_shown(season: Season) -> None:
    with season.fault("two-payouts"):
        configs = season.client.enrichment.round_details(SCORED).score_configs
    paid = {
        (config.name, config.version): config.default_multiplier
        for config in configs
        if config.is_payout
    }
    assert paid == {
        ("corr60", "1"): 3.0, ("mmc60", "1"): 15.0,
        ("corr60", "2"): 1.5, ("mmc60", "2"): 7.5,
    }  # fmt: skip


def test_amounts_of_nothing_and_burns(season: Season) -> None:
    before = season.client.enrichment.leaderboard(limit=500)
    with season.fault("zero-amounts", strikes=2):
        query = {"query": "{v2Leaderboard(limit: 500) {nmrStaked}}"}
        assert '"0E-18"' in requests.post(season.practice.url, json=query, timeout=9).text
        assert season.client.enrichment.leaderboard(limit=500) == before
    assert any(payout.nmr_staked == 0 for payout in before)
    before = {
        payout.round_number: payout.payout_nmr for payout in season.client.enrichment.payouts()
    }
    assert set(before) == {SCORED}
    with season.fault("negative-payouts"):
        after = {
            payout.round_number: payout.payout_nmr for payout in season.client.enrichment.payouts()
        }
    assert after == {SCORED: -abs(before[SCORED])}
    assert after[SCORED] < Decimal(0)


def test_a_skewed_date_moves_the_clients_clock(season: Season) -> None:
    client = season.make()
    client.open_rounds()
    before = client.now()
    with season.fault("clock-skew", where="graphql:rounds", values={"seconds": 900}):
        client.open_rounds()
    assert abs(client.now() - before - timedelta(seconds=900)) < timedelta(seconds=5)


# --- rounds and submissions -------------------------------------------------------------------


@pytest.mark.parametrize("minutes", [-20, 20])
def test_a_deadline_that_moves_is_seen(season: Season, minutes: int) -> None:
    [before] = season.client.open_rounds()
    with season.fault("deadline-moved", strikes=0, values={"minutes": minutes}):
        [after] = season.client.open_rounds()
        assert after.close_staking_time == before.close_staking_time + timedelta(minutes=minutes)
        assert after.open_time == before.open_time
        round_ = season.client.round(before.number)
        assert round_.close_staking_time == after.close_staking_time
    assert season.client.open_rounds() == [before]


def test_a_later_deadline_is_open_for_longer(season: Season) -> None:
    number = season.round.number
    try:
        with season.fault("deadline-moved", strikes=0, values={"minutes": 90}):
            season.practice.advance(hours=1.5)
            [after] = season.client.open_rounds()
            assert after.number == number
            assert after.is_open(season.client.now())
            mine = season.submit("beta", seed=4)
            submission = season.client.fleet().submission_of("beta", number)
        assert submission is not None
        assert (submission.submission_id, submission.status) == (mine, "on-time")
        assert season.client.open_rounds() == [after]  # a fact by now
    finally:
        season.next_round()


def test_an_early_close_is_enforced(season: Season) -> None:
    before = season.round
    try:
        with season.fault("deadline-moved", strikes=0, values={"minutes": -10_000}):
            assert season.client.open_rounds() == []
            late = season.submit("beta", seed=4)
            submission = season.client.fleet().submission_of("beta", before.number)
            assert submission is not None
            assert (submission.submission_id, submission.status) == (late, "late")
        assert season.client.open_rounds() == []  # what has closed stays closed
        closed = season.client.round(before.number).close_staking_time
        assert before.open_time <= closed < before.close_staking_time
    finally:
        season.next_round()


def test_a_submission_that_shows_only_after_a_while(season: Season) -> None:
    earlier = season.submit("beta", seed=4)
    time.sleep(1.1)
    with season.fault("hidden-submission", strikes=None, values={"seconds": 1.0}):
        mine = season.submit("beta", seed=5)
        assert season.client.submission_states([mine]) == {}
        assert season.client.submission_states([earlier])[earlier].selected
        shown = season.client.fleet().submission_of("beta", season.round.number)
        assert shown is not None
        assert (shown.submission_id, shown.status) == (earlier, "on-time")
        time.sleep(1.1)
        assert season.client.submission_states([mine])[mine].selected
        submission = season.client.fleet().submission_of("beta", season.round.number)
    assert submission is not None
    assert (submission.submission_id, submission.status) == (mine, "on-time")


def test_a_submission_that_turns_invalid(season: Season) -> None:
    good = season.submit("alpha", seed=6)
    with season.fault("invalid-later"):
        bad = season.submit("alpha", seed=7)
        states = season.client.submission_states([good, bad])
        submission = season.client.fleet().submission_of("alpha", season.round.number)
    assert (states[good].selected, states[bad].selected) == (True, False)
    assert submission is not None
    assert submission.submission_id == good


def test_an_upload_that_is_refused(season: Season) -> None:
    target = season.client.authorise_upload(season.alpha.id, "p.csv")
    with (
        season.fault("status", where="upload:*", values={"status": 403}),
        pytest.raises(SubmissionRejected, match="nothing was submitted"),
    ):
        season.client.put_upload(target, b"id,prediction\n")
    with pytest.raises(SubmissionRejected, match="never uploaded"):
        season.client.create_submission(season.alpha.id, target.filename)


@pytest.mark.parametrize(("kind", "values"), [fault for fault in PASSING if fault[0] in
                                              ("status", "cut", "latency")])  # fmt: skip
def test_an_upload_outlives_what_passes(season: Season, kind: str, values: dict[str, Any]) -> None:
    target, content = season.client.authorise_upload(season.alpha.id, "p.csv"), season.csv(8)
    strikes = 1 if kind != "cut" else None  # the answer has no body that could be cut
    with season.fault(kind, strikes=strikes, where="upload:*", times=1, values=values):
        season.client.put_upload(target, content)
    mine = season.client.create_submission(season.alpha.id, target.filename)
    assert season.client.download_submission(mine) == content


@pytest.mark.parametrize("kind", ["html", "redirect"])
def test_a_page_is_not_taken_for_a_submission(season: Season, kind: str) -> None:
    content = season.client.download_submission(season.first)
    with season.fault(kind, strikes=2, where="submission:*", times=2):
        assert season.client.download_submission(season.first) == content
    client = season.make(numebot_retry_deadline=0.8)
    with (
        season.fault(kind, strikes=None, where="submission:*"),
        pytest.raises(NumeraiUnavailable, match="log in to the network"),
    ):
        client.download_submission(season.first)


def test_an_upload_address_that_has_expired(season: Season) -> None:
    with season.fault("expired-upload", times=1):
        expired = season.client.authorise_upload(season.alpha.id, "p.csv")
    for _ in range(2):
        with pytest.raises(SubmissionRejected, match=r"refused.*403.*expired"):
            season.client.put_upload(expired, b"id,prediction\n")
    assert season.client.authorise_upload(season.alpha.id, "p.csv").url.count("expired") == 0


def test_an_upload_that_was_not_kept_at_all_is_refused_at_its_registration(season: Season) -> None:
    target = season.client.authorise_upload(season.alpha.id, "p.csv")
    with season.fault("lost-upload", times=1):
        season.client.put_upload(target, season.csv(14))
    with pytest.raises(SubmissionRejected, match="never uploaded"):
        season.client.create_submission(season.alpha.id, target.filename)


def test_an_upload_that_was_kept_in_part_is_never_selected(season: Season) -> None:
    content = season.csv(9)
    with season.fault("truncated-upload"):
        target = season.client.authorise_upload(season.alpha.id, "p.csv")
        season.client.put_upload(target, content)
    mine = season.client.create_submission(season.alpha.id, target.filename)
    assert not season.client.submission_states([mine])[mine].selected
    submission = season.client.fleet().submission_of("alpha", season.round.number)
    assert submission is None or submission.submission_id != mine
    assert season.client.download_submission(mine) == content[: len(content) // 2]


LOST: list[tuple[str, int, dict[str, Any]]] = [
    ("cut", 1, {"bytes": 0}),
    ("cut", 1, {"bytes": 5}),
    ("status", 1, {"status": 504, "acted": 1}),
    ("status", 2, {"status": 502, "acted": 0}),  # nothing was done: registered at the third try
    ("html", 1, {}),
    ("not-json", 1, {}),
    ("latency", 1, {"seconds": 1.4}),  # the work goes on while the client has given up
    ("null", 1, {"field": "RootMutationType.createSubmission"}),
    ("null", 1, {"field": "V2Submission.id"}),
]


@pytest.mark.parametrize(("kind", "times", "values"), LOST)
def test_a_file_is_registered_once_though_the_answer_is_lost(
    season: Season,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    times: int,
    values: dict[str, Any],
) -> None:
    if not values.get("acted", 1):
        monkeypatch.setattr(registration, "PATIENCE", 0.1)  # what was not done never shows
    target = season.client.authorise_upload(season.alpha.id, "p.csv")
    season.client.put_upload(target, season.csv(10))
    where = "graphql:createSubmission"
    with season.fault(kind, strikes=times, where=where, times=times, values=values):
        mine = season.client.create_submission(season.alpha.id, target.filename)
    assert season.registered(target.filename) == [mine]
    submission = season.client.fleet().submission_of("alpha", season.round.number)
    assert submission is not None
    assert (submission.submission_id, submission.filename) == (mine, target.filename)


def test_a_lost_registration_is_found_by_what_counts_for_the_round(season: Season) -> None:
    """The list of submissions lacks a field; `latestSubmissions` names the file too."""
    target = season.client.authorise_upload(season.alpha.id, "p.csv")
    season.client.put_upload(target, season.csv(12))
    lost = {"status": 500, "acted": 1}
    with (
        season.fault("field-removed", strikes=None, values={"field": "V2Submission.filename"}),
        season.fault("status", where="graphql:createSubmission", times=1, values=lost),
    ):
        mine = season.client.create_submission(season.alpha.id, target.filename)
    assert season.registered(target.filename) == [mine]


def test_a_look_that_fails_keeps_nothing_from_being_registered(season: Season) -> None:
    target = season.client.authorise_upload(season.alpha.id, "p.csv")
    season.client.put_upload(target, season.csv(14))
    with (
        season.fault("status", strikes=None, where="graphql:submissions"),
        season.fault("status", strikes=None, where="graphql:account"),
        season.fault("status", where="graphql:createSubmission", times=1),
    ):
        mine = season.client.create_submission(season.alpha.id, target.filename, seconds=4.0)
    assert mine in season.registered(target.filename)


def test_a_registration_of_which_nothing_is_heard_ends_with_its_time(season: Season) -> None:
    target = season.client.authorise_upload(season.alpha.id, "p.csv")
    season.client.put_upload(target, season.csv(13))
    started = time.monotonic()
    with (
        season.fault("status", strikes=None, where="graphql:createSubmission"),
        pytest.raises(NumeraiUnavailable, match="status 500"),
    ):
        season.client.create_submission(season.alpha.id, target.filename, seconds=1.5)
    assert time.monotonic() - started < 3
    assert season.registered(target.filename) == []


# --- files ------------------------------------------------------------------------------------


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def only_file(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def whole(season: Season, tmp_path: Path) -> str:
    """Return the digest of the live file as it is."""
    (tmp_path / "reference").mkdir()
    path = season.client.download(LIVE, tmp_path / "reference" / "live.parquet").path
    return digest(path)


@pytest.mark.parametrize(
    ("kind", "values"),
    [("cut", {"bytes": 1000}), ("cut", {"bytes": -1}), ("status", {"status": 503}),
     ("latency", {"seconds": 1.1}), ("drip", {"seconds": 0.01}), ("html", {}), ("redirect", {})],
)  # fmt: skip
def test_a_download_outlives_what_passes(
    season: Season, tmp_path: Path, whole: str, kind: str, values: dict[str, Any]
) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    with season.fault(kind, strikes=None, where="download:*live.parquet", times=3, values=values):
        got = season.client.download(LIVE, folder / "live.parquet")
        assert season.practice.faults()[0]["struck"] >= 1
    assert digest(got.path) == got.sha256 == whole
    assert only_file(folder) == ["live.parquet"]


def test_a_range_that_is_ignored_starts_over(season: Season, tmp_path: Path, whole: str) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    with (
        season.fault("ignore-range", where="download:*"),  # the second GET resumes
        season.fault("cut", strikes=2, where="download:*", times=2),  # the HEAD has no body
    ):
        got = season.client.download(LIVE, folder / "live.parquet")
    assert digest(got.path) == whole


def test_a_download_that_fails_leaves_what_was_there(
    season: Season, tmp_path: Path, whole: str
) -> None:
    client = season.make(numebot_retry_deadline=0.8)
    path = tmp_path / "live.parquet"
    path.write_bytes(b"what was there")
    for kind in ("status", "html", "redirect"):
        with (
            season.fault(kind, strikes=None, where="download:*"),
            pytest.raises(NumeraiUnavailable),
        ):
            client.download(LIVE, path)
        assert path.read_bytes() == b"what was there"
    with (
        season.fault("status", strikes=None, where="download:*", values={"status": 404}),
        pytest.raises((DownloadFailed, QueryRefused), match="404"),
    ):
        client.download(LIVE, path)
    assert path.read_bytes() == b"what was there"
    assert only_file(tmp_path) == ["live.parquet", "reference"]


def test_a_file_that_changes_while_it_is_fetched(
    season: Season, tmp_path: Path, whole: str
) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    with season.fault("changing-data", strikes=2):
        got = season.client.download(LIVE, folder / "live.parquet")
    assert digest(got.path) == whole
    assert only_file(folder) == ["live.parquet"]


def test_late_data_are_the_former_rounds(season: Season, tmp_path: Path, whole: str) -> None:
    former = season.client.identify(LIVE, round_number=season.round.number - 1)
    with season.fault("late-data", strikes=None):
        late = season.client.download(LIVE, tmp_path / "late.parquet")
        assert season.client.enrichment.pipeline_status()["dataReadyAt"] is None
        assert season.client.open_rounds() == [season.round]
    assert (late.size, late.remote.etag) == (former.size, former.etag)
    assert late.sha256 != whole
    assert season.client.download(LIVE, tmp_path / "late.parquet").sha256 == whole


class Killed(Exception):
    """Stands for the end of the process in the middle of a download."""


def test_an_entity_tag_that_lies_does_not_join_two_files(
    season: Season, tmp_path: Path, whole: str
) -> None:
    """The part of the former round's file has another size, and is not resumed."""
    folder = tmp_path / "mine"
    folder.mkdir()

    def killed(done: int, total: int | None) -> None:
        raise Killed

    with season.fault("stale-etag", strikes=None):
        with season.fault("late-data", strikes=2, where="download:*"), pytest.raises(Killed):
            season.client.download(LIVE, folder / "live.parquet", progress=killed)
        [part] = only_file(folder)
        assert part.endswith(".part")
        got = season.client.download(LIVE, folder / "live.parquet")
    assert digest(got.path) == whole
    assert only_file(folder) == ["live.parquet"]


@pytest.mark.heavy
def test_the_target_alias_that_switches_in_place(season: Season, tmp_path: Path) -> None:
    name = "v5.3/validation.parquet"
    columns = ["target", "target_ender_20", "target_ender_60"]
    # Each version of the file is made when it is first asked for, which takes its time.
    client = season.make(numebot_read_timeout=60.0, numebot_retry_deadline=120.0)
    before = client.download(name, tmp_path / "before.parquet")
    with season.fault("target-switched", strikes=None):
        after = client.download(name, tmp_path / "after.parquet")
    assert before.remote.etag != after.remote.etag
    for got, alias in ((before, "target_ender_60"), (after, "target_ender_20")):
        table = pl.read_parquet(got.path, columns=columns)
        assert table["target"].equals(table[alias])


def test_every_kind_of_fault_is_added_above() -> None:
    """But for the trigger, which no client asks for, and for the form of rate limits, which this
    tournament does not enforce: see the tests of the practice tournament.
    """
    above, _, _ = Path(__file__).read_text().partition("def test_every_kind_of_fault")
    added = {kind for kind in KINDS if f'"{kind}"' in above}
    assert set(KINDS) - added == {"duplicate-trigger", "rate-limit-as-error"}
