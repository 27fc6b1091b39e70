"""Webhooks that are called when a round opens."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.receiver import Receiver, receiving
from tests.support.waiting import until

if TYPE_CHECKING:
    from tests.practice.served_tournament import ServedTournament

MODEL, OTHER = "example_model", "lightgbm_model"


def logs(tournament: ServedTournament, trigger_id: str) -> list[dict[str, Any]]:
    query = "query($i: ID!) {triggerLogs(triggerId: $i) {message timestamp}}"
    return tournament.post(query, variables={"i": trigger_id})["data"]["triggerLogs"]


def test_a_webhook_is_shown_with_its_model(tournament: ServedTournament) -> None:
    address = "http://127.0.0.1:9/hook"
    assert tournament.api.set_submission_webhook(tournament.model_id(MODEL), address) is True
    stored = tournament.rows("SELECT value FROM attributes WHERE name = 'webhook'")
    assert [row["value"] for row in stored] == [address]
    query = "{account {models {name submissionWebhook}}}"
    models = tournament.post(query)["data"]["account"]["models"]
    assert {model["name"]: model["submissionWebhook"] for model in models} == {
        MODEL: address, OTHER: None,
    }  # fmt: skip


def test_a_webhook_is_called_once_when_a_round_opens(
    tournament: ServedTournament, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    tournament.api.set_submission_webhook(tournament.model_id(MODEL), receiver.address)
    time.sleep(0.6)
    assert receiver.messages == []  # no round is open
    tournament.controls.advance("next-open")
    until(lambda: receiver.messages)
    tournament.controls.advance(hours=0.5)
    time.sleep(0.6)
    assert [set(body) for body in receiver.messages] == [{"triggerId"}]
    trigger = receiver.messages[0]["triggerId"]
    until(lambda: len(logs(tournament, trigger)) == 2)
    assert logs(tournament, trigger)[-1]["message"] == f"{receiver.address} answered 200"
    job = tournament.rows("SELECT * FROM jobs WHERE id = ?", trigger)[0]
    assert (job["kind"], job["round"]) == ("webhook", 1280)
    monkeypatch.setenv("TRIGGER_ID", trigger)
    submission = tournament.upload(MODEL, tournament.predictions(1280, 0))
    rows = tournament.rows("SELECT trigger_id FROM submissions WHERE id = ?", submission)
    assert rows[0]["trigger_id"] == trigger
    tournament.controls.advance("next-open")
    until(lambda: len(receiver.messages) == 2)
    assert receiver.messages[1]["triggerId"] != trigger
    tournament.controls.advance(days=7)  # jumps over windows: only the one that is open now
    number = tournament.controls.state()["open_round"]
    assert number is not None
    until(lambda: len(receiver.messages) == 3)
    assert tournament.api.set_submission_webhook(tournament.model_id(MODEL), None) is True
    tournament.controls.advance("next-open")
    time.sleep(0.6)
    assert len(receiver.messages) == 3
    rounds = tournament.rows("SELECT round FROM jobs ORDER BY rowid")
    assert [row["round"] for row in rounds] == [1280, 1281, number]


def test_a_webhook_may_ask_something_back(tournament: ServedTournament) -> None:
    """The whole platform may run inside the call: nothing is locked meanwhile."""

    def react(body: dict[str, Any]) -> int:
        assert tournament.api.get_account()["username"] == "practice"
        return 200

    with receiving(react) as receiver:
        tournament.api.set_submission_webhook(tournament.model_id(MODEL), receiver.address)
        query = "mutation($m: String!) {triggerModelWebhook(modelId: $m)}"
        answer = tournament.post(query, variables={"m": tournament.model_id(MODEL)})
        trigger = answer["data"]["triggerModelWebhook"]
        assert receiver.messages == [{"triggerId": trigger}]
        job = tournament.rows("SELECT * FROM jobs WHERE id = ?", trigger)[0]
        assert (job["model_id"], job["round"]) == (tournament.model_id(MODEL), None)


@pytest.mark.parametrize("status", [500, None])
def test_a_failing_webhook_is_an_error(tournament: ServedTournament, status: int | None) -> None:
    with receiving(lambda _: status or 200) as receiver:
        url = receiver.address if status else "http://127.0.0.1:9/nobody"
        tournament.api.set_submission_webhook(tournament.model_id(MODEL), url)
        message = tournament.refusal(
            "mutation($m: String!) {triggerModelWebhook(modelId: $m)}",
            variables={"m": tournament.model_id(MODEL)},
        )
    assert f"the webhook of {MODEL} failed: {url}" in message
    trigger = tournament.rows("SELECT id FROM jobs")[0]["id"]
    assert url in logs(tournament, trigger)[-1]["message"]


def test_webhooks_are_refused(tournament: ServedTournament) -> None:
    with pytest.raises(ValueError, match="not the address of a webhook"):
        tournament.api.set_submission_webhook(tournament.model_id(MODEL), "file:///etc/passwd")
    with pytest.raises(ValueError, match="Model not found"):
        tournament.api.set_submission_webhook("x", "http://127.0.0.1:9/")
    query = "mutation($m: String!) {triggerModelWebhook(modelId: $m)}"
    message = tournament.refusal(query, variables={"m": tournament.model_id(OTHER)})
    assert message == f"{OTHER} has no webhook: set one first"
