"""Spare what Dagster's SQLite storages do anew each time, with the same result every time.

For each statement they make an engine, which compiles the statement once more, and for each
instance and each run they read all of alembic's scripts. Here a process keeps what was compiled
and read.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache, lru_cache
from typing import Any

from alembic.config import Config
from alembic.script import ScriptDirectory
from dagster._core.storage.event_log import in_memory as events_in_memory
from dagster._core.storage.event_log.sqlite import sqlite_event_log
from dagster._core.storage.runs import in_memory as runs_in_memory
from dagster._core.storage.runs.sqlite import sqlite_run_storage
from dagster._core.storage.schedules.sqlite import sqlite_schedule_storage
from dagster._core.storage.sql import get_alembic_config
from sqlalchemy import create_engine
from sqlalchemy.engine import Engine
from sqlalchemy.pool import NullPool

_STORAGES = (
    events_in_memory,
    runs_in_memory,
    sqlite_event_log,
    sqlite_run_storage,
    sqlite_schedule_storage,
)
_read_scripts = ScriptDirectory.from_config
_kept_scripts: dict[object, ScriptDirectory] = {}


def install() -> None:
    """Keep engines, compiled statements and alembic's scripts in this process."""
    for module in _STORAGES:
        module.create_engine = _engine  # type: ignore[attr-defined]
    ScriptDirectory.from_config = _scripts  # type: ignore[method-assign, assignment]


def read_scripts() -> None:
    """Read alembic's scripts now, for the processes that are forked from this one."""
    for module in (sqlite_event_log, sqlite_run_storage, sqlite_schedule_storage):
        _scripts(get_alembic_config(module.__file__)).as_revision_number("head")


def _scripts(config: Config) -> ScriptDirectory:
    return _kept_scripts.setdefault(config.config_file_name, _read_scripts(config))


def _engine(url: str, *, connect_args: Mapping[str, Any] | None = None, **_: Any) -> Engine:
    return _kept_engine(url, tuple((connect_args or {}).items()))


@lru_cache(maxsize=64)
def _kept_engine(url: str, connect_args: tuple[tuple[str, Any], ...]) -> Engine:
    engine = create_engine(url, poolclass=NullPool, connect_args=dict(connect_args))
    # Statements are kept by the dialect that they were compiled for.
    engine.dialect, engine._compiled_cache = _first().dialect, _first()._compiled_cache
    engine.dispose = lambda close=True: None  # type: ignore[method-assign]  # it has no connections
    return engine


@cache
def _first() -> Engine:
    engine = create_engine("sqlite://", query_cache_size=2000)
    engine.connect().close()  # by which the dialect learns the version of SQLite
    return engine
