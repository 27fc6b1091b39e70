"""Send messages to the addresses of `NUMEBOT_NOTIFY_URLS` through apprise, and the heartbeat.

Any part of such an address may be a token, so none of it is ever shown: the name of a channel is
its scheme and a few digits of the address's hash.
"""

from __future__ import annotations

import hashlib
import logging
import re
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlsplit

from pydantic import SecretStr

from numebot_dagster.operations.platform import Platform
from numebot_dagster.settings import Settings

LONGEST_SENDING = 10.0  # seconds for all messages and channels together
HEARTBEAT_TIMEOUT = 5.0  # seconds

# A comma or space separates two addresses only where the next one begins.
_BETWEEN = re.compile(r"[\s,]+(?=[A-Za-z][\w+-]*://)")
_PARTS = re.compile(r"[/:@?&=#,\s]+")
_SHORTEST_SECRET = 6  # shorter parts of addresses are words


@dataclass(frozen=True)
class Message:
    """A message to send; the channels named in `skip` have it already."""

    title: str
    text: str
    good: bool = False
    skip: tuple[str, ...] = ()


@dataclass(frozen=True)
class Channel:
    """One address to send to."""

    name: str
    url: str = field(repr=False)

    def is_understood(self) -> bool:
        """Return whether apprise supports the address; nothing is sent."""
        import apprise

        _silence_libraries()
        return bool(apprise.Apprise().add(self.url))

    def post(self, message: Message) -> str | None:
        """Send one message; return what went wrong, if something did."""
        import apprise

        _silence_libraries()
        sender = apprise.Apprise()
        if not sender.add(self.url):
            return "apprise does not support the address; correct NUMEBOT_NOTIFY_URLS"
        kind = apprise.NotifyType.SUCCESS if message.good else apprise.NotifyType.WARNING
        body = fitted(message.text, _room(sender, message.title))
        try:
            sent = sender.notify(title=message.title, body=body, notify_type=kind)
        except Exception as error:  # its text may hold the address
            return f"failed with {type(error).__name__}"
        return None if sent else "rejected the message"


def fitted(text: str, room: int) -> str:
    """Return as much of a text as a channel accepts.

    Whole lines are left out before the last one, which names the command to type.
    """
    if len(text) <= room:
        return text
    *lines, last = text.splitlines()
    for count in range(len(lines) - 1, -1, -1):
        rest = f"\N{HORIZONTAL ELLIPSIS} and {len(lines) - count} more lines: numebot status"
        shorter = "\n".join([*lines[:count], rest, last])
        if len(shorter) <= room:
            return shorter
    return last if len(last) <= room else last[: max(room - 1, 0)] + "\N{HORIZONTAL ELLIPSIS}"


def _room(sender: Any, title: str) -> int:
    """Return how many characters of a text the channel accepts beside a title."""
    [service] = sender
    # A service without titles, such as SMS, gets the title as the first line of the text.
    return int(service.body_maxlen) - (0 if service.title_maxlen else len(title) + 2)


def open_channels(settings: Settings) -> list[Channel]:
    """Return the channels that are set, in their order."""
    return [Channel(_name(url), url) for url in _addresses(settings)]


def post(
    channels: Sequence[Channel], messages: Mapping[int, Message]
) -> dict[tuple[int, str], str | None]:
    """Send all messages to all channels in parallel, within a time limit.

    Returns:
        What went wrong, or nothing, by number of the message and name of the channel.
    """
    answers: dict[tuple[int, str], str | None] = {
        (number, channel.name): f"did not answer within {LONGEST_SENDING:.0f} s"
        for number, message in messages.items()
        for channel in channels
        if channel.name not in message.skip
    }
    deadline = time.monotonic() + LONGEST_SENDING

    def work(channel: Channel) -> None:
        for number, message in messages.items():
            if channel.name not in message.skip and time.monotonic() < deadline:
                answers[number, channel.name] = channel.post(message)

    # Daemon threads, because one may hang for ever.
    threads = [threading.Thread(target=work, args=[channel], daemon=True) for channel in channels]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    return dict(answers)


def ping(platform: Platform) -> bool:
    """Fetch the heartbeat URL, if one is set; return whether that succeeded."""
    import requests

    url = platform.settings.numebot_heartbeat_url
    if url is None:
        return False
    _silence_libraries()
    address = url.get_secret_value()
    try:
        with requests.get(address, timeout=HEARTBEAT_TIMEOUT, stream=True) as answer:
            answer.raise_for_status()
    except requests.RequestException as error:
        status = getattr(error.response, "status_code", None)
        platform.log.warning(
            "The heartbeat at %s failed: %s",
            urlsplit(address).hostname,
            type(error).__name__ if status is None else f"HTTP {status}",
        )
        return False
    return True


def without_secrets(settings: Settings, text: str) -> str:
    """Return a text without the secrets of the settings and the tokens within addresses.

    Case is ignored, because libraries write parts of addresses in lower case.
    """
    for secret in sorted(_secrets(settings), key=len, reverse=True):
        text = re.sub(re.escape(secret), "***", text, flags=re.IGNORECASE)
    return text


def _secrets(settings: Settings) -> set[str]:
    values = (getattr(settings, name) for name in type(settings).model_fields)
    whole = {value.get_secret_value() for value in values if isinstance(value, SecretStr)}
    addresses = _addresses(settings)
    if settings.numebot_heartbeat_url is not None:
        addresses.append(settings.numebot_heartbeat_url.get_secret_value())
    parts = {part for url in addresses for part in _PARTS.split(url.partition("://")[2])}
    # A part with a dot is a host, which messages about failures need.
    tokens = {part for part in parts if len(part) >= _SHORTEST_SECRET and "." not in part}
    tokens -= {"localhost"}
    secrets = whole | tokens | {unquote(token) for token in tokens}
    return secrets - {""}


def _addresses(settings: Settings) -> list[str]:
    urls = settings.numebot_notify_urls
    text = "" if urls is None else urls.get_secret_value().strip(" ,\n")
    return [url for url in _BETWEEN.split(text) if url]


def _name(url: str) -> str:
    digest = hashlib.sha256(url.encode()).hexdigest()[:6]
    return f"{url.partition('://')[0]} {digest}"


def _silence_libraries() -> None:
    """Keep apprise and urllib3 from writing addresses into their logs."""
    logging.getLogger("apprise").setLevel(logging.CRITICAL + 1)
    logging.getLogger("urllib3").setLevel(logging.INFO)
