"""Whose a data folder is: one tournament and one account, whatever its keys; nobody else's."""

from __future__ import annotations

import json
from dataclasses import asdict

import pytest

from numebot_dagster.numerai.errors import NumeraiUnavailable
from numebot_dagster.operations.health.ownership import OtherTournament, claim
from numebot_dagster.practice.creation import Plan
from numebot_dagster.practice.server import PracticeServer

SCOPES = ("upload_submission", "read_submission_info", "read_user_info")


@pytest.fixture(scope="module")
def other(tmp_path_factory):
    """Serve another tournament of the same seed, with the same rounds and public names."""
    with PracticeServer(tmp_path_factory.mktemp("other"), Plan(models=("steady-1",))) as server:
        yield server


@pytest.fixture
def owned(world, monkeypatch):
    """Claim the world's data folder by its participant, and again with other settings."""
    record = world.platform.lake.owner_file
    record.unlink(missing_ok=True)

    def claim_as(server=world.practice, key=world.practice.credentials, **more):
        settings = {"NUMERAI_API_URL": server.url, **named(key), **more}
        for name, value in settings.items():
            monkeypatch.setenv(name, value)
        claim(world.platform)
        return json.loads(record.read_bytes())

    claim_as()
    return claim_as


def named(key):
    return {f"NUMERAI_{name.upper()}": value for name, value in asdict(key).items()}


def test_a_folder_without_a_record_is_adopted(world, owned):
    record = owned()
    assert record["endpoint"] == world.practice.url
    assert len(record["keys"]) == 1
    assert world.practice.credentials.public_id not in json.dumps(record)


def test_new_keys_of_the_account_go_on(world, owned, caplog):
    rotated = world.practice.add_key("rotated", *SCOPES)
    assert len(owned(key=rotated)["keys"]) == 2
    # Without the scope nobody learns whose it is; what the key may not do, Numerai says itself.
    mute = world.practice.add_key("mute", "upload_submission")
    assert len(owned(key=mute)["keys"]) == 2
    assert "could not be looked up" in caplog.text


def test_a_key_is_recorded_with_its_account_only(world, owned):
    """Numerai was too slow when the folder was used first: it is asked again."""
    record = world.platform.lake.owner_file
    record.unlink()
    world.practice.add_fault("status", where="graphql:account")
    assert owned(NUMEBOT_RETRY_DEADLINE="0.3")["keys"] == []
    world.practice.remove_faults()
    recorded = owned()
    assert (recorded["account"] is not None, len(recorded["keys"])) == (True, 1)


def test_other_tournaments_are_refused(world, owned, other, monkeypatch):
    remedy = "Set NUMERAI_DATA_FOLDER to another folder"
    with pytest.raises(OtherTournament, match=remedy) as caught:
        owned(other, other.credentials)
    assert world.practice.url in str(caught.value)
    assert other.url in str(caught.value)
    # As on the same port: only the account tells them apart.
    record = world.platform.lake.owner_file
    record.write_text(record.read_text().replace(world.practice.url, other.url))
    with pytest.raises(OtherTournament, match="NUMERAI_PUBLIC_ID is a key of practice"):
        owned(other, other.credentials)


def test_a_practice_tournament_may_come_back_at_another_port(world, owned):
    record = world.platform.lake.owner_file
    record.write_text(record.read_text().replace(world.practice.url, "http://localhost:1"))
    assert owned()["endpoint"] == world.practice.url


def test_nothing_is_asked_for_a_key_that_is_known(world, owned, other):
    record = world.platform.lake.owner_file
    silent = "http://127.0.0.1:9"
    record.write_text(record.read_text().replace(world.practice.url, silent))
    owned(NUMERAI_API_URL=silent)
    with pytest.raises(NumeraiUnavailable):
        owned(key=other.credentials, NUMERAI_API_URL=silent, NUMEBOT_RETRY_DEADLINE="0.1")


def test_a_record_that_cannot_be_read_is_set_aside(world, owned):
    record = world.platform.lake.owner_file
    record.write_bytes(b"\x00{")
    assert owned()["endpoint"] == world.practice.url
    assert record.with_name(f"{record.name}.damaged").read_bytes() == b"\x00{"


def test_commands_and_runs_refuse_what_reading_allows(
    world, owned, other, run_round, monkeypatch, capfd
):
    elsewhere = {"NUMERAI_API_URL": other.url, **named(other.credentials)}
    number = world.open_round()
    before = other.state()["submissions"]
    for command in ("run", "status"):
        finished = world.numebot(command, **elsewhere)
        assert finished.returncode == 1
        assert "Set NUMERAI_DATA_FOLDER to another folder" in finished.stderr
    assert world.numebot("sql", "from rounds", **elsewhere).returncode == 0
    for name, value in elsewhere.items():
        monkeypatch.setenv(name, value)
    assert not run_round(world, number).success
    assert "belongs to the tournament at" in capfd.readouterr().err
    assert other.state()["submissions"] == before
