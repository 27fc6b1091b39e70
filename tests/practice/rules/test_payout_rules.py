"""Payouts by the rules that a round carries, with a change of rules between two rounds."""

from __future__ import annotations

import io
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import pytest
from numerai_tools.scoring import correlation_contribution, numerai_corr

from numebot_dagster.practice.api.request import Services
from numebot_dagster.practice.creation import Plan, open_tournament
from numebot_dagster.practice.rules.clock import Round
from numebot_dagster.practice.rules.events import advance
from numebot_dagster.practice.rules.payout_rules import CURRENT, FORMER, RuleBook
from numebot_dagster.practice.scoring.ledger import payout, payout_of_score

if TYPE_CHECKING:
    from tests.practice.served_tournament import ServedTournament

MODEL = "example_model"
OLD, NEW = 1280, 1281


@pytest.fixture(scope="module")
def played(make_tournament: Callable[..., ServedTournament]) -> ServedTournament:
    """Return the last round of the former rules and the first of the current ones, both staked."""
    from numerapi import base_api

    tournament = make_tournament(stakes={MODEL: "5000"}, rules_change_at=NEW)
    former, base_api.API_TOURNAMENT_URL = base_api.API_TOURNAMENT_URL, tournament.controls.url
    for number in (OLD, NEW):
        tournament.controls.advance("next-open")
        tournament.upload(MODEL, tournament.predictions(number, 3))
    base_api.API_TOURNAMENT_URL = former
    tournament.controls.advance(days=20)
    return tournament


@pytest.fixture
def tournament(
    played: ServedTournament, connect: Callable[[ServedTournament], ServedTournament]
) -> ServedTournament:
    return connect(played)


@pytest.mark.parametrize(
    ("change_at", "number", "rules", "span"),
    [
        (None, 1280, CURRENT, (1279, None)),
        (1281, 1280, FORMER, (1279, 1280)),
        (1281, 1281, CURRENT, (1281, None)),
        (1200, 1280, CURRENT, (1279, None)),
    ],
)
def test_the_rule_book(change_at: int | None, number: int, rules: object, span: object) -> None:
    book = RuleBook(change_at)
    assert book.of(number) is rules
    assert book.span(number, 1279) == span


@pytest.mark.parametrize(
    ("total", "factor"), [("0", 1.0), ("72000", 1.0), ("96000", 0.75), ("720000", 0.1)]
)
def test_the_payout_factor(total: str, factor: float) -> None:
    assert FORMER.payout_factor(Decimal(total)) == factor
    assert CURRENT.payout_factor(Decimal(total)) == 1.0


@pytest.mark.parametrize(
    ("corr", "mmc", "factor", "paid"),
    [
        (0.02, 0.001, 1.0, "0.1725"),
        (0.02, 0.001, 0.5, "0.08625"),
        (0.1, 0.1, 1.0, "0.5"),
        (-0.2, 0.0, 1.0, "-0.5"),
        (-0.02, 0.0, 1.0, "-0.15"),
    ],
)
def test_former_payouts(corr: float, mmc: float, factor: float, paid: str) -> None:
    scores = {"v2_corr20": corr, "mmc": mmc, "bmc": 1.0}
    total = payout(Decimal(10), scores, FORMER, factor)
    assert abs(total - Decimal(paid)) < Decimal("1e-15")
    parts = [payout_of_score(Decimal(10), n, scores, FORMER, factor) for n in ("v2_corr20", "mmc")]
    assert abs(sum(part for part in parts if part) - total) < Decimal("1e-15")
    assert payout_of_score(Decimal(10), "bmc", scores, FORMER, factor) is None


def test_each_round_says_its_rules(tournament: ServedTournament) -> None:
    configs = {
        number: {
            config["name"]: config
            for config in tournament.api.list_rounds(number=number)[0]["roundScoreConfigs"]
        }
        for number in (OLD, NEW)
    }
    paid = {
        number: {
            name: config["defaultMultiplier"]
            for name, config in scores.items()
            if config["isPayout"]
        }
        for number, scores in configs.items()
    }
    assert paid == {OLD: {"v2_corr20": 0.75, "mmc": 2.25}, NEW: {"corr60": 3.0, "mmc60": 15.0}}
    days = {number: scores["bmc"]["totalScoreDays"] for number, scores in configs.items()}
    assert days == {OLD: 20, NEW: 60}
    clips = {number: scores["bmc"]["clipThreshold"] for number, scores in configs.items()}
    assert clips == {OLD: 0.05, NEW: 1.0}
    spans = [(h["bmc"]["roundNumberStart"], h["bmc"]["roundNumberEnd"]) for h in configs.values()]
    assert spans == [(1279, OLD), (NEW, None)]
    resolve = {n: tournament.api.list_rounds(number=n)[0]["resolveTime"].date() for n in (OLD, NEW)}
    assert resolve == {OLD: date(2026, 7, 3), NEW: date(2026, 8, 31)}
    query = "{rounds(number: %d) {defaultCorrMultiplier defaultMmcMultiplier}}"
    multipliers = [
        tuple(tournament.post(query % n)["data"]["rounds"][0].values()) for n in (OLD, NEW)
    ]
    assert multipliers == [(0.75, 2.25), (None, None)]


def total_at_risk(tournament: ServedTournament, number: int) -> Decimal:
    """Return all stakes on a round, from the stored positions and who was on time."""
    opened = Round(number).opened
    on_time = {
        played.participant.name
        for played in tournament.crowd.played(opened)
        if played.attendance == "on-time"
    }
    rows = tournament.rows(
        "SELECT name, nmr FROM positions JOIN models ON models.id = model_id WHERE from_round <= ?",
        number,
    )
    return sum((Decimal(r["nmr"]) for r in rows if r["name"] in {*on_time, MODEL}), Decimal(0))


def score(tournament: ServedTournament, number: int, day: int) -> tuple[float, float]:
    """Return CORR and MMC by numerai-tools on what the market has realised."""
    row = tournament.rows("SELECT filename FROM submissions WHERE round = ?", number)[0]
    content = (tournament.folder / "uploads" / row["filename"]).read_bytes()
    frame = pd.read_csv(io.BytesIO(content), index_col="id").sort_index()
    meta = tournament.meta_model(number)
    realised = tournament.market.realised_target(Round(number).opened, day).astype(float)
    target = pd.Series(realised, meta.index, name="target")
    return (
        float(numerai_corr(frame, target)["prediction"]),
        float(correlation_contribution(frame, meta, target)["prediction"]),
    )


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_payouts_follow_the_rules_of_their_round(tournament: ServedTournament) -> None:
    pending = {row["roundNumber"]: row for row in tournament.api.pending_model_payouts()["pending"]}
    assert set(pending) == {OLD, NEW}
    days = {OLD: 12, NEW: 11}
    corr, mmc = score(tournament, OLD, days[OLD])
    factor = 72000 / float(total_at_risk(tournament, OLD))
    assert 0.09 < factor < 0.15  # as seen in rounds 1163 and 1264: 0.109 and 0.092
    rate = factor * (0.75 * corr + 2.25 * mmc)
    assert abs(rate) < 0.05
    assert float(pending[OLD]["payoutNmr"]) == pytest.approx(5000 * rate, abs=1e-8)
    corr, mmc = score(tournament, NEW, days[NEW])
    assert float(pending[NEW]["payoutNmr"]) == pytest.approx(5000 * (3 * corr + 15 * mmc), abs=1e-8)
    performances = {
        row["roundNumber"]: row for row in performances_of(tournament) if row["roundNumber"] in days
    }
    assert float(performances[OLD]["roundPayoutFactor"]) == pytest.approx(factor, abs=1e-12)
    assert performances[NEW]["roundPayoutFactor"] == "1.0"
    names = {number: {s["displayName"] for s in p["submissionScores"]}
             for number, p in performances.items()}  # fmt: skip
    both = {"v2_corr20", "mmc", "bmc", "fnc_v3", "cort20", "corr_w_meta_model", "mcwnm", "apcwnm",
            "season_score", "canon_corr", "canon_mmc", "canon_bmc", "canon_fnc_v3",
            "canon_cort20"}  # fmt: skip
    sixty = {"corr60", "mmc60", "corj60"}
    assert names == {OLD: both, NEW: both | sixty | {f"canon_{name}" for name in sixty}}


def performances_of(tournament: ServedTournament) -> list[dict]:
    return tournament.api.round_model_performances_v2(tournament.model_id(MODEL))


def test_leaderboards_over_the_change(tournament: ServedTournament) -> None:
    leaders = {row["username"]: row for row in tournament.api.get_leaderboard(50)}
    stored = tournament.rows(
        "SELECT name, avg(value) AS value FROM scores WHERE model_id = ? AND (round, day) IN "
        "((1280, 12), (1281, 11)) GROUP BY name", tournament.model_id(MODEL),
    )  # fmt: skip
    values = {row["name"]: row["value"] for row in stored}
    assert leaders[MODEL]["corr20V2Rep"] == pytest.approx(values["v2_corr20"], abs=1e-15)
    assert leaders[MODEL]["mmcRep"] == pytest.approx(values["mmc"], abs=1e-15)
    profile = tournament.post(
        f'{{v3UserProfile(modelName: "{MODEL}") {{latestReps {{corr60 mmc60 corr20V2}}}}}}'
    )["data"]["v3UserProfile"]["latestReps"]
    assert profile["corr60"] == pytest.approx(values["corr60"], abs=1e-15)
    assert profile["corr20V2"] == pytest.approx(values["v2_corr20"], abs=1e-15)


def test_the_former_round_resolves_after_a_month(
    tournament: ServedTournament,
) -> None:  # moves the clock
    tournament.controls.advance("resolve")
    now = datetime.fromisoformat(tournament.controls.state()["clock"]["now"])
    assert now == datetime(2026, 7, 3, 20, 0, 1, tzinfo=UTC)
    actual = tournament.api.pending_model_payouts()["actual"]
    assert [row["roundNumber"] for row in actual] == [OLD]
    corr, mmc = score(tournament, OLD, 20)
    rate = 72000 / float(total_at_risk(tournament, OLD)) * (0.75 * corr + 2.25 * mmc)
    assert float(actual[0]["payoutNmr"]) == pytest.approx(5000 * rate, abs=1e-8)
    final = tournament.api.submission_scores(tournament.model_id(MODEL), resolved=True)
    assert {(row["roundNumber"], row["day"]) for row in final} == {(OLD, 20)}
    assert max(row["day"] for row in tournament.api.submission_scores(tournament.model_id(MODEL))
               if row["roundNumber"] == OLD) == 20  # fmt: skip


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_an_unread_former_round_stays_at_its_last_day(
    make_tournament: Callable[..., ServedTournament],
    connect: Callable[[ServedTournament], ServedTournament],
) -> None:
    tournament = connect(make_tournament(stakes={MODEL: "5000"}, rules_change_at=NEW))
    tournament.controls.advance("next-open")
    tournament.upload(MODEL, tournament.predictions(OLD, 3))
    tournament.controls.advance("resolve")
    tournament.controls.advance(days=4)
    actual = tournament.api.pending_model_payouts()["actual"]
    assert [row["roundNumber"] for row in actual] == [OLD]
    corr, mmc = score(tournament, OLD, 20)
    rate = 72000 / float(total_at_risk(tournament, OLD)) * (0.75 * corr + 2.25 * mmc)
    assert float(actual[0]["payoutNmr"]) == pytest.approx(5000 * rate, abs=1e-8)
    tournament.api.get_leaderboard()
    days = "SELECT DISTINCT day FROM scores WHERE round = ?"
    assert [row["day"] for row in tournament.rows(days, OLD)] == [20]
    scores = tournament.api.submission_scores(tournament.model_id(MODEL))
    assert sorted({row["day"] for row in scores if row["roundNumber"] == OLD}) == [*range(1, 21)]
    assert max(row["day"] for row in tournament.rows(days, OLD)) == 20
    assert tournament.api.pending_model_payouts()["actual"] == actual


def test_a_day_after_the_last_is_never_scored(tmp_path: Path) -> None:
    tournament = open_tournament(tmp_path, Plan(rules_change_at=NEW))
    advance(tournament, days=60)
    with pytest.raises(ValueError, match="round 1280 is scored for 20 days, not for 21"):
        Services.of(tournament).scorer.published([Round(OLD)])
    tournament.state.close()


def test_the_change_survives_a_restart(tmp_path: Path) -> None:
    for plan in (Plan(rules_change_at=NEW), Plan()):
        tournament = open_tournament(tmp_path, plan)
        assert tournament.timetable.round(OLD).score_days == 20
        assert tournament.timetable.round(NEW).score_days == 60
        tournament.state.close()
