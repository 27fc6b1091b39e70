"""Write the messages of a run to the terminal: our own, and Dagster's from warnings up."""

from __future__ import annotations

import logging
import os

import dagster as dg

from numebot_dagster import terminal
from numebot_dagster.defs.failures import reason_of, repeats_its_step
from numebot_dagster.failure_texts import is_of_a_step_not_run, of_step

# While a run lasts, Dagster redirects standard error into a file and copies it back from there with
# a process that it ends with the run: what was written last, the reason of a failure, can be lost.
# This descriptor of the terminal is duplicated before any run.
_TERMINAL = terminal.guarded(os.dup(2))


def say(line: str) -> None:
    """Write a line to the terminal, a run's redirected streams notwithstanding; never fail."""
    _TERMINAL.write(f"{line}\n")


class _Tidy(logging.Handler):
    """One short line per message. Events are what the UI shows; here they would bury the rest."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._write(record)
        except Exception:  # as the handlers of the standard library: a message stops no work
            self.handleError(record)

    def _write(self, record: logging.LogRecord) -> None:
        meta = getattr(record, "dagster_meta", {})
        event = meta.get("dagster_event")
        message = meta.get("orig_message") or record.getMessage()
        if event is not None and record.levelno < logging.WARNING:
            return
        if repeats_its_step(event) or is_of_a_step_not_run(message):
            return
        if message.startswith("Data version mismatch "):
            return  # it follows an event that could not be stored
        if event is not None and (reason := reason_of(event)):
            message = of_step(event.step_key, reason) if event.step_key else reason
        level = "" if record.levelno < logging.WARNING else f"{record.levelname.lower()}: "
        say(f"{level}{message}")


@dg.logger(
    config_schema={"log_level": dg.Field(str, is_required=False, default_value="INFO")},
    description="Short lines for people; the UI has every event.",
)
def terminal_logger(init_context: dg.InitLoggerContext) -> logging.Logger:
    """Return a logger for terminals."""
    logger = logging.Logger("numebot", init_context.logger_config["log_level"])
    logger.addHandler(_Tidy())
    return logger
