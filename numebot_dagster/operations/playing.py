"""Playing a round: every model predicted, submitted and confirmed, whatever happens to the others.

The order of the hour: ask once what Numerai holds for the whole fleet; predict, pass the gates and
upload, the largest stake first, uploads running beside the next model's prediction; only when
nothing is left to upload, confirm by download.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum
from functools import partial
from pathlib import Path

from numebot_dagster.lake.locks import exclusive
from numebot_dagster.modeling.failures import ModelError
from numebot_dagster.modeling.process import Worker
from numebot_dagster.modeling.registry import RegisteredModel
from numebot_dagster.modeling.weights import NoWeights
from numebot_dagster.numerai import receipts
from numebot_dagster.numerai.errors import NumeraiError
from numebot_dagster.numerai.receipts import Outcome, Receipt, State
from numebot_dagster.numerai.reconcile import Action, Decision, Intention, Situation, decide
from numebot_dagster.numerai.records import Fleet, Round
from numebot_dagster.operations import submitting
from numebot_dagster.operations.gates import Gate, GateClosed
from numebot_dagster.operations.platform import Platform
from numebot_dagster.operations.predicting import (
    InputMissing,
    Prediction,
    newest_file,
    predict,
    stored_prediction,
)
from numebot_dagster.operations.stakes import last_known_stakes

UPLOADS_AT_ONCE = 4
ROUNDS_ASKED, ROUNDS_LOOKED_BACK = 3, 100

# What a model is expected to fail with now and then. Anything else is a defect of ours: it too must
# not stop the other models, but its traceback is logged.
EXPECTED: tuple[type[Exception], ...] = (
    ModelError,
    GateClosed,
    InputMissing,
    NumeraiError,
    NoWeights,
    OSError,
)

Step = Callable[[], "Played"]


class Ending(StrEnum):
    """How the round ended for one model in this run."""

    ACCEPTED = "accepted"  # on the way to confirmed; no run ends with it
    CONFIRMED = "confirmed"
    PREDICTED = "predicted"  # predictions only, as asked
    SKIPPED = "skipped"
    FAILED = "failed"


@dataclass(frozen=True)
class Play:
    """What is asked for.

    Attributes:
        round_number: the round.
        models: whom to play for.
        submit: false to predict and check only.
        force: replace a submission that is not ours, or ours by newer predictions.
    """

    round_number: int
    models: Sequence[RegisteredModel]
    submit: bool = True
    force: bool = False


@dataclass(frozen=True)
class Played:
    """How the round ended for one model; `text` says why it was skipped or failed."""

    model: RegisteredModel
    ending: Ending
    text: str
    prediction: Prediction | None = None
    receipt: Receipt | None = None
    gates: tuple[Gate, ...] = ()


def play(platform: Platform, wish: Play) -> list[Played]:
    """Plays a round for the models asked for; one `Played` per model, in their order.

    Two processes that play the same round take turns, and the second finds the work done.

    Raises:
        NumeraiError: when the round or the fleet cannot be read at all.
    """
    lock = platform.lake.lock_file(f"round-{wish.round_number}")
    with exclusive(lock, lambda: platform.log.info("Another run plays this round: waiting")):
        return _RoundPlay(platform, wish).run()


def playing_order(
    models: Sequence[RegisteredModel], stakes: Mapping[str, Decimal]
) -> list[RegisteredModel]:
    """Largest stake first, an unknown one counting as none; but no model before its inputs."""
    by_name = {model.name: model for model in models}
    placed: dict[str, RegisteredModel] = {}

    def place(model: RegisteredModel) -> None:
        for name in model.inputs:
            if name in by_name:
                place(by_name[name])
        placed.setdefault(model.name, model)

    for model in sorted(models, key=lambda one: -stakes.get(one.name, Decimal(0))):
        place(model)
    return list(placed.values())


def _fleet_of(platform: Platform, found: Round) -> Fleet:
    """What Numerai holds of every model; of an old round it must be asked to look back further."""
    is_open = found.is_open(platform.client.now())
    return platform.client.fleet(ROUNDS_ASKED if is_open else ROUNDS_LOOKED_BACK)


class _RoundPlay:
    """One run over one round."""

    def __init__(self, platform: Platform, wish: Play) -> None:
        self.platform = platform
        self.wish = wish
        self.round: Round = platform.client.round(wish.round_number)
        self.submits = wish.submit and any(model.submit for model in wish.models)
        self.fleet: Fleet | None = _fleet_of(platform, self.round) if self.submits else None

    def run(self) -> list[Played]:
        with Worker() as worker, ThreadPoolExecutor(UPLOADS_AT_ONCE) as pool:
            sending = [self._begin(model, worker, pool) for model in self._in_order()]
            sent = [one.result() for one in sending]
            # Nothing is left to upload: only now is there time for downloads.
            ending = [pool.submit(self._end, one) for one in sent]
            done = {one.model.name: one for one in (future.result() for future in ending)}
        return [done[model.name] for model in self.wish.models]

    def _in_order(self) -> list[RegisteredModel]:
        try:
            stakes = last_known_stakes(self.platform.lake)
        except Exception as error:  # the order is worth something, but not the round
            self.platform.log.warning("Stakes are not known, so models go in order: %s", error)
            stakes = {}
        return playing_order(self.wish.models, stakes)

    def _begin(
        self, model: RegisteredModel, worker: Worker, pool: ThreadPoolExecutor
    ) -> Future[Played]:
        """Predicts if need be, here; what then goes over the network runs beside the next model."""
        try:
            step = self._next_step(model, worker)
        except Exception as error:
            step = partial(self._failed, model, error)
        return pool.submit(self._carry_out, model, step)

    def _end(self, played: Played) -> Played:
        if played.ending is not Ending.ACCEPTED:
            return played
        return self._carry_out(played.model, partial(self._confirm, played))

    def _carry_out(self, model: RegisteredModel, step: Step) -> Played:
        """Runs a step of one model, so that its failure is recorded and stops no other."""
        try:
            return step()
        except Exception as error:
            return self._failed(model, error)

    def _next_step(self, model: RegisteredModel, worker: Worker) -> Step:
        """What is to do for a model; when it is to be submitted, its predictions are made first."""
        if not (self.submits and model.submit):
            return partial(self._predicted_only, model, self._predict(model, worker))
        decision = self._decide(model, Intention(sha256=""))
        if decision.action is Action.REFUSE:
            return partial(self._refused, model, decision)
        if decision.action is Action.SKIP:
            return partial(self._skipped, model, decision)
        if decision.action is Action.SUBMIT:
            prediction = self._intended(model) or self._predict(model, worker)
            return partial(self._submit, model, prediction)
        return partial(self._take_up, model, decision)

    def _predict(self, model: RegisteredModel, worker: Worker) -> Prediction:
        inputs = {name: self._input_file(model, name) for name in model.inputs}
        prediction = predict(self.platform, worker, model, self.round.number, inputs)
        self.platform.log.info(
            "%s: predicted %d ids with vintage %d in %.1f s",
            model.name,
            len(prediction.ids),
            prediction.vintage,
            prediction.seconds,
        )
        return prediction

    def _input_file(self, model: RegisteredModel, name: str) -> Path:
        path = newest_file(self.platform, name, self.round.number)
        if path is None:
            raise InputMissing(
                f"{model.name} needs the predictions of {name} for round {self.round.number}, and "
                f"there are none: run `numebot run --models {name},{model.name}`"
            )
        return path

    def _predicted_only(self, model: RegisteredModel, prediction: Prediction) -> Played:
        text = "predicted and checked, not submitted"
        return Played(model, Ending.PREDICTED, text, prediction, gates=prediction.gates)

    def _intended(self, model: RegisteredModel) -> Prediction | None:
        """The predictions that an interrupted attempt was about to send."""
        if self.wish.force:
            return None
        history = receipts.history(self.platform.lake, model.name, self.round.number)
        if not history or history[-1].state is not State.PENDING or history[-1].outcome is not None:
            return None
        return stored_prediction(self.platform, history[-1])

    def _submit(self, model: RegisteredModel, prediction: Prediction) -> Played:
        decision = self._decide(model, Intention(prediction.submission.sha256, prediction.rung))
        # Forced, but the predictions are the same that Numerai holds.
        if decision.action is Action.SKIP:
            return self._skipped(model, decision)
        if decision.action in (Action.ACCEPT, Action.CONFIRM):
            return self._take_up(model, decision)
        if decision.action is Action.REFUSE:
            return self._refused(model, decision)
        if self._fleet.held(model.name, self.round.number) is not None:
            self.platform.log.info("%s: %s", model.name, decision.reason)
        receipt = submitting.submit(
            self.platform, self.round, self._fleet.models[model.name].id, prediction
        )
        self.platform.log.info("%s: accepted", model.name)
        return Played(
            model, Ending.ACCEPTED, decision.reason, prediction, receipt, prediction.gates
        )

    def _take_up(self, model: RegisteredModel, decision: Decision) -> Played:
        """Goes on where an earlier run was stopped after Numerai had registered the file."""
        receipt = decision.receipt
        held = self._fleet.held(model.name, self.round.number)
        if receipt is None or held is None:
            raise ValueError(f"{model.name}: {decision.action} without a receipt of a held file")
        if decision.action is Action.ACCEPT:
            receipt = submitting.accept(
                self.platform, self.round, replace(receipt, submission_id=held.submission_id)
            )
        stored = stored_prediction(self.platform, receipt)
        return Played(model, Ending.ACCEPTED, decision.reason, stored, receipt)

    def _confirm(self, played: Played) -> Played:
        if played.receipt is None or played.prediction is None:
            raise FileNotFoundError(
                "the predictions that were submitted are no longer stored, so that Numerai's copy "
                "cannot be compared with them; `numebot run --force` predicts and submits again"
            )
        receipt = submitting.confirm(self.platform, played.receipt, played.prediction)
        self.platform.log.info("%s: confirmed", played.model.name)
        return replace(played, ending=Ending.CONFIRMED, receipt=receipt)

    def _decide(self, model: RegisteredModel, intention: Intention) -> Decision:
        if model.name not in self._fleet.models:
            raise NumeraiError(
                f"the account has no model {model.name}; it has "
                f"{', '.join(sorted(self._fleet.models)) or 'none'}. Correct numerai_name in "
                f"{self.platform.settings.model_configs_path}."
            )
        return decide(
            Situation(
                round=self.round,
                now=self.platform.client.now(),
                held=self._fleet.held(model.name, self.round.number),
                receipts=receipts.history(self.platform.lake, model.name, self.round.number),
                intention=intention,
                force=self.wish.force,
            )
        )

    def _refused(self, model: RegisteredModel, decision: Decision) -> Played:
        """Nothing may be uploaded: the round closed without us, or holds what is not ours."""
        closed = self.platform.client.now() >= self.round.close_staking_time
        if closed:
            latest = submitting.record_missed(
                self.platform, self.round.number, model.name, decision.reason
            )
        else:
            latest = self._record_failure(model, decision.reason)
        self.platform.log.warning("%s: %s", model.name, decision.reason)
        ending = Ending.SKIPPED if closed else Ending.FAILED
        return Played(model, ending, decision.reason, receipt=latest)

    def _skipped(self, model: RegisteredModel, decision: Decision) -> Played:
        self.platform.log.info("%s: skipped, %s", model.name, decision.reason)
        receipt = decision.receipt
        prediction = None if receipt is None else stored_prediction(self.platform, receipt)
        return Played(model, Ending.SKIPPED, decision.reason, prediction, receipt)

    def _failed(self, model: RegisteredModel, error: Exception) -> Played:
        is_ours = not isinstance(error, EXPECTED)
        self.platform.log.error(
            "Round %d, %s: %s", self.round.number, model.name, error, exc_info=is_ours and error
        )
        verdicts = error.gates if isinstance(error, GateClosed) else ()
        receipt = None
        if self.submits and model.submit:
            try:
                receipt = self._record_failure(model, str(error))
            except Exception:  # a full disk, a damaged receipt: no reason to stop the other models
                self.platform.log.exception("%s: the failure was not recorded", model.name)
        return Played(model, Ending.FAILED, str(error), receipt=receipt, gates=verdicts)

    def _record_failure(self, model: RegisteredModel, reason: str) -> Receipt:
        """A failed attempt is recorded beside, never over, what Numerai was seen to hold."""
        history = receipts.history(self.platform.lake, model.name, self.round.number)
        if history and history[-1].state is not State.PENDING:
            return history[-1]
        base = history[-1] if history else Receipt(model.name, self.round.number)
        return receipts.append(
            self.platform.lake, replace(base, outcome=Outcome.FAILED, reason=reason)
        )

    @property
    def _fleet(self) -> Fleet:
        if self.fleet is None:
            raise ValueError("what Numerai holds was not asked for, because nothing is submitted")
        return self.fleet
