"""What `numebot up` shows of Dagster's output: one short line per event that matters."""

from __future__ import annotations

import re

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


def tidy(line: str) -> str | None:
    """A line of Dagster's as it is shown, or nothing when it is of no interest.

    What is not in Dagster's own form, such as a traceback, is shown as it is.
    """
    plain = _COLOUR.sub("", line.rstrip())
    found = _LINE.fullmatch(plain)
    if found is None:
        return plain
    run = _RUN.fullmatch(found["rest"])
    text = run["text"] if run else found["rest"]
    if found["level"] == "DEBUG":
        if not run or run["step_and_event"] != _BEGUN:
            return None
        text = f"run {run['run']} of {run['job']} begins"
    if text.startswith(_NOISE):
        return None
    level = "" if found["level"] in ("DEBUG", "INFO") else f"{found['level'].lower()}: "
    return f"{found['time']} {level}{text}"
