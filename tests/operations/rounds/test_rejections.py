"""What Numerai itself says of a submission that it refuses reaches every place where it is told."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from numebot_dagster.cli.main import app
from numebot_dagster.submissions import receipts

WORDS = "invalid_submission_ids: 12 ids [of 20] are not live in round"


@pytest.fixture
def numebot(monkeypatch, world, receiver):
    """Run the command in this process, with alerts that go to the receiver."""
    monkeypatch.setenv("NUMEBOT_NOTIFY_URLS", receiver.url)

    def run(*arguments):
        result = CliRunner().invoke(app, list(arguments), env={"COLUMNS": "300"})
        return " ".join(result.output.split())

    return run


def test_numerais_words_reach_receipt_table_status_and_alert(world, receiver, numebot):
    number = world.open_round()
    refused = {"message": WORDS}
    world.practice.add_fault("error", where="graphql:createSubmission", values=refused)
    try:
        table = numebot("run", "--models", "second")
    finally:
        world.practice.remove_faults()
    receipt = receipts.latest(world.platform.lake, number)["second"]
    assert WORDS in receipt.reason
    assert WORDS in table
    assert WORDS in numebot("status")
    cells = json.loads(numebot("status", "--json"))
    assert WORDS in json.dumps(cells)
    [failed] = [
        message
        for message in receiver.messages
        if "second" in message["title"] + message["message"]
    ]
    assert WORDS in failed["message"]
