"""Uploaded models, of which nothing is run."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import requests

from numebot_dagster.practice.api.services.pickles import error_of_pickle
from tests.support.waiting import until

if TYPE_CHECKING:
    from tests.practice.served_tournament import ServedTournament

MODEL = "example_model"


def upload_pickle(
    tournament: ServedTournament, content: bytes, tmp_path: Path, **environment: Any
) -> str:
    path = tmp_path / "model.pkl"
    path.write_bytes(content)
    return tournament.api.model_upload(str(path), **environment)


PICKLE = (
    "{computePickles {id filename assignedModelSlots dataVersion dockerImageName validationStatus "
    "label triggers {status statuses {status description}}}}"
)


CONTENT = pickle.dumps({"a": [1, 2.5]})


@pytest.fixture
def identifier(tournament: ServedTournament, tmp_path: Path) -> str:
    """Upload a model and wait until it is validated."""
    identifier = upload_pickle(
        tournament, CONTENT, tmp_path, model_id=tournament.model_id(MODEL), data_version="v5.3",
        docker_image="Python 3.11",
    )  # fmt: skip
    until(lambda: pickles(tournament)[0]["validationStatus"] == "success")
    return identifier


def test_a_model_is_uploaded(tournament: ServedTournament, identifier: str) -> None:
    versions = tournament.api.model_upload_data_versions()
    assert list(versions) == ["v5.3"]
    images = tournament.api.model_upload_docker_images()
    assert list(images) == ["Python 3.10", "Python 3.11", "Python 3.12", "Python 3.13"]
    model_id = tournament.model_id(MODEL)
    uploaded = pickles(tournament)[0]
    assert uploaded["id"] == identifier
    assert uploaded["assignedModelSlots"] == [model_id]
    assert (uploaded["dataVersion"], uploaded["dockerImageName"]) == ("v5.3", "Python 3.11")
    facts = json.loads(
        tournament.rows("SELECT facts FROM jobs WHERE id = ?", identifier)[0]["facts"]
    )
    assert facts["docker_image"] == images["Python 3.11"]
    assert facts["data_version"] == versions["v5.3"]
    assert len(set(images.values())) == 4
    steps = [step["status"] for step in uploaded["triggers"][0]["statuses"]]
    assert steps == ["pending", "running", "validating", "success"]
    stored = tournament.rows("SELECT status FROM job_steps WHERE job_id = ?", identifier)
    assert [row["status"] for row in stored] == steps
    link = f'{{computePickleDownloadAuth(modelId: "{model_id}") {{url}}}}'
    url = tournament.post(link)["data"]["computePickleDownloadAuth"]["url"]
    assert requests.get(url, timeout=10).content == CONTENT
    assert requests.get(url.replace("/pickles/", "/pickles/x"), timeout=10).status_code == 403


def test_an_uploaded_model_submits_until_it_is_taken_off(
    tournament: ServedTournament, identifier: str
) -> None:
    model_id = tournament.model_id(MODEL)
    tournament.controls.advance("next-open")
    with pytest.raises(ValueError, match="submits by its uploaded pickle"):
        tournament.upload(MODEL, tournament.predictions(1280, 0))
    with pytest.raises(ValueError, match="submits by its uploaded pickle"):
        tournament.api.set_submission_webhook(model_id, "http://127.0.0.1:9/")
    tournament.post(f'mutation {{assignPickleToModel(modelId: "{model_id}")}}')
    assert pickles(tournament)[0]["assignedModelSlots"] == []
    assert tournament.upload(MODEL, tournament.predictions(1280, 0))
    label = f'mutation {{updatePickleLabel(label: "two", pickleId: "{identifier}") {{label}}}}'
    assert tournament.post(label)["data"]["updatePickleLabel"] == {"label": "two"}
    again = f'mutation {{triggerComputePickleUpload(pickleId: "{identifier}") {{id}}}}'
    tournament.post(again)
    until(
        lambda: [t["status"] for t in pickles(tournament)[0]["triggers"]] == ["success", "success"]
    )
    asked = f'{{diagnosticsTriggerLogs(pickleId: "{identifier}") {{message timestamp}}}}'
    assert len(tournament.post(asked)["data"]["diagnosticsTriggerLogs"]) == 8


def pickles(tournament: ServedTournament) -> list[dict[str, Any]]:
    return tournament.post(PICKLE)["data"]["computePickles"]


def test_what_is_no_pickle_fails(tournament: ServedTournament, tmp_path: Path) -> None:
    upload_pickle(tournament, b"no pickle at all", tmp_path)
    until(lambda: pickles(tournament)[0]["validationStatus"] == "failed")
    uploaded = pickles(tournament)[0]
    assert uploaded["assignedModelSlots"] == []
    assert "not a pickle" in uploaded["triggers"][0]["statuses"][-1]["description"]
    with pytest.raises(ValueError, match="'data_version' needs to be one of"):
        upload_pickle(tournament, b"N.", tmp_path, data_version="v4")
    unknown = "00000000-0000-4000-8000-000000000000"
    with pytest.raises(ValueError, match="there is no data version"):
        upload_pickle(tournament, b"N.", tmp_path, data_version=unknown)


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (pickle.dumps(np.arange(5)), None),
        (b"", "not a pickle"),
        (b"id,prediction\n", "not a pickle"),
        (pickle.dumps([1])[:-1], "not a pickle"),
        (pickle.dumps([1]) + b"xy", "2 bytes follow the pickle"),
    ],
)
def test_pickles_are_read_to_the_end(content: bytes, error: str | None) -> None:
    message = error_of_pickle(content)
    assert message is None if error is None else error in str(message)


class Trap:
    """Would leave a trace if it were loaded."""

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str]]:
        return Path.touch, (Path("/nonexistent/trap"),)  # type: ignore[return-value]


def test_nothing_in_a_pickle_is_run() -> None:
    with pytest.raises(FileNotFoundError):
        pickle.loads(pickle.dumps(Trap()))
    assert error_of_pickle(pickle.dumps(Trap())) is None
