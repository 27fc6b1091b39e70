"""The client against answers as they may come one day, and against its own repetition."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import time
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from numebot_dagster.numerai import money
from numebot_dagster.numerai.client import NumeraiClient
from numebot_dagster.numerai.errors import (
    NotAuthorised,
    NumeraiError,
    NumeraiUnavailable,
    QueryRefused,
    RoundNotOpen,
    SubmissionRejected,
    UnexpectedAnswer,
)
from numebot_dagster.numerai.http.transport import Transport
from numebot_dagster.numerai.numerapi_bridge import bridge
from numebot_dagster.numerai.records import Model, UploadTarget

ROUND = {
    "number": 7,
    "openTime": "2026-11-24T12:00:00Z",
    "closeStakingTime": "2026-11-24T13:00:00Z",
}


@pytest.fixture
def client(server, make_settings):
    return NumeraiClient(Transport(make_settings(server.url)))


def data(**fields):
    return {"body": json.dumps({"data": fields}).encode()}


def errors(text):
    return {"body": json.dumps({"data": None, "errors": [{"message": text}]}).encode()}


def test_no_open_round_is_an_empty_list_however_numerai_says_it(server, client):
    server.replies = [data(rounds=[]), data(rounds=None), errors("Current round not open for x")]
    assert [client.open_rounds() for _ in range(3)] == [[], [], []]


def test_a_registration_is_not_tried_again_after_the_close(make_settings):
    client = NumeraiClient(
        Transport(make_settings("http://127.0.0.1:9", numebot_retry_deadline=60.0))
    )
    started = time.monotonic()
    with pytest.raises(NumeraiUnavailable):
        client.create_submission("1", "f.csv", seconds=0.5)
    assert time.monotonic() - started < 5


def test_rounds_come_once_in_order_and_limited(server, client):
    older = [ROUND | {"number": number} for number in (6, 5, 4)]
    server.replies = [data(open=[ROUND], resolving=[older[0], ROUND], resolved=older)]
    assert [round_.number for round_ in client.rounds(limit=3)] == [5, 6, 7]


@pytest.mark.parametrize("answer", [None, [], [ROUND], [None]])
def test_a_round_that_is_not_there_is_named(server, client, answer):
    server.replies = [data(rounds=answer)]
    with pytest.raises(UnexpectedAnswer, match="no round 9"):
        client.round(9)
    with pytest.raises(UnexpectedAnswer):
        client.enrichment.round_details(9)


FLEET = {
    "models": [
        {
            "id": "1",
            "name": "a",
            "tournament": 8,
            "latestSubmissions": [
                {
                    "id": "s1",
                    "filename": "f.csv",
                    "roundNumber": 7,
                    "status": "on-time",
                    "timestamp": "2026-11-24T12:05:00Z",
                },
                {"id": None, "filename": None, "roundNumber": 6, "status": "none"},
                {"id": "s0", "roundNumber": None},
                None,
            ],
        },
        {"id": "2", "name": "b", "latestSubmissions": None},
        {"id": "3", "name": "signals", "tournament": 11, "latestSubmissions": []},
        None,
    ]
}


def test_the_fleet_is_one_question(server, client):
    server.replies = [data(account=FLEET)]
    fleet = client.fleet(latest_rounds=2)
    assert fleet.models == {"a": Model("a", "1", 8), "b": Model("b", "2", None)}
    submission = fleet.submission_of("a", 7)
    assert submission is not None
    assert (submission.submission_id, submission.filename, submission.status) == (
        "s1",
        "f.csv",
        "on-time",
    )
    assert submission.timestamp == datetime(2026, 11, 24, 12, 5, tzinfo=UTC)
    assert (fleet.submission_of("a", 6), fleet.submission_of("b", 7)) == (None, None)
    [request] = server.requests
    assert json.loads(request.body)["variables"] == {"latestRounds": 2}


@pytest.mark.parametrize(("answer", "path"), [(None, "account"), ({}, "account.models")])
def test_a_null_account_is_no_key_error(server, client, answer, path):
    server.replies = [data(account=answer)]
    for ask in (client.fleet, lambda: client.enrichment.account()):
        with pytest.raises(UnexpectedAnswer, match="nothing at"):
            ask()
    with pytest.raises(UnexpectedAnswer, match=rf"nothing at {path};"):
        client.fleet()


def test_an_upload_that_the_storage_refuses_is_not_taken_for_one(server, client):
    server.replies = [{"status": 403, "body": b"<Error>AccessDenied</Error>"}]
    target = UploadTarget("p-x.csv", f"{server.url}/p-x.csv?X-Amz-Signature=abc")
    with pytest.raises(SubmissionRejected, match=r"p-x.csv was refused.*AccessDenied") as caught:
        client.put_upload(target, b"id,prediction\n")
    assert "Signature" not in str(caught.value) + repr(target)


def test_an_upload_that_only_fails_for_a_moment_is_repeated(server, client):
    server.replies = [{"status": 500}, {"status": 200, "cut_after": 0}, {"status": 201}]
    client.put_upload(UploadTarget("p.csv", f"{server.url}/p.csv"), b"content")
    assert {request.body for request in server.requests} == {b"content"}


def test_a_create_whose_answer_was_lost_is_found_again(server, client):
    def answer(request):
        text = json.loads(request.body)["query"]
        if "mutation" not in text:
            return data(submissions=[{"id": "old", "filename": "o"}, {"id": "s9", "filename": "f"}])
        first = sum("mutation" in json.loads(r.body)["query"] for r in server.requests) == 1
        return {"status": 502} if first else errors("filename is already registered")

    server.answer = answer
    assert client.create_submission("1", "f") == "s9"


def test_a_create_that_is_refused_is_rejected(server, client):
    server.answer = lambda request: (
        errors("invalid file") if b"mutation" in request.body else data(submissions=[])
    )
    with pytest.raises(SubmissionRejected, match=r"f.csv was not accepted: .*invalid file"):
        client.create_submission("1", "f.csv")


@pytest.mark.parametrize(
    ("text", "error"),
    [("Current round not open for submissions", RoundNotOpen), ("unauthorized", NotAuthorised)],
)
def test_other_refusals_of_a_create_keep_their_kind(server, client, text, error):
    server.replies = [errors(text)]
    with pytest.raises(error):
        client.create_submission("1", "f.csv")


def test_states_of_many_submissions_are_one_question(server, client):
    server.replies = [
        data(
            s0=[{"id": "x", "filename": "f", "selected": True, "round": {"number": 7}}],
            s1=[],
            s2=None,
            s3=[{"id": "w", "filename": None, "selected": None, "round": None}],
        )
    ]
    states = client.submission_states(["x", "y", "z", "w"])
    assert set(states) == {"x", "w"}
    assert (states["x"].selected, states["x"].round_number) == (True, 7)
    assert (states["w"].selected, states["w"].round_number) == (None, None)
    assert len(server.requests) == 1
    assert client.submission_states([]) == {}
    assert len(server.requests) == 1


def test_a_data_file_that_is_not_there_is_named(server, client, tmp_path):
    server.replies = [data(dataset=None)]
    with pytest.raises(UnexpectedAnswer, match=r"no data file v9.9/live.parquet"):
        client.download("v9.9/live.parquet", tmp_path / "live.parquet")


def test_no_version_in_the_listing(server, client):
    server.replies = [data(listDatasets=["signals/train.parquet"])]
    with pytest.raises(UnexpectedAnswer, match="no version"):
        client.enrichment.newest_data_version()


ENRICHMENT = {
    "round_details": lambda client: client.enrichment.round_details(7),
    "payouts": lambda client: client.enrichment.payouts(),
    "pipeline_status": lambda client: client.enrichment.pipeline_status(),
}


@pytest.mark.parametrize("name", ENRICHMENT)
def test_a_null_that_numerapi_trips_over_is_one_error_of_ours(server, client, name):
    server.replies = [data(something=None)]
    with pytest.raises(UnexpectedAnswer, match="numerapi expects"):
        ENRICHMENT[name](client)


# By queries of our own.
OWN = {
    "scores": lambda client: client.enrichment.scores(Model("a", "1")),
    "positions": lambda client: money.positions(client.transport, Model("a", "1")),
    "wallet": lambda client: money.wallet(client.transport),
    "claim": lambda client: money.claim(client.transport, Model("a", "1"), 7, "0x"),
    "price in USD": lambda client: money.price_in_usd(client.transport),
    "price in EUR": lambda client: money.price_in_eur(client.transport),
}


@pytest.mark.parametrize("name", OWN)
def test_an_answer_without_the_field_is_an_error_that_names_it(server, client, name):
    server.replies = [data(something=None)]
    with pytest.raises(UnexpectedAnswer, match="has nothing at"):
        OWN[name](client)


@pytest.mark.parametrize("name", [*ENRICHMENT, *OWN])
@pytest.mark.parametrize(
    ("reply", "error"),
    [
        ({"status": 401}, NotAuthorised),
        (errors("Cannot query field"), QueryRefused),
        ({"body": b'{"data": []}'}, UnexpectedAnswer),
    ],
)
def test_enrichment_fails_with_our_errors(server, client, name, reply, error):
    server.replies = [reply]
    with pytest.raises(NumeraiError) as caught:
        (ENRICHMENT | OWN)[name](client)
    assert type(caught.value) is error
    assert len(server.requests) == 1


def test_numerapis_methods_obey_our_deadline(server, make_settings):
    server.replies = [{"status": 500}]
    client = NumeraiClient(Transport(make_settings(server.url, numebot_retry_deadline=0.3)))
    with pytest.raises(NumeraiUnavailable):
        client.enrichment.list_datasets()


@pytest.mark.parametrize(
    "move",
    [
        lambda api: api.stake_increase(1, "model"),
        lambda api: api.stake_decrease(1, "model"),
        lambda api: api.stake_drain("model"),
        lambda api: api.stake_change(1, "increase", "model"),
        lambda api: api.set_bio("model", "text"),
    ],
)
def test_numerapi_can_change_nothing_through_us(server, client, move):
    with pytest.raises(QueryRefused, match="reading only"):
        move(bridge(client.transport))
    assert server.requests == []


def test_the_fields_of_a_type(server, client):
    server.replies = [
        data(__type={"fields": [{"name": "id"}, {"name": "name"}]}),
        data(__type=None),
    ]
    assert client.enrichment.schema_fields("Model") == {"id", "name"}
    assert client.enrichment.schema_fields("Nothing") == frozenset()


@pytest.mark.process
def test_numerapi_neither_configures_logging_nor_reads_dotenv(tmp_path):
    (tmp_path / ".env").write_text("NUMERAI_PUBLIC_ID=FROMDOTENV\n")
    program = (
        "import logging, os\n"
        "from numebot_dagster.numerai.client import NumeraiClient\n"
        "from numebot_dagster.numerai.http.transport import Transport\n"
        "from numebot_dagster.settings import Settings\n"
        "settings = Settings(_env_file=None, numerai_api_url='http://127.0.0.1:9',"
        " numebot_retry_deadline=0.1)\n"
        "client = NumeraiClient(Transport(settings))\n"
        "try:\n    client.enrichment.list_datasets()\nexcept Exception as error:\n"
        "    print(type(error).__name__)\n"
        "print(logging.getLogger().handlers, os.environ.get('NUMERAI_PUBLIC_ID'))\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert ended.stdout.splitlines() == ["PassingFault", "[] None"]


@pytest.mark.process
def test_importing_the_client_imports_no_heavy_library():
    heavy = {"pandas", "numerapi", "numerai_tools", "requests", "tenacity", "pyarrow", "rich"}
    program = (
        f"import sys, numebot_dagster.numerai.client\nprint(sorted({heavy!r} & sys.modules.keys()))"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert ended.stdout.strip() == "[]"


def test_credentials_are_in_no_log_of_a_whole_conversation(server, client, caplog):
    caplog.set_level(logging.DEBUG)
    server.replies = [data(account=FLEET), data(account=FLEET), errors("no")]
    client.fleet()
    with pytest.raises(QueryRefused):
        [client.fleet() for _ in range(2)]
    assert server.requests[0].headers["authorization"].endswith("SECRETKEYOFTESTS")
    assert "SECRETKEYOFTESTS" not in caplog.text


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"status": "invalid", "errorInfo": "ids [of 20]"}, "invalid: ids [of 20]"),
        ({"status": None, "errorInfo": "ids"}, "ids"),
        ({"status": None, "errorInfo": None}, None),
        ({"status": {}, "errorInfo": []}, None),
    ],
)
def test_numerais_own_words_of_a_refusal(server, client, row, words):
    server.replies = [data(submissions=[{"id": "s", **row}])]
    assert client.enrichment.refusal("s") == words
    assert client.enrichment.refusal("another") is None


def position(**fields):
    row = {
        "roundNumber": 1390,
        "roundResolveTime": "2027-01-29T20:00:00Z",
        "roundResolved": False,
        "roundPayoutFactor": "1.0",
        "atRisk": "1.000000000000000000",
        "payoutMultipliers": [{"name": "n", "displayName": "corr60", "version": "1"}],
        "submissionScores": [],
    }
    return row | fields


@pytest.mark.parametrize(
    ("version", "versions", "value"),
    [
        ("1", ["1"], 0.1),
        ("1", ["2", "1"], 0.2),
        ("1", [None], 0.1),
        (None, ["1"], 0.1),
        (None, [None], 0.1),
        # Definitions are never mixed: without a choice there is no value.
        ("1", ["2"], None),
        (None, ["1", "2"], None),
        ("1", [], None),
    ],
)
def test_a_multiplier_meets_the_score_of_its_version(server, client, version, versions, value):
    scores = [
        {"displayName": "corr60", "version": each, "value": (place + 1) / 10, "day": 3}
        for place, each in enumerate(versions)
    ]
    scores.append({"displayName": "mmc60", "version": "1", "value": 9.0})
    paid = [{"displayName": "corr60", "version": version, "multiplier": 3.0}]
    row = position(payoutMultipliers=paid, submissionScores=scores)
    server.replies = [data(v2RoundModelPerformances=[row])]
    [[score]] = [each.scores for each in money.positions(client.transport, Model("a", "1"))]
    assert (score.metric, score.multiplier, score.value) == ("corr60", 3.0, value)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, ("1", "1", False)),
        ({"atRisk": None, "roundPayoutFactor": None}, (None, None, False)),
        (
            {"atRisk": "0E-18", "roundPayoutFactor": 0.109, "roundResolved": True},
            ("0", "0.109", True),
        ),
        ({"atRisk": "1,234.5", "payoutMultipliers": None}, ("1234.5", "1", False)),
    ],
)
def test_amounts_of_a_position_are_exact(server, client, fields, expected):
    server.replies = [data(v2RoundModelPerformances=[position(**fields)])]
    [read] = money.positions(client.transport, Model("a", "1"))
    at_risk, factor, resolved = expected
    assert read.at_risk == (None if at_risk is None else Decimal(at_risk))
    assert read.payout_factor == (None if factor is None else Decimal(factor))
    assert read.resolved is resolved


def test_a_claim_is_read_from_wei(server, client):
    answer = {"payoutAmountWei": "1200000000000000007", "burnAmountWei": "0"}
    server.replies = [data(v3StakeClaim=answer)]
    claim = money.claim(client.transport, Model("a", "1"), 1390, "0xabc")
    assert (claim.payout_nmr, claim.burn_nmr) == (Decimal("1.200000000000000007"), 0)
