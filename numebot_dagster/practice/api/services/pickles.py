"""Check uploaded models, and list the environments that they may be made for.

The practice tournament reads the structure of a pickle and never runs it: a model with a pickle has
no submissions here.
"""

from __future__ import annotations

import io
import pickletools
from datetime import datetime
from typing import TYPE_CHECKING, Any

from numebot_dagster.practice.api.services.jobs import Job, Step
from numebot_dagster.practice.datasets.contents import VERSIONS
from numebot_dagster.practice.rules.clock import Refused
from numebot_dagster.practice.rules.state import State
from numebot_dagster.practice.schema import Fields

if TYPE_CHECKING:
    from numebot_dagster.practice.api.request import Services

PYTHONS = ("3.10", "3.11", "3.12", "3.13")
DEFAULT_PYTHON = "3.13"
# Fields of a pickle that is run, which the practice tournament does not do.
_OF_RUNS = ("runtime", "diagnosticsId", "diagnosticsStatus", "diagnosticsStatusDescription")


def data_versions(state: State) -> list[Fields]:
    """Return a ComputePickleDataVersion for each data version, newest first."""
    newest = VERSIONS[0]
    return [
        {
            "id": state.identifier("data version", version),
            "name": version,
            "version": version,
            "type": "classic",
            "default": version == newest,
            "deprecated": version != newest,
            "experimental": False,
        }
        for version in VERSIONS
    ]


def docker_images(state: State) -> list[Fields]:
    """Return a ComputePickleDockerImage for each version of Python."""
    return [
        {
            "id": state.identifier("docker image", python),
            "name": f"Python {python}",
            "image": f"numerai_predict_py_{python.replace('.', '_')}",
            "tag": "stable",
            "default": python == DEFAULT_PYTHON,
            "deprecated": False,
            "experimental": False,
            "insertedAt": datetime.fromisoformat(state.settings["start"]),
        }
        for python in PYTHONS
    ]


def facts(state: State, filename: str, account: str, environment: dict[str, Any]) -> dict[str, Any]:
    """Return what the job of a pickle keeps; the defaults where the client named no environment.

    Raises:
        Refused: There is no such data version or docker image.
    """
    version = _chosen(data_versions(state), environment.get("data_version_id"), "data version")
    image = _chosen(docker_images(state), environment.get("docker_image_id"), "docker image")
    return {
        "filename": filename,
        "account": account,
        "data_version": version,
        "docker_image": image,
        "label": None,
        "source": environment.get("source"),
    }


def _chosen(choices: list[Fields], identifier: str | None, what: str) -> str:
    for choice in choices:
        if identifier == choice["id"] or (identifier is None and choice["default"]):
            return str(choice["id"])
    raise Refused(f"there is no {what} {identifier}")


def check(services: Services, job: Job) -> None:
    """Read a pickle from beginning to end and store each state that the check reaches."""
    tournament = services.tournament

    def reach(status: str, message: str | None = None) -> None:
        services.jobs.step(job.id, status, tournament.clock.now(), message)

    reach("running")
    content = tournament.state.content(job.facts["filename"])
    reach("validating")
    error = error_of_pickle(content)
    if error is None:
        reach("success", f"a pickle of {len(content)} bytes")
    else:
        reach("failed", error)


def error_of_pickle(content: bytes) -> str | None:
    """Return why bytes are not a pickle, None when they are; nothing in them is run."""
    end = 0
    try:
        for _, _, position in pickletools.genops(io.BytesIO(content)):
            end = (position or 0) + 1
    except ValueError as error:
        return f"this is not a pickle: {error}"
    return None if end == len(content) else f"{len(content) - end} bytes follow the pickle"


def pickle_fields(job: Job, slots: list[str], state: State) -> Fields:
    """Return a ComputePickleUpload; `slots` are the models that use it."""
    facts = job.facts
    version = next(v for v in data_versions(state) if v["id"] == facts["data_version"])
    image = next(i for i in docker_images(state) if i["id"] == facts["docker_image"])
    return {
        "id": job.id,
        "filename": facts["filename"],
        "modelId": job.model_id,
        "assignedModelSlots": slots,
        "dataVersion": version["name"],
        "dataVersionId": version["id"],
        "dockerImage": f"{image['image']}:{image['tag']}",
        "dockerImageId": image["id"],
        "dockerImageName": image["name"],
        "insertedAt": job.inserted_at,
        "updatedAt": job.newest.at,
        "label": facts["label"],
        "version": 1,
        "validationStatus": job.newest.status,
        "triggerStatus": job.newest.status,
        "triggers": [_trigger_fields(job, *check) for check in enumerate(_checks(job.steps))],
        **dict.fromkeys(_OF_RUNS),
    }


def _checks(steps: tuple[Step, ...]) -> list[list[Step]]:
    """Return the steps of each check; a check begins as pending."""
    checks: list[list[Step]] = []
    for step in steps:
        if step.status == "pending":
            checks.append([])
        checks[-1].append(step)
    return checks


def _trigger_fields(job: Job, number: int, steps: list[Step]) -> Fields:
    identifier = f"{job.id}/{number}"
    return {
        "id": identifier,
        "computePickleUploadId": job.id,
        "type": "validation",
        "roundId": None,
        "submissionId": None,
        "insertedAt": steps[0].at,
        "updatedAt": steps[-1].at,
        "status": steps[-1].status,
        "statuses": [
            {
                "id": f"{identifier}/{place}",
                "computePickleTriggerId": identifier,
                "status": step.status,
                "description": step.message,
                "insertedAt": step.at,
                "updatedAt": step.at,
            }
            for place, step in enumerate(steps)
        ],
    }
