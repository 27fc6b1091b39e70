"""Answer what the holder of an API key asks of webhooks, diagnostics and uploaded models."""

from __future__ import annotations

from functools import partial
from typing import Any

from numebot_dagster.practice.api.request import ApiRequest, Resolver, refuse_other
from numebot_dagster.practice.api.services import pickles
from numebot_dagster.practice.api.services.diagnostics import diagnose, diagnostics_fields
from numebot_dagster.practice.api.services.jobs import DIAGNOSTICS, PICKLE, WEBHOOK, Job
from numebot_dagster.practice.api.services.webhooks import is_callable
from numebot_dagster.practice.rules.clock import Refused
from numebot_dagster.practice.schema import Fields


def set_submission_webhook(
    request: ApiRequest, model_id: str | None = None, new_submission_webhook: str | None = None
) -> str:
    """Set the URL that is called when a round opens; none removes it."""
    model = request.own_model("upload_submission", model_id)
    url = new_submission_webhook or None
    if url is not None and not is_callable(url):
        raise Refused(f"{url} is not the address of a webhook")
    if url is not None and "pickle" in request.state.attributes(model.id):
        raise Refused(f"{model.name} submits by its uploaded pickle and has no webhook")
    request.state.set_attributes(model.id, webhook=url)
    return "true"


def trigger_model_webhook(request: ApiRequest, model_id: str) -> str:
    """Call a model's webhook now and return the trigger's id."""
    model = request.own_model("upload_submission", model_id)
    with request.tournament.unlocked():  # the receiver of the call may send requests meanwhile
        job = request.services.webhooks.call(model)
    if job.newest.status != "called":
        raise Refused(f"the webhook of {model.name} failed: {job.newest.message}")
    return job.id


def trigger_logs(request: ApiRequest, trigger_id: str) -> list[Fields]:
    """Return the steps of a call of a webhook, oldest first."""
    request.require("read_submission_info")
    return _log_fields(request.jobs.find(WEBHOOK, trigger_id))


def _log_fields(jobs: list[Job]) -> list[Fields]:
    """Return an InvocationLog for each step; timestamps are seconds since 1970 (INFERRED)."""
    return [
        {"message": step.message or step.status, "timestamp": int(step.at.timestamp())}
        for job in jobs
        for step in job.steps
    ]


def diagnostics_upload_auth(
    request: ApiRequest, filename: str, tournament: int, model_id: str | None = None
) -> Fields:
    """Return where to PUT validation predictions."""
    refuse_other(tournament)
    return request.upload_auth(filename, request.own_model("upload_submission", model_id))


def create_diagnostics(
    request: ApiRequest, filename: str, tournament: int, model_id: str | None = None
) -> Fields:
    """Begin to score uploaded validation predictions."""
    refuse_other(tournament)
    model = request.own_model("upload_submission", model_id)
    request.tournament.uploads.uploaded(filename, model)
    job = request.jobs.add(
        DIAGNOSTICS, request.now, "pending", {"filename": filename}, model_id=model.id
    )
    _continue(request, job)
    return diagnostics_fields(job)


def diagnostics(
    request: ApiRequest, id: str | None = None, model_id: str | None = None
) -> list[Fields]:
    """Return diagnostics by id or of a model, newest first."""
    own = request.own_models("read_submission_info")
    jobs = request.jobs.find(DIAGNOSTICS, id, model_id or None)
    jobs = [job for job in jobs if job.model_id in own]
    for job in jobs:
        _continue(request, job)
    return [diagnostics_fields(job) for job in jobs]


def delete_diagnostics(request: ApiRequest, v2_diagnostics_ids: list[str]) -> str:
    """Remove diagnostics."""
    own = request.own_models("upload_submission")
    for identifier in v2_diagnostics_ids:
        for job in request.jobs.find(DIAGNOSTICS, identifier):
            if job.model_id in own:
                request.jobs.remove(job.id)
    return "true"


def _continue(request: ApiRequest, job: Job) -> None:
    """Go on with a job that has not ended, also after a restart."""
    if not job.is_over:
        request.jobs.work(job.id, partial(_run, request, job))


def _run(request: ApiRequest, job: Job) -> None:
    run = diagnose if job.kind == DIAGNOSTICS else pickles.check
    # The job may have ended, or been removed, before this thread began.
    for current in request.jobs.find(job.kind, job.id):
        if not current.is_over:
            run(request.services, current)


def compute_pickle_data_versions(request: ApiRequest, deprecated: bool = False) -> list[Fields]:
    """Return the data versions that a pickle may be made for."""
    request.require()
    versions = pickles.data_versions(request.state)
    return [version for version in versions if deprecated or not version["deprecated"]]


def compute_pickle_docker_images(
    request: ApiRequest, deprecated: bool | None = False
) -> list[Fields]:
    """Return the Python environments that a pickle may be made for."""
    request.require()
    return pickles.docker_images(request.state)


def compute_pickle_upload_auth(
    request: ApiRequest, filename: str = "model.pkl", model_id: str | None = None
) -> Fields:
    """Return where to PUT a pickled model."""
    account = request.account("upload_submission")
    model = request.tournament.model(model_id, account) if model_id else None
    return request.upload_auth(filename, model)


def create_compute_pickle_upload(
    request: ApiRequest,
    filename: str,
    tournament: int,
    model_id: str | None = None,
    **environment: Any,
) -> Fields:
    """Store an uploaded pickle, assign it to its model and begin to check it."""
    refuse_other(tournament)
    account = request.account("upload_submission")
    model = request.tournament.model(model_id, account) if model_id else None
    request.tournament.uploads.uploaded(filename, model)
    facts = pickles.facts(request.state, filename, account, environment)
    job = request.jobs.add(
        PICKLE, request.now, "pending", facts, model_id=model.id if model else None
    )
    if model:
        request.state.set_attributes(model.id, pickle=job.id)
    return _pickle_fields(request, job)


def compute_pickles(
    request: ApiRequest,
    id: str | None = None,
    model_id: str | None = None,
    unassigned: bool = False,
) -> list[Fields]:
    """Return the account's pickles, newest first."""
    jobs = _pickles(request, request.account("read_submission_info"), id)
    return [
        fields
        for fields in (_pickle_fields(request, job) for job in jobs)
        if model_id is None or model_id in fields["assignedModelSlots"]
        if not (unassigned and fields["assignedModelSlots"])
    ]


def assigned_pickle(request: ApiRequest, attributes: dict[str, str]) -> Fields | None:
    """Return the ComputePickleUpload of the model with these attributes."""
    if "pickle" not in attributes:
        return None
    return _pickle_fields(request, request.jobs.find(PICKLE, attributes["pickle"])[0])


def _pickle_fields(request: ApiRequest, job: Job) -> Fields:
    _continue(request, job)
    slots = [
        model.id
        for model in request.tournament.models(job.facts["account"])
        if request.state.attributes(model.id).get("pickle") == job.id
    ]
    return pickles.pickle_fields(job, slots, request.state)


def _pickles(request: ApiRequest, account: str, pickle_id: str | None) -> list[Job]:
    jobs = request.jobs.find(PICKLE, pickle_id)
    return [job for job in jobs if job.facts["account"] == account]


def _own_pickle(request: ApiRequest, scope: str, pickle_id: str | None) -> Job:
    account = request.account(scope)
    jobs = _pickles(request, account, pickle_id) if pickle_id else []
    if not jobs:
        raise Refused("Pickle not found")
    return jobs[0]


def assign_pickle_to_model(
    request: ApiRequest, model_id: str | None = None, pickle_id: str | None = None
) -> str:
    """Let a model submit by a pickle; without one, by the API again."""
    model = request.own_model("upload_submission", model_id)
    job = _own_pickle(request, "upload_submission", pickle_id) if pickle_id else None
    request.state.set_attributes(model.id, pickle=job.id if job else None)
    return "true"


def update_pickle_label(request: ApiRequest, pickle_id: str, label: str | None = None) -> Fields:
    """Give a pickle a label, or remove it."""
    job = _own_pickle(request, "upload_submission", pickle_id)
    request.jobs.change(job, label=label)
    return _pickle_fields(request, request.jobs.find(PICKLE, job.id)[0])


def trigger_compute_pickle_upload(
    request: ApiRequest,
    model_id: str | None = None,
    pickle_id: str | None = None,
    trigger_validation: bool = False,
) -> Fields:
    """Check a pickle, or that of a model, once more."""
    assigned = request.state.attributes(model_id).get("pickle") if model_id else None
    job = _own_pickle(request, "upload_submission", pickle_id or assigned)
    if job.is_over:
        request.jobs.step(job.id, "pending", request.now)
    return _pickle_fields(request, request.jobs.find(PICKLE, job.id)[0])


def compute_pickle_download_auth(
    request: ApiRequest, model_id: str, pickle_id: str | None = None
) -> Fields:
    """Return a link to a model's pickle."""
    model = request.own_model("download_submission", model_id)
    assigned = request.state.attributes(model.id).get("pickle")
    job = _own_pickle(request, "download_submission", pickle_id or assigned)
    name = job.facts["filename"]
    return request.file_auth(name, "pickles", name)


def diagnostics_trigger_logs(request: ApiRequest, pickle_id: str) -> list[Fields]:
    """Return the messages of the checks of a pickle, oldest first."""
    account = request.account("read_submission_info")
    return _log_fields(_pickles(request, account, pickle_id))


RESOLVERS: dict[str, Resolver] = {
    "assignPickleToModel": assign_pickle_to_model,
    "computePickleDataVersions": compute_pickle_data_versions,
    "computePickleDockerImages": compute_pickle_docker_images,
    "computePickleDownloadAuth": compute_pickle_download_auth,
    "computePickleUploadAuth": compute_pickle_upload_auth,
    "computePickles": compute_pickles,
    "createComputePickleUpload": create_compute_pickle_upload,
    "createDiagnostics": create_diagnostics,
    "deleteDiagnostics": delete_diagnostics,
    "diagnostics": diagnostics,
    "diagnosticsTriggerLogs": diagnostics_trigger_logs,
    "diagnosticsUploadAuth": diagnostics_upload_auth,
    "setSubmissionWebhook": set_submission_webhook,
    "triggerComputePickleUpload": trigger_compute_pickle_upload,
    "triggerLogs": trigger_logs,
    "triggerModelWebhook": trigger_model_webhook,
    "updatePickleLabel": update_pickle_label,
}
