"""Wallet, burns and on-chain positions, compared with positions and scores in the state."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import numerapi
import numpy as np
import pytest

from numebot_dagster.practice.market.population import standing_of
from numebot_dagster.practice.rules.clock import Round

if TYPE_CHECKING:
    from sqlite3 import Row

    from tests.practice.served_tournament import ServedTournament

MODEL, OTHER = "example_model", "lightgbm_model"
ROUND = 1280
SCOPES = ("read_user_info", "web3_staking")


def entered(make_tournament: Callable[..., ServedTournament]) -> ServedTournament:
    """Return a round with one model of knowledge, one of its opposite, both staked."""
    from numerapi import base_api

    tournament = make_tournament(stakes={MODEL: "100", OTHER: "250.5"})
    former, base_api.API_TOURNAMENT_URL = base_api.API_TOURNAMENT_URL, tournament.controls.url
    tournament.controls.advance("next-open")
    table = tournament.predictions(ROUND, 0)
    tournament.upload(MODEL, table)
    tournament.upload(OTHER, table.assign(prediction=1 - table["prediction"]))
    tournament.controls.set_position(MODEL, "75.25", ROUND)
    base_api.API_TOURNAMENT_URL = former
    return tournament


@pytest.fixture(scope="module")
def played(make_tournament: Callable[..., ServedTournament]) -> ServedTournament:
    """Return that round, resolved."""
    tournament = entered(make_tournament)
    tournament.controls.advance("resolve")
    return tournament


@pytest.fixture
def tournament(
    played: ServedTournament, connect: Callable[[ServedTournament], ServedTournament]
) -> ServedTournament:
    return connect(played)


def payouts(tournament: ServedTournament) -> dict[str, Decimal]:
    """Return payouts of the round from the final scores in the state."""
    rows = tournament.rows(
        "SELECT models.name AS model, scores.name AS score, value FROM scores "
        "JOIN models ON models.id = model_id WHERE round = ? AND day = 60", ROUND,
    )  # fmt: skip
    scores = {(row["model"], row["score"]): row["value"] for row in rows}
    staked = {MODEL: Decimal("75.25"), OTHER: Decimal("250.5")}
    earned = {}
    for name, stake in staked.items():
        rate = 3 * scores[name, "corr60"] + 15 * scores[name, "mmc60"]
        earned[name] = stake * Decimal(float(np.clip(rate, -1, 1)))
    return earned


def close(amount: Decimal | str, expected: Decimal) -> bool:
    return abs(Decimal(amount) - expected) < Decimal("1e-15")


def test_returns_are_payouts_over_stakes(tournament: ServedTournament) -> None:
    """On the day of the resolution; the first test here, as a later one moves the clock."""
    tournament.api.pending_model_payouts()  # so that the scores are in the state
    earned = payouts(tournament)
    leaders = {entry["username"]: entry for entry in tournament.api.get_leaderboard()}
    for name, stake in ((MODEL, Decimal("75.25")), (OTHER, Decimal("250.5"))):
        rate = float(earned[name] / stake)
        assert leaders[name]["return_52_weeks"] == pytest.approx(rate, abs=1e-12)
        assert leaders[name]["return_1_day"] == pytest.approx(rate, abs=1e-12)
    assert leaders["v53_lgbm_ender60"]["return_52_weeks"] is None
    profile = tournament.post(f'{{v3UserProfile(modelName: "{MODEL}") {{nmrStaked}}}}')
    assert Decimal(profile["data"]["v3UserProfile"]["nmrStaked"]) == 0  # all is settled


def test_the_wallet(tournament: ServedTournament) -> None:
    tournament.api.pending_model_payouts()  # so that the scores are in the state
    before = tournament.api.wallet_transactions()
    assert [(transaction["type"], transaction["amount"]) for transaction in before[2:]] == [
        ("deposit", Decimal(10000))
    ]
    assert {(transaction["type"], transaction["amount"]) for transaction in before[:2]} == {
        ("stake", Decimal("75.25")), ("stake", Decimal("250.5")),
    }  # fmt: skip
    assert {transaction["time"] for transaction in before[:2]} == {
        datetime(2026, 6, 2, 13, tzinfo=UTC)
    }
    tournament.controls.advance(days=7)
    earned = payouts(tournament)
    assert min(earned.values()) < 0 < max(earned.values())
    after = tournament.api.wallet_transactions()
    wallet = tournament.api.get_account()["walletAddress"]
    claims = [transaction for transaction in after if transaction["type"] == "claim"]
    assert len(claims) == 2
    assert {transaction["to"] for transaction in claims} == {wallet}
    expected = {Decimal("75.25") + earned[MODEL], Decimal("250.5") + earned[OTHER]}
    for claim in claims:
        assert any(close(claim["amount"], amount) for amount in expected)
        assert claim["time"] == datetime(2026, 8, 28, 20, tzinfo=UTC) + timedelta(days=7)
    burns = [transaction for transaction in after if transaction["type"] == "burn"]
    assert len(burns) == 1
    assert close(burns[0]["amount"], -min(earned.values()))
    assert len({transaction["txHash"] for transaction in after}) == len(after) == 6
    assert {transaction["tournament"] for transaction in after} == {8}
    balance = tournament.post("{account {onChainWalletBalance}}")["data"]["account"]
    assert close(balance["onChainWalletBalance"], Decimal(10000) + sum(earned.values()))
    page = tournament.post("{account {walletTxns(limit: 2, offset: 1) {txHash}}}")["data"][
        "account"
    ]
    hashes = [transaction["txHash"] for transaction in after]
    assert [transaction["txHash"] for transaction in page["walletTxns"]] == hashes[1:3]


def chain(tournament: ServedTournament) -> numerapi.NumerAPI:
    key = tournament.controls.add_key("chain", *SCOPES)
    return numerapi.NumerAPI(key.public_id, key.secret_key, verbosity="CRITICAL")


def test_positions_on_the_chain(tournament: ServedTournament) -> None:
    api = chain(tournament)
    stake_round = api.v3_stake_round(ROUND)
    assert (stake_round["roundId"], stake_round["tournamentId"]) == (str(ROUND), "8")
    assert (stake_round["state"], stake_round["resolved"]) == ("resolved", True)
    assert stake_round["openTime"] == str(int(datetime(2026, 6, 2, 12, tzinfo=UTC).timestamp()))
    everyone = tournament.post(
        f"{{roundDetails(roundNumber: {ROUND}, tournament: 8) {{models {{selectedStakeValue "
        "payoutSettled}}}"
    )["data"]["roundDetails"]["models"]
    staked = sum(Decimal(row["selectedStakeValue"]) for row in everyone)
    assert stake_round["totalStaked"] == str(int(staked * 10**18))
    earned = [Decimal(row["payoutSettled"] or 0) for row in everyone]
    expected = sum(amount for amount in earned if amount > 0)
    assert stake_round["totalPayout"] == str(int(expected * 10**18))
    config = api.v3_stake_config()
    assert config["paused"] is False
    assert config["address"].startswith("0x")
    assert len(config["address"]) == 42
    query = '{v3StakeRound(roundId: "9999", tournamentId: 8) {state}}'
    assert "Round 9999 not found" in str(error(api, query))


def error(api: numerapi.NumerAPI, query: str) -> ValueError:
    with pytest.raises(ValueError, match=r".") as caught:
        api.raw_query(query, authorization=True)
    return caught.value


def test_claims(tournament: ServedTournament) -> None:
    api = chain(tournament)
    tournament.api.pending_model_payouts()
    for name, earned in payouts(tournament).items():
        claim = api.v3_stake_claim(ROUND, tournament.model_id(name), "0x1")
        assert claim["apiModelId"] == tournament.model_id(name)
        submission = tournament.rows(
            "SELECT id FROM submissions WHERE model_id = ?", tournament.model_id(name)
        )[0]["id"]
        assert claim["submissionId"] == submission
        wei = int(claim["payoutAmountWei"]) - int(claim["burnAmountWei"])
        assert close(Decimal(wei) / 10**18, earned)
        assert min(int(claim["payoutAmountWei"]), int(claim["burnAmountWei"])) == 0
    with pytest.raises(ValueError, match="nothing to claim"):
        api.v3_stake_claim(ROUND + 1, tournament.model_id(MODEL), "0x1")


def test_authorisations(tournament: ServedTournament) -> None:
    submission = tournament.rows("SELECT id, filename FROM submissions ORDER BY inserted_at")[0]
    api = chain(tournament)
    auth = api.v3_stake_auth(submission["id"], "0xabc", amount=5)
    assert (auth["maxAmount"], auth["staker"]) == ("5", "0xabc")
    assert (auth["roundId"], auth["submissionId"]) == (str(ROUND), submission["id"])
    digest = tournament.rows(
        "SELECT sha256 FROM uploads WHERE filename = ?", submission["filename"]
    )[0]["sha256"]
    assert auth["submissionHash"] == "0x" + digest
    with pytest.raises(ValueError, match="Insufficient permission for web3_staking"):
        tournament.api.v3_stake_auth(submission["id"], "0xabc", amount=5)


@pytest.mark.parametrize(
    ("arguments", "field", "descends"),
    [
        ('orderBy: "nmrStaked"', "nmrStaked", True),
        ('orderBy: "nmr_staked", direction: "asc"', "nmrStaked", False),
        ('orderBy: "corr60Rep", direction: "desc"', "corr60Rep", True),
        ('orderBy: "username"', "username", False),
        ('orderBy: "return_52_weeks"', "return52Weeks", True),
        ('orderBy: "rank"', "rank", False),
        ("", "rank", False),
    ],
)
def test_leaderboards_are_ordered(
    tournament: ServedTournament, arguments: str, field: str, descends: bool
) -> None:
    asked = f"({arguments})" if arguments else ""
    query = f"{{v2Leaderboard{asked} {{username rank nmrStakedRank {field}}}}}"
    leaders = tournament.post(query, None)["data"]["v2Leaderboard"]
    assert len(leaders) == 40
    values = [row[field] for row in leaders if row[field] is not None]
    assert len(values) > 1
    if field == "nmrStaked":
        values = [float(value) for value in values]
    assert values == sorted(values, reverse=descends)
    assert [row[field] for row in leaders[: len(values)]].count(None) == 0
    by_stake = tournament.post(
        '{v2Leaderboard(orderBy: "nmrStakedRank") {username nmrStaked}}', None
    )
    stakes = [float(row["nmrStaked"]) for row in by_stake["data"]["v2Leaderboard"]]
    assert stakes == sorted(stakes, reverse=True)


def test_leaderboards_are_filtered_and_paged(tournament: ServedTournament) -> None:
    query = (
        '{v2Leaderboard(filterBy: "RIVAL_0", limit: 4, offset: 3, orderBy: "username") {username}}'
    )
    rows = tournament.post(query, None)["data"]["v2Leaderboard"]
    assert [row["username"] for row in rows] == [f"rival_0{n}" for n in (4, 5, 6, 7)]
    query = '{accountLeaderboard(orderBy: "nmrStaked", direction: "desc") {username nmrStaked}}'
    accounts = tournament.post(query, None)["data"]["accountLeaderboard"]
    stakes = [float(row["nmrStaked"]) for row in accounts]
    assert stakes == sorted(stakes, reverse=True)
    assert len(accounts) == 34


def settled_of(
    tournament: ServedTournament, resolved: list[int]
) -> dict[str, tuple[Decimal, Decimal]]:
    """Compute each account's stakes and earnings in resolved rounds, from positions and scores."""
    numbers = ", ".join(map(str, resolved))
    final: dict[tuple[str, int], dict[str, float]] = {}
    for row in tournament.rows(f"SELECT * FROM scores WHERE round IN ({numbers}) AND day = 60"):
        final.setdefault((row["model_id"], row["round"]), {})[row["name"]] = row["value"]
    by_account: dict[str, tuple[Decimal, Decimal]] = {}
    for model in tournament.rows("SELECT * FROM models"):
        for number in resolved:
            stake = stake_of(tournament, model, number)
            if stake:
                scores = final[model["id"], number]
                rate = float(np.clip(3 * scores["corr60"] + 15 * scores["mmc60"], -1, 1))
                staked, earned = by_account.get(model["account"], (Decimal(0), Decimal(0)))
                by_account[model["account"]] = staked + stake, earned + stake * Decimal(rate)
    return by_account


def stake_of(tournament: ServedTournament, model: Row, number: int) -> Decimal:
    """Return the position of whoever was on time."""
    if model["kind"] == "rival":
        on_time = standing_of(0, model["name"], Round(number).opened)[0] == "on-time"
    else:
        on_time = model["kind"] == "user" and number == ROUND
    rows = tournament.rows(
        "SELECT nmr FROM positions WHERE model_id = ? AND (from_round = ? OR "
        "(from_round < ? AND NOT only_that_round)) ORDER BY only_that_round DESC, from_round DESC",
        model["id"], number, number,
    )  # fmt: skip
    return Decimal(rows[0]["nmr"]) if rows and on_time else Decimal(0)


def test_the_leaderboard_of_accounts(tournament: ServedTournament) -> None:
    accounts = {
        account["username"]: account for account in tournament.api.get_account_leaderboard()
    }
    assert set(accounts) == {
        row["account"] for row in tournament.rows("SELECT account FROM models")
    }
    now = datetime.fromisoformat(tournament.controls.state()["clock"]["now"])
    numbers = range(1279, 1279 + 90)
    resolved = [n for n in numbers if Round(n).resolve_time <= now]
    closed = [n for n in numbers if Round(n).close_staking_time <= now < Round(n).resolve_time]
    assert len(resolved) >= 2
    earned = settled_of(tournament, resolved)
    assert min(nmr for _, nmr in earned.values()) < 0 < max(nmr for _, nmr in earned.values())
    models = tournament.rows("SELECT * FROM models")
    for name, account in accounts.items():
        staked, nmr = earned.get(name, (Decimal(0), Decimal(0)))
        for span in ("1y", "3m", "AllTime"):
            expected = float(nmr / staked) if staked else None
            assert account[f"return{span}"] == pytest.approx(expected, abs=1e-12)
            assert abs(account[f"return{span}Nmr"] - nmr) < Decimal("1e-12")
        own = [model for model in models if model["account"] == name]
        assert account["nmrStaked"] == sum(stake_of(tournament, m, n) for m in own for n in closed)
        assert len({account[name] is None for name in ("v2Corr20", "mmc", "cort20")}) == 1
    never_played = [account for account in accounts.values() if account["v2Corr20"] is None]
    assert len(never_played) <= 2
    best = {}
    for leader in tournament.api.get_leaderboard(50):
        account = next(m["account"] for m in models if m["name"] == leader["username"])
        best.setdefault(account, leader["rank"])
    assert list(accounts) == sorted(best, key=best.__getitem__)
    assert [row["rank"] for row in accounts.values()] == list(range(1, len(accounts) + 1))


def test_daily_performances(
    make_tournament: Callable[..., ServedTournament],
    connect: Callable[[ServedTournament], ServedTournament],
) -> None:
    tournament = connect(entered(make_tournament))
    tournament.controls.advance(days=25)
    daily = tournament.api.daily_model_performances(MODEL)
    dates = [row["date"] for row in daily]
    assert dates == sorted(dates, reverse=True)
    by_day = {row["date"].date().isoformat(): row for row in daily}
    for day, date in ((1, "2026-06-06"), (6, "2026-06-13"), (11, "2026-06-20")):
        rows = tournament.rows(
            "SELECT model_id, name, value FROM scores WHERE round = ? AND day = ?", ROUND, day
        )
        assert by_day[date]["corrRep"] == pytest.approx(
            next(r["value"] for r in rows
                 if r["model_id"] == tournament.model_id(MODEL) and r["name"] == "corr60"),
            abs=1e-15,
        )  # fmt: skip
    rows = tournament.rows(
        "SELECT model_id, avg(value) AS mean FROM scores WHERE name = 'mmc60' AND "
        "((round = 1279 AND day = 2) OR (round = 1280 AND day = 1)) GROUP BY model_id"
    )
    means = sorted((row["mean"] for row in rows), reverse=True)
    mine = next(row["mean"] for row in rows if row["model_id"] == tournament.model_id(OTHER))
    performance = {
        row["date"].date().isoformat(): row
        for row in tournament.api.daily_model_performances(OTHER)
    }["2026-06-06"]
    assert performance["mmcRep"] == pytest.approx(mine, abs=1e-15)
    assert performance["mmcRank"] == means.index(mine) + 1
    newest = tournament.post(
        f'{{v2Leaderboard(filterBy: "{MODEL}") {{rank corr60Rep rankChange1d rankChange3m '
        "latestUserScores {displayName date rank reputation}}}"
    )["data"]["v2Leaderboard"][0]
    scores = {row["displayName"]: row for row in reversed(newest["latestUserScores"])}
    assert scores["corr60"]["reputation"] == pytest.approx(newest["corr60Rep"], abs=1e-15)
    assert newest["rankChange1d"] is not None
