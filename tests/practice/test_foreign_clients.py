"""Queries as foreign clients send them: spelling, declared types, and values of variables.

They were collected from public repositories: numerai-cli, browsers (as numer.ai itself sends them),
Rnumerai, Numerai.jl, numerblox, NumerBay, dashboards, MCP servers and scripts of participants.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from numebot_dagster.practice.creation import SCOPES

if TYPE_CHECKING:
    from tests.practice.served_tournament import ServedTournament


MODEL = "example_model"
ROUND = 1280
SCORES = "submissionScores { date day displayName value percentile }"

# who sends it, the query, its variables; MODEL, SUBMISSION and FILE are replaced by real ones
FORMS: list[tuple[str, str, dict[str, Any]]] = [
    (
        "numerai-cli node test",
        "query ( $modelId: String! ) { submissions( modelId: $modelId ){ "
        "round{ number, tournament }, triggerId insertedAt } }",
        {"modelId": "MODEL"},
    ),
    (
        "browser",
        "query v2RoundModelPerformances($modelId: String, $roundNumber__eq: Int, "
        "$roundNumber__gte: Int, $tournament: Int, $distinctOnRound: Boolean, $lastNRounds: Int, "
        "$submittedOnly: Boolean, $resolvedOnly: Boolean, $resolvedWithinLastNDays: Int, "
        "$scoredWithinLastNDays: Int) { v2RoundModelPerformances(modelId: $modelId, "
        "roundNumber__eq: $roundNumber__eq, roundNumber__gte: $roundNumber__gte, "
        "lastNRounds: $lastNRounds, distinctOnRound: $distinctOnRound, tournament: $tournament, "
        "submittedOnly: $submittedOnly, resolvedOnly: $resolvedOnly, "
        "resolvedWithinLastNDays: $resolvedWithinLastNDays, "
        "scoredWithinLastNDays: $scoredWithinLastNDays) { roundNumber roundResolveTime "
        "roundCloseStakingTime roundDataDatestamp roundPayoutFactor roundScoreTime roundResolved "
        "roundTarget atRisk corrMultiplier mmcMultiplier tcMultiplier churnThreshold "
        "prevWeekChurnMax turnoverThreshold prevWeekTurnoverMax submissionScores { date day "
        "resolveDate resolved displayName value percentile payoutPending payoutSettled } } }",
        {
            "modelId": "MODEL",
            "roundNumber__eq": None,
            "roundNumber__gte": None,
            "lastNRounds": None,
            "distinctOnRound": True,
            "tournament": 8,
            "submittedOnly": False,
            "resolvedOnly": False,
            "resolvedWithinLastNDays": 421,
            "scoredWithinLastNDays": None,
        },
    ),
    (
        "dashboard, one round",
        "query modelPerf($modelId: String!, $tournament: Int!, $roundNumber__eq: Int!) { "
        "v2RoundModelPerformances(modelId: $modelId, tournament: $tournament, "
        "roundNumber__eq: $roundNumber__eq) { roundNumber submissionScores { displayName value } }"
        " }",
        {"modelId": "MODEL", "tournament": 8, "roundNumber__eq": ROUND},
    ),
    (
        "dashboard, all models of a round",
        "query roundDetailsCache($tournament: Int!, $roundNumber: Int!) { "
        "roundDetails(tournament: $tournament, roundNumber: $roundNumber) { payoutFactor models { "
        "id modelName mmc v2Corr20 mmc_60 corr_60 bmc fncV3 cort20 mcwnm apcwnm corrWMetaModel "
        "selectedStakeValue payoutSettled payoutPending tc tcPercentile mmcPercentile corr corr_20 "
        "fnc alpha mpc } } }",
        {"tournament": 8, "roundNumber": ROUND},
    ),
    (
        "dashboard, history",
        "query($modelId: String!, $tournament: Int!, $lastNRounds: Int!) { "
        "v2RoundModelPerformances(modelId: $modelId, tournament: $tournament, "
        "lastNRounds: $lastNRounds) { roundNumber roundResolved "
        "submissionScores { displayName value } } }",
        {"modelId": "MODEL", "tournament": 8, "lastNRounds": 100},
    ),
    (
        "Rnumerai account",
        "query { account { username walletAddress availableNmr email id mfaEnabled status "
        "insertedAt models { id name submissions { id filename } v2Stake { status txHash } } "
        "apiTokens { name public_id scopes } } }",
        {},
    ),
    (
        "Rnumerai set_bio",
        "mutation($modelId: String, $value: String!) { setUserBio(modelId: $modelId, "
        "value: $value) }",
        {"modelId": "MODEL", "value": "hello"},
    ),
    (
        "Rnumerai set_link",
        "mutation($modelId: String, $linkUrl: String!, $linkText: String!) { setUserLink("
        "modelId: $modelId, linkUrl: $linkUrl, linkText: $linkText) }",
        {"modelId": "MODEL", "linkUrl": "https://example.org", "linkText": "me"},
    ),
    (
        "Rnumerai set_submission_webhook",
        "mutation($modelId: String, $newSubmissionWebhook: String!) { setSubmissionWebhook("
        "modelId: $modelId, newSubmissionWebhook: $newSubmissionWebhook) }",
        {"modelId": "MODEL", "newSubmissionWebhook": ""},
    ),
    (
        "Rnumerai diagnostics",
        "query($id: String, $modelId: String!) { diagnostics(id: $id, modelId: $modelId) { "
        "erasAcceptedCount message status trainedOnVal updatedAt validationCorrMean "
        "perEraDiagnostics { era validationCorr validationMmc } } }",
        {"id": None, "modelId": "MODEL"},
    ),
    (
        "Rnumerai upload",
        "query($filename: String!, $tournament: Int!, $modelId: String) { submissionUploadAuth("
        "filename: $filename, tournament: $tournament, modelId: $modelId) { filename url } }",
        {"filename": "p.csv", "tournament": 8, "modelId": "MODEL"},
    ),
    (
        "Rnumerai performances",
        "query($username: String!) { v3UserProfile(modelName: $username) { "
        "roundModelPerformances { corr corr20d corr20dPercentile corrMultiplier corrPercentile "
        "corrWMetamodel tc tcPercentile ic icPercentile fnc fncPercentile fncV3 fncV3Percentile "
        "mmc mmc20d mmc20dPercentile mmcMultiplier mmcPercentile payout roundNumber roundOpenTime "
        "roundPayoutFactor roundResolveTime roundResolved roundTarget selectedStakeValue } } }",
        {"username": MODEL},
    ),
    ("R script", 'query{v3UserProfile(modelName: "example_model") {id}}', {}),
    (
        "R script, performances",
        f'query{{v2RoundModelPerformances(modelId: "MODEL") {{ roundNumber {SCORES} }} }}',
        {},
    ),
    (
        "Numerai.jl upload",
        "query($filename: String! $tournament: Int! $modelId: String) { submission_upload_auth("
        "filename: $filename tournament: $tournament modelId: $modelId) { filename url } }",
        {"filename": "p.csv", "tournament": 8, "modelId": "MODEL"},
    ),
    (
        "Numerai.jl file names",
        "query($modelId: String) { model(modelId: $modelId) { submissions { filename selected "
        "round { tournament number } } } }",
        {"modelId": "MODEL"},
    ),
    (
        "Numerai.jl new round",
        "query($tournament: Int!) { rounds(tournament: $tournament number: 0) { number openTime } "
        "}",
        {"tournament": 8},
    ),
    ("Numerai.jl tournaments", "query { tournaments { id name tournament active } }", {}),
    (
        "forum script",
        "query($modelName: String!) { v3UserProfile(modelName: $modelName) { accountName id "
        "username roundModelPerformances { roundNumber roundPayoutFactor roundOpenTime "
        "roundResolveTime roundResolved roundTarget corr20V2 corr20V2Percentile corrWMetamodel "
        "fncV3 fncV3Percentile tc tcPercentile selectedStakeValue corrMultiplier payout } } }",
        {"modelName": MODEL},
    ),
    (
        "MCP server, performances",
        "query V2RoundModelPerformances($modelId: String!, $tournament: Int, $lastNRounds: Int, "
        "$roundNumberGte: Int, $roundNumberLte: Int, $resolvedOnly: Boolean, "
        "$submittedOnly: Boolean) { v2RoundModelPerformances(modelId: $modelId, "
        "tournament: $tournament, lastNRounds: $lastNRounds, roundNumberGte: $roundNumberGte, "
        "roundNumberLte: $roundNumberLte, resolvedOnly: $resolvedOnly, "
        "submittedOnly: $submittedOnly) { roundNumber roundTarget atRisk } }",
        {"modelId": "MODEL", "tournament": 8, "lastNRounds": 20},
    ),
    (
        "MCP server, profile",
        "query V3UserProfile($modelName: String!) { v3UserProfile(modelName: $modelName) { id "
        "username accountName bio tournament profileUrl startDate isActive computeEnabled "
        "nmrStaked stakeValue latestRanks { corr corr60 mmc mmc60 tc fnc fncV3 fncV4 corrV4 icV2 "
        "ric alpha bmc mpc cort20 } latestReturns { oneDay threeMonths oneYear allTime } "
        "latestUserScores { date displayName rank reputation stakedRank } } }",
        {"modelName": MODEL},
    ),
    ("MCP server, price", "{ latestNmrPrice { priceUsd lastUpdated } }", {}),
    (
        "MCP server, account",
        "{ account { username availableNmr status models(showArchived: false) { name tournament "
        "v2Stake { stakeValue status } } } }",
        {},
    ),
    (
        "MCP server, payouts",
        "{ pendingModelPayouts(tournament: 8) { pending { modelName roundNumber payoutNmr } } }",
        {},
    ),
    (
        "NumerBay upload",
        "query($filename: String! $tournament: Int! $modelId: String) { submission_upload_auth("
        "filename: $filename tournament: $tournament modelId: $modelId) { filename url } }",
        {"filename": "predictions.csv", "tournament": 8, "modelId": "MODEL"},
    ),
    (
        "shell script",
        "query($id: String!) { v2RoundModelPerformances(modelId: $id, lastNRounds: 5) { "
        "roundNumber submissionId } }",
        {"id": "MODEL"},
    ),
    ("round script", "query { rounds(tournament: 8) { number } }", {}),
    (
        "snake throughout",
        "{ latest_nmr_price { price_usd } account { api_tokens { public_id } models { "
        "latest_submissions(latest_n_rounds: 2) { round_number round_close_staking } } } }",
        {},
    ),
    (
        "snake arguments",
        "query($m: String, $n: Int!) { submission_scores(model_id: $m, last_n_rounds: $n, "
        'display_name: "corr60") { round_number display_name } }',
        {"m": "MODEL", "n": 3},
    ),
    (
        "numbers as text and text as numbers",
        "query($t: String!, $n: String, $name: Int!) { rounds(tournament: $t, limit: $n) { number "
        "} modelNameAvailable(name: $name, tournament: $t) }",
        {"t": "8", "n": "1", "name": 2026},
    ),
    (
        "one variable in positions of two types",
        "query($t: Int) { rounds(tournament: $t, limit: 1) { number } submissionScores("
        'modelId: "MODEL", displayName: $t) { value } }',
        {"t": 8},
    ),
    (
        "a type that does not exist",
        "query($m: UUID!, $on: bool!) { v2RoundModelPerformances(modelId: $m, "
        "distinctOnRound: $on) { roundNumber } }",
        {"m": "MODEL", "on": True},
    ),
    (
        "an optional variable left out, where the argument has a default",
        "query($u: Boolean) { computePickles(unassigned: $u) { id } }",
        {},
    ),
    (
        "fragments and aliases",
        "query($m: String) { mine: submissions(model_id: $m) { ...s } } "
        "fragment s on V2Submission { inserted_at when: inserted_at }",
        {"m": "MODEL"},
    ),
]


@pytest.fixture(scope="module")
def tournament(make_tournament: Callable[..., ServedTournament]) -> ServedTournament:
    made = make_tournament()
    made.controls.advance("next-open")
    return made


def test_at_least_25_forms_of_clients() -> None:
    assert len({query for _, query, _ in FORMS}) >= 30


@pytest.mark.parametrize(("query", "variables"), [form[1:] for form in FORMS],
                         ids=[form[0] for form in FORMS])  # fmt: skip
def test_the_form_is_answered(
    tournament: ServedTournament, query: str, variables: dict[str, Any]
) -> None:
    model = tournament.model_id(MODEL)
    key = tournament.controls.add_key("all", *SCOPES, "stake")
    body = tournament.post(
        query.replace("MODEL", model),
        f"Token {key.public_id}${key.secret_key}",
        {name: model if value == "MODEL" else value for name, value in variables.items()},
    )
    assert "errors" not in body, body["errors"]
    assert None not in body["data"].values()


def test_answers_carry_the_name_as_asked(tournament: ServedTournament) -> None:
    asked = (
        "query($m: String!) {latest_nmr_price {price_usd PRICE: priceUsd} "
        "submissionScores(modelId: $m) {round_number} rounds(number: 1280) {open_time openTime}}"
    )
    data = tournament.post(asked, variables={"m": tournament.model_id(MODEL)})["data"]
    assert set(data) == {"latest_nmr_price", "submissionScores", "rounds"}
    assert set(data["latest_nmr_price"]) == {"price_usd", "PRICE"}
    assert data["rounds"] == [{"open_time": "2026-06-02T12:00:00Z"} | {
        "openTime": "2026-06-02T12:00:00Z"}]  # fmt: skip
