"""Take submissions, and answer what the holder of an API key asks of the account's own."""

from __future__ import annotations

from typing import Any

from numebot_dagster.practice.api.request import ApiRequest, Resolver, refuse_other
from numebot_dagster.practice.rules.clock import Refused, Round
from numebot_dagster.practice.rules.state import Model, Submission
from numebot_dagster.practice.schema import Fields
from numebot_dagster.practice.schema.model_objects import latest_fields, submission_fields


def submission_upload_auth(
    request: ApiRequest, filename: str, tournament: int, model_id: str | None = None
) -> Fields:
    """Return where to PUT a submission's bytes."""
    refuse_other(tournament)
    return request.upload_auth(filename, request.own_model("upload_submission", model_id))


def create_submission(
    request: ApiRequest,
    filename: str,
    tournament: int,
    model_id: str | None = None,
    version: int | None = None,
    **origin: Any,
) -> Fields:
    """Turn uploaded bytes into a submission; whether it is valid shows later."""
    refuse_other(tournament)
    model = request.own_model("upload_submission", model_id)
    submission = request.tournament.uploads.submit(filename, model, origin)
    return _fields_of(request, submission, request.tournament.selected(model.id))


def submissions(
    request: ApiRequest, id: str | None = None, model_id: str | None = None
) -> list[Fields]:
    """Return a submission by id, or all of a model, newest first."""
    if id is None:
        return submissions_of(request, request.own_model("read_submission_info", model_id))
    return [
        fields
        for model in request.own_models("read_submission_info").values()
        if model_id in (None, model.id)
        for fields in submissions_of(request, model)
        if fields["id"] == id
    ]


def submissions_of(request: ApiRequest, model: Model) -> list[Fields]:
    """Return a V2Submission for each submission of a model, newest first."""
    request.require("read_submission_info")
    selected = request.tournament.selected(model.id)
    newest_first = reversed(request.state.submissions(model.id))
    return [_fields_of(request, submission, selected) for submission in newest_first]


def _fields_of(
    request: ApiRequest, submission: Submission, selected: dict[int, Submission]
) -> Fields:
    """Return a V2Submission; `selected` are the model's submissions that count, by round."""
    counting = selected.get(submission.round)
    is_selected = (
        counting is not None
        and counting.id == submission.id
        and request.now >= Round(submission.round).open_time
    )
    round_ = request.round_fields(request.tournament.timetable.round(submission.round))
    return submission_fields(submission, is_selected, round_)


def latest_submissions(request: ApiRequest, model: Model, newest: int) -> list[Fields]:
    """Return a LatestSubmission for each of a model's newest rounds."""
    request.require("read_submission_info")
    return [latest_fields(entry) for entry in request.tournament.entries(model.id, newest)]


def submission_download_auth(request: ApiRequest, id: str) -> Fields:
    """Return a link to a submission's file."""
    submission = own_submission(request, "download_submission", id)
    key = f"{submission.id}/{submission.filename}"
    return request.file_auth(submission.filename, "submissions", key)


def own_submission(request: ApiRequest, scope: str, submission_id: str) -> Submission:
    """Return a submission of the request's account.

    Raises:
        Refused: The account has no such submission, or the key lacks the scope.
    """
    own = request.own_models(scope)
    for submission in request.state.submissions():
        if submission.id == submission_id and submission.model_id in own:
            return submission
    raise Refused("Submission not found")


RESOLVERS: dict[str, Resolver] = {
    "createSubmission": create_submission,
    "submissionDownloadAuth": submission_download_auth,
    "submissionUploadAuth": submission_upload_auth,
    "submissions": submissions,
}
