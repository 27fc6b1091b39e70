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

# The trace of a failed step, run, sensor or schedule belongs to its page. It is a chain of
# exceptions, the innermost cause last. Dagster writes each before its stack, and Python the first
# one of a sensor or schedule behind it.
_FAILED = re.compile(r"(?:(?P<step>[\w.\[\]]+) - )?(?P<event>STEP_FAILURE|RUN_FAILURE) - ")
_STACK = "Stack Trace:"
_TRACEBACK = "Traceback (most recent call last):"
_BETWEEN = ("The above exception ", "During handling of the above exception, ")
_CAUSED_BY = "The above exception was caused by the following exception:"
_EXCEPTION = re.compile(r"(?:[A-Z]\w*|[A-Za-z_]\w*\.[\w.<>]+)(?:: |:?$)")
# A sensor that raised is logged twice, first without its name.
_TICK = re.compile(r"[\w ]+ caught an error for (?:sensor|schedule|backfill) (?P<name>\w+)")
_UNNAMED_TICK = "Sensor tick caught an error"


class Follower:
    """Follows the output line by line and turns the trace of a failure into one line.

    Lines that are not in Dagster's own form and belong to no failure are shown as they are.
    """

    def __init__(self) -> None:
        self._failure: _Failure | None = None

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
            step = failed["step"] or run["job"]
            line = f"{event['time']} error: {of_step(step, without_class(run['text']))}"
            if "Steps failed" in run["text"]:  # with the trace of its step once more
                self._failure = _Failure(event["time"], None)
            elif failed["event"] == "STEP_FAILURE":
                self._failure = _Failure(event["time"], step, line)
            else:  # perhaps without a trace, and with nothing behind it
                yield line
                self._failure = _Failure(event["time"], step)
        elif run is None and event["level"] == "ERROR":  # perhaps with a trace
            tick = _TICK.fullmatch(event["rest"])
            subject = tick["name"] if tick else event["rest"]
            is_named = subject != _UNNAMED_TICK
            line = f"{event['time']} error: {subject}"
            self._failure = _Failure(
                event["time"], subject if is_named else None, line, of_run=False
            )
        elif text := _shown(event, run):
            yield text

    def rest(self) -> Iterator[str]:
        """Yield the failure whose trace has ended, if there is one."""
        failure, self._failure = self._failure, None
        if failure is not None:
            yield from failure.lines()


class _Failure:
    """A failure whose trace is being read.

    Args:
        moment: when it happened.
        subject: what failed; None when it is shown elsewhere.
        line: what is shown when no trace names a cause.
        of_run: whether it is of a run; the trace of another error begins with Python's stack.
    """

    def __init__(
        self, moment: str, subject: str | None, line: str | None = None, *, of_run: bool = True
    ) -> None:
        self._head = f"{moment} error: "
        self._subject = subject
        self._line = line
        self._of_run = of_run
        self._has_stack = self._in_stack = False
        self._names_exception = self._is_cause = True  # the next line that looks like one
        self._unclear: list[str] = []  # part of the trace only if a stack follows

    def reads(self, line: str) -> bool:
        """Read a line; return whether it belongs to the trace."""
        if line == (_TRACEBACK if self._names_exception else _STACK):
            self._has_stack = self._in_stack = True
            self._unclear.clear()
        elif line and not (self._of_run or self._has_stack):
            return False
        elif line.startswith(_BETWEEN):
            self._in_stack, self._names_exception = False, True
            self._is_cause = line == _CAUSED_BY
        elif self._names_exception and _EXCEPTION.match(line):
            self._read_exception(line)
        elif self._in_stack or self._names_exception:
            return not line or (self._in_stack and line.startswith("  "))
        elif line:
            self._unclear.append(line)
        return True

    def _read_exception(self, line: str) -> None:
        if not self._has_stack:
            self._unclear.append(line)
        if self._is_cause and self._subject is not None:
            self._line = f"{self._head}{of_step(self._subject, without_class(line))}"
        self._in_stack = self._names_exception = self._is_cause = False

    def lines(self) -> Iterator[str]:
        """Yield its line, and lines that turned out to be no part of its trace."""
        if self._subject is not None and self._line is not None:
            yield self._line
        yield from self._unclear


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
