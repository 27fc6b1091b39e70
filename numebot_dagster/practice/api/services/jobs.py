"""Keep the work that continues after its request was answered, with every step of it.

A job is stored before it begins and each step when it is reached: a process that is killed in the
middle leaves a job without an end, which is begun again by the next request for it.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from numebot_dagster.practice.rules.state import State

DIAGNOSTICS, PICKLE, WEBHOOK = "diagnostics", "pickle", "webhook"
ENDS = ("called", "done", "failed", "success")


@dataclass(frozen=True)
class Step:
    """A status that a job reached, and its message."""

    status: str
    at: datetime
    message: str | None


@dataclass(frozen=True)
class Job:
    """A piece of work; `facts` are the data of its kind, steps are oldest first."""

    id: str
    kind: str
    model_id: str | None
    round: int | None
    inserted_at: datetime
    facts: dict[str, Any]
    steps: tuple[Step, ...]

    @property
    def newest(self) -> Step:
        """The step that the job has reached."""
        return self.steps[-1]

    @property
    def is_over(self) -> bool:
        """Whether no further step will follow by itself."""
        return self.newest.status in ENDS


class Jobs:
    """The stored jobs, and the threads of this process that work on them."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._lock = threading.Lock()
        self._working: dict[str, threading.Thread] = {}

    def add(
        self,
        kind: str,
        now: datetime,
        status: str,
        facts: dict[str, Any],
        *,
        model_id: str | None = None,
        round_number: int | None = None,
    ) -> Job:
        """Store a new job with its first status."""
        with self._state.transaction() as db:
            count = self._state.rows("SELECT count(*) AS n FROM jobs")[0]["n"]
            identifier = self._state.identifier("job", kind, count)
            db.execute(
                "INSERT INTO jobs VALUES (?, ?, ?, ?, ?, ?)",
                (identifier, kind, model_id, round_number, now.isoformat(), json.dumps(facts)),
            )
            self.step(identifier, status, now)
        return self.find(kind, identifier)[0]

    def step(self, job_id: str, status: str, at: datetime, message: str | None = None) -> None:
        """Store that a job has reached a status."""
        self._state.write(
            "INSERT INTO job_steps VALUES (?, ?, ?, ?)", (job_id, status, at.isoformat(), message)
        )

    def change(self, job: Job, **facts: Any) -> None:
        """Replace some facts of a job."""
        self._state.write(
            "UPDATE jobs SET facts = ? WHERE id = ?", (json.dumps({**job.facts, **facts}), job.id)
        )

    def remove(self, job_id: str) -> None:
        """Delete a job."""
        with self._state.transaction() as db:
            db.execute("DELETE FROM job_steps WHERE job_id = ?", (job_id,))
            db.execute("DELETE FROM jobs WHERE id = ?", (job_id,))

    def find(self, kind: str, job_id: str | None = None, model_id: str | None = None) -> list[Job]:
        """Return the jobs of a kind, newest first, of an id and a model if given."""
        with self._state.transaction():  # with their steps of the same moment
            return self._find(kind, job_id, model_id)

    def _find(self, kind: str, job_id: str | None, model_id: str | None) -> list[Job]:
        rows = self._state.rows(
            "SELECT * FROM jobs WHERE kind = ? AND ifnull(id = ?, 1) AND ifnull(model_id = ?, ?) "
            "ORDER BY rowid DESC",
            kind, job_id, model_id, model_id is None,
        )  # fmt: skip
        return [
            Job(
                **{name: row[name] for name in ("id", "kind", "model_id", "round")},
                inserted_at=datetime.fromisoformat(row["inserted_at"]),
                facts=json.loads(row["facts"]),
                steps=self._steps(row["id"]),
            )
            for row in rows
        ]

    def _steps(self, job_id: str) -> tuple[Step, ...]:
        rows = self._state.rows("SELECT * FROM job_steps WHERE job_id = ? ORDER BY rowid", job_id)
        return tuple(
            Step(row["status"], datetime.fromisoformat(row["at"]), row["message"]) for row in rows
        )

    def work(self, job_id: str, task: Callable[[], None]) -> None:
        """Run a task in a thread, unless a thread of this process works on the job already."""
        with self._lock:
            current = self._working.get(job_id)
            if current is not None and current.is_alive():
                return
            thread = threading.Thread(target=task, name=f"job {job_id}", daemon=True)
            self._working[job_id] = thread
            thread.start()
