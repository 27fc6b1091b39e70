"""Play a round: predict, submit and confirm every model, whatever happens to the others.

The order of the hour: ask once what Numerai holds for the whole fleet; predict, pass the gates and
upload, the largest stake first, uploads running beside the next model's prediction; then the lower
rungs that had to wait; only when nothing is left to upload, confirm by download.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from functools import partial

from numebot_dagster.lake.locks import exclusive
from numebot_dagster.modeling.registry import RegisteredModel
from numebot_dagster.modeling.worker.worker import Worker
from numebot_dagster.numerai.errors import (
    NotAuthorised,
    NumeraiError,
    NumeraiUnavailable,
    SubmissionRejected,
)
from numebot_dagster.numerai.records import Fleet, Round
from numebot_dagster.operations import long_work
from numebot_dagster.operations.alerts import outbox
from numebot_dagster.operations.causes import named
from numebot_dagster.operations.health import watchdog
from numebot_dagster.operations.platform import Platform
from numebot_dagster.operations.rounds import (
    acceptance,
    confirmation,
    follow_up,
    planning,
    uploading,
)
from numebot_dagster.operations.rounds.gates import GateClosed
from numebot_dagster.operations.rounds.ladder import EXPECTED, Ladder, LadderFailed, Postponed
from numebot_dagster.operations.rounds.outcomes import Ending, Play, Played
from numebot_dagster.operations.rounds.planning import HourPlan
from numebot_dagster.operations.rounds.predicting import Prediction, stored_prediction
from numebot_dagster.operations.slots import no_slot
from numebot_dagster.submissions.receipts import CAME_LATER, Receipt, RoundRecords, Rung
from numebot_dagster.submissions.reconciliation import (
    Action,
    Decision,
    Intention,
    Situation,
    decide,
)

UPLOADS_AT_ONCE = 4
# What Numerai was seen to hold is trusted for so long: somebody may upload by hand meanwhile.
FLEET_SECONDS = 60.0

Step = Callable[[], Played]
Descend = Callable[[RegisteredModel, Rung], Prediction]


def play(platform: Platform, request: Play) -> list[Played]:
    """Play a round for the models asked for, and return one `Played` per model, in their order.

    Two processes that play the same round take turns, and the second finds the work done.

    Raises:
        NumeraiError: when the round or the fleet cannot be read at all.
    """
    lock = platform.lake.lock_file(f"round-{request.round_number}")
    with exclusive(
        lock, lambda holder: platform.log.info("Waiting: another run plays this round (%s)", holder)
    ):
        this = _RoundPlay(platform, request)
        played = this.run()
    if this.submits:
        refusal = this.refusal if isinstance(this.refusal, NotAuthorised) else None
        watchdog.announce_round(platform, this.round, this.records, refusal)
    return played


def _how(prediction: Prediction) -> str:
    if prediction.rung is Rung.LIVE:
        return f"with vintage {prediction.vintage} in {prediction.seconds or 0:.1f} s"
    # Why the rungs above failed was said when they did.
    what = (prediction.rung_reason or "").partition(". ")[0]
    return f"on the {prediction.rung} rung: {what}"


class _RoundPlay:
    """One run over one round."""

    def __init__(self, platform: Platform, request: Play) -> None:
        self.platform = platform
        self.request = request
        self.round: Round = platform.client.round(request.round_number)
        self.records = RoundRecords(platform.lake, request.round_number)
        self._had_closed = self._has_closed
        self.submits = request.submit and any(model.submit for model in request.models)
        self.refusal: NumeraiError | None = None
        self.fleet: Fleet | None = self._ask_fleet() if self.submits else None
        self._asked_at = time.monotonic()
        self._asking = threading.Lock()

    def _ask_fleet(self) -> Fleet | None:
        """Return what Numerai holds, or None where it does not say: the models predict anyway."""
        try:
            return follow_up.fleet_of(self.platform, self.round)
        except (NotAuthorised, NumeraiUnavailable) as refusal:
            if not self.round.is_open(self.platform.client.now()):
                raise
            self.refusal = refusal
            remedy = "with a corrected key, " if isinstance(refusal, NotAuthorised) else ""
            self.platform.log.error(
                "Round %d: nothing can be submitted now: %s. The models predict meanwhile; "
                "%s`numebot run` submits what they predicted.",
                self.round.number,
                refusal,
                remedy,
            )
            return None

    def _ask_again(self, trusted_for: float | None = None) -> None:
        """Ask again what Numerai holds if the answer is old; a failure keeps the old answer."""
        seconds = FLEET_SECONDS if trusted_for is None else trusted_for
        with self._asking:
            if time.monotonic() - self._asked_at < seconds:
                return
            try:
                self.fleet = follow_up.fleet_of(self.platform, self.round)
            except NumeraiError as error:
                self.platform.log.warning(
                    "Round %d: what Numerai holds was not asked again: %s", self.round.number, error
                )
            self._asked_at = time.monotonic()

    def run(self) -> list[Played]:
        plan = self._plan()
        with Worker() as worker, ThreadPoolExecutor(UPLOADS_AT_ONCE) as pool:
            if plan is not None and plan.too_late:
                pool.submit(outbox.send, self.platform, plan.alert)
            measured = {} if plan is None else plan.measured
            ladder = Ladder(self.platform, worker, self.records, self._seconds_left, measured)
            sent = [future.result() for future in self._begin_all(ladder, pool)]
            # Nothing is left to upload: only now is there time for downloads.
            ending = [pool.submit(self._end, played) for played in sent]
            done = {played.model.name: played for played in (future.result() for future in ending)}
        return [done[model.name] for model in self.request.models]

    def _plan(self) -> HourPlan | None:
        """Plan what is left to predict; None where nothing hurries."""
        if not self.submits or not self.round.is_open(self.platform.client.now()):
            return None
        try:
            return planning.plan_the_rest(
                self.platform, self.request.models, self.round, self.records
            )
        except Exception as error:  # a plan is worth something, but not the round
            self.platform.log.warning("The hour is played without a plan: %s", error)
            return None

    def _seconds_left(self) -> float:
        return planning.seconds_left(self.platform, self.round) if self.submits else math.inf

    def _begin_all(self, ladder: Ladder, pool: ThreadPoolExecutor) -> list[Future[Played]]:
        """Predict one model after another, here; uploads run beside the next one's prediction.

        A model whose next rung would cost the others too much waits until they are through, and
        with it those that need its predictions.
        """
        begun: list[Future[Played]] = []
        waiting: list[RegisteredModel] = []
        for model in planning.in_order(self.platform, self.request.models):
            if {other.name for other in waiting}.intersection(model.inputs):
                waiting.append(model)
                continue
            try:
                step = self._begin(model, ladder, others_wait=True)
            except Postponed:
                waiting.append(model)
                continue
            begun.append(pool.submit(self._carry_out, model, step))
        for model in waiting:
            step = self._begin(model, ladder, others_wait=False)
            begun.append(pool.submit(self._carry_out, model, step))
        return begun

    def _begin(self, model: RegisteredModel, ladder: Ladder, *, others_wait: bool) -> Step:
        """Predict if need be, and return the step that then goes over the network."""
        try:
            return self._next_step(model, partial(ladder.descend, others_wait=others_wait))
        except Postponed:
            raise
        except Exception as error:
            return partial(self._failed, model, error)

    def _end(self, played: Played) -> Played:
        if played.ending is not Ending.ACCEPTED:
            return played
        return self._carry_out(played.model, partial(self._confirm, played))

    def _carry_out(self, model: RegisteredModel, step: Step) -> Played:
        """Run a step of one model, so that its failure is recorded and stops no other."""
        try:
            return step()
        except Exception as error:
            return self._failed(model, error)

    def _next_step(self, model: RegisteredModel, descend: Descend) -> Step:
        """Return what is to do for a model; if it is to be submitted, it predicts first."""
        if not (self.submits and model.submit):
            return partial(self._predicted_only, model, self._predict(model, descend))
        if self.refusal is not None:
            return self._hold_back(model, descend, self.refusal)
        decision = self._decide(model, Intention(sha256=""))
        if decision.action is not Action.SUBMIT:
            return self._without_upload(model, decision)
        intended = self._intended(model)
        if intended is not None:
            return partial(self._submit, model, intended)
        standing = decision.receipt
        if standing is None or standing.is_invalid:
            return partial(self._submit, model, self._predict(model, descend))
        return self._improve(model, standing, descend)

    def _improve(self, model: RegisteredModel, standing: Receipt, descend: Descend) -> Step:
        """Try for a higher rung than Numerai holds already; if that fails, that one stays."""
        if self.request.force:
            return partial(self._submit, model, self._predict(model, descend, standing.rung))
        try:
            prediction = self._predict(model, descend, standing.rung.next_higher)
        except Postponed:
            raise
        except Exception as error:
            self.platform.log.warning(
                "%s: no rung above `%s` could be played, so what Numerai holds stays: %s",
                model.name,
                standing.rung,
                error,
                exc_info=not isinstance(error, EXPECTED) and error,
            )
            holding = Intention(standing.predictions_sha256 or "", standing.rung)
            return self._without_upload(model, self._decide(model, holding))
        return partial(self._submit, model, prediction)

    def _without_upload(self, model: RegisteredModel, decision: Decision) -> Step:
        if decision.action is Action.REFUSE:
            return partial(self._refused, model, decision)
        if decision.action is Action.SKIP:
            return partial(self._skipped, model, decision)
        if decision.action is Action.LEAVE:
            return partial(self._left_alone, model, decision)
        return partial(self._take_up, model, decision)

    def _predict(
        self, model: RegisteredModel, descend: Descend, lowest: Rung = Rung.FALLBACK
    ) -> Prediction:
        with long_work.followed(self.platform.log, f"{model.name}: predicting"):
            prediction = descend(model, lowest)
        self.platform.log.info(
            "%s: predicted %d ids, %s", model.name, len(prediction.ids), _how(prediction)
        )
        return prediction

    def _hold_back(self, model: RegisteredModel, descend: Descend, refusal: NumeraiError) -> Step:
        """Store and record predictions that cannot be sent, so that the next run sends them."""
        if planning.is_finished(self.records[model.name]):
            raise refusal
        prediction = self._intended(model) or self._predict(model, descend)
        return partial(self._failed, model, refusal, prediction)

    def _predicted_only(self, model: RegisteredModel, prediction: Prediction) -> Played:
        text = "predicted and checked, not submitted"
        return Played(model, Ending.PREDICTED, text, prediction, gates=prediction.gates)

    def _intended(self, model: RegisteredModel) -> Prediction | None:
        """Return the live predictions that an earlier attempt made and could not submit."""
        if self.request.force:
            return None
        newest = self.records[model.name].newest
        if newest is None or not newest.is_pending:
            return None
        if newest.rung is not Rung.LIVE:  # there may be time for a better one now
            return None
        return stored_prediction(self.platform, newest)

    def _submit(self, model: RegisteredModel, prediction: Prediction) -> Played:
        self._ask_again()
        try:
            return self._send(model, prediction)
        except SubmissionRejected as refusal:
            return self._replace_invalid(model, prediction, refusal)

    def _replace_invalid(
        self, model: RegisteredModel, prediction: Prediction, refusal: SubmissionRejected
    ) -> Played:
        """Send predictions once more at once, if Numerai found their submission invalid."""
        newest = self.records[model.name].newest
        if self.request.late or newest is None or not newest.is_invalid:
            raise refusal
        self.platform.log.warning("%s: sent again, because %s", model.name, refusal)
        self._ask_again(trusted_for=0)
        return self._send(model, prediction)

    def _send(self, model: RegisteredModel, prediction: Prediction) -> Played:
        decision = self._decide(model, Intention(prediction.submission.sha256, prediction.rung))
        if decision.action is not Action.SUBMIT:
            # A higher rung or force, but the predictions are the same that Numerai holds.
            return self._without_upload(model, self._promoted(decision, prediction))()
        if self._fleet.submission_of(model.name, self.round.number) is not None:
            self.platform.log.info("%s: %s", model.name, decision.reason)
        receipt = uploading.submit(
            self.platform,
            self.round,
            self.records[model.name],
            self._fleet.models[model.name].id,
            prediction,
            late=self.request.late,
        )
        self.platform.log.info("%s: accepted", model.name)
        return Played(
            model, Ending.ACCEPTED, decision.reason, prediction, receipt, prediction.gates
        )

    def _promoted(self, decision: Decision, prediction: Prediction) -> Decision:
        """Record it when what Numerai holds is, byte by byte, what a higher rung predicts too."""
        receipt = decision.receipt
        if receipt is None or not prediction.rung.is_above(receipt.rung):
            return decision
        if receipt.predictions_sha256 != prediction.submission.sha256:
            return decision
        promoted = uploading.promote(self.records[receipt.model], receipt, prediction)
        self.platform.log.info(
            "%s: Numerai holds the %s predictions already", receipt.model, prediction.rung
        )
        return replace(decision, receipt=promoted)

    def _take_up(self, model: RegisteredModel, decision: Decision) -> Played:
        """Go on where an earlier run was stopped after Numerai had registered the file."""
        receipt = decision.receipt
        if receipt is None:
            raise ValueError(f"{model.name}: {decision.action} without a receipt of a held file")
        if decision.action is Action.ACCEPT:
            receipt = acceptance.accept(
                self.platform, self.round, self.records[model.name], receipt
            )
        stored = stored_prediction(self.platform, receipt)
        return Played(model, Ending.ACCEPTED, decision.reason, stored, receipt)

    def _confirm(self, played: Played) -> Played:
        if played.receipt is None:
            raise ValueError(f"{played.model.name}: a submission without a receipt")
        record = self.records[played.model.name]
        try:
            receipt = confirmation.confirm(self.platform, record, played.receipt, played.prediction)
        except SubmissionRejected as refusal:
            if played.prediction is None:
                raise
            again = self._replace_invalid(played.model, played.prediction, refusal)
            if again.receipt is None or again.ending is not Ending.ACCEPTED:
                return again
            receipt = confirmation.confirm(self.platform, record, again.receipt, played.prediction)
        self.platform.log.info("%s: confirmed", played.model.name)
        return replace(played, ending=Ending.CONFIRMED, receipt=receipt)

    def _decide(self, model: RegisteredModel, intention: Intention) -> Decision:
        if model.name not in self._fleet.models:
            path = self.platform.settings.model_configs_path
            raise NumeraiError(no_slot(model.name, self._fleet.models, path, model.line))
        record = self.records[model.name]
        situation = Situation(
            round=self.round,
            now=self.platform.client.now(),
            submission=self._fleet.submission_of(model.name, self.round.number),
            receipts=record.history,
            intention=intention,
            force=self.request.force,
            late=self.request.late,
        )
        return decide(confirmation.what_is_held(self.platform, record, situation))

    @property
    def _has_closed(self) -> bool:
        return self.platform.client.now() >= self.round.close_staking_time

    def _came_later(self, model: RegisteredModel) -> bool:
        """Return whether a closed round is none of a model's, which was trained only after it."""
        if self.request.late or not self._had_closed:
            return False
        return not self.platform.lake.takes_part(model.name, self.round.number)

    def _refused(self, model: RegisteredModel, decision: Decision) -> Played:
        """Nothing may be uploaded: the round closed without us, or holds what is not ours."""
        if self._came_later(model):
            self.platform.log.info("%s: %s", model.name, CAME_LATER)
            return Played(model, Ending.SKIPPED, CAME_LATER)
        record = self.records[model.name]
        closed = self._has_closed
        if closed:
            latest = follow_up.record_end(
                self.platform, self.round, record, self._fleet, decision.reason
            )
        else:
            latest = uploading.record_failure(record, decision.reason)
        self.platform.log.warning("%s: %s", model.name, decision.reason)
        ending = Ending.SKIPPED if closed else Ending.FAILED
        return Played(model, ending, decision.reason, receipt=latest)

    def _left_alone(self, model: RegisteredModel, decision: Decision) -> Played:
        """Record that Numerai holds a file that somebody else has made, and who."""
        submission = self._fleet.submission_of(model.name, self.round.number)
        if submission is None:
            raise ValueError(f"{model.name}: nothing is held that could be left alone")
        receipt = follow_up.record_foreign(
            self.platform, self.round, self.records[model.name], submission
        )
        self.platform.log.warning("%s: left alone, %s", model.name, receipt.reason)
        return Played(model, Ending.SKIPPED, receipt.reason or decision.reason, receipt=receipt)

    def _skipped(self, model: RegisteredModel, decision: Decision) -> Played:
        self.platform.log.info("%s: skipped, %s", model.name, decision.reason)
        receipt = decision.receipt
        prediction = None if receipt is None else stored_prediction(self.platform, receipt)
        return Played(model, Ending.SKIPPED, decision.reason, prediction, receipt)

    def _failed(
        self, model: RegisteredModel, error: Exception, prediction: Prediction | None = None
    ) -> Played:
        is_ours = not isinstance(error, EXPECTED)
        news = error.news if isinstance(error, LadderFailed) else str(error)
        text = named(model.name, news)
        self.platform.log.error("Round %d: %s", self.round.number, text, exc_info=is_ours and error)
        verdicts = error.gates if isinstance(error, (GateClosed, LadderFailed)) else ()
        receipt = None
        if self.submits and model.submit:
            try:
                if not self._came_later(model):
                    record = self.records[model.name]
                    receipt = uploading.record_failure(record, str(error), prediction)
            except Exception:  # a full disk, a damaged receipt: no reason to stop the other models
                self.platform.log.exception("%s: the failure was not recorded", model.name)
        return Played(model, Ending.FAILED, str(error), prediction, receipt, verdicts)

    @property
    def _fleet(self) -> Fleet:
        if self.fleet is None:
            raise ValueError("what Numerai holds was not asked for, because nothing is submitted")
        return self.fleet
