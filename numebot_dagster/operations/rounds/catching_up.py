"""Record together how rounds ended that opened and closed while nobody watched, and say it once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from numebot_dagster.numerai.records import Round
from numebot_dagster.operations.alerts import outbox
from numebot_dagster.operations.alerts.outbox import Alert, Kind
from numebot_dagster.operations.causes import names_of, rounds_of
from numebot_dagster.operations.health.round_alerts import stretch_subject
from numebot_dagster.operations.platform import Platform
from numebot_dagster.operations.rounds import follow_up
from numebot_dagster.operations.rounds.details import store_details
from numebot_dagster.submissions.receipts import NOBODY_PLAYED, RoundRecord


def unseen(platform: Platform, closed: Sequence[Round]) -> list[Round]:
    """Return the closed rounds of which nothing is stored: no run looked at them."""
    return [round_ for round_ in closed if not platform.lake.round_details(round_.number).is_file()]


def catch_up(platform: Platform, rounds: Sequence[Round]) -> None:
    """Record how several closed rounds ended for each model, and send one message for all.

    The rounds' details are stored last: what was stopped before that is done again.

    Raises:
        NumeraiError: when Numerai cannot be asked; nothing is recorded then.
    """
    models = platform.registry.submitting
    fleet = follow_up.fleet_of(platform, rounds[0])
    for round_ in rounds:
        follow_up.settle(platform, round_, models, fleet)
    missed = {
        model.name: [round_ for round_ in rounds if _is_missed(platform, model.name, round_)]
        for model in models
    }
    missed = {name: theirs for name, theirs in missed.items() if theirs}
    if missed:
        outbox.send(platform, _missed_alert(rounds, missed))
    for round_ in rounds:
        store_details(platform, round_)


def _is_missed(platform: Platform, model_name: str, round_: Round) -> bool:
    standing = RoundRecord(platform.lake, model_name, round_.number).standing
    return standing is not None and standing.is_missed


def _missed_alert(rounds: Sequence[Round], missed: Mapping[str, Sequence[Round]]) -> Alert:
    """Return the one message about all rounds that were missed, grouped by the models' rounds."""
    names = list(missed)
    by_rounds: dict[str, list[str]] = {}
    for name, theirs in missed.items():
        text = rounds_of([round_.number for round_ in theirs])
        by_rounds.setdefault(text, []).append(name)
    last = max(round_.close_staking_time for round_ in rounds)
    closed = f"{NOBODY_PLAYED.capitalize()}; the last closed on {last:%a %d %b %Y at %H:%M} UTC."
    who = names[0] if len(names) == 1 else f"{len(names)} models"
    numbers = [round_.number for round_ in rounds]
    return Alert(
        Kind.ROUND_MISSED,
        stretch_subject(numbers, names),
        f"{who} missed {rounds_of(numbers).lower()}",
        "\n".join(
            [
                closed.replace("the round before it closed", "these rounds before they closed"),
                *(f"- {names_of(models)}: {text}" for text, models in by_rounds.items()),
                "Nothing is left to do: rounds that open from now on are played.",
            ]
        ),
    )
