"""Report the whole state as JSON, for people and tests that look at the tournament from outside."""

from __future__ import annotations

from typing import Any

from numebot_dagster.practice.api.request import Services
from numebot_dagster.practice.rules.clock import Round
from numebot_dagster.practice.rules.state import Model, Submission
from numebot_dagster.practice.rules.tournament import ACCOUNT, Tournament


def report(services: Services) -> dict[str, Any]:
    """Return clock, rounds, models and submissions; times are ISO, amounts decimal strings."""
    tournament = services.tournament
    now = tournament.clock.now()
    newest = tournament.timetable.newest(now)
    models = tournament.models(ACCOUNT)
    return {
        "clock": {"now": now.isoformat(), "real": tournament.clock.is_real},
        "seed": int(tournament.state.settings["seed"]),
        "scale": tournament.state.settings["scale"],
        "newest_round": newest.number,
        "open_round": newest.number if now < newest.close_staking_time else None,
        "rounds": [_round(tournament, round_) for round_ in tournament.timetable.rounds()],
        "models": _models(services, models),
        "submissions": [line for model in models for line in _submissions(tournament, model)],
    }


def _round(tournament: Tournament, round_: Round) -> dict[str, Any]:
    now = tournament.clock.now()
    return {
        "number": round_.number,
        "status": round_.status(now).value,
        "open_time": round_.open_time.isoformat(),
        "close_staking_time": round_.close_staking_time.isoformat(),
        "close_time": round_.close_time.isoformat(),
        "score_time": round_.publication(1).isoformat(),
        "resolve_time": round_.resolve_time.isoformat(),
        "scored_days": round_.scored_days(now),
    }


def _models(services: Services, models: list[Model]) -> list[dict[str, Any]]:
    tournament = services.tournament
    now = tournament.clock.now()
    unresolved = [r for r in tournament.timetable.opened_rounds() if r.resolve_time > now]
    next_round = tournament.timetable.rounds()[0].number
    return [
        {
            "id": model.id,
            "name": model.name,
            "at_stake": str(services.ledger.at_stake(model, unresolved)),
            "next_position": str(tournament.state.position(model.id, next_round)),
        }
        for model in models
    ]


def _submissions(tournament: Tournament, model: Model) -> list[dict[str, Any]]:
    selected = tournament.selected(model.id)
    return [
        {
            "id": submission.id,
            "round": submission.round,
            "kind": submission.kind,
            "filename": submission.filename,
            "ids_round": submission.ids_round,
            "model": model.name,
            "inserted_at": submission.inserted_at.isoformat(),
            "error": submission.error,
            "status": _status(tournament, submission, selected),
        }
        for submission in tournament.state.submissions(model.id)
    ]


def _status(tournament: Tournament, submission: Submission, selected: dict[int, Submission]) -> str:
    """Return on-time, late or queued for what counts, otherwise invalid or replaced."""
    if submission.error is not None:
        return "invalid"
    if selected[submission.round].id != submission.id:
        return "replaced"
    return tournament.entry(Round(submission.round), submission).status
