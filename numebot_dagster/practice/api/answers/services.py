"""What the holder of an API key may have done: webhooks, diagnostics, pickles, a profile.

A method is the resolver of the root field of its camelCase name.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from numebot_dagster.practice.api.answers.account import AccountAnswers
from numebot_dagster.practice.api.request import Fields, refuse_other
from numebot_dagster.practice.api.services import pickles
from numebot_dagster.practice.api.services.diagnostics import diagnose, diagnostics_fields
from numebot_dagster.practice.api.services.jobs import DIAGNOSTICS, PICKLE, WEBHOOK, Job
from numebot_dagster.practice.api.services.webhooks import is_callable
from numebot_dagster.practice.rules.clock import Refused
from numebot_dagster.practice.rules.state import Model


class ServiceAnswers(AccountAnswers):
    """Answers that need an API key and are not about submissions."""

    def _own(self, scope: str, model_id: str | None) -> Model:
        account = self._require(scope).account
        return self._tournament.model(model_id or None, account)

    # --- profile ------------------------------------------------------------------------------

    def set_user_bio(self, value: str, model_id: str | None = None) -> bool:
        """Sets what a model, or without one the account, says of itself."""
        self._set_profile(model_id, bio=value)
        return True

    def set_user_link(
        self, link_url: str, link_text: str | None = None, model_id: str | None = None
    ) -> bool:
        """Sets the link of a model, or without one of the account."""
        self._set_profile(model_id, link_url=link_url, link_text=link_text)
        return True

    def _set_profile(self, model_id: str | None, **values: str | None) -> None:
        account = self._require("upload_submission").account
        if model_id:
            owner = self._tournament.model(model_id, account).id
        else:
            owner = self._state.account_id(account)
        self._state.set_attributes(owner, **values)

    def rename_model(self, model_id: str, name: str) -> Fields:
        """Gives a model another name."""
        model = self._own("upload_submission", model_id)
        self._tournament.rename_model(model, name)
        return self._model(self._tournament.model(model.id, model.account))

    def archive_model(self, model_id: str) -> Fields:
        """Hides a model; it is shown when archived ones are asked for."""
        model = self._own("upload_submission", model_id)
        self._state.set_attributes(model.id, archived_at=self._now.isoformat())
        return self._model(model)

    def unarchive_model(self, model_id: str) -> Fields:
        """Shows an archived model again."""
        model = self._own("upload_submission", model_id)
        self._state.set_attributes(model.id, archived_at=None)
        return self._model(model)

    # --- webhooks -----------------------------------------------------------------------------

    def set_submission_webhook(
        self, model_id: str | None = None, new_submission_webhook: str | None = None
    ) -> str:
        """Sets the URL that is called when a round opens; none removes it."""
        model = self._own("upload_submission", model_id)
        url = new_submission_webhook or None
        if url is not None and not is_callable(url):
            raise Refused(f"{url} is not the address of a webhook")
        if url is not None and "pickle" in self._state.attributes(model.id):
            raise Refused(f"{model.name} submits by its uploaded pickle and has no webhook")
        self._state.set_attributes(model.id, webhook=url)
        return "true"

    def trigger_model_webhook(self, model_id: str) -> str:
        """Calls a model's webhook now and returns the trigger's id."""
        model = self._own("upload_submission", model_id)
        with self._tournament.unlocked():  # whoever is called may ask something back
            job = self._webhooks.call(model)
        if job.newest.status != "called":
            raise Refused(f"the webhook of {model.name} failed: {job.newest.message}")
        return job.id

    def trigger_logs(self, trigger_id: str) -> list[Fields]:
        """Returns what became of a call of a webhook, oldest first."""
        self._require("read_submission_info")
        return _log_fields(self._jobs.find(WEBHOOK, trigger_id))

    # --- diagnostics --------------------------------------------------------------------------

    def diagnostics_upload_auth(
        self, filename: str, tournament: int, model_id: str | None = None
    ) -> Fields:
        """Returns where to PUT validation predictions."""
        refuse_other(tournament)
        model = self._own("upload_submission", model_id)
        name = self._tournament.authorise_upload(filename, model)
        return self._file(name, "uploads", name)

    def create_diagnostics(
        self, filename: str, tournament: int, model_id: str | None = None
    ) -> Fields:
        """Begins to score uploaded validation predictions."""
        refuse_other(tournament)
        model = self._own("upload_submission", model_id)
        self._tournament.uploaded(filename, model)
        job = self._jobs.add(
            DIAGNOSTICS, self._now, "pending", {"filename": filename}, model_id=model.id
        )
        self._work_on(job)
        return diagnostics_fields(job)

    def diagnostics(self, id: str | None = None, model_id: str | None = None) -> list[Fields]:
        """Returns diagnostics by id or of a model, newest first."""
        account = self._require("read_submission_info").account
        own = {model.id for model in self._tournament.models(account)}
        jobs = [
            job for job in self._jobs.find(DIAGNOSTICS, id, model_id or None) if job.model_id in own
        ]
        for job in jobs:
            self._work_on(job)
        return [diagnostics_fields(job) for job in jobs]

    def delete_diagnostics(self, v2_diagnostics_ids: list[str]) -> str:
        """Forgets diagnostics."""
        account = self._require("upload_submission").account
        own = {model.id for model in self._tournament.models(account)}
        for identifier in v2_diagnostics_ids:
            for job in self._jobs.find(DIAGNOSTICS, identifier):
                if job.model_id in own:
                    self._jobs.remove(job.id)
        return "true"

    def _work_on(self, job: Job) -> None:
        """Goes on with a job that has not ended, also after a restart."""
        if not _is_over(job):
            self._jobs.work(job.id, partial(self._go_on, job))

    def _go_on(self, asked: Job) -> None:
        # It may have ended between the question about it and the start of this thread.
        for job in self._jobs.find(asked.kind, asked.id):
            if not _is_over(job):
                (diagnose if job.kind == DIAGNOSTICS else pickles.check)(self._services, job)

    # --- pickles ------------------------------------------------------------------------------

    def compute_pickle_data_versions(self, deprecated: bool = False) -> list[Fields]:
        """Returns the data versions that a pickle may be made for."""
        self._require()
        found = pickles.data_versions(self._state)
        return [one for one in found if deprecated or not one["deprecated"]]

    def compute_pickle_docker_images(self, deprecated: bool | None = False) -> list[Fields]:
        """Returns the Python environments that a pickle may be made for."""
        self._require()
        return pickles.docker_images(self._state, self._now)

    def compute_pickle_upload_auth(
        self, filename: str = "model.pkl", model_id: str | None = None
    ) -> Fields:
        """Returns where to PUT a pickled model."""
        account = self._require("upload_submission").account
        model = self._tournament.model(model_id, account) if model_id else None
        name = self._tournament.authorise_upload(filename, model)
        return self._file(name, "uploads", name)

    def create_compute_pickle_upload(
        self, filename: str, tournament: int, model_id: str | None = None, **wanted: Any
    ) -> Fields:
        """Takes in an uploaded pickle, assigns it to its model and begins to check it."""
        refuse_other(tournament)
        account = self._require("upload_submission").account
        model = self._tournament.model(model_id, account) if model_id else None
        self._tournament.uploaded(filename, model)
        facts = pickles.facts(self._state, filename, account, self._now, wanted)
        job = self._jobs.add(
            PICKLE, self._now, "pending", facts, model_id=model.id if model else None
        )
        if model:
            self._state.set_attributes(model.id, pickle=job.id)
        self._work_on(job)
        return self._pickle(job)

    def compute_pickles(
        self, id: str | None = None, model_id: str | None = None, unassigned: bool = False
    ) -> list[Fields]:
        """Returns the account's pickles, newest first."""
        account = self._require("read_submission_info").account
        found = [self._pickle(job) for job in self._pickles(account, id)]
        if model_id is not None:
            found = [one for one in found if model_id in one["assignedModelSlots"]]
        return [one for one in found if not (unassigned and one["assignedModelSlots"])]

    def _pickles(self, account: str, identifier: str | None = None) -> list[Job]:
        found = self._jobs.find(PICKLE, identifier)
        return [job for job in found if job.facts["account"] == account]

    def _owned_pickle(self, pickle_id: str | None) -> Job:
        account = self._require("upload_submission").account
        found = self._pickles(account, pickle_id) if pickle_id else []
        if not found:
            raise Refused("Pickle not found")
        return found[0]

    def _pickle(self, job: Job) -> Fields:
        self._work_on(job)
        return super()._pickle(job)

    def assign_pickle_to_model(
        self, model_id: str | None = None, pickle_id: str | None = None
    ) -> str:
        """Lets a model submit by a pickle; without one, by the API again."""
        model = self._own("upload_submission", model_id)
        job = self._owned_pickle(pickle_id) if pickle_id else None
        self._state.set_attributes(model.id, pickle=job.id if job else None)
        return "true"

    def update_pickle_label(self, pickle_id: str, label: str | None = None) -> Fields:
        """Names a pickle; without a label its name is taken away."""
        self._jobs.change(self._owned_pickle(pickle_id), label=label)
        return self._pickle(self._owned_pickle(pickle_id))

    def trigger_compute_pickle_upload(
        self,
        model_id: str | None = None,
        pickle_id: str | None = None,
        trigger_validation: bool = False,
    ) -> Fields:
        """Checks a pickle, or that of a model, once more."""
        held = self._state.attributes(model_id).get("pickle") if model_id else None
        job = self._owned_pickle(pickle_id or held)
        if job.newest.status in pickles.ENDS:
            self._jobs.step(job.id, "pending", self._now)
        return self._pickle(self._owned_pickle(job.id))

    def compute_pickle_download_auth(self, model_id: str, pickle_id: str | None = None) -> Fields:
        """Returns a link to a model's pickle."""
        model = self._own("download_submission", model_id)
        held = pickle_id or self._state.attributes(model.id).get("pickle")
        found = self._pickles(model.account, held) if held else []
        if not found:
            raise Refused("Pickle not found")
        name = found[0].facts["filename"]
        return self._file(name, "pickles", name)

    def diagnostics_trigger_logs(self, pickle_id: str) -> list[Fields]:
        """Returns what the checks of a pickle said, oldest first."""
        account = self._require("read_submission_info").account
        return _log_fields(self._pickles(account, pickle_id))


def _log_fields(jobs: list[Job]) -> list[Fields]:
    """Returns an InvocationLog for each step; timestamps are seconds since 1970 (INFERRED)."""
    return [
        {"message": step.message or step.status, "timestamp": int(step.at.timestamp())}
        for job in jobs
        for step in job.steps
    ]


def _is_over(job: Job) -> bool:
    if job.kind == DIAGNOSTICS:
        return job.newest.status not in ("pending", "running")
    return job.newest.status in pickles.ENDS
