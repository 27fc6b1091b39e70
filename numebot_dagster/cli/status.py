"""`numebot status`: show what is confirmed, what is missing, and why."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import date
from statistics import median
from typing import Annotated, Any

import typer

from numebot_dagster.cli import errors, screen, session
from numebot_dagster.cli.screen import plain_table, say, show_table
from numebot_dagster.cli.status_grid import grid, unplayed_stretches
from numebot_dagster.lake import json_records
from numebot_dagster.operations.alerts.outbox import Raised
from numebot_dagster.operations.causes import (
    MODELS_FAILED,
    by_cause,
    names_of,
    one_line,
    pattern_of,
    rounds_of,
)
from numebot_dagster.operations.health import status as reading
from numebot_dagster.operations.health.status import (
    Moment,
    RoundModel,
    Standing,
    WeightsStatus,
    Window,
)
from numebot_dagster.operations.performance.newest_scores import PaidScores, paid_scores
from numebot_dagster.operations.platform import Platform
from numebot_dagster.reporting.numbers import score
from numebot_dagster.terminal import wait_for_reader

ALERTS_SHOWN = 5
MODELS_NAMED = 4
QUOTED = 40  # characters by which a reason is recognised in another text
PATIENCE = 5.0  # seconds: someone waits for the answer


@dataclass(frozen=True)
class Overview:
    """All that the command shows.

    Attributes:
        unseen_days: without leaderboard; unknown while Numerai's date is.
        alerts: not sent yet; none without a channel.
        automation: what keeps `numebot up` from playing rounds, where it was used.
        unseen: the numbers of rounds that closed before a run looked at them.
        scores: the newest of these rounds, and of the last one that has resolved.
    """

    at: Moment
    windows: Sequence[Window]
    cells: Sequence[RoundModel]
    failures: dict[int, str]
    weights: Sequence[WeightsStatus]
    unseen_days: Sequence[date] | None
    alerts: Sequence[Raised]
    automation: Sequence[str] = ()
    unseen: frozenset[int] = frozenset()
    scores: PaidScores = field(default_factory=PaidScores)


def status(
    rounds: Annotated[int, typer.Option(min=1, help="How many of the newest rounds to show.")] = 10,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")] = False,
) -> None:
    """Show what is confirmed, scored, missing or failed by round and model, and old weights.

    Everything is read from the data folder, except the open round: Numerai is asked for it, for at
    most five seconds.
    """
    wait_for_reader()
    with errors.explained():
        platform = session.look_at_platform(PATIENCE)
        _ = platform.registry  # read before Numerai is waited for
        overview = _overview(platform, rounds)
    if as_json:
        typer.echo(json.dumps(_as_json(overview), default=str, indent=1))
    else:
        _show(overview)


def _overview(platform: Platform, rounds: int) -> Overview:
    from numebot_dagster.defs import instance

    at = reading.moment(platform)
    if at.problem:
        at = replace(at, problem=errors.unreached(at.problem, platform.settings))
    recent = reading.recent_rounds(
        platform, at, instance.registered_rounds(), rounds, instance.tried_rounds
    )
    return Overview(
        at,
        recent.windows,
        recent.cells,
        instance.failures(window.number for window in recent.windows),
        reading.weights_status(platform),
        None if at.problem else reading.days_without_leaderboard(platform, at.now),
        reading.unsent_alerts(platform) if platform.settings.numebot_notify_urls else (),
        instance.automation_warnings(),
        recent.unseen,
        paid_scores(platform.lake, [window.number for window in recent.windows], at.now.date()),
    )


def _as_json(overview: Overview) -> dict[str, Any]:
    opened = overview.at.open_round
    return {
        "now": overview.at.now.isoformat(),
        "problem": overview.at.problem or None,
        "open_round": None if opened is None else _window_json(opened, overview.at),
        "rounds": [_cell_json(cell, overview.scores) for cell in overview.cells],
        "last_resolved": _resolved_json(overview.scores),
        "rounds_not_seen": sorted(overview.unseen),
        "run_failures": overview.failures,
        "weights": [asdict(weights) for weights in overview.weights],
        "days_without_leaderboard": None
        if overview.unseen_days is None
        else [day.isoformat() for day in overview.unseen_days],
        "alerts_not_sent": [json_records.as_dict(alert) for alert in overview.alerts],
        "automation": list(overview.automation),
    }


def _window_json(window: Window, at: Moment) -> dict[str, Any]:
    left = _seconds_left(window, at)
    return {"round": window.number, "closes": window.close_staking_time, "seconds_left": left}


def _resolved_json(scores: PaidScores) -> dict[str, Any] | None:
    number = scores.last_resolved
    if number is None:
        return None
    by_model = {model: asdict(scored) for model, scored in scores.of_round(number).items()}
    return {"round": number, "scores": by_model}


def _cell_json(cell: RoundModel, scores: PaidScores) -> dict[str, Any]:
    receipt = cell.receipt
    scored = scores.by_place.get((cell.model, cell.round_number))
    return {
        "round": cell.round_number,
        "model": cell.model,
        "standing": cell.standing,
        "outcome": None if receipt is None else receipt.outcome,
        "state": None if receipt is None else receipt.state,
        "rung": None if receipt is None else receipt.rung,
        "vintage": None if receipt is None else receipt.vintage,
        "reason": cell.reason,
        "score": None if scored is None else asdict(scored),
    }


def _show(overview: Overview) -> None:
    say(_headline(overview.at))
    if overview.cells:
        width = screen.console.width
        scores = overview.scores
        show_table(grid(overview.windows, overview.cells, overview.unseen, scores, width))
        if scores.last_resolved is not None:
            say(_last_resolved(scores, scores.last_resolved))
    else:
        say("No round was played yet. To play the open one: numebot run\n")
    for text in _reasons(overview):
        say(text)
    _show_weights(overview.weights)
    for text in _remarks(overview):
        say(text)


def _last_resolved(scores: PaidScores, round_number: int) -> str:
    """Return the final scores of the last round that has resolved, as a sentence."""
    final = {model: each.value for model, each in scores.of_round(round_number).items()}
    if len(final) <= MODELS_NAMED:
        text = ": " + ", ".join(f"{model} {score(value)}" for model, value in final.items())
    else:
        values = sorted(final.values())
        low, middle, high = map(score, (values[0], median(values), values[-1]))
        text = f" of {len(final)} models from {low} to {high}, median {middle}"
    return f"Round {round_number} is the last that has resolved: {scores.metric.upper()}{text}."


def _headline(at: Moment) -> str:
    clock = f"It is {at.now:%a %d %b %Y %H:%M} UTC"
    if at.problem:
        return f"{clock} by this machine's clock; Numerai was not reached: {at.problem}"
    if at.open_round is None or at.open_round.close_staking_time is None:
        return f"{clock}; no round is open."
    window = at.open_round
    minutes = round(_seconds_left(window, at) / 60)
    left = f"{minutes} min" if minutes < 120 else f"{minutes / 60:.0f} h"
    return f"{clock}; round {window.number} is open for another {left}."


def _seconds_left(window: Window, at: Moment) -> float:
    closes = window.close_staking_time
    return 0.0 if closes is None else max((closes - at.now).total_seconds(), 0.0)


def _reasons(overview: Overview) -> list[str]:
    """Return why runs failed and why models are not confirmed, by cause."""
    stretches = unplayed_stretches(overview.windows, overview.cells, overview.unseen)
    failed = by_cause(
        (str(number), text)
        for number, text in overview.failures.items()
        if not _repeats_a_model(text, overview.cells)
    )
    texts = [
        f"{rounds_of([int(number) for number in cause.models])}: {cause.text}" for cause in failed
    ]
    groups: dict[tuple[Standing, str], list[RoundModel]] = {}
    for cell in overview.cells:
        if cell.reason:
            pattern = pattern_of(cell.model, one_line(cell.reason))
            groups.setdefault((cell.standing, pattern), []).append(cell)
    texts += [
        f"{rounds_of(stretch)}: not played: closed before Numebot looked at it"
        for stretch in stretches
    ]
    return texts + [_reason(standing, cells) for (standing, _), cells in groups.items()]


def _repeats_a_model(failure: str, cells: Sequence[RoundModel]) -> bool:
    """Return whether a run failed with what is said of a model anyway."""
    if failure.endswith(MODELS_FAILED):
        return True
    return any(cell.reason and one_line(cell.reason)[:QUOTED] in failure for cell in cells)


def _capital(text: str) -> str:
    """Begin a text with a capital, unless it begins with the name of a sensor or schedule."""
    return text if "_" in text.partition(" ")[0] else text[:1].upper() + text[1:]


def _reason(standing: Standing, cells: Sequence[RoundModel]) -> str:
    rounds = rounds_of(list(dict.fromkeys(cell.round_number for cell in cells)))
    models = names_of(list(dict.fromkeys(cell.model for cell in cells)))
    return f"{rounds}, {models}: {standing}: {one_line(cells[0].reason)}"


def _show_weights(weights: Sequence[WeightsStatus]) -> None:
    """Show a row for all models with weights of one vintage, and below what is wrong with which."""
    table = plain_table("weights", "vintage", "trained at")
    by_vintage: dict[int | None, list[WeightsStatus]] = {}
    for model in weights:
        by_vintage.setdefault(model.vintage, []).append(model)
    for vintage, models in by_vintage.items():
        days = sorted(f"{model.trained_at:%Y-%m-%d}" for model in models if model.trained_at)
        trained = " to ".join(dict.fromkeys([days[0], days[-1]])) if days else ""
        names = names_of([model.model for model in models])
        table.add_row(names, "" if vintage is None else str(vintage), trained)
    show_table(table)
    for cause in by_cause((model.model, model.problem) for model in weights if model.problem):
        say(str(cause))


def _remarks(overview: Overview) -> list[str]:
    texts = [_capital(text) for text in overview.automation]
    texts += [f"Alert not sent yet: {alert.title}" for alert in overview.alerts[:ALERTS_SHOWN]]
    if overview.unseen_days is None:
        texts.append("Days without a leaderboard are not checked, because Numerai was not reached.")
    elif overview.unseen_days:
        newest = ", ".join(f"{day:%d %b}" for day in overview.unseen_days[-3:])
        texts.append(
            f"No leaderboard was stored on {len(overview.unseen_days)} days, the last {newest}: "
            "Numerai shows only today's."
        )
    return texts
