"""Trace a payout back to its submission, predictions, weights, data and code."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from numebot_dagster import command_lines
from numebot_dagster.lake import catalog, parquet
from numebot_dagster.lake.layout import Lake
from numebot_dagster.modeling.registry import RegisteredModel, code_hash
from numebot_dagster.modeling.source.modules import SourceNotFound
from numebot_dagster.modeling.weights import weight_store
from numebot_dagster.modeling.weights.weight_store import Manifest
from numebot_dagster.operations.performance.money.ledger_lines import Line
from numebot_dagster.operations.rounds import gates, live_data
from numebot_dagster.operations.rounds.gates import Gate
from numebot_dagster.submissions import submission_file
from numebot_dagster.submissions.receipts import Outcome

if TYPE_CHECKING:
    import numpy as np

_SUBMISSION = 'from submissions where model = ? and "round" = ?'
_EVENTS = """
select recorded_at, state, outcome, rung, reason from receipts where model = ? and "round" = ?
order by recorded_at
"""
_LAST_GOOD = """
select max("round") from submissions where model = ? and "round" < ? and state = 'confirmed'
and outcome = 'on_time' and rung = 'live'
"""
_PREDICTIONS = """
select id, prediction from predictions where model = ? and "round" = ? and sha256 = ?
"""


@dataclass(frozen=True)
class Predicted:
    """Stored predictions, looked at again.

    Attributes:
        is_as_sent: whether they still have the hash of the receipt.
        example_correlation: rank correlation with the example predictions of the round.
        verdicts: of the gates that can be judged again.
    """

    rows: int
    is_as_sent: bool
    example_correlation: float | None
    verdicts: tuple[Gate, ...]


@dataclass(frozen=True)
class Trained:
    """The weights that predicted.

    Attributes:
        is_certain: whether no other weights of the vintage existed when they predicted.
    """

    code_hash: str
    manifest: Manifest
    is_certain: bool


@dataclass(frozen=True)
class Trace:
    """What made a submission of one model to one round; None where it is not stored.

    Attributes:
        submission: the row of the view `submissions`.
        events: the rows of its receipts, oldest first.
        live_version: data version of the live data.
        live_rows: ids of the round.
    """

    round_number: int
    submission: dict[str, Any] | None
    events: tuple[dict[str, Any], ...]
    predicted: Predicted | None
    trained: Trained | None
    live_version: str | None
    live_rows: int | None

    @property
    def is_submitted(self) -> bool:
        """Whether anything was sent; a round that was missed has a receipt, too."""
        return self.submission is not None and self.submission["outcome"] != Outcome.MISSED


@dataclass(frozen=True)
class Change:
    """What differs from the last good round."""

    what: str
    before: str
    now: str


@dataclass(frozen=True)
class Missing:
    """What is not stored, and the command that may help; empty where none can."""

    what: str
    command: str


@dataclass(frozen=True)
class Explanation:
    """All that is known of one model in one round.

    Attributes:
        line: of the account book, if the model had a stake.
        code_now: hash of the model's present code; None if it is not there.
        last_good: the last round before it that was confirmed on time by the live rung.
    """

    model: str
    line: Line | None
    trace: Trace
    code_now: str | None
    last_good: Trace | None
    changes: tuple[Change, ...]
    missing: tuple[Missing, ...]


def explain(
    lake: Lake, model_name: str, round_number: int, line: Line | None, model: RegisteredModel | None
) -> Explanation:
    """Return what made the submission of a model to a round, and what was other before.

    Args:
        lake: the data folder.
        model_name: Numerai's name of the model.
        round_number: the round.
        line: its line of the account book, if there is one.
        model: the model as it is registered; None if it is no more.
    """
    trace = _trace(lake, model_name, round_number)
    good = catalog.query(lake, _LAST_GOOD, [model_name, round_number]).item()
    last_good = None if good is None else _trace(lake, model_name, good)
    return Explanation(
        model=model_name,
        line=line,
        trace=trace,
        code_now=code_if_there(model),
        last_good=last_good,
        changes=tuple(_changes(last_good, trace)) if last_good and trace.is_submitted else (),
        missing=tuple(_missing(lake, model_name, trace, line)),
    )


def _trace(lake: Lake, model_name: str, round_number: int) -> Trace:
    place = [model_name, round_number]
    rows = catalog.query(lake, _SUBMISSION, place).to_dicts()
    submission = rows[0] if rows else None
    events = tuple(catalog.query(lake, _EVENTS, place).to_dicts())
    trained = None
    if submission is not None and submission["vintage"] is not None:
        trained = _trained(lake, model_name, submission["vintage"], events[0]["recorded_at"])
    version = _live_version(lake, round_number, trained)
    live_ids = _live_ids(lake, round_number, version)
    predicted = None
    if submission is not None and submission["predictions_sha256"] is not None:
        predicted = _predicted(lake, submission, version, live_ids)
    rows_of_live = None if live_ids is None else len(live_ids)
    return Trace(round_number, submission, events, predicted, trained, version, rows_of_live)


def _trained(lake: Lake, model_name: str, vintage: int, before: datetime) -> Trained | None:
    """Return the newest weights of a vintage that were there when they had to predict.

    Receipts name the vintage alone; a vintage with several trainings leaves it uncertain.
    """
    weights = weight_store.trained_before(lake, model_name, vintage, before)
    if not weights:  # `_missing` names weights of which none can be read
        return None
    place, manifest = weights[0]
    return Trained(place.code_hash, manifest, is_certain=len(weights) == 1)


def _live_version(lake: Lake, round_number: int, trained: Trained | None) -> str | None:
    stored = lake.live_folders(round_number)
    if trained is not None and trained.manifest.data_version in stored:
        return trained.manifest.data_version
    return max(stored, default=None)


def _live_ids(lake: Lake, round_number: int, version: str | None) -> list[str] | None:
    if version is None:
        return None
    path = lake.live_folder(round_number, version) / live_data.LIVE
    return parquet.read(path, ["id"])["id"].to_list() if path.is_file() else None


def _predicted(
    lake: Lake, submission: dict[str, Any], version: str | None, live_ids: list[str] | None
) -> Predicted | None:
    place = [submission["model"], submission["round"], submission["predictions_sha256"]]
    frame = catalog.query(lake, _PREDICTIONS, place)
    if frame.is_empty():
        return None
    ids, values = frame["id"].to_list(), frame["prediction"].to_numpy()
    prepared = submission_file.prepare(ids, values)
    correlation = None
    if version is not None:
        folder = lake.live_folder(submission["round"], version)
        correlation = _example_correlation(ids, values, folder / live_data.LIVE_EXAMPLE)
    verdicts = [gates.agrees_with_example(correlation)]
    if live_ids is not None:
        verdicts.append(gates.submission_rules(submission_file.check(prepared, live_ids)))
    return Predicted(
        rows=prepared.rows,
        is_as_sent=prepared.sha256 == submission["predictions_sha256"],
        example_correlation=correlation,
        verdicts=tuple(verdicts),
    )


def _example_correlation(ids: list[str], values: np.ndarray, path: Any) -> float | None:
    if not path.is_file():
        return None
    example = parquet.read(path, ["id", "prediction"])
    try:
        return submission_file.correlation_with_example(
            ids, values, example["id"].to_list(), example["prediction"].to_numpy()
        )
    except ValueError:  # constant, or of other ids: then there is no correlation
        return None


def code_if_there(model: RegisteredModel | None) -> str | None:
    """Return the hash of a model's present code, or None when its source is gone."""
    if model is None:
        return None
    try:
        return code_hash(model)
    except SourceNotFound:
        return None


def _changes(before: Trace, now: Trace) -> Iterator[Change]:
    """Yield what differs between two rounds; what is not known of one of them does not."""
    facts_before, facts_now = _facts(before), _facts(now)
    for what, value in facts_now.items():
        former = facts_before.get(what)
        if None not in (former, value) and former != value:
            yield Change(what, str(former), str(value))


def _facts(trace: Trace) -> dict[str, str | None]:
    """Return what is compared between rounds, as texts."""
    submission, predicted = trace.submission or {}, trace.predicted
    correlation = predicted.example_correlation if predicted else None
    return {
        "rung": submission.get("rung"),
        "vintage": _text(submission.get("vintage")),
        **(_facts_of_weights(trace.trained) if trace.trained else {}),
        "ids": _text(predicted.rows if predicted else None),
        "live data": trace.live_version,
        "correlation with example": None if correlation is None else f"{correlation:+.3f}",
        "seconds to predict": _seconds(submission.get("predict_seconds")),
    }


def _facts_of_weights(trained: Trained) -> dict[str, str]:
    manifest = trained.manifest
    return {
        "code": trained.code_hash,
        "data version": manifest.data_version,
        "features": str(len(manifest.features)),
        "target": ", ".join(map(str, manifest.target_is.values())),
        "libraries": _libraries(manifest),
    }


def _libraries(manifest: Manifest) -> str:
    versions = sorted(manifest.library_versions.items())
    return ", ".join(f"{name} {version}" for name, version in versions)


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _seconds(seconds: float | None) -> str | None:
    return None if seconds is None else f"{seconds:.1f}"


def _missing(lake: Lake, model_name: str, trace: Trace, line: Line | None) -> Iterator[Missing]:
    """Yield what is not stored, each with the command that makes or looks for it."""
    number, submission = trace.round_number, trace.submission
    if submission is None or not trace.is_submitted:
        yield _nothing_submitted(lake, model_name, number)
        return
    if line is None:
        command = command_lines.numebot("collect")
        yield Missing("a position: the model had no stake, or none was read", command)
    check = command_lines.numebot("lake", "check")
    if submission["predictions_sha256"] is None:
        yield Missing("the predictions: the file was not uploaded from this folder", check)
    elif trace.predicted is None:
        yield Missing("the predictions that were sent", check)
    if submission["vintage"] is not None and trace.trained is None:
        yield Missing(f"the weights of vintage {submission['vintage']}", check)
    if trace.live_version is None:
        yield Missing("the live data of the round", command_lines.numebot("rounds", "add", number))


def _nothing_submitted(lake: Lake, model_name: str, number: int) -> Missing:
    """Return that nothing was submitted; a round before the newest stored one has closed."""
    text = "a submission: nothing was submitted from this folder"
    if number < max(lake.stored_rounds(), default=0):
        return Missing(f"{text}, and the round has closed: it can no longer be played", "")
    return Missing(text, command_lines.run(number, [model_name]))
