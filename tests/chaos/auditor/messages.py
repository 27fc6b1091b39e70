"""Judge the messages about a round, by the tournament's own state and the plan of its faults.

What arrived at the receiver is compared with it: each message that was due once, and no other.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from tests.chaos.auditor.finding import DOUBLED, UNFOUNDED, UNREPORTED, WRONG
from tests.chaos.auditor.predictions import RUNGS

if TYPE_CHECKING:
    from tests.chaos.auditor.audit import Case
    from tests.chaos.harness.stage import Played
    from tests.chaos.harness.world import ChaosWorld, Message

THRESHOLDS = (30, 15, 5)  # minutes before the close at which what is open is said
ALL_CONFIRMED = re.compile(r"\bconfirmed\b")
DEADLINE = re.compile(r"\bcloses in (\d+) min")
MISSED = re.compile(r"\bmissed\b")
FAILED = re.compile(r"\bfailed\b|has no valid submission")
MORE = re.compile(r"\band \d+ more\b")  # of a long list the message shows the first ones
COUNT = re.compile(r"^(\d+) models\b")
STANDS_IN = re.compile(r"\b(previous|fallback) predictions were used\b")

Problem = tuple[str, str, str]  # kind, model, text


def message_problems(world: ChaosWorld, played: Played, cases: Sequence[Case]) -> Iterator[Problem]:
    """Yield what is wrong with the messages about a round."""
    about = re.compile(rf"\bround {played.number}\b", re.IGNORECASE)
    messages = [message for message in world.messages if about.search(message.title)]
    yield from _repeated(played, messages)
    yield from _of_confirmation(cases, messages)
    yield from _of_deadline(played, messages)
    yield from _of_missed(cases, messages)
    for case in cases:
        yield from _of_failed(case, messages)
        yield from _of_stand_in(case, messages)
    yield from _undelivered(world, played, messages)


def _repeated(played: Played, messages: Sequence[Message]) -> Iterator[Problem]:
    """Yield messages that came twice, unless the sender was killed before it could note them."""
    kills = sum(kill.split()[0] in ("run", "daemon") for kill in played.kills)
    for (title, _), times in Counter((message.title, message.text) for message in messages).items():
        if times > 1 + kills:
            yield DOUBLED, "all", f"{times} times: {title}"


def _of_confirmation(cases: Sequence[Case], messages: Sequence[Message]) -> Iterator[Problem]:
    arrived = [message for message in messages if ALL_CONFIRMED.search(message.title)]
    for message in arrived:
        if message.without:
            without = ", ".join(sorted(message.without))
            yield WRONG, "all", f"nothing of {without} counted when it was said: {message.title}"
    compared = all(
        case.selected is not None
        and case.selected.filename in case.compared
        and case.standing is not None
        and case.standing["state"] == "confirmed"
        for case in cases
    )
    if compared and not arrived:
        yield UNREPORTED, "all", "no message says that all are confirmed"


def _of_deadline(played: Played, messages: Sequence[Message]) -> Iterator[Problem]:
    arrived: Counter[int] = Counter()
    for message in messages:
        if (match := DEADLINE.search(message.title)) is None:
            continue
        # Whole minutes: 0 of them is the last one, in which the round is still open.
        threshold = _threshold(max(timedelta(minutes=int(match[1])), timedelta(seconds=1)))
        arrived[threshold or 0] += 1
        if threshold is None or (not message.without and _is_calm(played)):
            yield UNFOUNDED, "all", message.title
    for look in played.looks:
        threshold = _threshold(look.left)
        if not (look.is_watchdog and look.without and threshold):
            continue
        if not arrived[threshold]:
            yield UNREPORTED, "all", f"no message at {threshold} minutes before the close"
    for threshold, times in arrived.items():
        if times > 1 and not played.kills:
            yield DOUBLED, "all", f"{times} messages at {threshold} minutes before the close"


def _of_missed(cases: Sequence[Case], messages: Sequence[Message]) -> Iterator[Problem]:
    arrived = {message.text: message for message in messages if MISSED.search(message.title)}
    for case in cases:
        naming = [message for message in arrived.values() if _names(message, case.model)]
        if case.selected is not None and naming:
            yield UNFOUNDED, case.model, f"it did not miss the round: {naming[0].title}"
        may_be = naming or [message for message in arrived.values() if MORE.search(message.text)]
        if case.selected is None and not may_be:
            yield UNREPORTED, case.model, "no message says that it missed the round"
        if len(naming) > 1:
            yield DOUBLED, case.model, "two messages say that it missed the round"
    missed = sum(case.selected is None for case in cases)
    spoken_of = sum(_count(message) for message in arrived.values())
    if spoken_of != missed:
        yield WRONG, "all", f"{missed} models missed the round, messages speak of {spoken_of}"


def _of_failed(case: Case, messages: Sequence[Message]) -> Iterator[Problem]:
    naming = [
        message
        for message in messages
        if FAILED.search(message.title) and _names(message, case.model)
    ]
    if naming and case.plan.is_calm(case.model):
        yield UNFOUNDED, case.model, f"nothing had gone wrong: {naming[0].title}"


def _of_stand_in(case: Case, messages: Sequence[Message]) -> Iterator[Problem]:
    naming = [
        message
        for message in messages
        if STANDS_IN.search(message.title) and _names(message, case.model)
    ]
    sent = [rungs for rungs in case.rungs.values() if rungs]
    if naming and all(RUNGS[-1] in rungs for rungs in sent):
        yield UNFOUNDED, case.model, f"its own predictions were sent: {naming[0].title}"
    selected = case.selected
    rungs = case.rungs.get(selected.filename) if selected is not None else None
    if rungs and RUNGS[-1] not in rungs and not naming and not _any_more(messages):
        yield UNREPORTED, case.model, f"no message says that {rungs[0]} predictions were used"


def _undelivered(
    world: ChaosWorld, played: Played, messages: Sequence[Message]
) -> Iterator[Problem]:
    """Yield the alerts of the round that the participant keeps and that never arrived."""
    from tests.chaos.auditor.audit import read_json

    titles = {message.title for message in messages}
    for path in sorted(world.lake_folder.glob("alerts/kind=*/*.json")):
        alert = read_json(path)
        subject = str(alert["subject"])
        is_about = subject.partition("/")[0] == f"round-{played.number}"
        if is_about and alert["title"] not in titles:
            yield UNREPORTED, "all", f"never arrived: {alert['title']}"


def _any_more(messages: Sequence[Message]) -> bool:
    return any(
        STANDS_IN.search(message.title) and MORE.search(message.text) for message in messages
    )


def _count(message: Message) -> int:
    """Return how many models a message speaks of, by its title."""
    match = COUNT.search(message.title)
    return int(match[1]) if match else 1


def _names(message: Message, model: str) -> bool:
    """Return whether a message is about a model: in its title, or in a line of its list."""
    word = re.compile(rf"(?<![\w-]){re.escape(model)}(?![\w-])")
    listed = [line for line in message.text.splitlines() if line.lstrip().startswith("-")]
    return bool(word.search(message.title)) or any(
        word.search(line.partition(":")[0]) for line in listed
    )


def _threshold(left: timedelta) -> int | None:
    """Return the nearest threshold that has been reached, while the round is open."""
    reached = [minutes for minutes in THRESHOLDS if left <= timedelta(minutes=minutes)]
    return min(reached) if reached and left > timedelta() else None


def _is_calm(played: Played) -> bool:
    plan = played.plan
    return not (plan.attempts or plan.lasting or plan.moods or plan.by_hand or plan.carried)
