"""Shorten what Dagster's processes print to one line for each event that matters."""

from __future__ import annotations

import re
from collections.abc import Iterator

from numebot_dagster.failure_texts import is_of_a_step_not_run, of_step, without_class

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

_NOISE = "No cursor for event type"  # logged at every start
_BEGUN = "RUN_START - "

# The trace of a failed step or run belongs to the run's page. It is a chain of exceptions, each
# with its stack: the first is Dagster's own, the innermost cause comes last.
_FAILED = re.compile(r"(?:(?P<step>[\w.\[\]]+) - )?(?P<event>STEP_FAILURE|RUN_FAILURE) - ")
_ABOVE = "The above exception "
_CAUSED_BY = f"{_ABOVE}was caused by the following exception:"
_STACK = "Stack Trace:"
_TRACEBACK = "Traceback (most recent call last):"
_BETWEEN = (_ABOVE, "During handling of the above exception, ")
# A sensor or schedule that raised is logged with its trace by its name, a sensor before that
# without it as well.
_TICK = re.compile(r"[\w ]+ caught an error for (?:sensor|schedule|backfill) (?P<name>\w+)")
_UNNAMED_TICK = "Sensor tick caught an error"
_EXCEPTION = re.compile(r"(?:[A-Z]\w*|[A-Za-z_]\w*\.[\w.<>]+)(?:: |:?$)")


class Follower:
    """Follows the output line by line and turns the trace of a failure into one line.

    Lines that are not in Dagster's own form and belong to no failure are shown as they are.
    """

    def __init__(self) -> None:
        self._failure: _Failure | _FailedTick | None = None

    def lines(self, line: str) -> Iterator[str]:
        """Read a line; yield what can be shown now, often nothing."""
        plain = _COLOUR.sub("", line.rstrip())
        event = _LINE.fullmatch(plain)
        if event is None and self._failure is not None and self._failure.reads(plain):
            return
        yield from self.rest()
        if event is None:
            yield plain
            return
        run = _RUN.fullmatch(event["rest"])
        failed = _FAILED.match(run["step_and_event"]) if run else None
        if run and failed:
            head, step = f"{event['time']} error: ", failed["step"] or run["job"]
            if failed["event"] == "STEP_FAILURE":
                self._failure = _Failure(head, step, run["text"])
            elif "Steps failed" in run["text"]:  # with the trace of its step once more
                self._failure = _Failure(None, step)
            else:  # perhaps without a trace, and with nothing behind it
                yield f"{head}{of_step(step, run['text'])}"
                self._failure = _Failure(head, step)
        elif run is None and event["level"] == "ERROR":  # perhaps with a trace
            self._failure = _FailedTick(event["time"], event["rest"])
        elif text := _shown(event, run):
            yield text

    def rest(self) -> Iterator[str]:
        """Yield the failure whose trace has ended, if there is one."""
        failure, self._failure = self._failure, None
        if failure is not None:
            yield from failure.lines()


class _Failure:
    """A failed step or run whose trace is being read.

    Args:
        head: what its line begins with; None when the failure has been shown.
        step: the name of the step or, where none failed, of the job.
        cause: what it failed with, as long as the trace does not say more.
    """

    def __init__(self, head: str | None, step: str, cause: str | None = None) -> None:
        self._head = head
        self._step = step
        self._cause = cause
        self._has_begun = False
        self._has_stack = False
        self._is_stack = False
        self._is_cause = True
        self._unclear: list[str] = []

    def reads(self, line: str) -> bool:
        """Read a line; return whether it belongs to the trace."""
        if self._is_stack:
            if not line.startswith(_ABOVE):
                return not line or line.startswith("  ")
            self._is_stack = False
            self._is_cause = line == _CAUSED_BY
        elif line == _STACK:
            self._has_stack = self._is_stack = True
            self._unclear.clear()
        elif not self._has_begun and line and not _EXCEPTION.match(line):
            return False
        elif line:
            self._read_text(line)
        return True

    def _read_text(self, line: str) -> None:
        """Read a line of an exception's text: the first names it, a stack follows the last."""
        self._has_begun = True
        if self._is_cause and _EXCEPTION.match(line):
            self._cause = line
            self._is_cause = False
            if self._has_stack:
                return
        self._unclear.append(line)

    def lines(self) -> Iterator[str]:
        """Yield its line, and lines that turned out to be no part of its trace."""
        if self._head is not None and self._cause is not None:
            yield f"{self._head}{of_step(self._step, without_class(self._cause))}"
        yield from self._unclear


class _FailedTick:
    """An error of Dagster's daemon, as of a sensor or schedule, whose trace is being read."""

    def __init__(self, moment: str, text: str) -> None:
        self._moment = moment
        self._text = text
        self._cause: str | None = None
        self._has_begun = False
        self._is_cause = True
        self._names_exception = False  # whether the next line without indentation does

    def reads(self, line: str) -> bool:
        """Read a line; return whether it belongs to the trace."""
        if line == _TRACEBACK:
            self._has_begun = self._names_exception = True
        elif not self._has_begun:
            return False
        elif line.startswith(_BETWEEN):
            self._is_cause = line == _CAUSED_BY
            self._names_exception = True
        elif self._names_exception and _EXCEPTION.match(line):
            if self._is_cause:
                self._cause = line
            self._is_cause = self._names_exception = False
        else:
            return not line or line == _STACK or line.startswith("  ")
        return True

    def lines(self) -> Iterator[str]:
        """Yield the name of the sensor or schedule and its error, or the error alone."""
        if self._has_begun and self._text == _UNNAMED_TICK:
            return
        tick = _TICK.fullmatch(self._text)
        subject = tick["name"] if tick else self._text
        cause = f": {without_class(self._cause)}" if self._cause else ""
        yield f"{self._moment} error: {subject}{cause}"


def _shown(event: re.Match[str], run: re.Match[str] | None) -> str | None:
    """Return the line of an event, or nothing for one that is not shown."""
    text = run["text"] if run else event["rest"]
    if event["level"] == "DEBUG":
        if not run or run["step_and_event"] != _BEGUN:
            return None
        text = f"run {run['run']} of {run['job']} begins"
    if text.startswith(_NOISE) or is_of_a_step_not_run(text):
        return None
    level = "" if event["level"] in ("DEBUG", "INFO") else f"{event['level'].lower()}: "
    return f"{event['time']} {level}{text}"
