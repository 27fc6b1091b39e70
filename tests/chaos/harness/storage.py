"""Let Dagster's SQLite storage keep what it makes anew for every event: engines and revisions.

It writes the same rows with the same commits. What it does not do again is to compile each
statement, and to read the scripts of its migrations, for each of the hundred events of a run.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from alembic.config import Config
from alembic.script import ScriptDirectory
from dagster._core.storage import sql
from dagster._core.storage.event_log.sqlite import sqlite_event_log
from dagster._core.storage.runs.sqlite import sqlite_run_storage
from dagster._core.storage.schedules.sqlite import sqlite_schedule_storage
from sqlalchemy import Engine, NullPool, create_engine

STORAGES = (sqlite_event_log, sqlite_run_storage, sqlite_schedule_storage)


def install() -> None:
    """Change this process's storages; before any of them is opened."""
    engines: dict[str, Engine] = {}

    def engine_of(url: str, **more: Any) -> Engine:
        if more.get("poolclass") is not NullPool:
            return create_engine(url, **more)
        if url not in engines:
            engines[url] = create_engine(url, **more)
        return engines[url]

    for module in STORAGES:
        setattr(module, "create_engine", engine_of)  # noqa: B010
    sql.ScriptDirectory = _Scripts  # type: ignore
    for module in STORAGES:
        config = sql.get_alembic_config(module.__file__)
        _Scripts.from_config(config).as_revision_number("head")


class _Scripts:
    @staticmethod
    def from_config(config: Config) -> ScriptDirectory:
        return _scripts(str(config.get_main_option("script_location")))


@cache
def _scripts(location: str) -> ScriptDirectory:
    config = Config()
    config.set_main_option("script_location", location)
    return ScriptDirectory.from_config(config)
