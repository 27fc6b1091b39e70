"""The pre-flight: would the next round succeed? Asked while there is time to mend what would not.

Beside the checks of `numebot doctor`, every model predicts the last round again in its worker and
under its budgets, and what Numerai has changed is told. Nothing is stored but what was found.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from numebot_dagster import command_lines
from numebot_dagster.lake import json_records
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
from numebot_dagster.operations.health.findings import Finding, Verdict
from numebot_dagster.operations.performance import collecting
from numebot_dagster.operations.platform import Platform
from numebot_dagster.operations.rounds import gates, live_data, predicting
from numebot_dagster.submissions import submission_file
from numebot_dagster.submissions.receipts import RoundRecord

ROUNDS_FOR_AN_ESTIMATE = 25  # five weeks
OPENINGS_OF_A_WEEKDAY = 4
REHEARSAL = "rehearsal"


def next_opening(open_times: Sequence[datetime], now: datetime) -> datetime | None:
    """When a round may open next: the earliest time of day of the last openings of a weekday.

    The hour moves, and nothing is said of a round before it opens; but weekdays keep their habits.

    Args:
        open_times: when the last rounds opened, aware UTC.
        now: aware UTC.

    Returns:
        The first expected opening after `now`; none when nothing has opened yet.
    """
    expected = []
    for weekday in {one.weekday() for one in open_times}:
        latest = sorted(one for one in open_times if one.weekday() == weekday)
        earliest = min(one.time() for one in latest[-OPENINGS_OF_A_WEEKDAY:])
        day = now.date() + timedelta(days=(weekday - now.weekday()) % 7)
        moment = datetime.combine(day, earliest, tzinfo=now.tzinfo)
        expected.append(moment if moment > now else moment + timedelta(days=7))
    return min(expected, default=None)


def expectation(open_times: Sequence[datetime], now: datetime) -> str:
    """Say when the next round is expected, as far as those before it tell."""
    opening = next_opening(open_times, now)
    if opening is None:
        return "When the next round opens is not known yet."
    return f"The next round is expected on {opening:%a %d %b at %H:%M} UTC."


@dataclass(frozen=True)
class Preflight:
    """What a pre-flight found, and for which opening it was made."""

    examined_at: datetime
    findings: tuple[Finding, ...]
    opening: datetime | None = None


def examine(platform: Platform, opening: datetime) -> list[Finding]:
    """Looks at everything, tells what would fail, and keeps the findings for `numebot doctor`.

    Args:
        platform: whose next round it is.
        opening: when the round is expected; what fails is told once for it.
    """
    findings = [*doctor.examine(platform), *rehearse(platform), *_changes(platform)]
    findings.append(_stakes(platform))
    outbox.send(platform, *alerts_of(findings, opening))
    # Last, so that a process killed before does not look as if it had told everything.
    last = Preflight(platform.client.now(), tuple(findings), opening)
    json_records.write(platform.lake.preflight_file, last)
    return findings


def rehearse(platform: Platform) -> Iterator[Finding]:
    """Every model that is enabled predicts the last round that is stored, after its canary rows."""
    try:
        models = platform.registry.enabled
    except RegistryError:
        return  # a finding of its own
    with Worker() as worker:
        for model in models:
            try:
                yield _rehearse(platform, worker, model)
            except (ModelError, SourceNotFound, OSError) as error:
                yield Finding(
                    REHEARSAL,
                    Verdict.FAILURE,
                    f"{model.name}: {error}",
                    f"mend the model, or type: {command_lines.train(model.name)}",
                )
            except NoWeights:
                continue  # a finding of its own


def alerts_of(findings: Sequence[Finding], opening: datetime) -> list[Alert]:
    """What the findings call for: one alert of all that would fail, and those with their own kind.

    Args:
        findings: of everything that was looked at.
        opening: of the round that they are about.
    """
    subject = f"opening-{opening:%Y-%m-%dT%H:%M}"
    due, others = [], []
    for one in findings:
        kind = _own_kind(one)
        if kind is not None:
            due.append(Alert(kind, subject, f"{one.name}: {one.text}", f"To do: {one.remedy}"))
        elif one.verdict is Verdict.FAILURE:
            others.append(one)
    if others:
        what = "\n".join(f"- {one.name}: {one.text}. To do: {one.remedy}" for one in others)
        title = f"The round expected on {opening:%a %d %b at %H:%M} UTC would fail"
        due.append(Alert(Kind.PREFLIGHT_FAILED, subject, title, what))
    return due


def as_markdown(findings: Sequence[Finding]) -> str:
    """The findings as a table."""
    rows = [
        " | ".join(text.replace("|", "\\|").replace("\n", " ") for text in (*cells,))
        for cells in ((one.name, one.verdict, one.text, one.remedy) for one in findings)
    ]
    return "\n".join(["what | verdict | found | to do", "--- | --- | --- | ---", *rows])


def _own_kind(finding: Finding) -> Kind | None:
    failed = finding.verdict is Verdict.FAILURE
    if finding.name == "credentials":
        if failed:
            return Kind.CREDENTIALS_REFUSED
        return Kind.KEY_MAY_MOVE_STAKE if finding.verdict is Verdict.WARNING else None
    return Kind.DISK_NEARLY_FULL if finding.name == "disk" and failed else None


def _rehearse(platform: Platform, worker: Worker, model: RegisteredModel) -> Finding:
    chosen = weight_store.choose(platform.lake, model.name, code_hash(model), model.vintage)
    number = _last_round(platform, chosen)
    if number is None:
        text = f"{model.name}: no live data of {chosen.manifest.data_version} are stored yet"
        return Finding(REHEARSAL, Verdict.WARNING, text, "nothing: the next round stores some")
    inputs = {
        name: predicting.newest_file(platform, RoundRecord(platform.lake, name, number))
        for name in model.inputs
    }
    missing = [name for name, path in inputs.items() if path is None]
    if missing:
        text = f"{model.name}: {', '.join(missing)} did not predict round {number}"
        return Finding(REHEARSAL, Verdict.WARNING, text, "see what kept it from that")
    return _predict_again(platform, worker, _request(platform, model, chosen, number, inputs))


def _request(
    platform: Platform,
    model: RegisteredModel,
    chosen: StoredWeights,
    number: int,
    inputs: dict[str, Path | None],
) -> PredictRequest:
    folder = platform.lake.live_folder(number, chosen.manifest.data_version)
    benchmarks = folder / live_data.LIVE_BENCHMARKS
    return PredictRequest(
        model=model.name,
        code=model.code,
        weights=chosen.folder,
        live=folder / live_data.LIVE,
        benchmarks=benchmarks if benchmarks.is_file() else None,
        inputs={name: path for name, path in inputs.items() if path is not None},
    )


def _predict_again(platform: Platform, worker: Worker, request: PredictRequest) -> Finding:
    result = worker.predict(request)
    verdicts = [gates.same_features(result.missing_features, result.unexpected_features)]
    if not result.missing_features:
        live_ids = live_data.live_ids(request.live.parent)
        problems = submission_file.check_raw(list(result.ids), result.predictions, live_ids)
        verdicts.append(gates.canary(result.canary))
        verdicts.append(gates.submission_rules(problems))
    closed = gates.closed(verdicts)
    if closed:
        text = f"{request.model}: {gates.GateClosed(verdicts)}"
        remedy = command_lines.train(request.model)
        return Finding(REHEARSAL, Verdict.FAILURE, text, remedy)
    rows = f"{len(result.ids)} ids in {result.seconds:.1f} s, {result.peak_memory_mb:.0f} MB"
    return Finding(REHEARSAL, Verdict.OK, f"{request.model}: {rows}")


def _last_round(platform: Platform, chosen: StoredWeights) -> int | None:
    """The newest round whose live data of the version of these weights are stored."""
    version = chosen.manifest.data_version
    stored = reversed(platform.lake.stored_rounds())
    return next((one for one in stored if version in platform.lake.live_folders(one)), None)


def _changes(platform: Platform) -> Iterator[Finding]:
    """What has changed at Numerai; told by alerts of its own, so that here it is a warning."""
    for change in observations.look(platform):
        yield Finding("changes", Verdict.WARNING, change.title, change.text)


def _stakes(platform: Platform) -> Finding:
    """Notes the stakes of today, by which the hour is ordered, unless the day has them."""
    try:
        today = collecting.today(platform)
        if today not in platform.lake.stored_days("leaderboard"):
            collecting.collect_leaderboard(platform)
    except NumeraiError as error:
        text = f"not read, the last known ones order the hour: {error}"
        return Finding("stakes", Verdict.WARNING, text, "nothing: the daily job asks again")
    return Finding("stakes", Verdict.OK, f"known as of {today}")
