"""Judge what has to hold on every day: confirmations, scores, weights and roll-ups."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta

from numebot_dagster.lake import catalog
from numebot_dagster.operations.causes import by_cause, names_of, rounds_of
from numebot_dagster.operations.health import status
from numebot_dagster.operations.health.status import Moment, RoundModel, Standing, WeightsStatus
from numebot_dagster.operations.health.upkeep import Verification
from numebot_dagster.operations.performance import due
from numebot_dagster.operations.platform import Platform
from numebot_dagster.operations.rounds.gates import Gate
from numebot_dagster.reporting.numbers import counted

EVERYTHING_CONFIRMED = "everything_confirmed"
SCORES_ARRIVED = "scores_arrived"
WEIGHTS_FRESH = "weights_fresh"
ROLLUP_SOUND = "rollup_sound"

_WELL = (Standing.CONFIRMED, Standing.ELSEWHERE)
_UNDER_WAY = (Standing.WAITING, Standing.SENDING)

_IN_SCORING = "select round from rounds where score_time < ? and coalesce(resolve_time >= ?, true)"
_SENT_IN_TIME = """
select model, round from submissions
where outcome = 'on_time' and state in ('accepted', 'confirmed') and round in ({rounds})
"""
_SCORED = "select distinct model, round from scores where date >= ? and value is not null"


def everything_confirmed(platform: Platform, at: Moment) -> Gate:
    """Judge whether every submission to the newest round is confirmed.

    An open round that is still played says nothing yet: then the round before it is judged.
    """
    recent = status.recent_rounds(platform, at, more=(), rounds=2, tried=lambda rounds: set())
    for window in recent.windows:
        cells = [cell for cell in recent.cells if cell.round_number == window.number]
        is_under_way = any(cell.standing in _UNDER_WAY for cell in cells)
        if cells and not (window.is_open(at.now) and is_under_way):
            return confirmed(window.number, cells)
    return Gate(EVERYTHING_CONFIRMED, True, False, "no round has been played yet")


def confirmed(round_number: int, cells: Sequence[RoundModel]) -> Gate:
    """Judge how the models stand in a round; what is accepted but not yet compared only warns."""
    open_ends = [cell for cell in cells if cell.standing not in _WELL]
    facts = {"models": len(cells), "confirmed": len(cells) - len(open_ends), "round": round_number}
    if not open_ends:
        text = f"round {round_number}: {counted(len(cells), 'model')} confirmed"
        return Gate(EVERYTHING_CONFIRMED, True, False, text, facts)
    causes = by_cause(
        (cell.model, f"{cell.standing}{': ' if cell.reason else ''}{cell.reason}")
        for cell in open_ends
    )
    text = f"round {round_number}: {'; '.join(str(cause) for cause in causes)}"
    is_lost = any(cell.standing is not Standing.ACCEPTED for cell in open_ends)
    return Gate(EVERYTHING_CONFIRMED, False, is_lost, text, facts)


def scores_arrived(platform: Platform, now: datetime) -> Gate:
    """Judge whether the scores of the last publication are stored of all that is in scoring.

    Args:
        platform: whose lake is read.
        now: aware UTC, by Numerai's clock.
    """
    day = due.last_publication(now)
    submitted = in_scoring(platform, day)
    scored = set(catalog.query(platform.lake, _SCORED, [day]).iter_rows())
    missing = sorted(submitted - scored)
    facts = {"in_scoring": len(submitted), "missing": len(missing)}
    submissions = counted(len(submitted), "submission")
    if not missing:
        text = f"scores of {day:%a %d %b} are stored of {submissions} in scoring"
        return Gate(SCORES_ARRIVED, True, False, text, facts)
    models = names_of(sorted({model for model, _ in missing}))
    rounds = rounds_of([number for _, number in missing])
    text = (
        f"scores of {day:%a %d %b} are missing of {len(missing)} of {submissions} in scoring: "
        f"{models}, {rounds[0].lower()}{rounds[1:]}. To read them again: numebot collect"
    )
    return Gate(SCORES_ARRIVED, False, False, text, facts)


def weights_fresh(weights: WeightsStatus) -> Gate:
    """Judge whether a model has weights of its present code that are not due for retraining."""
    if weights.problem:
        return Gate(WEIGHTS_FRESH, False, False, weights.problem)
    text = f"trained on vintage {weights.vintage} at {weights.trained_at:%Y-%m-%d %H:%M} UTC"
    return Gate(WEIGHTS_FRESH, True, False, text)


def rollup_sound(verification: Verification) -> Gate:
    """Judge whether rolled-up rows are those of the files that they replaced."""
    facts = {"blocks": verification.blocks, "unsound": len(verification.problems)}
    if verification.problems:
        return Gate(ROLLUP_SOUND, False, True, "; ".join(verification.problems), facts)
    text = f"{counted(verification.blocks, 'block')} have the rows of the files that they replaced"
    if verification.left:
        left = counted(verification.left, "block")
        text += f"; a round opened, or Numerai did not answer, before {left} could be read"
    return Gate(ROLLUP_SOUND, True, False, text, facts)


def in_scoring(platform: Platform, day: date) -> set[tuple[str, int]]:
    """Return model and round of what was sent in time and is scored on a day."""
    begin = datetime.combine(day, time(), UTC)
    rounds = catalog.query(platform.lake, _IN_SCORING, [begin + timedelta(days=1), begin])
    if rounds.is_empty():
        return set()
    numbers = ", ".join(map(str, rounds["round"]))
    own = {model.name for model in platform.registry.submitting}
    sent = catalog.query(platform.lake, _SENT_IN_TIME.format(rounds=numbers))
    return {(model, number) for model, number in sent.iter_rows() if model in own}
