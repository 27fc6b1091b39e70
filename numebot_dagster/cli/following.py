"""Shorten what Dagster's processes print to one line for each event that matters."""

from __future__ import annotations

import re
from collections.abc import Iterator

# As Dagster's loggers write it: moment, logger, level, then the sensor or schedule that ticks, or
# the run (job, id, pid, step, event).
_LINE = re.compile(
    r"\d{4}-\d\d-\d\d (?P<time>\d\d:\d\d:\d\d) [+-]\d{4} - (?P<logger>[\w.]+) - "
    r"(?P<level>[A-Z]+) - (?:__repository__ - \w+ - )?(?P<rest>.*)"
)
_RUN = re.compile(
    r"(?P<job>\w+) - (?P<run>[0-9a-f]{8})-[0-9a-f-]{27} - (?:\d+ - )?"
    r"(?P<step_and_event>(?:[\w.\[\]]+ - ){0,2})(?P<text>.*)"
)
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")

# Said of every start, of steps that were skipped, and of their checks, which were not due.
_NOISE = ("No cursor for event type", "AssetCheckResult for check", "op '", "Skipping step ")
_BEGUN = "RUN_START - "

# The trace of a failed step or run belongs to the run's page. Of its text the first line is
# Dagster's own error; what caused it follows, the innermost last.
_FAILED = re.compile(r"(?:(?P<step>[\w.\[\]]+) - )?(?P<event>STEP_FAILURE|RUN_FAILURE) - ")
_CAUSED_BY = "The above exception was caused by the following exception:"
_CLASS = re.compile(r"^(?:numebot_dagster|dagster)[\w.]*: ")


class Follower:
    """Follows the output line by line; the trace of a failure becomes one line with its cause.

    What is not in Dagster's own form and belongs to no failed step is shown as it is.
    """

    def __init__(self) -> None:
        self._failure: _Failure | None = None

    def lines(self, line: str) -> Iterator[str]:
        """Yield what is to be shown once this line has come: often nothing."""
        plain = _COLOUR.sub("", line.rstrip())
        event = _LINE.fullmatch(plain)
        if event is None and self._failure is not None:
            self._failure.add(plain)
            return
        yield from self.rest()
        if event is None:
            yield plain
            return
        run = _RUN.fullmatch(event["rest"])
        failed = _FAILED.match(run["step_and_event"]) if run else None
        if run and failed:
            # A run repeats what its step failed with.
            is_told = failed["event"] == "RUN_FAILURE" and "Steps failed" in run["text"]
            head = f"{event['time']} error: {failed['step'] or run['job']}"
            self._failure = _Failure(head, run["text"], is_told=is_told)
        elif text := _shown(event, run):
            yield text

    def rest(self) -> Iterator[str]:
        """Yield the failure whose trace has ended, if there is one."""
        failure, self._failure = self._failure, None
        if failure is not None and not failure.is_told:
            yield failure.line


class _Failure:
    """A failed step or run whose trace is being read."""

    def __init__(self, head: str, text: str, *, is_told: bool) -> None:
        self.is_told = is_told
        self._head = head
        self._cause = text
        self._is_next = False

    def add(self, line: str) -> None:
        """Read a line of the trace: the one below the last "caused by" is the cause."""
        if self._is_next and line.strip():
            self._cause = line.strip()
            self._is_next = False
        if line.strip() == _CAUSED_BY:
            self._is_next = True

    @property
    def line(self) -> str:
        return f"{self._head}: {_CLASS.sub('', self._cause)}"


def _shown(event: re.Match[str], run: re.Match[str] | None) -> str | None:
    """Return an event as it is shown, or nothing when it is of no interest."""
    text = run["text"] if run else event["rest"]
    if event["level"] == "DEBUG":
        if not run or run["step_and_event"] != _BEGUN:
            return None
        text = f"run {run['run']} of {run['job']} begins"
    if text.startswith(_NOISE):
        return None
    level = "" if event["level"] in ("DEBUG", "INFO") else f"{event['level'].lower()}: "
    return f"{event['time']} {level}{text}"
