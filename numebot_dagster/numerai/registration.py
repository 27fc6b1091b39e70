"""Register an uploaded file as a submission once, even where Numerai's answers are lost."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from numebot_dagster.numerai import parsing, queries
from numebot_dagster.numerai.errors import (
    NumeraiError,
    QueryRefused,
    SubmissionRejected,
    UnexpectedAnswer,
)
from numebot_dagster.numerai.http.deadline import Deadline
from numebot_dagster.numerai.http.error_translation import PassingFault
from numebot_dagster.numerai.numerapi_bridge import CLASSIC

if TYPE_CHECKING:
    from numebot_dagster.numerai.http.transport import Transport

SOURCE = "numebot-dagster"
# How long Numerai gets to show a registration whose answer was lost before it is repeated. The
# second and third time it gets longer: then it is rather slow than deaf.
PATIENCE = 5.0  # seconds
LONGER_EACH_TIME = 3
SHARE_OF_TIME_LEFT = 1 / 4  # the most of what is left that is spent waiting
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 4.0  # seconds between two looks
# However near the deadline is, a server that fails at once is not asked without a pause.
LEAST_PAUSE = 0.1  # seconds
# What was registered in the last second may still be looked for after the deadline.
SHORTEST_LOOK, LONGEST_LOOK = 1.0, 5.0  # seconds


class Registration:
    """The registration of one uploaded file of one model.

    Args:
        transport: the way to Numerai.
        model_id: Numerai's id of the model.
        filename: the server's own name for the file.
        seconds: after which nothing is tried again, as when the round closes then.
    """

    def __init__(
        self, transport: Transport, model_id: str, filename: str, seconds: float | None = None
    ) -> None:
        most = transport.patience.deadline
        self._transport = transport
        self._model_id = model_id
        self._filename = filename
        self._deadline = Deadline.after(
            most if seconds is None else min(seconds, most), "the registration"
        )

    def create(self) -> str:
        """Register the file and return the id of the submission.

        A lost answer does not show whether the file was registered, so Numerai is asked
        for the file's name before it is registered again.

        Raises:
            SubmissionRejected: Numerai refuses the file.
            NumeraiError: there was no usable answer in time.
        """
        patience = PATIENCE
        while True:
            try:
                return self._register()
            except QueryRefused as refusal:
                return self._shown_or(
                    SubmissionRejected(f"{self._filename} was not accepted: {refusal}")
                )
            except UnexpectedAnswer as empty:
                return self._shown_or(empty)
            except PassingFault as fault:
                if not fault.arrived:  # and was tried again until the end
                    raise
                lost = fault
            self._transport.log.warning(
                "%s; asking whether %s was registered before it is registered again",
                lost,
                self._filename,
            )
            shown = self.await_shown(patience)
            if shown is not None:
                return shown
            if self._deadline.has_passed:
                raise lost
            patience *= LONGER_EACH_TIME

    def await_shown(self, patience: float = PATIENCE) -> str | None:
        """Return the id of the submission of this file as soon as Numerai shows one."""
        until = time.monotonic() + min(patience, self._deadline.left * SHARE_OF_TIME_LEFT)
        pause = FIRST_PAUSE
        while True:
            shown = self._shown()
            left = until - time.monotonic()
            if shown is not None or left <= 0:
                return shown
            time.sleep(max(min(pause, left), LEAST_PAUSE))
            pause = min(2 * pause, LONGEST_PAUSE)

    def _register(self) -> str:
        variables = {
            "filename": self._filename,
            "tournament": CLASSIC,
            "modelId": self._model_id,
            "source": SOURCE,
        }
        data = self._transport.within(self._deadline).query(
            queries.CREATE_SUBMISSION, variables, authorised=True, repeatable=False
        )
        answer = parsing.need(data, "createSubmission")
        return parsing.needed(parsing.read_text, answer, "id")

    def _shown_or(self, error: Exception) -> str:
        """Return the submission that Numerai has all the same, or raise the error."""
        shown = self._shown()
        if shown is None:
            raise error from None
        return shown

    def _shown(self) -> str | None:
        """Look once for a submission of this file, also where else it is shown if it counts.

        A look that fails shows nothing and keeps nothing from being registered: a file that is
        registered twice counts once.
        """
        for rows in (self._of_model, self._of_account):
            try:
                ids = [row.get("id") for row in rows() if row.get("filename") == self._filename]
                return next((str(submission_id) for submission_id in ids if submission_id), None)
            except NumeraiError as error:
                self._transport.log.info("looking for %s failed: %s", self._filename, error)
        return None

    def _of_model(self) -> list[parsing.Json]:
        answer = self._ask(queries.SUBMISSIONS_OF_MODEL, {"modelId": self._model_id})
        return parsing.rows(answer, "submissions")

    def _of_account(self) -> list[parsing.Json]:
        account = self._ask(queries.FLEET, {"latestRounds": 2}).get("account") or {}
        models = parsing.rows(account, "models")
        return [row for model in models for row in parsing.rows(model, "latestSubmissions")]

    def _ask(self, text: str, variables: dict[str, Any]) -> dict[str, Any]:
        left = self._deadline.left
        share = max(left * SHARE_OF_TIME_LEFT, SHORTEST_LOOK) if left > 0 else LONGEST_LOOK
        deadline = Deadline.after(min(share, LONGEST_LOOK), "looking for a registration")
        return self._transport.within(deadline).query(text, variables, authorised=True)
