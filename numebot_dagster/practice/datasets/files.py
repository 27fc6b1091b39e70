"""Make data files and their short-lived links when they are first requested."""

from __future__ import annotations

import hashlib
import hmac
import os
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from functools import partial
from pathlib import Path

from numebot_dagster.practice.datasets.contents import (
    DATASET_NAMES,
    OLD_FILES,
    dataset_stamp,
    write_dataset,
)
from numebot_dagster.practice.datasets.packing import Making
from numebot_dagster.practice.rules.clock import Refused, Round, newest_opened
from numebot_dagster.practice.rules.lineup import Lineups
from numebot_dagster.practice.rules.tournament import Tournament

LINK_SECONDS = 3600
LARGE_FILES = ("train.parquet", "validation.parquet")
# Versions of one file that are kept on disk; older ones are made again when asked for.
KEPT_VERSIONS = 8


@dataclass(frozen=True)
class Snapshot:
    """One file as it was on a day, with the live data of the round that was the newest."""

    name: str
    today: date
    opened: date
    alias: int = 0

    @property
    def key(self) -> str:
        """The file's path in links, as `20260602/1280/v5.3/live.parquet`."""
        alias = f"-{self.alias}" if self.alias else ""
        return f"{self.today:%Y%m%d}/{self.opened:%Y%m%d}{alias}/{self.name}"

    @classmethod
    def of_key(cls, key: str) -> Snapshot:
        """Read a key back."""
        today, rest, name = key.split("/", 2)
        opened, _, alias = rest.partition("-")
        dates = [datetime.strptime(text, "%Y%m%d").date() for text in (today, opened)]  # noqa: DTZ007
        return cls(name, dates[0], dates[1], int(alias or 0))


class Library:
    """Lists, links and makes the tournament's data files."""

    def __init__(self, tournament: Tournament, lineups: Lineups) -> None:
        self._tournament = tournament
        self._lineups = lineups
        self._locks: dict[Path, threading.Lock] = {}
        self._folder = tournament.state.folder / "datasets"

    def names(self, round_number: int | None = None) -> list[str]:
        """Return all file names, as `v5.3/train.parquet`."""
        self._round(round_number)
        return [*DATASET_NAMES]

    def snapshot(self, name: str, round_number: int | None) -> Snapshot:
        """Return a file as of now, or as it was in a round.

        Raises:
            Refused: There is no such file, or the round has not opened.
        """
        if name in OLD_FILES:  # of rounds before the practice tournament, too
            today = self._tournament.clock.now().date()
            return Snapshot(OLD_FILES[name], today, self._round(None).opened)
        if name not in self.names(round_number):
            raise Refused(f"Dataset {name} not found")
        opened = self._round(round_number).opened
        today = self._tournament.clock.now().date() if round_number is None else opened
        return Snapshot(name, today, opened)

    def _round(self, round_number: int | None) -> Round:
        newest = newest_opened(self._tournament.clock.now())
        if round_number is None:
            return newest
        if not self._tournament.timetable.first_round.number <= round_number <= newest.number:
            raise Refused(f"there are no datasets of round {round_number}")
        return Round(round_number)

    def sign(self, path: str) -> str:
        """Return a token that opens `path` for an hour of wall time."""
        expires = f"{int(time.time()) + LINK_SECONDS:x}"
        return f"{expires}-{self._signature(path, expires)}"

    def admits(self, path: str, token: str) -> bool:
        """Return whether a token opens `path` now."""
        expires, _, signature = token.partition("-")
        if not hmac.compare_digest(signature.encode(), self._signature(path, expires).encode()):
            return False
        return int(expires, 16) >= time.time()

    def _signature(self, path: str, expires: str) -> str:
        key = self._tournament.state.settings["link_key"].encode()
        return hmac.new(key, f"{path}|{expires}".encode(), hashlib.sha256).hexdigest()[:32]

    def prepare(self, progress: Callable[[str, int, int], None]) -> None:
        """Make the newest files that take minutes, if the market is large, and what names them."""
        newest = max(name.partition("/")[0] for name in self.names())
        files = ("features.json", *LARGE_FILES)
        for file in files if self._tournament.market.scale.is_large else ():
            name = f"{newest}/{file}"
            self.path_of(self.snapshot(name, None), partial(progress, name))

    def _lock_of(self, path: Path) -> threading.Lock:
        with self._tournament.market_lock:
            return self._locks.setdefault(path, threading.Lock())

    def _making(self, snapshot: Snapshot, progress: Callable[[int, int], None]) -> Making:
        """Return how a file is made: a large one in parts, which the next week's has too."""
        guard, scale = self._tournament.market_lock, self._tournament.market.scale
        if not (scale.is_large and snapshot.name.endswith(LARGE_FILES)):
            return Making(progress, guard)
        name = f"{snapshot.name.removesuffix('.parquet')}-{snapshot.alias}"
        keep = snapshot.name.endswith("validation.parquet")
        return Making(progress, guard, self._folder / "parts" / name, keep)

    def path_of(
        self, snapshot: Snapshot, progress: Callable[[int, int], None] = lambda done, total: None
    ) -> Path:
        """Return the path of a file, made first when it is not there."""
        market = self._tournament.market
        path = self._folder / self.tag_of(snapshot) / snapshot.name
        with self._lock_of(path):
            if not path.exists():
                path.parent.mkdir(parents=True, exist_ok=True)
                temporary = path.with_name(f"{path.name}.{uuid.uuid4().hex}.part")
                write_dataset(
                    market, snapshot.name, temporary, snapshot.today, snapshot.opened,
                    self._lineups.meta_model, alias=snapshot.alias,
                    making=self._making(snapshot, progress),
                )  # fmt: skip
                changed = self._tournament.clock.now().timestamp()
                os.utime(temporary, (changed, changed))
                temporary.replace(path)
                self._forget_old(snapshot.name, keep=path)
        return path

    def tag_of(self, snapshot: Snapshot) -> str:
        """Return what changes exactly when the bytes of a file do."""
        stamp = dataset_stamp(
            self._tournament.market, snapshot.name, snapshot.today, snapshot.opened
        )
        alias = f"|{snapshot.alias}" if snapshot.alias else ""
        return hashlib.sha256(f"{snapshot.name}|{stamp}{alias}".encode()).hexdigest()[:32]

    def _forget_old(self, name: str, keep: Path) -> None:
        made = sorted(self._folder.glob(f"*/{name}"), key=lambda path: path.stat().st_mtime)
        for path in made[:-KEPT_VERSIONS]:
            if path != keep:
                path.unlink(missing_ok=True)
