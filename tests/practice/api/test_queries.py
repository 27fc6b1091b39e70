"""Every method of numerapi that the practice tournament answers, compared with its facts."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
import requests
from numerai_tools.scoring import (
    correlation_contribution,
    feature_neutral_corr,
    numerai_corr,
    tie_kept_rank__gaussianize__pow_1_5,
)

from numebot_dagster.practice.rules.clock import Round

if TYPE_CHECKING:
    from tests.practice.served_tournament import ServedTournament

FIRST, SECOND = 1280, 1281
OWN = ("example_model", "lightgbm_model")
# Scores of a round under the current rules: for 60 business days, and for 20.
LASTING = ("corr60", "mmc60", "corj60", "bmc", "fnc_v3", "corr_w_meta_model", "mcwnm", "apcwnm",
           "season_score")  # fmt: skip
SHORT = ("v2_corr20", "mmc", "cort20")
CANON = {
    "canon_corr": "v2_corr20",
    **{f"canon_{name}": name for name in (*LASTING[:5], *SHORT[1:])},
}


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.fixture(scope="module")
def played(make_tournament: Callable[..., ServedTournament]) -> ServedTournament:
    """Return two rounds played by two models, one of them staked, 40 days later."""
    from numerapi import base_api

    tournament = make_tournament(stakes={"example_model": "2.5"})
    former, base_api.API_TOURNAMENT_URL = base_api.API_TOURNAMENT_URL, tournament.controls.url
    for number in (FIRST, SECOND):
        tournament.controls.advance("next-open")
        for seed, name in enumerate(OWN):
            tournament.upload(name, tournament.predictions(number, seed))
    base_api.API_TOURNAMENT_URL = former
    tournament.controls.advance(days=40)
    return tournament


@pytest.fixture
def tournament(
    played: ServedTournament, connect: Callable[[ServedTournament], ServedTournament]
) -> ServedTournament:
    return connect(played)


def test_rounds(tournament: ServedTournament) -> None:
    rounds = tournament.api.list_rounds()
    assert [round_["number"] for round_ in rounds] == list(range(1310, 1278, -1))
    first = next(round_ for round_ in rounds if round_["number"] == FIRST)
    assert first["openTime"] == utc("2026-06-02T12:00")
    assert first["closeStakingTime"] == utc("2026-06-02T13:00")
    assert first["closeTime"] == utc("2026-06-03T12:00")
    assert first["scoreTime"] == utc("2026-06-06T00:00")
    assert first["resolveTime"] == utc("2026-08-28T20:00")
    assert first["dataDatestamp"] == 20260601
    assert first["payoutFactor"] == Decimal("1.0")
    assert rounds[0]["payoutFactor"] is rounds[1]["payoutFactor"] is None  # not scored yet
    newest = tournament.api.list_rounds(limit=2)  # of those that have opened
    assert [round_["number"] for round_ in newest] == [1309, 1308]
    assert (first["resolvedGeneral"], first["resolvedStaking"]) == (False, False)
    configs = {round_["name"]: round_ for round_ in first["roundScoreConfigs"]}
    paid = {
        name: round_["defaultMultiplier"] for name, round_ in configs.items() if round_["isPayout"]
    }
    assert paid == {"corr60": 3.0, "mmc60": 15.0}
    assert {name: round_["totalScoreDays"] for name, round_ in configs.items()} == {
        **dict.fromkeys(LASTING, 60), **dict.fromkeys(SHORT, 20)
    }  # fmt: skip
    assert configs["v2_corr20"]["scoringEnd"] == utc("2026-07-03T00:00")
    corr60 = configs["corr60"]
    assert (corr60["totalScoreDays"], corr60["returnsLagDays"], corr60["dataDelayDays"]) == (
        60,
        2,
        2,
    )
    assert (corr60["clipThreshold"], corr60["payoutFactor"]) == (1.0, 1.0)
    assert corr60["scoringEnd"] == utc("2026-08-28T00:00")


@pytest.mark.parametrize(
    ("asked", "numbers"),
    [
        ({"number": SECOND}, [SECOND]),
        ({"number": 9999}, []),
        ({"status": "upcoming"}, [1310]),
        ({"status": "open"}, []),
        ({"status": "resolving", "limit": 2}, [1309, 1308]),
        ({"status": "resolved"}, []),
        ({"target": "main", "limit": 1}, [1309]),
        ({"target": "other"}, []),
    ],
)
def test_rounds_are_filtered(
    tournament: ServedTournament, asked: dict[str, object], numbers: list[int]
) -> None:
    assert [round_["number"] for round_ in tournament.api.list_rounds(**asked)] == numbers


def test_no_round_is_current_between_rounds(tournament: ServedTournament) -> None:
    with pytest.raises(ValueError, match="Current round not open for submissions"):
        tournament.api.get_current_round()
    assert tournament.api.check_round_open() is False


def test_competitions_and_tournaments(tournament: ServedTournament) -> None:
    assert tournament.api.get_competitions()[-1] == {
        "number": 1279,
        "openTime": utc("2026-05-30T12:00"),
        "resolveTime": utc("2026-08-27T20:00"),
        "resolvedGeneral": False,
        "resolvedStaking": False,
    }
    tournaments = tournament.post("{tournaments {name tournament active}}", None)["data"][
        "tournaments"
    ]
    assert tournaments[0] == {"name": "numerai", "tournament": 8, "active": True}
    assert [tournament["tournament"] for tournament in tournaments] == [8, 11, 12]


def test_account(tournament: ServedTournament) -> None:
    account = tournament.api.get_account()
    assert account["username"] == "practice"
    assert account["insertedAt"] == utc("2026-06-01T00:00")
    assert account["availableNmr"] == Decimal(100)
    token = tournament.rows("SELECT * FROM tokens")[0]
    assert account["apiTokens"] == [
        {
            "name": token["name"],
            "public_id": token["public_id"],
            "scopes": token["scopes"].split(),
        }
    ]
    for model in account["models"]:
        stored = tournament.rows(
            "SELECT id, filename FROM submissions WHERE model_id = ? ORDER BY round DESC",
            model["id"],
        )
        assert [tuple(row.values()) for row in model["submissions"]] == [tuple(r) for r in stored]
    assert tournament.api.get_models() == {name: tournament.model_id(name) for name in OWN}
    assert tournament.api.get_models(11) == {}
    assert tournament.api.modelid_to_modelname(tournament.model_id(OWN[1])) == OWN[1]
    assert tournament.api.models_of_account("practice") == tournament.api.get_models()


def test_submissions(tournament: ServedTournament) -> None:
    model_id = tournament.model_id(OWN[0])
    stored = tournament.rows(
        "SELECT * FROM submissions WHERE model_id = ? ORDER BY round", model_id
    )
    submissions = tournament.api.submission_ids(model_id)
    assert [(submission["id"], submission["filename"]) for submission in reversed(submissions)] == [
        (row["id"], row["filename"]) for row in stored
    ]
    assert [
        datetime.fromisoformat(submission["insertedAt"]) for submission in reversed(submissions)
    ] == [datetime.fromisoformat(row["inserted_at"]) for row in stored]
    assert tournament.api.get_submission_filenames(model_id=model_id) == [
        {"round_num": row["round"], "tournament": 8, "filename": row["filename"]} for row in stored
    ]
    assert tournament.status(OWN[0], 2) == {1309: ("none", None), 1308: ("none", None)}
    status = tournament.status(OWN[0], 40)
    assert {n: status[n] for n in (FIRST, SECOND)} == {
        row["round"]: ("on-time", row["id"]) for row in stored
    }
    assert sum(state == "none" for state, _ in status.values()) == len(status) - 2


def uploaded(tournament: ServedTournament, name: str, number: int) -> pd.DataFrame:
    """Read the predictions that a model has uploaded for a round."""
    filename = tournament.rows(
        "SELECT filename FROM submissions WHERE round = ? AND model_id = ?",
        number, tournament.model_id(name),
    )[0]["filename"]  # fmt: skip
    return pd.read_csv(tournament.folder / "uploads" / filename, index_col="id").sort_index()


def own_scores(
    tournament: ServedTournament, name: str, number: int, days: list[int]
) -> dict[tuple, float]:
    """Return scores by numerai-tools, from the stored upload and the market's realised target."""
    frame = uploaded(tournament, name, number)
    opened, market = Round(number).opened, tournament.market
    ids = pd.Index(market.live_ids(opened))
    meta = tournament.meta_model(number)
    ranked = pd.DataFrame(market.benchmarks(opened), index=ids).sort_index().rank()
    benchmark = ranked.mean(axis=1)
    like_meta = tie_kept_rank__gaussianize__pow_1_5(frame).corrwith(meta)["prediction"]
    like_benchmarks = ranked.corrwith(frame["prediction"].rank())
    shown = pd.DataFrame(market.live_features(opened), ids, market.feature_names)
    features = shown[market.features_json()["feature_sets"]["fncv3_features"]].sort_index()

    def target(day: int, *name: str) -> pd.Series:
        return pd.Series(
            market.realised_target(opened, day, *name).astype(float), ids, name="target"
        )

    scores = {}
    for day in days:
        targets = target(day)
        values = {
            "corr60": numerai_corr(frame, targets)["prediction"],
            "mmc60": correlation_contribution(frame, meta, targets)["prediction"],
            "bmc": correlation_contribution(frame, benchmark, targets)["prediction"],
            "corr_w_meta_model": like_meta,
            "fnc_v3": feature_neutral_corr(frame, features, targets)["prediction"],
            "mcwnm": like_benchmarks.max(),
            "apcwnm": like_benchmarks.mean(),
        }
        values["season_score"] = 3 * values["corr60"] + 15 * values["mmc60"]
        values["corj60"] = numerai_corr(frame, target(day, "jeremy"))["prediction"]
        if day <= 20:
            values["cort20"] = numerai_corr(frame, target(day, "teager2b"))["prediction"]
            values |= {"v2_corr20": values["corr60"], "mmc": values["mmc60"]}
        values |= {canon: values[name] for canon, name in CANON.items() if name in values}
        scores.update({(number, day, score): value for score, value in values.items()})
    return scores


def test_scores_are_those_of_numerai_tools(tournament: ServedTournament) -> None:
    for name in OWN:
        scores = tournament.api.submission_scores(tournament.model_id(name))
        assert len(scores) == 14 * (26 + 25) + 6 * (20 + 20)  # with canon names
        answered = {(s["roundNumber"], s["day"], s["displayName"]): s["value"] for s in scores}
        for number in (FIRST, SECOND):
            expected = own_scores(tournament, name, number, [1, 7, 25])
            for key, value in expected.items():
                assert answered[key] == pytest.approx(value, rel=0, abs=1e-12)


def test_a_score_in_full(tournament: ServedTournament) -> None:
    newest = tournament.api.submission_scores(tournament.model_id(OWN[0]))[0]
    stored = tournament.rows(
        "SELECT * FROM scores WHERE model_id = ? AND round = ? AND day = 25 AND name = 'corr60'",
        tournament.model_id(OWN[0]), SECOND,
    )[0]  # fmt: skip
    submission = tournament.rows(
        "SELECT id FROM submissions WHERE model_id = ? AND round = ?",
        tournament.model_id(OWN[0]), SECOND,
    )[0]  # fmt: skip
    round_id = tournament.post("{rounds(number: 1281) {id}}")["data"]["rounds"][0]["id"]
    assert newest == {
        "roundId": round_id,
        "submissionId": submission["id"],
        "roundNumber": SECOND,
        "roundResolveTime": utc("2026-08-31T20:00"),
        "roundScoreTime": utc("2026-06-09T00:00"),
        "roundCloseStakingTime": utc("2026-06-03T13:00"),
        "value": stored["value"],
        "percentile": stored["percentile"],
        "displayName": "corr60",
        "version": "1",
        "date": utc("2026-07-11T00:00"),
        "day": 25,
        "resolveDate": None,
        "resolved": False,
    }


@pytest.mark.parametrize(
    ("asked", "count"),
    [
        ({}, 954),
        ({"display_name": "mmc60"}, 51),
        ({"display_name": "canon_mmc"}, 40),
        ({"day": 3}, 40),
        ({"day": 26}, 14),
        ({"distinct_on_round": True}, 40),
        ({"distinct_on_round": True, "display_name": "corr60"}, 2),
        ({"resolved": False, "version": "1"}, 954),
        ({"resolved": True}, 0),
        ({"version": "2"}, 0),
        ({"last_n_rounds": 1}, 0),
        ({"last_n_rounds": 26, "day": 1}, 40),
        ({"last_n_rounds": 25, "day": 1}, 20),
    ],
)
def test_scores_are_filtered(
    tournament: ServedTournament, asked: dict[str, object], count: int
) -> None:
    assert len(tournament.api.submission_scores(tournament.model_id(OWN[0]), **asked)) == count


def test_percentiles_rank_the_whole_field(tournament: ServedTournament) -> None:
    played = tournament.crowd.played(Round(FIRST).opened)
    stored = tournament.rows(
        "SELECT * FROM scores WHERE round = ? AND day = 20 AND name = 'corr60' ORDER BY value",
        FIRST,
    )
    assert len(stored) == len(played) + len(OWN) + 2
    assert len(played) > 30
    values = np.array([row["value"] for row in stored])
    below = np.array([(values < value).sum() for value in values])
    ties = np.array([(values == value).sum() - 1 for value in values])
    expected = (below + ties / 2) / (len(stored) - 1)
    np.testing.assert_allclose([row["percentile"] for row in stored], expected, atol=1e-15)


def test_payouts(tournament: ServedTournament) -> None:
    payouts = tournament.api.pending_model_payouts()
    assert payouts["actual"] == []
    pending = {payout["roundNumber"]: payout for payout in payouts["pending"]}
    assert sorted(pending) == [FIRST, SECOND]
    for number, day in ((FIRST, 26), (SECOND, 25)):
        scores = own_scores(tournament, OWN[0], number, [day])
        rate = 3 * scores[number, day, "corr60"] + 15 * scores[number, day, "mmc60"]
        assert float(pending[number]["payoutNmr"]) == pytest.approx(2.5 * rate, abs=1e-11)
        assert float(pending[number]["payoutValue"]) == pytest.approx(30 * rate, abs=0.0051)
        assert pending[number]["modelName"] == OWN[0]
    projected = tournament.api.stake_get(OWN[0])
    assert projected == Decimal(5) + sum(payout["payoutNmr"] for payout in payouts["pending"])
    assert tournament.api.stake_get(OWN[1]) is None
    assert tournament.api.public_user_profile(OWN[0])["nmrStaked"] == Decimal(5)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_performances(tournament: ServedTournament) -> None:
    model_id = tournament.model_id(OWN[0])
    all_rounds = tournament.api.round_model_performances_v2(model_id)
    assert [round_["roundNumber"] for round_ in all_rounds] == list(range(1309, 1278, -1))
    assert tournament.api.round_model_performances(model_id) == all_rounds
    assert all_rounds[0]["submissionScores"] == []
    first = next(round_ for round_ in all_rounds if round_["roundNumber"] == FIRST)
    assert first["atRisk"] == Decimal("2.5")
    multipliers = {
        multiplier["displayName"]: multiplier["multiplier"]
        for multiplier in first["payoutMultipliers"]
    }
    assert multipliers == {"corr60": 3.0, "mmc60": 15.0}
    newest = {score["displayName"]: score for score in first["submissionScores"]}
    stored = tournament.rows(
        "SELECT name, value, max(day) FROM scores WHERE model_id = ? AND round = ? GROUP BY name",
        model_id, FIRST,
    )  # fmt: skip
    values = {row["name"]: row["value"] for row in stored}
    values |= {canon: values[name] for canon, name in CANON.items()}
    assert {name: score["value"] for name, score in newest.items()} == values
    assert {name for name, score in newest.items() if score["day"] == 20} == {
        *SHORT, "canon_corr", "canon_mmc", "canon_cort20"
    }  # fmt: skip
    assert {score["day"] for score in newest.values()} == {20, 26}
    assert float(newest["mmc60"]["payoutPending"]) == pytest.approx(
        2.5 * 15 * newest["mmc60"]["value"], abs=1e-12
    )
    assert newest["bmc"]["payoutPending"] is None
    intra = next(
        score
        for score in tournament.api.intra_round_scores(model_id)
        if score["roundNumber"] == FIRST
    )["intraRoundSubmissionScores"]
    assert len(intra) == 26 * 14 + 20 * 6
    assert float(intra[-20]["payoutPending"]) == pytest.approx(
        2.5 * 3 * intra[-20]["value"], abs=1e-12
    )


@pytest.mark.parametrize(
    ("arguments", "numbers"),
    [
        ("roundNumberEq: 1280", [1280]),
        ("roundNumberGte: 1308", [1309, 1308]),
        ("roundNumberLte: 1280", [1280, 1279]),
        ("submittedOnly: true", [1281, 1280]),
        ("submittedOnly: true, limit: 1, offset: 1", [1280]),
        ("resolvedOnly: true", []),
        ("lastNRounds: 3", [1309, 1308, 1307]),
        ("roundDataDatestampGte: 20260710", [1309]),
        ("scoredWithinLastNDays: 1", []),
        ("scoredWithinLastNDays: 3, roundNumberLte: 1280", [1280, 1279]),
    ],
)
def test_performances_are_filtered(
    tournament: ServedTournament, arguments: str, numbers: list[int]
) -> None:
    query = (
        f'{{v2RoundModelPerformances(modelId: "{tournament.model_id(OWN[0])}", {arguments}) '
        "{roundNumber}}"
    )
    rounds = tournament.post(query, None)["data"]["v2RoundModelPerformances"]
    assert [round_["roundNumber"] for round_ in rounds] == numbers


def test_leaderboard(tournament: ServedTournament) -> None:
    leaders = tournament.api.get_leaderboard(50)
    assert [entry["rank"] for entry in leaders] == list(range(1, 41))
    names = [entry["username"] for entry in leaders]
    assert set(names) == {row["name"] for row in tournament.rows("SELECT name FROM models")}
    assert tournament.api.get_leaderboard(3, 5) == leaders[5:8]
    reputations = {name: tournament.rows(
        "SELECT name, avg(value) AS mean FROM scores JOIN (SELECT round AS r, max(day) AS newest "
        "FROM scored GROUP BY round) ON round = r AND day = newest WHERE model_id = ? "
        "GROUP BY name ORDER BY name", tournament.model_id(name)) for name in names}  # fmt: skip
    means = {name: {row["name"]: row["mean"] for row in rows} for name, rows in reputations.items()}
    scored = [name for name in names if means[name]]
    assert set(names[len(scored) :]) == {"rival_36"}  # never took part: last, and without any
    worth = [3 * means[name]["corr60"] + 15 * means[name]["mmc60"] for name in scored]
    assert worth == sorted(worth, reverse=True)
    for entry in leaders[: len(scored)]:
        assert entry["bmcRep"] == pytest.approx(means[entry["username"]]["bmc"], abs=1e-15)
        assert None not in [
            entry[name] for name in ("corr20V2Rep", "corj60Rep", "fncV3Rep", "mmcRep")
        ]
    staked = {entry["username"]: entry["nmrStaked"] for entry in leaders}
    assert staked[OWN[0]] == Decimal(5)
    per_round = tournament.rows(
        "SELECT nmr FROM positions WHERE model_id = ?", tournament.model_id("rival_05")
    )[0]["nmr"]
    assert staked["rival_05"] == 31 * Decimal(per_round)
    accounts = {entry["username"]: entry for entry in tournament.api.get_account_leaderboard()}
    assert len(accounts) == 40 - 2 - 1 - 2 - 1  # four accounts own several models
    assert accounts["practice"]["nmrStaked"] == Decimal(5)
    assert accounts["practice"]["return1y"] is None
    assert None not in [
        accounts["practice"][name] for name in ("v2Corr20", "cort20", "corJ60", "mmc")
    ]
    profile = tournament.post(
        '{v3UserProfile(modelName: "rival_05") {latestReps {corr60 mmc60} accountName}}', None
    )["data"]["v3UserProfile"]
    assert profile["accountName"] == "rival_05"
    assert profile["latestReps"]["corr60"] == pytest.approx(means["rival_05"]["corr60"], abs=1e-15)


def test_pipeline(
    tournament: ServedTournament,
) -> None:  # on a Monday, two days after the newest run
    status = tournament.api.pipeline_status()
    now = datetime.fromisoformat(tournament.controls.state()["clock"]["now"])
    assert now == datetime(2026, 7, 13, 12, 0, 1, tzinfo=UTC)
    assert status == {
        "dataReadyAt": utc("2026-07-11T12:00"),
        "isScoringDay": False,
        "resolvedAt": utc("2026-07-11T20:00"),
        "scoredAt": utc("2026-07-11T10:00"),
        "startedAt": utc("2026-07-11T08:00"),
        "tournament": "classic",
    }


def test_introspection(tournament: ServedTournament) -> None:
    definition = tournament.post('{__type(name: "RoundScoreConfig") {fields {name}}}', None)[
        "data"
    ]["__type"]
    assert {"isPayout", "defaultMultiplier"} <= {field["name"] for field in definition["fields"]}
    assert tournament.post("{__schema {queryType {name}}}")["data"]["__schema"]["queryType"] == {
        "name": "RootQueryType"
    }


@pytest.mark.parametrize(
    ("query", "token", "message"),
    [
        ("{account {id}}", None, "Your session is invalid or has expired."),
        ("{account {id}}", "Token A$B", "Your session is invalid or has expired."),
        ("{account {id}}", "Bearer x", "Your session is invalid or has expired."),
        ("{account {usernam}}", "own", "Cannot query field 'usernam' on type 'Account'."),
        ('{model(modelId: "x") {id}}', "own", "Model not found"),
        ("{model {id}}", "own", "modelId is required with several models"),
        ('{submissionDownloadAuth(id: "x") {url}}', "own", "Submission not found"),
        ('{dataset(filename: "v9/live.parquet")}', "own", "Dataset v9/live.parquet not found"),
        ('{dataset(filename: "v5.3/live.parquet", round: 9999)}', "own", "no datasets of round"),
        ('{v2Leaderboard(orderBy: "x") {rank}}', "own", "orderBy x is not a field"),
        ('{v2Leaderboard(direction: "up") {rank}}', "own", "direction must be asc or desc"),
        ('{v2Leaderboard(orderBy: "latestUserScores") {rank}}', "own", "has no order"),
        ('mutation {renameModel(modelId: "x", name: "y") {id}}', "own", "Model not found"),
        ('{v3StakeRound(roundId: "1280") {state}}', "own", "permission for web3_staking"),
        ("{v3StakeConfig(tournamentId: 12) {owner}}", "own", "tournament 12 is not part"),
        ("{activityFeed {id}}", "own", "RootQueryType.activityFeed is not part of the practice"),
        (
            'mutation {releaseStake(amount: "1", modelId: "x") {id}}', "own",
            "releaseStake moves stake",
        ),
        (
            'mutation {createSubmission(filename: "x.csv", tournament: 11) {id}}', "own",
            "tournament 11 is not part of the practice tournament",
        ),
        ("{account", "own", "Syntax Error"),
    ],
)  # fmt: skip
def test_refusals(
    tournament: ServedTournament, query: str, token: str | None, message: str
) -> None:
    assert message in tournament.refusal(query, token)


def test_stake_is_never_moved_by_numerapi(tournament: ServedTournament) -> None:
    before = [tuple(row) for row in tournament.rows("SELECT * FROM positions")]
    for change in (tournament.api.stake_increase, tournament.api.stake_decrease):
        with pytest.raises(ValueError, match="v2ChangeStake moves stake"):
            change(1, tournament.model_id(OWN[0]))
    with pytest.raises(ValueError, match="v2ChangeStake moves stake"):
        tournament.api.stake_change(1, "increase", tournament.model_id(OWN[0]))
    for stake in (0, 1000):  # less and more than is staked
        with pytest.raises(ValueError, match="v2ChangeStake moves stake"):
            tournament.api.stake_set(stake, tournament.model_id(OWN[0]))
    with pytest.raises(ValueError, match="releaseStake moves stake"):
        tournament.api.stake_drain(tournament.model_id(OWN[0]))
    assert [tuple(row) for row in tournament.rows("SELECT * FROM positions")] == before


def test_what_numerai_no_longer_computes_is_null(tournament: ServedTournament) -> None:
    query = "{account {models {accountId submissions {status errorInfo validationSharpe}}}}"
    models = tournament.post(query)["data"]["account"]["models"]
    assert models[0]["accountId"] is None
    assert models[0]["submissions"][0] == {
        "status": None,
        "errorInfo": None,
        "validationSharpe": None,
    }


def test_the_body_must_be_a_query(tournament: ServedTournament) -> None:
    answer = requests.post(tournament.controls.url + "/graphql", json=[1], timeout=10)
    assert answer.json() == {"errors": [{"message": "the body must be JSON with a query"}]}
    answer = requests.post(tournament.controls.url, data=b"{", timeout=10)
    assert answer.status_code == 400
    assert "not JSON" in answer.json()["errors"][0]["message"]


def test_resolution(tournament: ServedTournament) -> None:  # the last test here: it moves the clock
    tournament.controls.advance("resolve")
    assert tournament.controls.state()["clock"]["now"] == "2026-08-28T20:00:01+00:00"
    payouts = tournament.api.pending_model_payouts()
    assert [payout["roundNumber"] for payout in payouts["actual"]] == [FIRST]
    scores = own_scores(tournament, OWN[0], FIRST, [60])
    rate = 3 * scores[FIRST, 60, "corr60"] + 15 * scores[FIRST, 60, "mmc60"]
    assert float(payouts["actual"][0]["payoutNmr"]) == pytest.approx(2.5 * rate, abs=1e-11)
    final = tournament.api.submission_scores(tournament.model_id(OWN[0]), resolved=True)
    assert {(score["roundNumber"], score["day"]) for score in final} == {(FIRST, 20), (FIRST, 60)}
    assert {score["displayName"] for score in final} == {*LASTING, *SHORT, *CANON}
    assert final[0]["resolveDate"] == utc("2026-08-28T20:00")
    assert final[0]["value"] == pytest.approx(scores[FIRST, 60, "corr60"], abs=1e-12)
    resolved = tournament.api.list_rounds(status="resolved")
    assert [round_["number"] for round_ in resolved] == [1280, 1279]
