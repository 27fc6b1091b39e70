"""Predict stored rounds again with the weights that predicted them, and compare the predictions."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from numebot_dagster import command_lines
from numebot_dagster.lake import catalog, parquet
from numebot_dagster.lake.damaged import DamagedFile
from numebot_dagster.lake.layout import Lake
from numebot_dagster.modeling.registry import RegisteredModel, code_hash
from numebot_dagster.modeling.source.modules import SourceNotFound
from numebot_dagster.modeling.weights import weight_store
from numebot_dagster.modeling.weights.weight_store import DamagedWeights, StoredWeights
from numebot_dagster.modeling.worker.failures import ModelError, ModelTimedOut
from numebot_dagster.modeling.worker.messages import PredictRequest, PredictResult
from numebot_dagster.modeling.worker.worker import Worker
from numebot_dagster.numerai.errors import NumeraiError
from numebot_dagster.operations.alerts import outbox
from numebot_dagster.operations.alerts.outbox import Alert, Kind
from numebot_dagster.operations.causes import one_line
from numebot_dagster.operations.diagnostics import proof
from numebot_dagster.operations.diagnostics.agreement import Submitted, compared, compared_twice
from numebot_dagster.operations.diagnostics.proof import Outcome, Pipeline, Proof, ReplayedRound
from numebot_dagster.operations.health.findings import Check, Finding, Verdict
from numebot_dagster.operations.platform import Platform
from numebot_dagster.operations.rounds import live_data, predicting
from numebot_dagster.operations.training.library_changes import changed_libraries
from numebot_dagster.submissions import receipts
from numebot_dagster.submissions.receipts import Receipt, RoundRecord

ROUNDS = 12
"""The newest rounds of a model that are looked at: those of two weeks."""
MOST_SECONDS = 1800.0
"""Of all models together; each may use its share of what is left."""
LEAST_SECONDS = 5.0
"""That a prediction gets, once it was begun."""

_SUBMITTED = """
from submissions
where model = ? and predictions_sha256 is not null and vintage is not null and rung <> 'fallback'
order by "round" desc limit ?
"""
_PREDICTIONS = """
select id, prediction from predictions where model = ? and "round" = ? and sha256 = ?
"""
_LONG_AGO = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True)
class StoredRound:
    """A round of a model of which all is stored that a replay needs.

    Attributes:
        code_hash: of the code that made the weights.
        is_certain: whether no later training by other code may have predicted instead.
        request: the prediction of the round, as it was asked of the model.
    """

    receipt: Receipt
    code_hash: str
    is_certain: bool
    submitted: Submitted
    request: PredictRequest

    def result(self, outcome: Outcome, text: str = "") -> ReplayedRound:
        """Return what became of the round before anything could be compared."""
        assert self.receipt.vintage is not None  # otherwise nothing is asked of its weights
        return ReplayedRound(self.receipt.round_number, self.receipt.vintage, outcome, text=text)


def replay_models(
    platform: Platform,
    models: Sequence[RegisteredModel],
    go_on: Callable[[], bool],
    seconds: float = MOST_SECONDS,
) -> Iterator[Proof]:
    """Replay models one after another, store what that proves, and yield it.

    The model whose proof is the oldest is the first, so that none waits for ever for its turn.

    Args:
        platform: whose lake has the rounds.
        models: to be replayed.
        go_on: asked before each prediction; false ends the work, as when a round opens.
        seconds: after which no further prediction is begun.
    """
    ends = time.monotonic() + seconds
    waiting = sorted(models, key=lambda model: _replayed_at(platform.lake, model))
    with Worker(background=True) as worker:
        for place, model in enumerate(waiting):
            left = ends - time.monotonic()
            if left <= 0 or not go_on():
                return
            share = left / (len(waiting) - place)
            result = _proof(_Replayer(platform, worker, model, go_on, time.monotonic() + share))
            if result is not None:
                proof.store(platform.lake, result)
                outbox.send(platform, *_alerts_of(result))
                yield result


def finding_of(result: Proof) -> Finding:
    """Return what a proof says, as `numebot doctor` shows it."""
    text = f"{result.model}: {result.pipeline}. {' '.join(result.sentences)}"
    if result.pipeline is Pipeline.SOUND:
        return Finding(Check.REPLAY, Verdict.OK, text)
    if result.pipeline is Pipeline.BROKEN:
        return Finding(Check.REPLAY, Verdict.FAILURE, text, _remedy(result))
    remedy = "nothing: a later replay has more rounds"
    if result.pipeline is Pipeline.RANDOM:
        remedy = "seed its random numbers, so that a replay can prove it"
    return Finding(Check.REPLAY, Verdict.WARNING, text, remedy)


def _alerts_of(result: Proof) -> list[Alert]:
    """Return the alert of a broken pipeline, one for each round that shows it."""
    if result.pipeline is not Pipeline.BROKEN:
        return []
    subject = f"{result.model}-{result.proving[0].round_number}"
    text = f"{' '.join(result.sentences)}\nTo do: {_remedy(result)}"
    return [Alert(Kind.PIPELINE_BROKEN, subject, f"{result.model}: pipeline broken", text)]


def _remedy(result: Proof) -> str:
    """Return the command that shows what made the newest round that differs."""
    number = result.proving[0].round_number
    return command_lines.numebot("explain", "--model", result.model, "--round", number)


def _proof(replayer: _Replayer) -> Proof | None:
    """Return what a model's rounds prove; an error of its replay is told and stops no other."""
    try:
        return replayer.proof()
    except NumeraiError:
        raise  # whether a round is open is not known: the work ends
    except Exception as error:
        platform, name = replayer.platform, replayer.model.name
        platform.log.exception("%s could not be replayed", name)
        reason = f"{type(error).__name__}: {one_line(str(error))}"
        return Proof(name, platform.client.now(), reason=reason)


def _replayed_at(lake: Lake, model: RegisteredModel) -> datetime:
    last = proof.last(lake, model.name)
    return _LONG_AGO if last is None else last.replayed_at


def _recorded_at(record: RoundRecord, receipt: Receipt | None) -> datetime:
    """Return when the predictions of a receipt were first recorded, by this machine's clock.

    Numerai's goes in whole seconds, and may go back by one between two models of a round.
    """
    if receipt is None:
        return _LONG_AGO
    made = receipt.predictions_sha256, receipt.predicted_at
    same = (each for each in record.history if (each.predictions_sha256, each.predicted_at) == made)
    return next((each.recorded_at for each in same if each.recorded_at is not None), _LONG_AGO)


def _is_whole(path: Path) -> bool:
    try:
        parquet.verify(path)
    except DamagedFile:
        return False
    return True


@dataclass(frozen=True)
class _Replayer:
    """Replays one model until its time is over, or somebody else needs the machine."""

    platform: Platform
    worker: Worker
    model: RegisteredModel
    go_on: Callable[[], bool]
    ends: float

    def proof(self) -> Proof | None:
        """Return what the model's newest rounds prove; None if the work ended before the first."""
        frame = catalog.query(self.platform.lake, _SUBMITTED, [self.model.name, ROUNDS])
        rounds, left_out, reason = [], 0, ""
        try:
            code = code_hash(self.model)
            for row in frame.iter_rows(named=True):
                stored = self._stored(receipts.from_row(row), code)
                if stored is None:
                    left_out += 1
                elif time.monotonic() < self.ends and self.go_on():
                    rounds.append(self._replayed(stored, code))
                else:
                    break
        except SourceNotFound as error:
            reason = one_line(str(error))
        if not rounds and not reason and left_out < frame.height:
            return None
        now = self.platform.client.now()
        return Proof(self.model.name, now, tuple(rounds), left_out, reason)

    def _stored(self, receipt: Receipt, code: str) -> StoredRound | None:
        """Return what is stored of a round; None when a part of it is missing or damaged."""
        lake, number = self.platform.lake, receipt.round_number
        (weights, is_certain), sha256 = self._weights(receipt, code), receipt.predictions_sha256
        if weights is None or sha256 is None:
            return None
        folder = lake.live_folders(number).get(weights.manifest.data_version)
        sent = catalog.query(lake, _PREDICTIONS, [self.model.name, number, sha256])
        inputs = self._inputs(receipt)
        if folder is None or sent.is_empty() or len(inputs) < len(self.model.inputs):
            return None
        if not _is_whole(folder / live_data.LIVE):
            return None
        request = predicting.request_for(self.model, weights, folder, inputs)
        ids, ranks = sent["id"].to_list(), sent["prediction"].to_numpy()
        return StoredRound(
            receipt,
            weights.code_hash,
            is_certain,
            Submitted(ids, ranks, sha256, changed_libraries(weights.manifest)),
            replace(request, compares_features=True),
        )

    def _weights(self, receipt: Receipt, code: str) -> tuple[StoredWeights | None, bool]:
        """Return the weights that predicted, as far as is known, and whether that is certain.

        A receipt names the vintage alone, and a round prefers weights of its code; where other code
        was trained later, that may have predicted. None stands for weights that are not whole.
        """
        if receipt.vintage is None:
            return None, False
        moment = receipt.submitted_at or self.platform.client.now()
        lake, name = self.platform.lake, self.model.name
        made = weight_store.trained_before(lake, name, receipt.vintage, moment, code)
        if not made:
            return None, False
        (place, manifest), *others = made
        other_code = [each.trained_at for place_, each in others if place_.code_hash != code]
        is_certain = not other_code or max(other_code) <= manifest.trained_at <= moment
        try:
            return weight_store.opened(place), is_certain
        except DamagedWeights:
            return None, False

    def _inputs(self, receipt: Receipt) -> dict[str, Path]:
        """Return the predictions of the model's inputs that it was given for a round.

        An input that was predicted again since is left out: what the model was given stands no
        more.
        """
        platform, number = self.platform, receipt.round_number
        records = [RoundRecord(platform.lake, name, number) for name in self.model.inputs]
        predicted = _recorded_at(RoundRecord(platform.lake, self.model.name, number), receipt)
        files = {
            each.model_name: predicting.newest_file(platform, each)
            for each in records
            if _recorded_at(each, each.standing) <= predicted
        }
        return {name: path for name, path in files.items() if path is not None}

    def _replayed(self, stored: StoredRound, code: str) -> ReplayedRound:
        """Return what becomes of a round; one that differs is predicted by a new process too."""
        is_same_code = stored.code_hash == code and stored.is_certain
        try:
            first = self._predict(stored)
            result = compared(stored.result(Outcome.UNFINISHED), stored.submitted, first)
            if is_same_code and result.outcome is Outcome.DIFFERENT:
                self.worker.close()
                result = compared_twice(result, first, self._predict(stored))
        except ModelTimedOut as error:
            return stored.result(Outcome.UNFINISHED, one_line(str(error)))
        except ModelError as error:
            result = stored.result(Outcome.FAILED, one_line(str(error)))
        if is_same_code or result.outcome not in (Outcome.DIFFERENT, Outcome.FAILED):
            return result
        text = f"its code was {stored.code_hash} and is {code} now"
        if stored.code_hash == code:
            text = f"weights of {result.vintage} by other code than {code} may have predicted it"
        return replace(result, outcome=Outcome.OTHER_CODE, text=text)

    def _predict(self, stored: StoredRound) -> PredictResult:
        left = self.ends - time.monotonic()
        return self.worker.predict(stored.request, max(left, LEAST_SECONDS))
