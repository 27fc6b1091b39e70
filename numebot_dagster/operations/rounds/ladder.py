"""Descend from a model's live predictions to what stands in for them when they cannot be made.

From the top: the newest weights (`live`); the weights before them (`previous`); what the registry
names (`fallback`), which is another model's own predictions of the round, or Numerai's benchmark
model where the user asked for it by that word. Every rung passes the same gates.

A rung gets its time budget or what is left before the close, less what the rungs below it and the
upload need; what is known not to end in that time is not begun. While other models wait, all that
a model's own code takes together is one time budget: what needs more is postponed until they are
through.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from numebot_dagster import command_lines
from numebot_dagster.lake import rollups
from numebot_dagster.modeling.registry import BENCHMARK, RegisteredModel, code_hash
from numebot_dagster.modeling.source.modules import SourceNotFound
from numebot_dagster.modeling.weights import weight_store
from numebot_dagster.modeling.weights.weight_store import NoWeights
from numebot_dagster.modeling.worker.failures import ModelError, ModelTimedOut
from numebot_dagster.modeling.worker.worker import Worker
from numebot_dagster.numerai.errors import NumeraiError
from numebot_dagster.operations.platform import Platform
from numebot_dagster.operations.rounds.gates import Gate, GateClosed
from numebot_dagster.operations.rounds.planning import UPLOAD_SECONDS, time_budget
from numebot_dagster.operations.rounds.predicting import (
    InputMissing,
    Prediction,
    StandIn,
    Task,
    benchmark,
    newest_file,
    predict,
    stand_in,
    stored_prediction,
)
from numebot_dagster.submissions.receipts import RoundRecords, Rung

STAND_IN_SECONDS = 3.0  # to read somebody else's predictions, and to judge and store them


class NoTime(Exception):
    """A rung was not begun, or was stopped, because the round closes before it would end."""


class Postponed(Exception):
    """The next rung would cost other models more than one time budget: it waits for them."""


class LadderFailed(Exception):
    """Every rung that was tried failed; the text says of each why.

    Attributes:
        gates: the verdicts on the highest rung that the gates stopped.
        news: the same without the reasons that were logged when the rungs before the last failed.
    """

    def __init__(self, model: str, failures: Sequence[tuple[Rung, Exception]]) -> None:
        failed = f"{model}: all that was tried failed."
        reasons = [
            f"{rung}: {_without_name(model, _first_line(error))}" for rung, error in failures
        ]
        super().__init__(f"{failed} {'; '.join(reasons)}")
        self.news = f"{failed} {reasons[-1]}"
        stopped = (error for _, error in failures if isinstance(error, GateClosed))
        first = next(stopped, None)
        self.gates: tuple[Gate, ...] = () if first is None else first.gates


# What a rung is expected to fail with now and then. Anything else is a defect of ours: it too must
# not stop the rungs below it and the other models, but its traceback is logged.
EXPECTED: tuple[type[Exception], ...] = (
    ModelError,
    GateClosed,
    InputMissing,
    NumeraiError,
    NoWeights,
    SourceNotFound,
    NoTime,
    LadderFailed,
    OSError,
)


@dataclass(frozen=True)
class _Step:
    """One rung of one model.

    Attributes:
        run: makes the predictions within the seconds that it is given.
        budget: seconds that it may take.
        expected: seconds that it took in the last rounds, if that is known.
        upload: seconds to keep for what comes after it.
    """

    rung: Rung
    run: Callable[[float], Prediction]
    budget: float
    expected: float | None = None
    upload: float = UPLOAD_SECONDS

    @property
    def needs(self) -> float:
        return self.budget if self.expected is None else min(self.expected, self.budget)


@dataclass
class Ladder:
    """The ladders of all models in one play; what was tried once is not tried again.

    For one thread: the worker does one thing at a time.

    Attributes:
        time_left: seconds until the round closes.
        measured: median seconds of each model in the last rounds.
    """

    platform: Platform
    worker: Worker
    records: RoundRecords
    time_left: Callable[[], float]
    measured: Mapping[str, float]
    _made: dict[str, Prediction] = field(default_factory=dict)
    _tried: dict[tuple[str, Rung], Prediction | Exception] = field(default_factory=dict)
    _spent: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    _logged: set[tuple[str, Rung]] = field(default_factory=set)

    @property
    def round_number(self) -> int:
        """The round that is played."""
        return self.records.round_number

    def descend(
        self, model: RegisteredModel, lowest: Rung = Rung.FALLBACK, *, others_wait: bool = False
    ) -> Prediction:
        """Return the predictions of the highest rung that gives any, labelled with it.

        Raises:
            Postponed: when the next rung has to wait for the others; ask again after them.
            LadderFailed: when all of several rungs failed. Of a single rung its own error is
                raised, whichever that is.
        """
        steps = [*self._own_steps(model), *self._fallback_steps(model, others_wait=others_wait)]
        useful = [step for step in steps if not lowest.is_above(step.rung)]
        self._made[model.name] = self._descend(model, useful, others_wait=others_wait)
        return self._made[model.name]

    def _descend(
        self, model: RegisteredModel, steps: Sequence[_Step], *, others_wait: bool = False
    ) -> Prediction:
        failures: list[tuple[Rung, Exception]] = []
        for number, step in enumerate(steps, 1):
            try:
                made = self._try(model, step, steps[number:], others_wait=others_wait)
            except Postponed:
                raise
            except Exception as error:  # whatever it is, the next rung is tried
                failures.append((step.rung, error))
                if number < len(steps):  # the failure of the last one is the model's, and its log
                    self._log_failure(model, step, error)
                continue
            if not failures:
                return made
            reasons = "; ".join(f"{rung}: {_first_line(error)}" for rung, error in failures)
            return replace(made, rung_reason=f"{made.rung_reason}. {reasons}")
        if len(failures) == 1:
            raise failures[0][1]
        raise LadderFailed(model.name, failures)

    def _try(
        self, model: RegisteredModel, step: _Step, below: Sequence[_Step], *, others_wait: bool
    ) -> Prediction:
        key = model.name, step.rung
        if key not in self._tried:
            limit = self._limit(model, step, below, others_wait=others_wait)
            try:
                self._tried[key] = step.run(limit)
            except Postponed:  # of the model that is to stand in
                raise
            except Exception as error:
                self._tried[key] = error
        outcome = self._tried[key]
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def _log_failure(self, model: RegisteredModel, step: _Step, error: Exception) -> None:
        if (model.name, step.rung) in self._logged:  # when it was to stand in for another model
            return
        self._logged.add((model.name, step.rung))
        is_ours = not isinstance(error, EXPECTED)
        self.platform.log.warning(
            "Round %d, %s: the %s rung failed, the next is tried: %s",
            self.round_number,
            model.name,
            step.rung,
            _without_name(model.name, str(error)),
            exc_info=is_ours and error,
        )

    def _limit(
        self, model: RegisteredModel, step: _Step, below: Sequence[_Step], *, others_wait: bool
    ) -> float:
        """Return the seconds that a rung may take.

        Raises:
            Postponed: when that has to wait for the other models.
            NoTime: when it would not end in time.
        """
        left = self.time_left() - step.upload
        # What is below must not starve what is above it: half is the most that it may claim.
        kept = min(sum(step.needs for step in below), left / 2)
        limit = min(step.budget, left - kept)
        if others_wait and step.rung is Rung.PREVIOUS:
            share = step.budget - self._spent[model.name]
            if share < (step.budget / 2 if step.expected is None else step.needs):
                raise Postponed(f"{model.name} goes on when the other models are through")
            limit = min(limit, share)
        if limit < (0 if step.expected is None else step.needs) or left <= 0:
            raise NoTime(
                f"{model.name} was not begun: {max(limit, 0):.0f} s are left for it before round "
                f"{self.round_number} closes, and it takes about {step.needs:.0f} s"
            )
        return limit

    def _own_steps(self, model: RegisteredModel) -> list[_Step]:
        """Return the rungs on which the model's own code predicts."""
        budget = time_budget(self.platform.lake, model)
        folders = self.platform.lake.weights_folders(model.name)
        usable = [place for place in folders if model.vintage in (None, place.vintage)]
        return [
            _Step(rung, partial(self._own, model, rung), budget, self.measured.get(model.name))
            for rung in (Rung.LIVE, Rung.PREVIOUS)
            if rung is Rung.LIVE or len(usable) > 1
        ]

    def _own(self, model: RegisteredModel, rung: Rung, limit: float) -> Prediction:
        lake = self.platform.lake
        code = code_hash(model)
        places = weight_store.candidates(lake, model.name, code, model.vintage)
        of_rung = places[:1] if rung is Rung.LIVE else places[1:]
        chosen = weight_store.first_whole(lake, model.name, of_rung, model.vintage)
        if rung is Rung.LIVE and chosen.code_hash != code:
            self.platform.log.warning(
                "%s: the code changed since its weights were made; they stand in if it repeats "
                "their canary rows, until: %s",
                model.name,
                command_lines.train(model.name),
            )
        inputs = {name: self._input_file(model, name) for name in model.inputs}
        task = Task(model, self.round_number, chosen, rung, inputs, limit)
        start = time.monotonic()
        try:
            made = predict(self.platform, self.worker, task)
        except ModelTimedOut as error:
            if limit >= chosen.manifest.time_budget:
                raise
            raise NoTime(f"{model.name} did not end in the {limit:.0f} s left for it") from error
        finally:
            self._spent[model.name] += time.monotonic() - start
        if rung is Rung.LIVE:
            return made
        return replace(made, rung_reason=f"the weights of vintage {made.vintage} stand in")

    def _input_file(self, model: RegisteredModel, name: str) -> Path:
        if name in self._made:
            return self._made[name].path
        path = newest_file(self.platform, self.records[name])
        if path is not None:
            return path
        why = self._tried.get((name, Rung.LIVE))
        remedy = f"run `{command_lines.run(models=[name, model.name])}`"
        raise InputMissing(
            f"{model.name} needs the predictions of {name} for round {self.round_number}, and "
            f"there are none: {_first_line(why) if isinstance(why, Exception) else remedy}"
        )

    def _fallback_steps(self, model: RegisteredModel, *, others_wait: bool) -> list[_Step]:
        if model.fallback is None:
            return []
        # Quickly there, and the last hope: worth a try until the very end.
        at_once = _Step(
            Rung.FALLBACK,
            partial(self._benchmark, model),
            STAND_IN_SECONDS,
            upload=STAND_IN_SECONDS,
        )
        if model.fallback == BENCHMARK:
            return [at_once]
        other = self.platform.registry[model.fallback]
        run = partial(self._other, model, other, others_wait)
        if rollups.predictions_files(self.platform.lake, other.name, self.round_number):
            return [replace(at_once, run=run)]
        budget = STAND_IN_SECONDS + time_budget(self.platform.lake, other)
        return [_Step(Rung.FALLBACK, run, budget, self.measured.get(other.name))]

    def _benchmark(self, model: RegisteredModel, _limit: float) -> Prediction:
        name, source = benchmark(self.platform, self.round_number)
        made = stand_in(self.platform, model.name, self.round_number, source)
        return replace(made, rung_reason=f"Numerai's benchmark model {name} stands in")

    def _other(
        self, model: RegisteredModel, other: RegisteredModel, others_wait: bool, _limit: float
    ) -> Prediction:
        """Return another model's own predictions; what stands in for that one does not count."""
        theirs = self._own_prediction(other)
        if theirs is None:
            theirs = self._descend(other, self._own_steps(other), others_wait=others_wait)
        source = StandIn(theirs.ids, theirs.values, theirs.vintage)
        made = stand_in(self.platform, model.name, self.round_number, source)
        return replace(made, rung_reason=f"the model {other.name} stands in")

    def _own_prediction(self, other: RegisteredModel) -> Prediction | None:
        """Return what a model's own code predicted for the round, in this play or before."""
        made = self._made.get(other.name)
        if made is not None and made.rung is not Rung.FALLBACK:
            return made
        own = [
            receipt
            for receipt in self.records[other.name].history
            if receipt.rung is not Rung.FALLBACK and not receipt.is_foreign
        ]
        return stored_prediction(self.platform, own[-1]) if own else None


def _without_name(model: str, reason: str) -> str:
    """Return a reason without the name of its model, which stands before it already."""
    return reason.removeprefix(f"{model} ")


def _first_line(error: Exception) -> str:
    """Return an error without its traceback, which is in the log."""
    return str(error).partition("\n")[0]
