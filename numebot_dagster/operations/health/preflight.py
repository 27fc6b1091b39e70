"""Check before a round opens that it would succeed, while there is time to correct what would not.

In addition to the checks of `numebot doctor`, every model predicts the last round again in its
worker and within its budgets, and changes at Numerai are reported. Only the findings are stored.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from numebot_dagster import command_lines
from numebot_dagster.lake import json_records
from numebot_dagster.lake.days import stored_days
from numebot_dagster.modeling.registry import RegisteredModel, RegistryError, code_hash
from numebot_dagster.modeling.source.modules import SourceNotFound
from numebot_dagster.modeling.weights import weight_store
from numebot_dagster.modeling.weights.weight_store import NoWeights, StoredWeights
from numebot_dagster.modeling.worker.failures import ModelError
from numebot_dagster.modeling.worker.messages import PredictRequest
from numebot_dagster.modeling.worker.worker import Worker
from numebot_dagster.numerai.errors import NumeraiError
from numebot_dagster.operations.alerts import outbox
from numebot_dagster.operations.alerts.outbox import Alert, Kind
from numebot_dagster.operations.health import doctor, observations
from numebot_dagster.operations.health.findings import Check, Finding, Verdict
from numebot_dagster.operations.performance import collecting
from numebot_dagster.operations.platform import Platform
from numebot_dagster.operations.rounds import gates, live_data, predicting
from numebot_dagster.submissions import submission_file
from numebot_dagster.submissions.receipts import RoundRecord

if TYPE_CHECKING:
    import polars as pl

ROUNDS_FOR_AN_ESTIMATE = 25  # five weeks
OPENINGS_OF_A_WEEKDAY = 4


def next_opening(open_times: Sequence[datetime], now: datetime) -> datetime | None:
    """Return the next expected opening, by the earliest of the last ones on each weekday.

    The hour varies, and Numerai does not announce a round before it opens, but the hours of a
    weekday are alike.
    """
    expected = []
    for weekday in {opened.weekday() for opened in open_times}:
        latest = sorted(opened for opened in open_times if opened.weekday() == weekday)
        earliest = min(opened.time() for opened in latest[-OPENINGS_OF_A_WEEKDAY:])
        day = now.date() + timedelta(days=(weekday - now.weekday()) % 7)
        moment = datetime.combine(day, earliest, tzinfo=now.tzinfo)
        expected.append(moment if moment > now else moment + timedelta(days=7))
    return min(expected, default=None)


def expectation(open_times: Sequence[datetime], now: datetime) -> str:
    """Return a sentence about when the next round is expected."""
    opening = next_opening(open_times, now)
    if opening is None:
        return "No opening of the next round can be expected yet."
    return f"The next round is expected on {opening:%a %d %b at %H:%M} UTC."


@dataclass(frozen=True)
class Preflight:
    """The findings of a pre-flight, and the opening that it was made for."""

    examined_at: datetime
    findings: tuple[Finding, ...]
    opening: datetime | None = None


def examine(platform: Platform, opening: datetime) -> list[Finding]:
    """Run all checks, send alerts of failures, and store the findings for `numebot doctor`."""
    findings = [*doctor.examine(platform), *rehearse(platform), *_changes(platform)]
    findings.append(_stakes(platform))
    outbox.send(platform, *alerts_of(findings, opening))
    # Last: a process that is killed before must not look as if it had sent all alerts.
    last = Preflight(platform.client.now(), tuple(findings), opening)
    json_records.write(platform.lake.preflight_file, last)
    return findings


def rehearse(platform: Platform) -> Iterator[Finding]:
    """Let every enabled model predict its canary rows and the last stored round."""
    try:
        models = platform.registry.enabled
    except RegistryError:
        return  # reported by the check of the registry
    with Worker() as worker:
        for model in models:
            try:
                yield _rehearse(platform, worker, model)
            except (ModelError, SourceNotFound, OSError) as error:
                yield Finding(
                    Check.REHEARSAL,
                    Verdict.FAILURE,
                    f"{model.name}: {error}",
                    f"correct the model, or type: {command_lines.train(model.name)}",
                )
            except NoWeights:
                continue  # reported by the check of the weights


def alerts_of(findings: Sequence[Finding], opening: datetime) -> list[Alert]:
    """Return one alert of all failures, and one for each finding whose alert has its own kind."""
    subject = f"opening-{opening:%Y-%m-%dT%H:%M}"
    alerts, lines = [], []
    for finding in findings:
        kind, what = _own_kind(finding), f"{finding.name}: {finding.text}"
        if kind is not None:
            alerts.append(Alert(kind, subject, what, f"To do: {finding.remedy}"))
        elif finding.verdict is Verdict.FAILURE:
            lines.append(f"- {what}. To do: {finding.remedy}")
    if lines:
        title = f"The round expected on {opening:%a %d %b at %H:%M} UTC would fail"
        alerts.append(Alert(Kind.PREFLIGHT_FAILED, subject, title, "\n".join(lines)))
    return alerts


def findings_table(findings: Sequence[Finding]) -> pl.DataFrame:
    """Return the findings as a frame of what, verdict, found and to_do."""
    import polars as pl

    rows = [(finding.name, finding.verdict, finding.text, finding.remedy) for finding in findings]
    return pl.DataFrame(rows, schema=["what", "verdict", "found", "to_do"], orient="row")


def _own_kind(finding: Finding) -> Kind | None:
    failed = finding.verdict is Verdict.FAILURE
    if finding.name is Check.CREDENTIALS:
        if failed:
            return Kind.CREDENTIALS_REFUSED
        return Kind.KEY_MAY_MOVE_STAKE if finding.verdict is Verdict.WARNING else None
    return Kind.DISK_NEARLY_FULL if finding.name is Check.DISK and failed else None


def _rehearse(platform: Platform, worker: Worker, model: RegisteredModel) -> Finding:
    chosen = weight_store.choose(platform.lake, model.name, code_hash(model), model.vintage)
    number = _last_round(platform, chosen)
    if number is None:
        text = f"{model.name}: no live data of {chosen.manifest.data_version} are stored yet"
        remedy = "nothing: the next round stores some"
        return Finding(Check.REHEARSAL, Verdict.WARNING, text, remedy)
    inputs = {
        name: predicting.newest_file(platform, RoundRecord(platform.lake, name, number))
        for name in model.inputs
    }
    whole = {name: path for name, path in inputs.items() if path is not None}
    if missing := inputs.keys() - whole:
        text = (
            f"{model.name}: its input {', '.join(sorted(missing))} did not predict round {number}"
        )
        return Finding(Check.REHEARSAL, Verdict.WARNING, text, "see why in: numebot status")
    folder = platform.lake.live_folder(number, chosen.manifest.data_version)
    return _predict_again(worker, predicting.request_for(model, chosen, folder, whole))


def _predict_again(worker: Worker, request: PredictRequest) -> Finding:
    result = worker.predict(request)
    verdicts = predicting.gates_of_model(result)
    if not result.missing_features:
        live_ids = live_data.live_ids(request.live.parent)
        problems = submission_file.check_raw(list(result.ids), result.predictions, live_ids)
        verdicts.append(gates.submission_rules(problems))
    if gates.closed(verdicts):
        text = f"{request.model}: {gates.GateClosed(verdicts)}"
        remedy = command_lines.train(request.model)
        return Finding(Check.REHEARSAL, Verdict.FAILURE, text, remedy)
    rows = f"{len(result.ids)} ids in {result.seconds:.1f} s, {result.peak_memory_mb:.0f} MB"
    return Finding(Check.REHEARSAL, Verdict.OK, f"{request.model}: {rows}")


def _last_round(platform: Platform, chosen: StoredWeights) -> int | None:
    """Return the newest round with stored live data of the version of these weights."""
    version = chosen.manifest.data_version
    stored = reversed(platform.lake.stored_rounds())
    return next(
        (number for number in stored if version in platform.lake.live_folders(number)), None
    )


def _changes(platform: Platform) -> Iterator[Finding]:
    """Yield changes at Numerai as warnings; their alerts are sent by `observations.look`."""
    for change in observations.look(platform):
        yield Finding(Check.CHANGES, Verdict.WARNING, change.title, change.text)


def _stakes(platform: Platform) -> Finding:
    """Store today's stakes, by which models are ordered in a round, unless they are stored."""
    try:
        today = collecting.today(platform)
        if today not in stored_days(platform.lake, "leaderboard"):
            collecting.collect_leaderboard(platform, today)
    except NumeraiError as error:
        text = f"not read, so models are ordered by the last stored ones: {error}"
        return Finding(Check.STAKES, Verdict.WARNING, text, "nothing: the daily job tries again")
    return Finding(Check.STAKES, Verdict.OK, f"stored as of {today}")
