"""Store the facts of a practice tournament in one SQLite file and a folder of uploaded bytes.

Only facts are kept (who registered what, when, with which bytes); whatever follows from facts and
the clock (which submission counts, what it earned) is computed by other modules. Every fact is
one transaction, and bytes are on disk before the row that names them: a process killed at any
moment leaves a state that is true.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
import threading
import uuid
from collections.abc import Iterator, MutableMapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Any

_TABLES = """
CREATE TABLE IF NOT EXISTS settings (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS tokens (
    public_id TEXT PRIMARY KEY, secret_key TEXT NOT NULL, account TEXT NOT NULL, name TEXT NOT NULL,
    scopes TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS models (
    id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, account TEXT NOT NULL, kind TEXT NOT NULL,
    inserted_at TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS attributes (
    owner_id TEXT NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL,
    PRIMARY KEY (owner_id, name)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS uploads (
    filename TEXT PRIMARY KEY, model_id TEXT NOT NULL REFERENCES models,
    authorised_at TEXT NOT NULL, received_at TEXT, size INTEGER, sha256 TEXT);
CREATE TABLE IF NOT EXISTS submissions (
    id TEXT PRIMARY KEY, model_id TEXT NOT NULL REFERENCES models, round INTEGER NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('window', 'late', 'carried')), filename TEXT NOT NULL,
    ids_round INTEGER NOT NULL, inserted_at TEXT NOT NULL, error TEXT, source TEXT, trigger_id TEXT,
    data_datestamp INTEGER);
CREATE INDEX IF NOT EXISTS submissions_of_model ON submissions (model_id, round);
CREATE TABLE IF NOT EXISTS invalidated (filename TEXT PRIMARY KEY, at TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS deadlines (round INTEGER PRIMARY KEY, closes TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS positions (
    model_id TEXT NOT NULL REFERENCES models, from_round INTEGER NOT NULL, nmr TEXT NOT NULL,
    only_that_round INTEGER NOT NULL, PRIMARY KEY (model_id, from_round, only_that_round));
CREATE TABLE IF NOT EXISTS jobs (
    id TEXT PRIMARY KEY, kind TEXT NOT NULL CHECK (kind IN ('diagnostics', 'pickle', 'webhook')),
    model_id TEXT, round INTEGER, inserted_at TEXT NOT NULL, facts TEXT NOT NULL);
CREATE UNIQUE INDEX IF NOT EXISTS webhook_of_round ON jobs (model_id, round)
    WHERE kind = 'webhook' AND round IS NOT NULL;
CREATE TABLE IF NOT EXISTS job_steps (
    job_id TEXT NOT NULL REFERENCES jobs, status TEXT NOT NULL, at TEXT NOT NULL, message TEXT);
CREATE INDEX IF NOT EXISTS steps_of_job ON job_steps (job_id);
CREATE TABLE IF NOT EXISTS scores (
    round INTEGER NOT NULL, day INTEGER NOT NULL, model_id TEXT NOT NULL, name TEXT NOT NULL,
    value REAL NOT NULL, percentile REAL NOT NULL,
    PRIMARY KEY (round, day, model_id, name)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS scored (
    round INTEGER NOT NULL, day INTEGER NOT NULL, PRIMARY KEY (round, day)) WITHOUT ROWID;
"""


@dataclass(frozen=True)
class Token:
    """One API key; its secret is compared, never shown."""

    public_id: str
    account: str
    name: str
    scopes: tuple[str, ...]


@dataclass(frozen=True)
class Model:
    """One participant: the user's model, a rival, or one of the tournament's benchmarks."""

    id: str
    name: str
    account: str
    kind: str
    inserted_at: datetime


@dataclass(frozen=True)
class Upload:
    """The receipt of an authorised upload; `received_at` is None until the bytes came."""

    filename: str
    model_id: str
    received_at: datetime | None
    size: int | None
    sha256: str | None


@dataclass(frozen=True)
class Submission:
    """One entry for one round.

    `kind` is `window` (uploaded between opening and deadline), `late` (after the deadline) or
    `carried` (the entry for the next round that a late one brings with it). `ids_round` is the
    round whose live ids the file carries. `error` is why it is invalid, None when it is valid.
    """

    id: str
    model_id: str
    round: int
    kind: str
    filename: str
    ids_round: int
    inserted_at: datetime
    error: str | None
    source: str | None
    trigger_id: str | None
    data_datestamp: int | None


class State:
    """The facts in `folder`; safe for use by several threads of one process."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.uploads_folder = folder / "uploads"
        self.uploads_folder.mkdir(parents=True, exist_ok=True)
        for unfinished in folder.rglob("*.part"):
            unfinished.unlink()
        self._lock = threading.RLock()
        self._positions: dict[tuple[str, int], Decimal] = {}
        self._connection = sqlite3.connect(
            folder / "state.sqlite", check_same_thread=False, isolation_level=None
        )
        self._connection.row_factory = sqlite3.Row
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute("PRAGMA synchronous=NORMAL")
        self._connection.executescript(_TABLES)

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Run what is inside entirely or not at all, alone."""
        with self._lock:
            if self._connection.in_transaction:  # inside another transaction of this thread
                yield self._connection
                return
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    def write(self, statement: str, values: Sequence[Any]) -> None:
        """Run one statement that changes something."""
        with self.transaction() as db:
            db.execute(statement, values)

    def rows(self, query: str, *values: Any) -> list[sqlite3.Row]:
        """Return all rows of a query."""
        with self._lock:
            return self._connection.execute(query, values).fetchall()

    @property
    def settings(self) -> MutableMapping[str, str]:
        """The settings table, as a mapping that writes through."""
        return _Settings(self)

    @cached_property
    def _seed(self) -> str:
        return self.settings["seed"]

    def identifier(self, *parts: object) -> str:
        """Return a UUID that depends on the tournament's seed and `parts` only."""
        text = "/".join([self._seed, *map(str, parts)])
        return str(uuid.UUID(bytes=hashlib.sha256(text.encode()).digest()[:16], version=4))

    def account_id(self, username: str) -> str:
        """Return the UUID of an account, another one in each tournament."""
        return self.identifier("account", username, self.settings.get("link_key", ""))

    def add_token(self, token: Token, secret_key: str) -> None:
        """Store an API key."""
        self.write(
            "INSERT INTO tokens VALUES (?, ?, ?, ?, ?)",
            (token.public_id, secret_key, token.account, token.name, " ".join(token.scopes)),
        )

    def tokens(self, account: str) -> list[Token]:
        """Return the account's API keys, oldest first."""
        rows = self.rows("SELECT * FROM tokens WHERE account = ? ORDER BY rowid", account)
        return [_token(row) for row in rows]

    def token(self, public_id: str, secret_key: str) -> Token | None:
        """Return the key with this id and secret, or None."""
        rows = self.rows(
            "SELECT * FROM tokens WHERE public_id = ? AND secret_key = ?", public_id, secret_key
        )
        return _token(rows[0]) if rows else None

    def add_model(self, model: Model) -> None:
        """Store a participant."""
        self.write(
            "INSERT INTO models VALUES (?, ?, ?, ?, ?)",
            (model.id, model.name, model.account, model.kind, model.inserted_at.isoformat()),
        )

    def rename_model(self, model_id: str, name: str) -> None:
        """Change a participant's name."""
        self.write("UPDATE models SET name = ? WHERE id = ?", (name, model_id))

    def models(self) -> list[Model]:
        """Return all participants, in the order in which they came."""
        return [
            Model(**{**dict(row), "inserted_at": datetime.fromisoformat(row["inserted_at"])})
            for row in self.rows("SELECT * FROM models ORDER BY rowid")
        ]

    def attributes(self, owner_id: str) -> dict[str, str]:
        """Return what was set of a model or an account: `webhook`, `bio` and the like."""
        rows = self.rows("SELECT name, value FROM attributes WHERE owner_id = ?", owner_id)
        return {row["name"]: row["value"] for row in rows}

    def set_attributes(self, owner_id: str, **values: str | None) -> None:
        """Store attributes; None removes one."""
        with self.transaction() as db:
            for name, value in values.items():
                if value is None:
                    db.execute(
                        "DELETE FROM attributes WHERE owner_id = ? AND name = ?", (owner_id, name)
                    )
                else:
                    db.execute(
                        "INSERT OR REPLACE INTO attributes VALUES (?, ?, ?)",
                        (owner_id, name, value),
                    )

    def authorise_upload(self, filename: str, model_id: str, now: datetime) -> None:
        """Store that bytes may be put under `filename`."""
        self.write(
            "INSERT INTO uploads (filename, model_id, authorised_at) VALUES (?, ?, ?)",
            (filename, model_id, now.isoformat()),
        )

    def upload(self, filename: str) -> Upload | None:
        """Return the upload authorised under `filename`, or None."""
        rows = self.rows("SELECT * FROM uploads WHERE filename = ?", filename)
        if not rows:
            return None
        row = rows[0]
        received = row["received_at"] and datetime.fromisoformat(row["received_at"])
        return Upload(filename, row["model_id"], received, row["size"], row["sha256"])

    def receive(self, filename: str, content: bytes, now: datetime) -> None:
        """Store the bytes of an authorised upload, then their receipt."""
        path = self.uploads_folder / filename
        temporary = path.with_name(f"{filename}.{uuid.uuid4().hex}.part")
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        self.write(
            "UPDATE uploads SET received_at = ?, size = ?, sha256 = ? WHERE filename = ?",
            (now.isoformat(), len(content), hashlib.sha256(content).hexdigest(), filename),
        )

    def content(self, filename: str) -> bytes:
        """Return the uploaded bytes."""
        return (self.uploads_folder / filename).read_bytes()

    def next_instant(self, model_id: str, now: datetime) -> datetime:
        """Return `now`, or a second after the model's newest submission when that is later.

        A clock that stands still would give two submissions the same instant, and clients read the
        one with the greatest as the newest.
        """
        newest = self.rows(
            "SELECT max(inserted_at) AS newest FROM submissions WHERE model_id = ?", model_id
        )[0]["newest"]
        whole = now.replace(microsecond=0)
        if newest is None:
            return whole
        return max(whole, datetime.fromisoformat(newest) + timedelta(seconds=1))

    def add_submission(self, submission: Submission) -> None:
        """Store an entry."""
        with self.transaction() as db:
            row = {**vars(submission), "inserted_at": submission.inserted_at.isoformat()}
            names, marks = ", ".join(row), ", ".join(f":{name}" for name in row)
            db.execute(f"INSERT INTO submissions ({names}) VALUES ({marks})", row)  # noqa: S608

    def invalidate(self, filename: str, error: str, now: datetime) -> None:
        """Store why a file that counted as valid until now does not."""
        with self.transaction() as db:
            db.execute("UPDATE submissions SET error = ? WHERE filename = ?", (error, filename))
            db.execute(
                "INSERT OR IGNORE INTO invalidated VALUES (?, ?)", (filename, now.isoformat())
            )

    def invalidated(self) -> dict[str, datetime]:
        """Return until when files that are invalid now counted as valid."""
        rows = self.rows("SELECT filename, at FROM invalidated")
        return {row["filename"]: datetime.fromisoformat(row["at"]) for row in rows}

    def submissions(self, model_id: str | None = None) -> list[Submission]:
        """Return the entries of one participant or of all, oldest first."""
        where = "" if model_id is None else "WHERE model_id = ?"
        values = () if model_id is None else (model_id,)
        rows = self.rows(
            f"SELECT * FROM submissions {where} ORDER BY inserted_at, rowid",  # noqa: S608
            *values,
        )
        return [
            Submission(**{**dict(row), "inserted_at": datetime.fromisoformat(row["inserted_at"])})
            for row in rows
        ]

    def set_position(self, model_id: str, round_number: int, nmr: Decimal, *, only: bool) -> None:
        """Store the stake from a round on, or for that round only."""
        self._positions.clear()
        self.write(
            "INSERT OR REPLACE INTO positions VALUES (?, ?, ?, ?)",
            (model_id, round_number, str(nmr), int(only)),
        )

    def position(self, model_id: str, round_number: int) -> Decimal:
        """Return what is to be staked on the participant in a round, in NMR."""
        key = model_id, round_number
        if key not in self._positions:
            self._positions[key] = self._read_position(model_id, round_number)
        return self._positions[key]

    def _read_position(self, model_id: str, round_number: int) -> Decimal:
        rows = self.rows(
            "SELECT nmr FROM positions WHERE model_id = ? AND (from_round = ? OR "
            "(from_round < ? AND NOT only_that_round)) "
            "ORDER BY from_round DESC, only_that_round DESC LIMIT 1",
            model_id, round_number, round_number,
        )  # fmt: skip
        return Decimal(rows[0]["nmr"]) if rows else Decimal(0)


class _Settings(MutableMapping[str, str]):
    def __init__(self, state: State) -> None:
        self._state = state

    def __getitem__(self, name: str) -> str:
        rows = self._state.rows("SELECT value FROM settings WHERE name = ?", name)
        if not rows:
            raise KeyError(name)
        return str(rows[0]["value"])

    def __setitem__(self, name: str, value: str) -> None:
        self._state.write("INSERT OR REPLACE INTO settings VALUES (?, ?)", (name, value))

    def __delitem__(self, name: str) -> None:
        self._state.write("DELETE FROM settings WHERE name = ?", (name,))

    def __iter__(self) -> Iterator[str]:
        return iter([row["name"] for row in self._state.rows("SELECT name FROM settings")])

    def __len__(self) -> int:
        return int(self._state.rows("SELECT count(*) AS n FROM settings")[0]["n"])


def _token(row: sqlite3.Row) -> Token:
    return Token(row["public_id"], row["account"], row["name"], tuple(row["scopes"].split()))
