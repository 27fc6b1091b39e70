"""The whole state as JSON, for people and tests that look at the tournament from outside."""

from __future__ import annotations

from typing import Any

from numebot_dagster.practice.api.request import Services
from numebot_dagster.practice.rules.clock import Round
from numebot_dagster.practice.rules.state import Submission
from numebot_dagster.practice.rules.tournament import ACCOUNT, Tournament


def report(services: Services) -> dict[str, Any]:
    """Returns clock, rounds, models and submissions; times are ISO, amounts decimal strings."""
    tournament = services.tournament
    now = tournament.clock.now()
    newest = tournament.newest(now)
    return {
        "clock": {"now": now.isoformat(), "real": tournament.clock.is_real},
        "seed": int(tournament.state.settings["seed"]),
        "scale": tournament.state.settings["scale"],
        "newest_round": newest.number,
        "open_round": newest.number if now < newest.close_staking_time else None,
        "rounds": [_round(tournament, one) for one in tournament.rounds()],
        "models": _models(services),
        "submissions": [
            line
            for model in tournament.models(ACCOUNT)
            for line in _submissions(tournament, model.id)
        ],
    }


def _round(tournament: Tournament, one: Round) -> dict[str, Any]:
    now = tournament.clock.now()
    return {
        "number": one.number,
        "status": one.status(now).value,
        "open_time": one.open_time.isoformat(),
        "close_staking_time": one.close_staking_time.isoformat(),
        "close_time": one.close_time.isoformat(),
        "score_time": one.publication(1).isoformat(),
        "resolve_time": one.resolve_time.isoformat(),
        "scored_days": one.scored_days(now),
    }


def _models(services: Services) -> list[dict[str, Any]]:
    tournament = services.tournament
    models = tournament.models(ACCOUNT)
    now = tournament.clock.now()
    unresolved = [one for one in tournament.opened_rounds() if one.resolve_time > now]
    next_round = tournament.rounds()[0].number
    return [
        {
            "id": model.id,
            "name": model.name,
            "at_stake": str(services.ledger.at_stake(model, unresolved)),
            "next_position": str(tournament.state.position(model.id, next_round)),
        }
        for model in models
    ]


def _submissions(tournament: Tournament, model_id: str) -> list[dict[str, Any]]:
    chosen = tournament.selected(model_id)
    names = {model.id: model.name for model in tournament.models(ACCOUNT)}
    return [
        {
            **{key: getattr(one, key) for key in ("id", "round", "kind", "filename", "ids_round")},
            "model": names[one.model_id],
            "inserted_at": one.inserted_at.isoformat(),
            "error": one.error,
            "status": _status(tournament, one, chosen),
        }
        for one in tournament.state.submissions(model_id)
    ]


def _status(tournament: Tournament, one: Submission, chosen: dict[int, Submission]) -> str:
    """Returns on-time, late or queued for what counts, else invalid or replaced."""
    if one.error is not None:
        return "invalid"
    if chosen[one.round].id != one.id:
        return "replaced"
    return tournament.entry(Round(one.round), one).status
