"""The client against a practice tournament that refuses every deviation from Numerai's schema."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from numebot_dagster.lake import parquet
from numebot_dagster.numerai.client import NumeraiClient
from numebot_dagster.numerai.errors import (
    NotAuthorised,
    QueryRefused,
    SubmissionRejected,
)
from numebot_dagster.numerai.http.transport import Transport
from numebot_dagster.numerai.schema_use import REQUIRED_FIELDS
from numebot_dagster.practice.creation import Plan
from numebot_dagster.practice.server import PracticeServer
from numebot_dagster.settings import Settings
from numebot_dagster.submissions import submission_file
from tests.support.payouts import payout, payout_scores
from tests.support.tournament_state import read_state

OPENED = 1280  # Tuesday 2 June 2026
PLAN = Plan(seed=3, models=("alpha", "beta"), stakes={"alpha": "10"})


def client_of(practice: PracticeServer, **changes) -> NumeraiClient:
    key = practice.credentials
    values = {
        "numerai_public_id": key.public_id,
        "numerai_secret_key": key.secret_key,
        "numerai_api_url": practice.url,
        "numebot_retry_deadline": 30.0,
    }
    return NumeraiClient(Transport(Settings(_env_file=None, **(values | changes))))


class Season:
    """One tournament played through: what was sent, and what the client saw at each stage."""

    def __init__(self, practice: PracticeServer, folder: Path) -> None:
        self.practice, self.client = practice, client_of(practice)
        client = self.client
        self.before = client.open_rounds()
        practice.advance("next-open")
        self.open = client.open_rounds()
        self.listing = client.enrichment.list_datasets()
        self.live = client.download("v5.3/live.parquet", folder / "live.parquet")
        self.ids = parquet.read(self.live.path, ["id"])["id"].to_list()
        noise = np.random.default_rng(5).normal(size=len(self.ids))
        self.predictions = submission_file.rank_to_unit_interval(noise)
        self.sent = submission_file.prepare(self.ids, self.predictions)
        self.alpha = client.fleet().models["alpha"]
        self.target = client.authorise_upload(self.alpha.id, "predictions.csv")
        client.put_upload(self.target, self.sent.csv)
        self.id = client.create_submission(self.alpha.id, self.target.filename)
        self.states = client.submission_states([self.id, "00000000-0000-0000-0000-000000000000"])
        self.fleet = client.fleet()
        self.content = client.download_submission(self.id)
        practice.advance("next-close")
        beta = self.fleet.models["beta"]
        late = client.authorise_upload(beta.id, "late.csv")
        client.put_upload(late, self.sent.csv)
        client.create_submission(beta.id, late.filename)
        self.fleet_after_close = client.fleet()
        practice.advance(days=9)
        self.report = practice.state()


@pytest.fixture(scope="module")
def season(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Season]:
    folder = tmp_path_factory.mktemp("season")
    with PracticeServer(folder / "practice", PLAN, strict=True) as practice:
        yield Season(practice, folder)


def stored(season: Season, query: str, *values: object) -> list[tuple]:
    """Read the tournament's own state past its server."""
    return [tuple(row) for row in read_state(season.practice.folder, query, *values)]


def test_the_open_round(season):
    assert season.before == []
    [round_] = season.open
    assert (round_.number, round_.open_time, round_.close_staking_time) == (
        OPENED,
        datetime(2026, 6, 2, 12, tzinfo=UTC),
        datetime(2026, 6, 2, 13, tzinfo=UTC),
    )
    assert season.client.round(OPENED).open_time == round_.open_time
    assert season.client.round(OPENED).close_time == datetime(2026, 6, 3, 12, tzinfo=UTC)


def test_the_newest_rounds_are_those_that_opened(season):
    opened = [row["number"] for row in season.report["rounds"] if row["status"] != "UPCOMING"]
    assert [round_.number for round_ in season.client.rounds()] == sorted(opened)
    assert [round_.number for round_ in season.client.rounds(limit=2)] == sorted(opened)[-2:]
    assert OPENED in opened


def test_the_clock_is_the_tournaments(season):
    season.client.open_rounds()
    now = datetime.fromisoformat(season.report["clock"]["now"])
    assert abs(season.client.now() - now) < timedelta(seconds=2)
    skew = season.client.skew
    assert skew is not None
    assert abs(skew - (now - datetime.now(UTC))) < timedelta(seconds=2)


def test_data_files(season):
    assert "v5.3/live.parquet" in season.listing
    assert season.client.enrichment.newest_data_version() == "v5.3"
    assert season.live.size == season.live.path.stat().st_size == season.live.remote.size
    assert len(season.ids) == len(set(season.ids)) > 1000
    again = season.client.identify("v5.3/live.parquet", round_number=OPENED)
    assert again.size == season.live.size
    assert again.etag == season.live.remote.etag
    newest = season.client.identify("v5.3/live.parquet")
    assert newest.etag != again.etag
    assert newest.stamp != again.stamp


def test_a_submission_arrives_and_is_proved(season):
    state = season.states[season.id]
    assert set(season.states) == {season.id}
    assert (state.selected, state.round_number, state.filename) == (
        True,
        OPENED,
        season.target.filename,
    )
    submission = season.fleet.submission_of("alpha", OPENED)
    assert submission is not None
    assert (submission.submission_id, submission.filename) == (season.id, season.target.filename)
    assert submission.status == "on-time"
    assert submission.timestamp == state.inserted_at
    assert submission_file.matches(season.content, season.ids, season.predictions) is None
    assert season.fleet.submission_of("beta", OPENED) is None
    rows = stored(season, "SELECT id FROM submissions WHERE filename = ?", season.target.filename)
    assert rows == [(season.id,)]


def test_an_upload_after_the_close_is_late_and_queued_for_the_next_round(season):
    late = season.fleet_after_close.submission_of("beta", OPENED)
    queued = season.fleet_after_close.submission_of("beta", OPENED + 1)
    assert (late.status, queued.status) == ("late", "queued")
    assert late.timestamp == queued.timestamp >= season.open[0].close_staking_time


def test_a_file_that_was_never_authorised_is_rejected(season):
    with pytest.raises(SubmissionRejected, match=r"never.csv was not accepted"):
        season.client.create_submission(season.alpha.id, "never.csv")


def test_an_upload_to_a_forged_place_is_rejected(season):
    target = season.client.authorise_upload(season.alpha.id, "predictions.csv")
    forged = target.url.replace("/uploads/", "/uploads/x")
    with pytest.raises(SubmissionRejected, match="status 403"):
        season.client.put_upload(type(target)(target.filename, forged), b"id,prediction\n")


def test_wrong_credentials_are_not_authorised(season):
    stranger = client_of(season.practice, numerai_secret_key="WRONG")
    with pytest.raises(NotAuthorised):
        stranger.fleet()
    assert stranger.round(OPENED).number == OPENED


def test_a_misspelt_field_would_be_refused(season):
    with pytest.raises(QueryRefused, match="open_time"):
        season.client.transport.query("query { rounds(tournament: 8) { open_time } }")


def test_the_account(season):
    account = season.client.enrichment.account()
    assert account.username == "practice"
    assert [model.name for model in account.models] == ["alpha", "beta"]
    assert set(account.scopes) >= {"upload_submission", "read_submission_info"}
    ids = {model["name"]: model["id"] for model in season.report["models"]}
    assert {model.name: model.id for model in account.models} == ids


def test_the_scores_are_those_of_the_submission(season):
    scores = season.client.enrichment.scores(season.alpha)
    assert scores
    assert {score.submission_id for score in scores} == {season.id}
    assert {score.round_number for score in scores} == {OPENED}
    assert {score.metric for score in scores} >= {"corr60", "mmc60"}
    assert all(-1 < score.value < 1 and 0 <= score.percentile <= 1 for score in scores)
    assert not any(score.resolved for score in scores)
    assert min(score.date for score in scores) == date(2026, 6, 6)
    assert season.client.enrichment.scores(season.alpha, last_n_rounds=1) == []


def test_a_pending_payout_follows_the_rounds_own_rules(season):
    details = season.client.enrichment.round_details(OPENED)
    assert payout_scores(details) == ("corr60", "mmc60")
    assert details.extra["tournament"] == 8
    scores = season.client.enrichment.scores(season.alpha)
    newest = max(score.day for score in scores)
    values = {score.metric: score.value for score in scores if score.day == newest}
    payouts = season.client.enrichment.payouts()
    [pending] = [payout for payout in payouts if payout.model == "alpha"]
    assert (pending.round_number, pending.settled) == (OPENED, False)
    expected = payout(details, values, Decimal(10))
    assert abs(pending.payout_nmr - expected) < Decimal("1e-12")


def test_the_leaderboard(season):
    entries = season.client.enrichment.leaderboard(5)
    assert [entry.rank for entry in entries] == [1, 2, 3, 4, 5]
    everybody = {entry.model: entry for entry in season.client.enrichment.leaderboard(100)}
    assert everybody["alpha"].nmr_staked == Decimal(10)
    assert everybody["alpha"].reputations["corr60Rep"] is not None
    assert {"corr60Rep", "mmc60Rep", "bmcRep"} <= everybody["alpha"].reputations.keys()


def test_the_pipeline(season):
    status = season.client.enrichment.pipeline_status()
    assert status["tournament"] == "classic"
    assert status["scoredAt"] is None or status["scoredAt"].tzinfo is UTC
    assert isinstance(status["isScoringDay"], bool)


def test_all_fields_that_we_use_are_in_the_schema_as_it_is_served(season):
    for type_name, fields in REQUIRED_FIELDS.items():
        assert fields <= season.client.enrichment.schema_fields(type_name), type_name
