"""Answer what the holder of an API key asks of the account's models, and change them."""

from __future__ import annotations

from numebot_dagster.practice.api.answers.services import assigned_pickle
from numebot_dagster.practice.api.answers.submissions import latest_submissions, submissions_of
from numebot_dagster.practice.api.request import ApiRequest, Resolver, refuse_other
from numebot_dagster.practice.rules.state import Model
from numebot_dagster.practice.schema import Fields
from numebot_dagster.practice.schema.model_objects import model_fields, stake_fields
from numebot_dagster.practice.schema.people_objects import returns_fields, returns_values
from numebot_dagster.practice.scoring.ledger import Earning, stake_of


def model(request: ApiRequest, model_id: str | None = None) -> Fields:
    """Return a model of the account."""
    return model_fields_of(request, request.own_model("read_user_info", model_id))


def model_fields_of(request: ApiRequest, model: Model) -> Fields:
    """Return a Model."""

    def earnings() -> list[Earning]:
        return request.ledger.earnings([model], request.tournament.timetable.opened_rounds())

    attributes = request.state.attributes(model.id)
    return model_fields(
        model,
        attributes,
        {
            "v2Stake": lambda: stake_fields(stake_of(earnings())),
            "submissions": lambda: submissions_of(request, model),
            "latestSubmissions": lambda latest_n_rounds=20: latest_submissions(
                request, model, latest_n_rounds
            ),
            "latestUserScores": lambda: request.history().user_scores(model.id),
            "returns": lambda: returns_fields(earnings(), request.now),
            "returnsValues": lambda: returns_values(earnings(), request.now),
            "computePickleUpload": lambda: assigned_pickle(request, attributes),
        },
    )


def add_model(request: ApiRequest, name: str, tournament: int) -> Fields:
    """Add a model slot to the account."""
    account = request.account("read_user_info")
    refuse_other(tournament)
    return model_fields_of(request, request.tournament.add_model(name, account))


def rename_model(request: ApiRequest, model_id: str, name: str) -> Fields:
    """Give a model another name."""
    model = request.own_model("upload_submission", model_id)
    request.tournament.rename_model(model, name)
    return model_fields_of(request, request.tournament.model(model.id, model.account))


def archive_model(request: ApiRequest, model_id: str) -> Fields:
    """Hide a model from everybody who does not ask for archived ones."""
    return _archived(request, model_id, request.now.isoformat())


def unarchive_model(request: ApiRequest, model_id: str) -> Fields:
    """Show an archived model again."""
    return _archived(request, model_id, None)


def _archived(request: ApiRequest, model_id: str, archived_at: str | None) -> Fields:
    model = request.own_model("upload_submission", model_id)
    request.state.set_attributes(model.id, archived_at=archived_at)
    return model_fields_of(request, model)


RESOLVERS: dict[str, Resolver] = {
    "addModel": add_model,
    "archiveModel": archive_model,
    "model": model,
    "renameModel": rename_model,
    "unarchiveModel": unarchive_model,
}
