"""Spare what Dagster's SQLite storages do anew each time, with the same result every time.

For each statement they make an engine, which compiles the statement once more, and for each
instance and each run they read all of alembic's scripts. Here a process keeps what was compiled
and read. A log of events opens a connection for each event, which reads the whole schema first;
here it keeps one for as long as it is open.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache, lru_cache
from typing import Any

from alembic.config import Config
from alembic.script import ScriptDirectory
from dagster._core.execution import compute_logs
from dagster._core.storage.event_log import in_memory as events_in_memory
from dagster._core.storage.event_log.sqlite import sqlite_event_log
from dagster._core.storage.runs import in_memory as runs_in_memory
from dagster._core.storage.runs.sqlite import sqlite_run_storage
from dagster._core.storage.schedules.sqlite import sqlite_schedule_storage
from dagster._core.storage.sql import get_alembic_config
from dagster._core.storage.sqlite import SQLITE_BUSY_TIMEOUT_SECONDS
from sqlalchemy import create_engine, event
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

MemoryLog = events_in_memory.InMemoryEventLogStorage
DiskLog = sqlite_event_log.SqliteEventLogStorage

_STORAGES = (
    events_in_memory,
    runs_in_memory,
    sqlite_event_log,
    sqlite_run_storage,
    sqlite_schedule_storage,
)
_read_scripts = ScriptDirectory.from_config
_kept_scripts: dict[object, ScriptDirectory] = {}
_dispose = DiskLog.dispose


def install() -> None:
    """Keep engines, compiled statements and alembic's scripts in this process."""
    for module in _STORAGES:
        module.create_engine = _engine  # type: ignore[attr-defined]
    ScriptDirectory.from_config = _scripts  # type: ignore[method-assign, assignment]
    MemoryLog._connect = _in_memory  # type: ignore[method-assign]
    DiskLog._connect = _on_disk  # type: ignore[method-assign]
    DiskLog.dispose = _close_all  # type: ignore[method-assign]


@contextmanager
def _in_memory(storage: MemoryLog) -> Iterator[Connection]:
    with storage._db_lock, storage._held_conn.begin():
        yield storage._held_conn


@contextmanager
def _on_disk(storage: DiskLog, shard: str) -> Iterator[Connection]:
    connections = storage.__dict__.setdefault("_kept", {})
    with storage._db_lock:
        if shard not in storage._initialized_dbs or shard not in connections:
            engine = _engine(
                storage.conn_string_for_shard(shard),
                connect_args={"timeout": SQLITE_BUSY_TIMEOUT_SECONDS, "check_same_thread": False},
            )
            if shard not in storage._initialized_dbs:
                storage._initdb(engine)
                storage._initialized_dbs.add(shard)
            connections[shard] = engine.connect()
        try:
            with connections[shard].begin():
                yield connections[shard]
        except DBAPIError:  # the file may be damaged
            connections.pop(shard).close()
            raise


def _close_all(storage: DiskLog) -> None:
    _dispose(storage)
    for connection in storage.__dict__.pop("_kept", {}).values():
        connection.close()


def spare_tails() -> None:
    """Store what steps of this process print, without two processes a stream that show it too."""
    compute_logs.tail_to_stream = _not_shown  # type: ignore[assignment]


@contextmanager
def _not_shown(*_: object) -> Iterator[tuple[None, None]]:
    yield None, None


def read_scripts() -> None:
    """Read alembic's scripts now, for the processes that are forked from this one."""
    for module in (sqlite_event_log, sqlite_run_storage, sqlite_schedule_storage):
        _scripts(get_alembic_config(module.__file__)).as_revision_number("head")


def _scripts(config: Config) -> ScriptDirectory:
    return _kept_scripts.setdefault(config.config_file_name, _read_scripts(config))


def _engine(url: str, *, connect_args: Mapping[str, Any] | None = None, **_: Any) -> Engine:
    arguments = dict(connect_args or {})
    if "mode=memory" in url:
        arguments["check_same_thread"] = False  # a lock lets one thread at a time use it
    return _kept_engine(url, tuple(arguments.items()))


@lru_cache(maxsize=64)
def _kept_engine(url: str, connect_args: tuple[tuple[str, Any], ...]) -> Engine:
    engine = create_engine(url, poolclass=NullPool, connect_args=dict(connect_args))
    if "mode=memory" in url:
        event.listen(engine, "connect", lambda own, _: own.execute("PRAGMA foreign_keys=ON"))
    # Statements are kept by the dialect that they were compiled for.
    engine.dialect, engine._compiled_cache = _first().dialect, _first()._compiled_cache
    engine.dispose = lambda close=True: None  # type: ignore[method-assign]  # it has no connections
    return engine


@cache
def _first() -> Engine:
    engine = create_engine("sqlite://", query_cache_size=2000)
    engine.connect().close()  # by which the dialect learns the version of SQLite
    return engine
