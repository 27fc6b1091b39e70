"""Alerts: each is stored first, so that it is said once and never lost, then sent.

Whoever creates an alert's file is the one to raise it. A sending that fails is noted in the file
and tried again by the watchdog's next tick, for the channels that do not have it yet. What is
raised while no channel is set is never sent: the first channel must not begin with old news.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from numebot_dagster.lake import json_records
from numebot_dagster.lake.damaged import read_or_set_aside
from numebot_dagster.lake.locks import exclusive
from numebot_dagster.operations.alerts import channels
from numebot_dagster.operations.alerts.channels import Channel, Message
from numebot_dagster.operations.platform import Platform
from numebot_dagster.settings import AlertKind

Kind = AlertKind

# The run that saw it has named the model and its reason in its log.
LOGGED_BEFORE = (Kind.MODEL_FAILED, Kind.FALLBACK_USED)
GOOD_NEWS = (Kind.ALL_CONFIRMED, Kind.SCORES_PUBLISHED)
SHORTEST_PAUSE = timedelta(seconds=15)  # doubles with each try in vain after the second
STALE_AFTER = timedelta(days=2)  # what could not be sent for so long is no news any more
# Rounds are looked at for a week after their close; the rest is for a computer that was off.
REMEMBERED_FOR = timedelta(days=60)


@dataclass(frozen=True)
class Alert:
    """Something that the user should hear once.

    Attributes:
        kind: of what; a kind can be silenced.
        subject: with the kind the identity: an alert of the same two is not raised again.
        title: one line.
        text: what happened, where, and what to type next.
    """

    kind: Kind
    subject: str
    title: str
    text: str


@dataclass(frozen=True)
class Raised:
    """An alert as it is stored.

    Attributes:
        raised_at: by this machine's clock, ISO 8601 in UTC.
        sent: whether every channel has it.
        silenced: whether its kind was silenced when it was raised; it is not sent then.
        unheard: whether no channel was set when it was raised; it is not sent then.
        delivered: the names of the channels that have it.
        problem: why it was not sent to the others.
        tries: how often it was sent in vain to some of them.
    """

    kind: str
    subject: str
    title: str
    text: str
    raised_at: str
    sent: bool = False
    silenced: bool = False
    unheard: bool = False
    delivered: tuple[str, ...] = ()
    problem: str | None = None
    tries: int = 0

    @property
    def is_waiting(self) -> bool:
        """Whether it is still to be sent."""
        is_wanted = not (self.sent or self.silenced or self.unheard)
        return is_wanted and self._age < STALE_AFTER

    @property
    def is_due(self) -> bool:
        """Whether it is to be sent now.

        A channel that takes a message, but answers too late, must not get it at every look.
        """
        pause = SHORTEST_PAUSE * (2 ** max(self.tries - 1, 0) - 1)
        return self.is_waiting and not timedelta() <= self._age < pause

    @property
    def _age(self) -> timedelta:
        return datetime.now(UTC) - datetime.fromisoformat(self.raised_at)


def send(platform: Platform, *alerts: Alert) -> list[Alert]:
    """Stores and sends the alerts that were not raised before. Never raises.

    What waits from earlier is sent as well. A channel that does not answer costs at most
    `channels.LONGEST_SENDING`.

    Returns:
        The alerts that were new.
    """
    new = [alert for alert in alerts if _raise(platform, alert)]
    try:
        deliver(platform)
    except Exception as error:  # the voice must never stop what it speaks of
        platform.log.error("Alerts were not sent: %s", _clean(platform, str(error)))
    return new


def deliver(platform: Platform) -> None:
    """Sends what waits, to the channels that do not have it yet; processes take turns."""
    if not any(_waiting(platform)):
        return
    reachable = channels.open_channels(platform.settings)
    if not reachable:
        return  # nobody to tell but the log and the lake
    with exclusive(platform.lake.lock_file("alerts")):
        # Read again: whoever held the lock may have sent some of them.
        waiting = sorted(_waiting(platform), key=lambda one: one[1].raised_at)
        _send_to_all(platform, waiting, reachable)


def read_all(platform: Platform) -> Iterator[tuple[Path, Raised]]:
    """Every stored alert with its file; one that cannot be read is named and left out."""
    yield from _read(platform, platform.lake.alert_files())


def subjects(platform: Platform, kind: Kind) -> list[str]:
    """Return of what an alert of a kind was raised in the last weeks."""
    recent = _changed_since(platform.lake.alert_files(kind), REMEMBERED_FOR)
    return [raised.subject for _, raised in _read(platform, recent)]


def _waiting(platform: Platform) -> Iterator[tuple[Path, Raised]]:
    """What is to be sent now; files of years are not opened for that."""
    recent = _changed_since(platform.lake.alert_files(), STALE_AFTER)
    return ((path, raised) for path, raised in _read(platform, recent) if raised.is_due)


def _changed_since(paths: Iterable[Path], age: timedelta) -> list[Path]:
    """Leave out old files by their time alone: those of years are not opened."""
    oldest = time.time() - age.total_seconds()
    return [path for path in paths if path.stat().st_mtime > oldest]


def _read(platform: Platform, paths: Iterable[Path]) -> Iterator[tuple[Path, Raised]]:
    for path in paths:
        raised = read_or_set_aside(path, _from_file)
        if raised is not None:
            yield path, raised


def _from_file(path: Path) -> Raised:
    raised = json_records.read(path, Raised)
    if datetime.fromisoformat(raised.raised_at).tzinfo is None:
        raise ValueError(f"{raised.raised_at} is no moment")
    return raised


def _raise(platform: Platform, alert: Alert) -> bool:
    """Stores an alert and writes it to the log, unless that has it; whether it is new."""
    try:
        silenced = alert.kind in platform.settings.numebot_silence
        title, text = _clean(platform, alert.title), _clean(platform, alert.text)
        now = datetime.now(UTC).isoformat(timespec="microseconds")
        unheard = not channels.open_channels(platform.settings)
        raised = Raised(
            alert.kind, alert.subject, title, text, now, silenced=silenced, unheard=unheard
        )
        if not _is_first(platform, raised):
            return False
    except Exception as error:
        platform.log.error("An alert could not be raised: %s", _clean(platform, str(error)))
        return False
    level = logging.INFO if alert.kind in GOOD_NEWS else logging.WARNING
    if not silenced and alert.kind not in LOGGED_BEFORE:
        between = ":\n" if text.startswith("- ") else ": "  # a list begins on its own line
        platform.log.log(level, "%s%s%s", title, between, text)
    return True


# Alerts of a disk that takes no file any more, which is when they are needed most.
_said_without_a_file: set[tuple[str, str]] = set()


def _is_first(platform: Platform, raised: Raised) -> bool:
    path = platform.lake.alert_file(raised.kind, raised.subject)
    if path.exists():
        return False
    try:
        json_records.create(path, raised)
    except FileExistsError:
        return False
    except OSError as error:
        identity = (raised.kind, raised.subject)
        if identity in _said_without_a_file:
            return False
        _said_without_a_file.add(identity)
        platform.log.error("An alert could not be stored: %s", error)
        if not raised.silenced:
            channels.post(channels.open_channels(platform.settings), {0: _message(raised)})
    return True


def _send_to_all(
    platform: Platform, waiting: Sequence[tuple[Path, Raised]], reachable: Sequence[Channel]
) -> None:
    messages = {
        index: replace(_message(raised), skip=raised.delivered)
        for index, (_, raised) in enumerate(waiting)
    }
    answers = channels.post(reachable, messages)
    for index, (path, raised) in enumerate(waiting):
        fresh = [one.name for one in reachable if answers.get((index, one.name)) is None]
        delivered = tuple(dict.fromkeys([*raised.delivered, *fresh]))
        problems = [
            f"{one.name}: {answers[index, one.name]}"
            for one in reachable
            if one.name not in delivered
        ]
        problem = "; ".join(problems) or None
        tries = raised.tries + (problem is not None)
        noted = replace(
            raised, delivered=delivered, sent=problem is None, problem=problem, tries=tries
        )
        json_records.write(path, noted)
        if problem and not raised.tries:  # once: `numebot status` shows what still waits
            platform.log.warning("Not sent, tried again later: %s (%s)", raised.title, problem)


def _message(raised: Raised) -> Message:
    return Message(raised.title, raised.text, good=raised.kind in GOOD_NEWS)


def _clean(platform: Platform, text: str) -> str:
    return channels.without_secrets(platform.settings, text)
