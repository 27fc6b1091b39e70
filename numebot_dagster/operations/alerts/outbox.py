"""Store each alert before it is sent, so that it is raised once and not lost.

The process that creates an alert's file raises it. A failed delivery is noted in the file, and the
watchdog's next tick repeats it for the channels that do not have the alert yet. An alert that is
raised while no channel is set is never sent: a new channel must not begin with old news.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from numebot_dagster.lake import json_records, rollups
from numebot_dagster.lake.damaged import read_or_set_aside
from numebot_dagster.lake.locks import exclusive
from numebot_dagster.operations.alerts import channels
from numebot_dagster.operations.alerts.channels import Channel, Message
from numebot_dagster.operations.platform import Platform
from numebot_dagster.settings import AlertKind

Kind = AlertKind

GOOD_NEWS = {kind for kind in Kind if kind.log_level == logging.INFO}
SHORTEST_PAUSE = timedelta(seconds=15)  # doubles with each failed try after the second
STALE_AFTER = timedelta(days=2)  # an undelivered alert is dropped after that
# The watchdog looks at rounds for a week after their close; the rest is for idle computers.
REMEMBERED_FOR = timedelta(days=60)


@dataclass(frozen=True)
class Alert:
    """A message that is sent once.

    Attributes:
        kind: can be silenced.
        subject: identifies the alert within its kind; the same two are not raised again.
        text: what happened, where, and what to type next.
    """

    kind: Kind
    subject: str
    title: str
    text: str


@dataclass(frozen=True)
class Raised(json_records.Record):
    """An alert as it is stored.

    Attributes:
        raised_at: by this machine's clock, ISO 8601 in UTC.
        sent: whether every channel has it.
        silenced: whether its kind was silenced when it was raised; it is not sent then.
        unheard: whether no channel was set when it was raised; it is not sent then.
        delivered: the names of the channels that have it.
        problem: why it was not sent to the others.
        tries: how often the delivery failed for some of them.
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
        is_settled = self.sent or self.silenced or self.unheard
        return not is_settled and self._age < STALE_AFTER

    @property
    def is_due(self) -> bool:
        """Whether it is to be sent now.

        A channel that receives a message, but answers too late, must not get it at every tick.
        """
        pause = SHORTEST_PAUSE * (2 ** max(self.tries - 1, 0) - 1)
        return self.is_waiting and not timedelta() <= self._age < pause

    @property
    def _age(self) -> timedelta:
        return datetime.now(UTC) - datetime.fromisoformat(self.raised_at)


def send(platform: Platform, *alerts: Alert) -> list[Alert]:
    """Store, send and return the alerts that were not raised before. Never raises.

    Waiting alerts are sent as well. A channel that does not answer costs at most
    `channels.LONGEST_SENDING`.
    """
    new = [alert for alert in alerts if _raise(platform, alert)]
    try:
        deliver(platform)
    except Exception as error:  # a failed alert must not stop the round
        platform.log.error("Alerts were not sent: %s", _clean(platform, str(error)))
    return new


def deliver(platform: Platform) -> None:
    """Send the waiting alerts to the channels that do not have them; processes take turns."""
    if not any(_waiting(platform)):
        return
    reachable = channels.open_channels(platform.settings)
    if not reachable:
        return  # the log and the lake have them
    with exclusive(platform.lake.lock_file("alerts")):
        # Read again: another process may have sent some of them meanwhile.
        waiting = sorted(_waiting(platform), key=lambda stored: stored[1].raised_at)
        _send_to_all(platform, waiting, reachable)


def recent(platform: Platform) -> Iterator[tuple[Path, Raised]]:
    """Yield the alerts that may still be waiting with their files, without opening old ones.

    One that cannot be read is logged and left out.
    """
    yield from _read(platform, _changed_since(platform.lake.alert_files(), STALE_AFTER))


def subjects(platform: Platform, kind: Kind) -> list[str]:
    """Return the subjects of the alerts of a kind that were raised in the last weeks."""
    changed = _changed_since(platform.lake.alert_files(kind), REMEMBERED_FOR)
    return [raised.subject for _, raised in _read(platform, changed)]


def _waiting(platform: Platform) -> Iterator[tuple[Path, Raised]]:
    """Return the alerts that are to be sent now."""
    return ((path, raised) for path, raised in recent(platform) if raised.is_due)


def _changed_since(paths: Iterable[Path], age: timedelta) -> list[Path]:
    """Return the files that were changed within an age; old ones are not opened."""
    oldest = time.time() - age.total_seconds()
    changed = []
    for path in paths:
        with suppress(FileNotFoundError):  # rolled up meanwhile, because it is old
            if path.stat().st_mtime > oldest:
                changed.append(path)
    return changed


def _read(platform: Platform, paths: Iterable[Path]) -> Iterator[tuple[Path, Raised]]:
    for path in paths:
        raised = read_or_set_aside(path, _from_file)
        if raised is not None:
            yield path, raised


def _from_file(path: Path) -> Raised:
    raised = json_records.read(path, Raised)
    if datetime.fromisoformat(raised.raised_at).tzinfo is None:
        raise ValueError(f"{raised.raised_at} has no time zone")
    return raised


def _raise(platform: Platform, alert: Alert) -> bool:
    """Store an alert and log it; return whether it is new."""
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
    if not silenced and alert.kind.log_level:
        between = ":\n" if text.startswith("- ") else ": "  # a list begins on its own line
        platform.log.log(alert.kind.log_level, "%s%s%s", title, between, text)
    return True


# The alerts raised while the disk is full, when no file of theirs can be created.
_raised_without_a_file: set[tuple[str, str]] = set()


def _is_first(platform: Platform, raised: Raised) -> bool:
    lake = platform.lake
    path = lake.alert_file(raised.kind, raised.subject)
    if path.exists():
        return False
    try:
        if lake.relative(path) in rollups.paths_in(lake.alerts_block(raised.kind)):
            return False
        json_records.create(path, raised)
    except FileExistsError:
        return False
    except OSError as error:
        identity = (raised.kind, raised.subject)
        if identity in _raised_without_a_file:
            return False
        _raised_without_a_file.add(identity)
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
    names = [channel.name for channel in reachable]
    for index, (path, raised) in enumerate(waiting):
        fresh = [name for name in names if answers.get((index, name)) is None]
        delivered = tuple(dict.fromkeys([*raised.delivered, *fresh]))
        problem = "; ".join(
            f"{name}: {answers[index, name]}" for name in names if name not in delivered
        )
        noted = replace(
            raised,
            delivered=delivered,
            sent=not problem,
            problem=problem or None,
            tries=raised.tries + bool(problem),
        )
        json_records.write(path, noted)
        if problem and not raised.tries:  # logged once; `numebot status` shows what still waits
            platform.log.warning("Not sent yet, to be tried again: %s (%s)", raised.title, problem)


def _message(raised: Raised) -> Message:
    return Message(raised.title, raised.text, good=raised.kind in GOOD_NEWS)


def _clean(platform: Platform, text: str) -> str:
    return channels.without_secrets(platform.settings, text)
