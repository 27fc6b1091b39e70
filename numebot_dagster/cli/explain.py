"""`numebot explain`: from a payout back to code and data."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from numebot_dagster.cli import errors, session
from numebot_dagster.cli.screen import say, wrapped
from numebot_dagster.modeling.registry import RegisteredModel
from numebot_dagster.operations.performance.money import ledger_export
from numebot_dagster.operations.performance.money.ledger import account_book
from numebot_dagster.operations.performance.money.ledger_lines import Line, Match
from numebot_dagster.operations.platform import Platform
from numebot_dagster.terminal import wait_for_reader

if TYPE_CHECKING:
    from numebot_dagster.operations.performance.explanation import (
        Change,
        Explanation,
        Trace,
        Trained,
    )

WIDTH = 13  # of the first column
LIBRARIES = "libraries"
Row = tuple[str, str]


class Format(StrEnum):
    """Format of the explanation."""

    TEXT = "text"
    JSON = "json"


def explain(
    model: Annotated[str, typer.Option(help="Numerai's name of the model.")],
    round_: Annotated[int, typer.Option("--round", help="Number of the round.")],
    form: Annotated[Format, typer.Option("--format", help="Output format.")] = Format.TEXT,
) -> None:
    """Trace a payout back to its submission, predictions, weights, data and code.

    It also says what differs from the last good round of the model: the last one before it that was
    confirmed on time with predictions of the live rung. Everything is read from the data folder;
    for what is not stored the command is named that may help.
    """
    from numebot_dagster.operations.performance.explanation import explain as trace_back

    wait_for_reader()
    with errors.explained():
        platform = session.look_at_platform()
        registered = _registered(platform, model)
        lines = account_book(platform, model, round_).lines
        explanation = trace_back(
            platform.lake, model, round_, lines[0] if lines else None, registered
        )
    if form is Format.JSON:
        typer.echo(json.dumps(_as_record(explanation), default=str, indent=1))
    else:
        for label, text in _rows(explanation):
            line = f"{label:<{WIDTH}}{text}".rstrip()
            say(wrapped(line, WIDTH))


def _registered(platform: Platform, name: str) -> RegisteredModel | None:
    """Return the registered model; one that is registered no more may have stored rounds."""
    session.check_model_name(platform, name)
    return {model.name: model for model in platform.registry.models}.get(name)


def _rows(explanation: Explanation) -> Iterator[Row]:
    trace = explanation.trace
    yield f"{explanation.model}, round {trace.round_number}", ""
    yield from _of_payout(explanation.line)
    yield from _of_submission(trace)
    yield from _of_predictions(trace)
    yield from _of_weights(trace.trained, explanation.code_now)
    yield from _of_comparison(explanation)
    for missing in explanation.missing:
        remedy = f". Try: {missing.command}" if missing.command else ""
        yield "not stored", f"{missing.what}{remedy}"


def _of_payout(line: Line | None) -> Iterator[Row]:
    if line is None:
        return
    amount = "unknown" if line.credited is None else f"{line.credited:+f} NMR"
    when = "paid" if line.resolved else "pending until"
    yield "payout", f"{amount}, {when} {line.resolve_date}: {_match(line)}"
    yield "", line.rule
    for score in line.scores:
        value = ledger_export.digits(score.value) or "unknown"
        yield "", f"{score.name} day {score.day}: {value}"
    stake, factor = ledger_export.digits(line.at_risk), ledger_export.digits(line.payout_factor)
    yield "", f"stake {stake or 'unknown'} NMR, payout factor {factor or 'unknown'}"


def _match(line: Line) -> str:
    texts = {
        Match.EQUAL: "equal to what Numerai credited",
        Match.PENDING: "as the scores of today would pay",
        Match.DIFFERENCE: f"differs from what its own rule gives: {line.remark}",
        Match.UNKNOWN: f"cannot be recomputed: Numerai gave no {line.remark}",
    }
    return texts[line.match]


def _of_submission(trace: Trace) -> Iterator[Row]:
    sent = trace.submission
    if sent is None:
        return
    outcome = (sent["outcome"] or "unknown").replace("_", " ")
    if trace.is_submitted:
        yield "submission", f"{sent['state']}, {outcome}, rung {sent['rung']}"
        yield "", f"file {sent['filename'] or 'none'}, id {sent['submission_id'] or 'none'}"
    else:
        yield "submission", "none: the round was missed"
    times = [
        f"{name} {sent[f'{name}_at']:%H:%M:%S}"
        for name in ("submitted", "accepted", "confirmed")
        if sent[f"{name}_at"] is not None
    ]
    if times:
        day = next(sent[name] for name in ("submitted_at", "accepted_at") if sent[name])
        yield "", f"{', '.join(times)} on {day:%Y-%m-%d} (UTC); receipts: {len(trace.events)}"
    reasons = {"why this rung": sent["rung_reason"], "reason": sent["reason"]}
    yield from (("", f"{name}: {text}") for name, text in reasons.items() if text)


def _of_predictions(trace: Trace) -> Iterator[Row]:
    sent, predicted = trace.submission, trace.predicted
    if sent is None or predicted is None:
        return
    seconds = sent["predict_seconds"]
    took = "" if seconds is None else f", predicted in {seconds:.1f} s"
    yield "predictions", f"{predicted.rows} ids, sha256 {sent['predictions_sha256'][:16]}{took}"
    stored = "unchanged since" if predicted.is_as_sent else "NOT what was sent: numebot lake check"
    yield "", f"stored file: {stored}; live data {trace.live_version}, {trace.live_rows} ids"
    yield "gates", "those that block had passed: predictions are stored only then"
    for gate in predicted.verdicts:
        verdict = "passed" if gate.passed else "NOT PASSED"
        yield "", f"{gate.name}, judged again: {verdict} ({gate.text})"


def _of_weights(trained: Trained | None, code_now: str | None) -> Iterator[Row]:
    if trained is None:
        return
    manifest = trained.manifest
    certain = "" if trained.is_certain else ", the newest of several when it predicted"
    yield "weights", f"vintage {manifest.vintage}, code {trained.code_hash}{certain}"
    yield (
        "",
        f"trained {manifest.trained_at:%Y-%m-%d %H:%M} in {manifest.seconds:.1f} s, "
        f"{manifest.peak_memory_mb:.0f} MB",
    )
    target = ", ".join(real or name for name, real in manifest.target_is.items())
    yield (
        "data",
        f"{manifest.data_version} ({manifest.data_stamp}), eras {manifest.first_era} to "
        f"{manifest.last_era}, {manifest.train_rows} rows",
    )
    yield "", f"{len(manifest.features)} features, target {target}"
    if code_now is None:
        yield "code", "the model's present code was not found"
    elif code_now == trained.code_hash:
        yield "code", f"{code_now}, unchanged since"
    else:
        yield "code", f"{trained.code_hash} then, {code_now} now"


def _of_comparison(explanation: Explanation) -> Iterator[Row]:
    good = explanation.last_good
    if not explanation.trace.is_submitted:
        return
    if good is None:
        yield "compared", "no round before it was confirmed on time by the live rung"
    elif not explanation.changes:
        yield "compared", f"nothing differs from the last good round, {good.round_number}"
    else:
        yield "compared", f"with the last good round, {good.round_number}:"
        yield from (("", _change(change)) for change in explanation.changes)


def _change(change: Change) -> str:
    if change.what != LIBRARIES:
        return f"{change.what}: {change.before}, now {change.now}"
    before, now = (set(text.split(", ")) for text in (change.before, change.now))
    lost, new = (", ".join(sorted(each)) or "none" for each in (before - now, now - before))
    return f"{change.what}: {lost}, now {new}"


def _as_record(explanation: Explanation) -> dict[str, Any]:
    """Return all of it for JSON, amounts as texts."""
    record = asdict(explanation)
    line = explanation.line
    record["line"] = None if line is None else ledger_export.row_of(line)
    return record
