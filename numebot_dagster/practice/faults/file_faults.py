"""Define the faults of file storage: downloads that are stale or odd, uploads that are lost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from starlette.responses import PlainTextResponse
from starlette.types import Scope

from numebot_dagster.practice.datasets.contents import DATASET_NAMES
from numebot_dagster.practice.datasets.files import Snapshot
from numebot_dagster.practice.faults.exchange import HALF, Exchange, replayed, whole_body
from numebot_dagster.practice.faults.fault import AnswerField, Fault, PlacedFault
from numebot_dagster.practice.market.targets import HORIZONS
from numebot_dagster.practice.rules.clock import Refused, Round, newest_opened, round_on
from numebot_dagster.practice.schema.endpoints import file_endpoint


class DownloadFault(Fault):
    """A fault that strikes downloads only."""

    where = "download:*"
    only = "download:"


class UploadFault(Fault):
    """A fault that strikes uploads only."""

    where = "upload:*"
    only = "upload:"


@dataclass(frozen=True)
class IgnoreRange(DownloadFault):
    """A Range is ignored: the whole file comes, with HTTP 200."""

    kind = "ignore-range"
    by_change = True

    async def strike(self, exchange: Exchange) -> None:
        if exchange.header("range") is not None and await exchange.claim():
            await exchange.forward(scope=exchange.without_header(b"range"))
        else:
            await exchange.forward()


@dataclass(frozen=True)
class StaleEtag(DownloadFault):
    """A file's entity tag stays what it was when its bytes change, and ranges of it are given."""

    kind = "stale-etag"

    async def strike(self, exchange: Exchange) -> None:
        tag = f'"{file_endpoint(exchange.scope["path"])}"'
        is_resumed = exchange.header("if-range") == tag
        scope = exchange.without_header(b"if-range") if is_resumed else exchange.scope
        await exchange.forward_with(scope=scope, etag=tag)


@dataclass(frozen=True)
class LateData(DownloadFault):
    """The round is open, but the file is still that of the round (or week) before.

    The pipeline says that no data are ready.
    """

    kind = "late-data"
    where = "download:*live*"
    by_change = True

    async def strike(self, exchange: Exchange) -> None:
        if _is_current(exchange) and await exchange.claim():
            await exchange.forward(scope=_instead(exchange, _former))
        else:
            await exchange.forward()

    def announce(self, placed: PlacedFault, field: AnswerField, value: Any) -> Any:
        if field.name != "PipelineStatus.dataReadyAt":
            return value
        live = [f"download:{name}" for name in DATASET_NAMES if "live" in name]
        return None if placed.is_meant_for(live) and placed.draws() else value


@dataclass(frozen=True)
class ChangingData(DownloadFault):
    """The file is still the one before, and changes while it is fetched.

    The connection is cut half way.
    """

    kind = "changing-data"
    where = "download:*live*"
    times = 2
    by_change = True

    async def strike(self, exchange: Exchange) -> None:
        if not (_is_current(exchange) and await exchange.claim()):
            await exchange.forward()
            return
        scope = _instead(exchange, _former)
        if scope["method"] == "HEAD":
            await exchange.forward(scope=scope)
        else:
            await exchange.forward_cut(HALF, scope=scope)


@dataclass(frozen=True)
class TargetSwitched(DownloadFault):
    """The column `target` is another name of ender's over `days` days, in the same version."""

    kind = "target-switched"
    where = "download:v5.3/*"
    days: float = 20.0

    def check(self) -> None:
        super().check()
        if self.days not in HORIZONS:
            horizons = " and ".join(map(str, HORIZONS))
            raise Refused(f"{self.kind}: there are targets over {horizons} days only")

    async def strike(self, exchange: Exchange) -> None:
        switched = _instead(exchange, lambda file: replace(file, alias=int(self.days)))
        await exchange.forward(scope=switched)


@dataclass(frozen=True)
class TruncatedUpload(UploadFault):
    """A PUT is answered with 200, but only the first `bytes` are kept (-1: half of them)."""

    kind = "truncated-upload"
    bytes: float = HALF

    async def strike(self, exchange: Exchange) -> None:
        body = await whole_body(exchange.receive)
        size = len(body) // 2 if self.bytes < 0 else int(self.bytes)
        await exchange.forward(receive=replayed(body[:size]))


@dataclass(frozen=True)
class LostUpload(UploadFault):
    """A PUT is answered with 200, but nothing is kept: the file is not there."""

    kind = "lost-upload"

    async def strike(self, exchange: Exchange) -> None:
        await whole_body(exchange.receive)
        await exchange.respond(PlainTextResponse(""))


def _requested(exchange: Exchange) -> Snapshot | None:
    """Return the file that a valid link asks for."""
    folder, _, rest = exchange.scope["path"].removeprefix("/").partition("/")
    token, _, key = rest.partition("/")
    return Snapshot.of_key(key) if exchange.library.admits(f"{folder}/{key}", token) else None


def _is_current(exchange: Exchange) -> bool:
    """Return whether a file of the newest round is requested, and not an older snapshot."""
    file = _requested(exchange)
    return file is not None and file.opened == newest_opened(exchange.clock.now()).opened


def _instead(exchange: Exchange, change: Callable[[Snapshot], Snapshot]) -> Scope:
    """Return the request for another snapshot of the file that is requested."""
    file = _requested(exchange)
    if file is None:
        return exchange.scope
    key = change(file).key
    path = f"/datasets/{exchange.library.sign(f'datasets/{key}')}/{key}"
    return {**exchange.scope, "path": path, "raw_path": path.encode()}


def _former(file: Snapshot) -> Snapshot:
    """Return a file as it was a round ago, or a week ago if it changes weekly."""
    round_ = round_on(file.opened)
    assert round_ is not None
    week = timedelta(days=7)
    return replace(file, today=file.today - week, opened=Round(round_.number - 1).opened)
