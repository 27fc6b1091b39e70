"""Ask Numerai's API what the hour of a round needs; `client.enrichment` asks all else.

Everything goes through one `Transport`, so that limits, retries and typed errors hold for all of
it. Errors: see `Transport.query`, and what each method adds.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from numebot_dagster.lake import files
from numebot_dagster.numerai import downloads, parsing, queries
from numebot_dagster.numerai.enrichment import Enrichment
from numebot_dagster.numerai.errors import (
    NotAuthorised,
    NumeraiError,
    QueryRefused,
    RoundNotOpen,
    SubmissionRejected,
    UnexpectedAnswer,
)
from numebot_dagster.numerai.http.deadline import Deadline
from numebot_dagster.numerai.numerapi_bridge import CLASSIC
from numebot_dagster.numerai.records import (
    DownloadedFile,
    Fleet,
    HeldSubmission,
    Model,
    RemoteFile,
    Round,
    SubmissionState,
    UploadTarget,
)
from numebot_dagster.numerai.registration import Registration

if TYPE_CHECKING:
    from numebot_dagster.numerai.http.transport import Transport
    from numebot_dagster.numerai.progress import Progress


DOUBT_SECONDS = 3.0  # for the question about open rounds that only a clock in doubt calls for


class NumeraiClient:
    """The Classic tournament for one account. Safe to share between threads.

    Attributes:
        transport: the way to Numerai, for functions that take it.
        enrichment: what is good to know and no round depends on.
    """

    def __init__(self, transport: Transport) -> None:
        self.transport = transport
        self.enrichment = Enrichment(transport)

    def within(self, deadline: Deadline) -> NumeraiClient:
        """Return this client with every call, all retries included, ended by a deadline."""
        return NumeraiClient(self.transport.within(deadline))

    def now(self) -> datetime:
        """Return Numerai's time, aware UTC: ours, corrected by the `Date` of its newest answer.

        A `Date` that is far from what the clock showed before is believed only if it does not
        contradict the rounds that Numerai calls open, for which it is asked then.
        """
        clock = self.transport.clock
        if clock.asks:
            deadline = Deadline.after(DOUBT_SECONDS, "checking the clock")
            try:
                self.within(deadline).open_rounds()
            except NumeraiError:
                clock.was_not_answered()
        return self.transport.now()

    @property
    def skew(self) -> timedelta | None:
        """How far Numerai's clock is ahead of ours; unknown before its first answer."""
        return self.transport.skew

    def require_credentials(self) -> None:
        """Raise `NotAuthorised` when no credentials are set, before anything is asked."""
        self.transport.require_credentials()

    # Rounds

    def open_rounds(self) -> list[Round]:
        """Return the rounds that Numerai calls open, oldest first; see `Round.is_open` too."""
        try:
            data = self.transport.query(queries.OPEN_ROUNDS, {"tournament": CLASSIC})
            rounds = _sorted_rounds(parsing.rows(data, "rounds"))
        except RoundNotOpen:
            rounds = []
        self.transport.clock.judge(rounds)
        return rounds

    def rounds(self, limit: int = 100) -> list[Round]:
        """Return the newest rounds that have opened, oldest first, at most `limit`."""
        of_all = chain.from_iterable(self._rounds_by_status(limit).values())
        by_number = {round_.number: round_ for round_ in of_all}
        return [by_number[number] for number in sorted(by_number)][-limit:]

    def resolved_rounds(self, limit: int) -> list[Round]:
        """Return the newest rounds that have resolved, oldest first, at most `limit`."""
        return self._rounds_by_status(limit)["resolved"]

    def _rounds_by_status(self, limit: int) -> dict[str, list[Round]]:
        data = self.transport.query(queries.ROUNDS, {"tournament": CLASSIC, "limit": limit})
        rounds = {
            status: _sorted_rounds(parsing.rows(data, status))
            for status in ("open", "resolving", "resolved")
        }
        self.transport.clock.judge(rounds["open"])
        return rounds

    def round(self, number: int) -> Round:
        """Return the times of one round.

        Raises:
            UnexpectedAnswer: there is no such round.
        """
        data = self.transport.query(queries.ROUND, {"tournament": CLASSIC, "number": number})
        for round_ in _sorted_rounds(parsing.rows(data, "rounds")):
            if round_.number == number:
                return round_
        raise UnexpectedAnswer(f"Numerai has no round {number}")

    # Submissions

    def fleet(self, latest_rounds: int = 3) -> Fleet:
        """Return all Classic models of the account and what Numerai holds of each, by one query."""
        variables = {"latestRounds": latest_rounds}
        data = self.transport.query(queries.FLEET, variables, authorised=True)
        parsing.need(data, "account", "models")
        slots = parsing.usable(_parse_slot, parsing.rows(data["account"], "models"))
        classic = [slot for slot in slots if slot[0].tournament in (None, CLASSIC)]
        return Fleet(
            {model.name: model for model, _ in classic},
            tuple(submission for _, submissions in classic for submission in submissions),
        )

    def authorise_upload(self, model_id: str, filename: str) -> UploadTarget:
        """Ask where to put a file; the answer has the server's own name for it."""
        variables = {"filename": filename, "tournament": CLASSIC, "modelId": model_id}
        data = self.transport.query(queries.AUTHORISE_UPLOAD, variables, authorised=True)
        return _upload_target(parsing.need(data, "submissionUploadAuth"))

    def put_upload(self, target: UploadTarget, content: bytes) -> None:
        """Upload the bytes of a submission.

        Raises:
            SubmissionRejected: the storage answered with another status than 2xx.
        """
        try:
            self.transport.put(target.url, content)
        except (QueryRefused, NotAuthorised) as error:
            raise SubmissionRejected(
                f"the upload of {target.filename} was refused, nothing was submitted: {error}"
            ) from None

    def create_submission(
        self,
        model_id: str,
        filename: str,
        *,
        seconds: float | None = None,
        perhaps_registered: bool = False,
    ) -> str:
        """Register an uploaded file as the model's submission, once, and return its id.

        Args:
            model_id: Numerai's id of the model.
            filename: the server's own name for the file.
            seconds: after which it is not tried again, as when the round closes then.
            perhaps_registered: an earlier attempt may have registered it, or be about to; Numerai
                is asked first.

        Raises:
            SubmissionRejected: Numerai refuses the file.
        """
        registration = Registration(self.transport, model_id, filename, seconds)
        shown = registration.await_shown() if perhaps_registered else None
        return shown or registration.create()

    def submission_states(self, ids: Sequence[str]) -> dict[str, SubmissionState]:
        """Return Numerai's state of these submissions by id; unknown ids are absent."""
        if not ids:
            return {}
        variables = {f"i{index}": submission_id for index, submission_id in enumerate(ids)}
        text = queries.submission_states(len(ids))
        data = self.transport.query(text, variables, authorised=True)
        states = (
            parsing.parse_state(submission_id, parsing.rows(data, f"s{index}"))
            for index, submission_id in enumerate(ids)
        )
        return {state.submission_id: state for state in states if state is not None}

    def download_submission(self, submission_id: str) -> bytes:
        """Return the CSV that Numerai holds under an id."""
        variables = {"id": submission_id}
        data = self.transport.query(queries.AUTHORISE_DOWNLOAD, variables, authorised=True)
        answer = parsing.need(data, "submissionDownloadAuth")
        return self.transport.get(parsing.needed(parsing.read_text, answer, "url"))

    # Data files

    def identify(self, name: str, *, round_number: int | None = None) -> RemoteFile:
        """Return size, entity tag and date of a data file, such as `v5.3/live.parquet`."""
        headers = self.transport.headers(self._location(name, round_number))
        return downloads.remote_file(name, headers)

    def download(
        self, name: str, destination: Path, *, progress: Progress | None = None
    ) -> DownloadedFile:
        """Download a data file, whole and verified.

        Raises:
            DownloadFailed: what arrived is not what was announced, or not a whole file.
            CannotWrite: the disk is full, or refuses the file.
        """
        with files.explained(destination):
            return downloads.fetch(
                self.transport, name, lambda: self._location(name), destination, progress=progress
            )

    def _location(self, name: str, round_number: int | None = None) -> str:
        variables = {"filename": name, "round": round_number, "tournament": CLASSIC}
        data = self.transport.query(queries.DATASET_URL, variables)
        url = parsing.read_text(data, "dataset")
        if url is None:
            raise UnexpectedAnswer(f"Numerai has no data file {name}")
        return url


def _parse_slot(raw: parsing.Json) -> tuple[Model, list[HeldSubmission]]:
    """Return a model with what Numerai holds of it, as far as it can be read."""
    model = parsing.parse_model(raw)
    try:
        # A row without its round cannot be the one that is looked for.
        rows = [row for row in parsing.rows(raw, "latestSubmissions") if row.get("roundNumber")]
        return model, parsing.usable(partial(parsing.parse_held, model), rows)
    except UnexpectedAnswer as problem:
        parsing.warn_of_entry(f"{model.name}: {problem}")
        return model, []


def _upload_target(answer: parsing.Json) -> UploadTarget:
    return UploadTarget(
        parsing.needed(parsing.read_text, answer, "filename"),
        parsing.needed(parsing.read_text, answer, "url"),
    )


def _sorted_rounds(answers: Sequence[parsing.Json]) -> list[Round]:
    rounds = {round_.number: round_ for round_ in parsing.usable(parsing.parse_round, answers)}
    return [rounds[number] for number in sorted(rounds)]
