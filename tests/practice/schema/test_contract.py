"""The server's answers have the keys and types of Numerai's, and every object is whole."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
import requests
from graphql import (
    GraphQLEnumType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLScalarType,
)

from numebot_dagster.practice.api.answers.stakes import STAKE_MUTATIONS
from numebot_dagster.practice.api.graphql import RESOLVERS, TABLES
from numebot_dagster.practice.schema.dialect import schema

if TYPE_CHECKING:
    from tests.practice.served_tournament import ServedTournament

SAMPLES = [
    json.loads(line)
    for line in (Path(__file__).parent / "numerai_samples.jsonl").read_text().splitlines()
]
ROUND, MODEL = 1280, "example_model"
SCOPES = ("upload_submission", "download_submission", "read_submission_info", "read_user_info",
          "web3_staking")  # fmt: skip


@pytest.fixture(scope="module")
def tournament(make_tournament: Callable[..., ServedTournament]) -> ServedTournament:
    """Play one staked round to 26 scoring days later, with diagnostics and a webhook."""
    tournament = make_tournament(stakes={MODEL: "2.5"})
    tournament.controls.advance("next-open")
    put(tournament, "submissionUploadAuth", tournament.predictions(ROUND, 0), "createSubmission")
    tournament.controls.advance(days=40, hours=3)
    put(tournament, "diagnosticsUploadAuth", validation(tournament, eras=2), "createDiagnostics")
    put(
        tournament, "computePickleUploadAuth", b"\x80\x04N.", "createComputePickleUpload", bare=True
    )
    query = f'{{diagnostics(modelId: "{tournament.model_id(MODEL)}") {{status}}}}'
    while tournament.post(query)["data"]["diagnostics"][0]["status"] != "done":
        time.sleep(0.05)
    return tournament


def validation(tournament: ServedTournament, eras: int) -> pd.DataFrame:
    market = tournament.market
    first = market.scale.train_eras + 1
    days = [market.saturday_of(era) for era in range(first, first + eras)]
    return pd.concat(
        pd.DataFrame({"id": market.live_ids(d), "prediction": market.rival_predictions(d, 0.5, 9)})
        for d in days
    )


def put(
    tournament: ServedTournament,
    auth: str,
    content: pd.DataFrame | bytes,
    mutation: str,
    *,
    bare: bool = False,
) -> dict[str, Any]:
    """Upload content and register it, with the model unless it is to be bare."""
    model = "" if bare else f', modelId: "{tournament.model_id(MODEL)}"'
    eighth = "" if auth == "computePickleUploadAuth" else ", tournament: 8"
    query = f'{{{auth}(filename: "p.csv"{eighth}{model}) {{filename url}}}}'
    given = tournament.post(query)["data"][auth]
    data = content if isinstance(content, bytes) else content.to_csv(index=False).encode()
    requests.put(given["url"], data=data, timeout=10).raise_for_status()
    create = (
        f'mutation {{{mutation}(filename: "{given["filename"]}", tournament: 8{model}) {{id}}}}'
    )
    return tournament.post(create)


# --- samples --------------------------------------------------------------------------------------

ARGUMENTS = {
    "rounds": f"(number: {ROUND}, tournament: 8)",
    "submission_upload_auth": '(filename: "p.csv", tournament: 8, modelId: "MODEL")',
    "listDatasets": "(tournament: 8)",
    "dataset": '(filename: "v5.3/live.parquet", tournament: 8)',
    "submissions": '(modelId: "MODEL")',
    "model": '(modelId: "MODEL")',
    "submissionDownloadAuth": '(id: "SUBMISSION")',
    "submissionScores": '(modelId: "MODEL", displayName: "corr60")',
    "v2RoundModelPerformances": f'(modelId: "MODEL", roundNumberEq: {ROUND})',
    "v2Leaderboard": "(limit: 50)",
    "accountLeaderboard": "(limit: 50, tournament: 8)",
    "diagnosticsUploadAuth": '(filename: "d.csv", tournament: 8, modelId: "MODEL")',
    "diagnostics": '(modelId: "MODEL")',
    "setSubmissionWebhook": '(modelId: "MODEL", newSubmissionWebhook: null)',
    "v3UserProfile": '(modelName: "example_model")',
    "pendingModelPayouts": "(tournament: 8)",
    "v3StakeRound": f'(roundId: "{ROUND}", tournamentId: 8)',
}
MUTATIONS = ("setSubmissionWebhook",)
# Values of the samples that no round of the practice tournament has, or has not had yet.
NULL = {
    "rounds[].roundScoreConfigs[].universe",
    "rounds[].roundScoreConfigs[].stakeThreshold",
    "rounds[].stakeThreshold",
    *(f"v2Leaderboard[].{name}" for name in ("corr20Rep", "corr20V2Rep", "corj60Rep", "fncV3Rep",
                                             "mmcRep", "return_1_day", "return_52_weeks",
                                             "return_13_weeks")),
    *(f"accountLeaderboard[].{name}" for name in ("v2Corr20", "mmc", "return1y", "return3m",
                                                  "returnAllTime")),
    "diagnostics[].validationMmcMean",
    "diagnostics[].perEraDiagnostics[].validationMmc",
    # Nobody was absent in the sample, and no model without a submission.
    "v2Leaderboard[].bmcRep",
    "account.models[].submissions",
    "v2RoundModelPerformances[].submissionScores[].payoutPending",  # of scores that are not paid
}  # fmt: skip
KINDS = {
    "instant": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ",
    "date": r"\d{4}-\d\d-\d\d",
    "number": r"-?\d+(\.\d+)?",
    "link": r"https?://.*",
}


def selection(sample: Any) -> str:
    """Return the fields that a sample shows, as a query asks for them."""
    if isinstance(sample, list):
        return selection(sample[0]) if sample else ""
    if not isinstance(sample, dict):
        return ""
    fields = (f"{name} {selection(value)}" for name, value in sample.items())
    return "{" + " ".join(fields) + "}"


def kind(text: str) -> str:
    return next((name for name, form in KINDS.items() if re.fullmatch(form, text)), "text")


def differences(sample: Any, answer: Any, at: str) -> list[str]:
    """Return where an answer's keys or types differ from a sample's; null in it says nothing."""
    if sample is None:
        return []
    if answer is None:
        return [] if at in NULL else [f"{at} is null"]
    if isinstance(sample, dict):
        if not isinstance(answer, dict) or set(sample) != set(answer):
            return [f"{at} has other keys: {answer}"]
        return [d for k, v in sample.items() for d in differences(v, answer[k], f"{at}.{k}")]
    if isinstance(sample, list):
        if not isinstance(answer, list) or (sample and not answer and at not in NULL):
            return [f"{at} is {answer!r}"]
        return [d for item in answer if sample for d in differences(sample[0], item, f"{at}[]")]
    if isinstance(sample, bool) or isinstance(answer, bool):
        return [] if type(sample) is type(answer) else [f"{at} is {answer!r}"]
    if isinstance(sample, int | float):
        return [] if isinstance(answer, int | float) else [f"{at} is {answer!r}"]
    same = isinstance(answer, str) and kind(sample) == kind(answer)
    return [] if same else [f"{at} is {answer!r}, not like {sample!r}"]


def fitted(tournament: ServedTournament, text: str) -> str:
    submission = tournament.rows("SELECT id FROM submissions ORDER BY inserted_at")[0]["id"]
    return text.replace("MODEL", tournament.model_id(MODEL)).replace("SUBMISSION", submission)


PLAIN = [s for s in SAMPLES if s["data"] and not {"create_submission", "createDiagnostics",
                                                  "v2ChangeStake"} & set(s["data"])]  # fmt: skip


@pytest.mark.parametrize("sample", PLAIN, ids=lambda sample: next(iter(sample["data"])))
def test_answers_are_like_the_samples(tournament: ServedTournament, sample: dict[str, Any]) -> None:
    (name, shown), *_ = sample["data"].items()
    operation = "mutation" if name in MUTATIONS else "query"
    asked = f"{name}{fitted(tournament, ARGUMENTS.get(name, ''))} {selection(shown)}"
    for empty in ("actual", "intraRoundSubmissionScores"):  # an empty list shows no fields
        asked = asked.replace(f"{empty} ", f"{empty} {{roundId}} ")
    key = tournament.controls.add_key("all", *SCOPES)
    body = tournament.post(f"{operation} {{{asked}}}", f"Token {key.public_id}${key.secret_key}")
    assert "errors" not in body
    assert differences(shown, body["data"][name], name) == []


@pytest.mark.parametrize(
    ("auth", "mutation"),
    [("submissionUploadAuth", "create_submission"), ("diagnosticsUploadAuth", "createDiagnostics")],
)
def test_mutations_answer_like_the_samples(
    tournament: ServedTournament, auth: str, mutation: str
) -> None:
    sample = next(s["data"] for s in SAMPLES if s["data"] and mutation in s["data"])
    answer = put(tournament, auth, b"id,prediction\n", mutation)
    assert differences(sample, answer["data"], "") == []


def test_refusals_are_like_the_sample(tournament: ServedTournament) -> None:
    sample = next(s for s in SAMPLES if "errors" in s)
    body = tournament.post("{rounds(number: 0, tournament: 8) {number}}")
    assert body["errors"][0]["message"] == sample["errors"][0]["message"]
    assert set(sample) == set(body)
    assert not any((body["data"] or {}).values())


def test_every_sample_is_compared() -> None:
    assert len(SAMPLES) == 23
    assert len(PLAIN) == 19
    compared = {next(iter(s["data"])) for s in PLAIN}
    assert set(ARGUMENTS) | {"account", "pipelineStatus"} == compared


# --- whole objects --------------------------------------------------------------------------------

WHOLE = {
    **ARGUMENTS,
    "submissionUploadAuth": ARGUMENTS["submission_upload_auth"],
    "account": "",
    "apiTokenInfo": "",
    "apiTokenScopes": "",
    "currencyCodes": "",
    "latestCurrencyPrice": '(baseSymbol: "NMR", targetSymbol: "USD")',
    "latestEthPrice": "",
    "stakeTransactions": "",
    "tournamentOverview": "",
    "v2TournamentOverview": "(tournament: 8)",
    "accountProfile": '(username: "practice")',
    "computePickleDataVersions": "(deprecated: true)",
    "computePickleDockerImages": "",
    "computePickles": "",
    "graphqlRateLimits": "",
    "latestNmrPrice": "",
    "pipelineStatus": "",
    "roundDetails": f"(roundNumber: {ROUND}, tournament: 8)",
    "tournaments": "",
    "userScores": '(modelId: "MODEL")',
    "v3StakeAuth": '(submissionId: "SUBMISSION", staker: "0x1", maxAmount: "1")',
    "v3StakeConfig": "",
    "v3StakeServiceWallet": "",
}
WHOLE = {name: asked for name, asked in WHOLE.items() if "_" not in name and name not in MUTATIONS}
DEPTH = 4
# Fields of types that are asked for elsewhere, or only make an answer long.
ONCE = ("rounds", "round", "submissions", "allSubmissionScores", "tb200Diagnostics")


def named(kind: Any) -> Any:
    while isinstance(kind, GraphQLNonNull | GraphQLList):
        kind = kind.of_type
    return kind


def whole(kind: Any, depth: int) -> str:
    """Return all fields of a type, down to a depth."""
    inner = named(kind)
    if isinstance(inner, GraphQLScalarType | GraphQLEnumType):
        return ""
    assert isinstance(inner, GraphQLObjectType)
    fields = [
        f"{name} {whole(field.type, depth - 1)}"
        for name, field in inner.fields.items()
        if (depth or not isinstance(named(field.type), GraphQLObjectType)) and (name not in ONCE)
    ]
    return "{" + " ".join(fields) + "}"


@pytest.mark.parametrize("name", sorted(WHOLE))
def test_every_field_of_every_object_is_answered(tournament: ServedTournament, name: str) -> None:
    query_type = schema().query_type
    assert query_type is not None
    asked = (
        f"{{{name}{fitted(tournament, WHOLE[name])} {whole(query_type.fields[name].type, DEPTH)}}}"
    )
    key = tournament.controls.add_key("all", *SCOPES)
    body = tournament.post(asked, f"Token {key.public_id}${key.secret_key}")
    assert "errors" not in body, body["errors"][:3]
    assert body["data"][name] not in (None, [], {})


def test_what_is_answered_is_asked_somewhere() -> None:
    """Every root field that has an answer is in one of the tables of these tests."""
    query_type = schema().query_type
    assert query_type is not None
    answered = set(query_type.fields) & set(RESOLVERS)
    elsewhere = {
        "accountNameAvailable", "computePickleDownloadAuth", "computePickleUploadAuth",
        "diagnosticsTriggerLogs", "modelNameAvailable", "triggerLogs", "unreadBanners",
        "unreadEarnedTitleNotifications", "unreadNotifications", "v3StakeClaim",
    }  # fmt: skip
    assert answered == set(WHOLE) | elsewhere


# What the whole schema has and a practice of Numerai Classic does not.
OUT_OF_SCOPE = {
    "accountProfileImageUploadAuth", "activityFeed", "createApiToken", "createSignalsSubmission",
    "cryptosignalsLeaderboard", "cryptosignalsLeaderboardOverview", "cryptosignalsMetaModelPage",
    "defaultApiToken", "earnQuestsProgress", "grandmasterTierConfigs", "profileImageUploadAuth",
    "reportLink", "revokeApiToken", "seasonAccountSummary", "seasonLeaderboard",
    "setComputeWeekdayEnabled", "signalsLeaderboard", "signalsLeaderboardOverview",
    "submissionUploadSignalsAuth", "testSubmissionWebhook", "v2SignalsProfile",
}  # fmt: skip
PLAIN_VALUES = {"String": '"1"', "ID": '"1"', "Int": "8", "Boolean": "true", "Float": "1.0"}
ROOTS = [
    (operation, name)
    for operation, root in (("query", schema().query_type), ("mutation", schema().mutation_type))
    if root is not None
    for name in root.fields
]


def test_the_tables_of_resolvers_are_complete() -> None:
    """Each root field of the schema has one resolver, or is named as out of scope."""
    assert sum(len(table) for table in TABLES) == len(RESOLVERS)
    names = {name for _, name in ROOTS}
    assert set(RESOLVERS) == names - OUT_OF_SCOPE
    assert names >= OUT_OF_SCOPE


@pytest.mark.parametrize(("operation", "name"), ROOTS, ids=[name for _, name in ROOTS])
def test_each_root_field_is_answered_or_refused(
    tournament: ServedTournament, operation: str, name: str
) -> None:
    root = schema().query_type if operation == "query" else schema().mutation_type
    assert root is not None
    field = root.fields[name]
    given = ", ".join(
        f"{key}: {'[]' if '[' in str(argument.type) else PLAIN_VALUES[named(argument.type).name]}"
        for key, argument in field.args.items()
        if isinstance(argument.type, GraphQLNonNull)
    )
    inner = "" if isinstance(named(field.type), GraphQLScalarType) else "{__typename}"
    body = tournament.post(f"{operation} {{{name}{f'({given})' if given else ''} {inner}}}")
    text = "".join(error["message"] for error in body.get("errors", ()))
    scope = "is not part of the practice tournament, which plays Numerai Classic (tournament 8)"
    assert (scope in text) == (name in OUT_OF_SCOPE), text
    assert text or name in body["data"]


@pytest.mark.parametrize("number", [11, 12])
def test_other_tournaments_are_empty_or_refused(tournament: ServedTournament, number: int) -> None:
    empty = (
        f"{{rounds(tournament: {number}) {{id}} listDatasets(tournament: {number}) "
        f"accountLeaderboard(tournament: {number}) {{id}} "
        f'submissionScores(modelId: "x", tournament: {number}) {{day}} '
        f'v3UserProfile(modelName: "x", tournament: {number}) {{id}}}}'
    )
    assert not any(tournament.post(empty)["data"].values())
    for asked in (
        'submissionUploadAuth(filename: "p.csv", tournament: N) {url}',
        "v2TournamentOverview(tournament: N) {totalStakes}",
        'modelNameAvailable(name: "x", tournament: N)',
    ):
        text = tournament.refusal(f"{{{asked.replace(': N', f': {number}')}}}")
        assert text.startswith(f"tournament {number} is not part of the practice tournament")


def test_stake_is_moved_by_no_mutation(tournament: ServedTournament) -> None:
    mutation_type = schema().mutation_type
    assert mutation_type is not None
    moving = {name for name in mutation_type.fields if re.search("Stake|Payout|Withdraw", name)}
    assert moving == set(STAKE_MUTATIONS)
    values = {"String": '"1"', "ID": '"1"', "Int": "8", "Boolean": "true", "Float": "1.0"}
    for name in moving:
        field = mutation_type.fields[name]
        arguments = ", ".join(
            f"{key}: {values[named(argument.type).name]}"
            for key, argument in field.args.items()
            if isinstance(argument.type, GraphQLNonNull)
        )
        inner = "" if isinstance(named(field.type), GraphQLScalarType) else "{__typename}"
        asked = f"{name}({arguments})" if arguments else name
        assert f"{name} moves stake" in tournament.refusal(f"mutation {{{asked} {inner}}}")
