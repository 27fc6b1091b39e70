"""Call the models' webhooks when a round opens."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from urllib.parse import urlsplit

import requests

from numebot_dagster.practice.api.services.jobs import WEBHOOK, Job, Jobs
from numebot_dagster.practice.rules.clock import Refused
from numebot_dagster.practice.rules.state import Model
from numebot_dagster.practice.rules.tournament import Tournament

CALL_SECONDS = 10.0
LOOK_SECONDS = 0.5


def is_callable(url: str) -> bool:
    """Return whether a webhook can be called at an address."""
    try:
        requests.Request("POST", url).prepare()  # refuses addresses without a host
        return urlsplit(url).scheme in ("http", "https")
    except ValueError:
        return False


class Webhooks:
    """Calls each webhook once a round, in a thread of its own; a failed call is not repeated.

    A window that the clock jumps over is not called for.
    """

    def __init__(self, tournament: Tournament, jobs: Jobs) -> None:
        self._tournament = tournament
        self._jobs = jobs
        # Whether a call to a model's webhook is to be made twice.
        self.twice: Callable[[str], bool] = lambda _: False
        self._awake = threading.Event()
        self._stopped = False
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start to watch for rounds that open."""
        self._stopped = False
        self._thread = threading.Thread(target=self._watch, name="webhooks", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop to watch, after the call that is under way."""
        self._stopped = True
        self._awake.set()
        if self._thread is not None:
            self._thread.join(CALL_SECONDS)

    def wake(self) -> None:
        """Look for a newly opened round at once, because the clock has moved."""
        self._awake.set()

    def call(self, model: Model, round_number: int | None = None) -> Job:
        """Call a model's webhook with a new trigger id, and store the outcome."""
        url = self._tournament.state.attributes(model.id).get("webhook")
        if url is None:
            raise Refused(f"{model.name} has no webhook: set one first")
        now = self._tournament.clock.now()
        job = self._jobs.add(
            WEBHOOK, now, "calling", {"url": url}, model_id=model.id, round_number=round_number
        )
        try:
            for _ in range(2 if self.twice(model.name) else 1):
                answer = requests.post(url, json={"triggerId": job.id}, timeout=CALL_SECONDS)
            status = "called" if answer.ok else "failed"
            message = f"{url} answered {answer.status_code}"
        except requests.RequestException as error:
            status, message = "failed", f"{url} could not be called: {error}"
        self._jobs.step(job.id, status, self._tournament.clock.now(), message)
        return self._jobs.find(WEBHOOK, job.id)[0]

    def _watch(self) -> None:
        while not self._stopped:
            self._call_all()
            self._awake.wait(LOOK_SECONDS)
            self._awake.clear()

    def _call_all(self) -> None:
        """Call the webhooks that were not yet called for the open round, all at once."""
        try:
            round_number = self._tournament.timetable.open_round().number
        except Refused:
            return
        for model in self._tournament.models_of_users():
            if "webhook" not in self._tournament.state.attributes(model.id):
                continue
            jobs = self._jobs.find(WEBHOOK, model_id=model.id)
            if round_number not in {job.round for job in jobs} and not self._stopped:
                self._jobs.work(
                    f"{model.id}/{round_number}", partial(self._call, model, round_number)
                )

    def _call(self, model: Model, round_number: int) -> None:
        """Call a webhook for a round unless another thread just has."""
        called = {job.round for job in self._jobs.find(WEBHOOK, model_id=model.id)}
        if round_number not in called:
            self.call(model, round_number)
