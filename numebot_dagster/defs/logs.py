"""What a run writes to the terminal: our own messages, and Dagster's from warnings up."""

from __future__ import annotations

import logging
import os

import dagster as dg

# While a run lasts, Dagster redirects standard error into a file and copies it back from there with
# a process that it ends with the run: what was written last, the reason of a failure, can be lost.
# This way to the terminal is kept from before any run.
_TERMINAL = os.fdopen(os.dup(2), "w", buffering=1)


class _Tidy(logging.Handler):
    """One short line per message. Events are what the UI shows; here they would bury the rest."""

    def emit(self, record: logging.LogRecord) -> None:
        meta = getattr(record, "dagster_meta", {})
        is_event = meta.get("dagster_event") is not None
        message = meta.get("orig_message") or record.getMessage()
        cause = _cause(meta.get("dagster_event"))
        if is_event and record.levelno < logging.WARNING:
            return
        if message.startswith("op '") and "did not yield" in message:
            return  # Dagster's list of the checks of what was skipped: they were not due
        if message.startswith("Skipping step "):
            return  # our own messages say why
        message += f"\n  {cause}" if cause else ""
        level = "" if record.levelno < logging.WARNING else f"{record.levelname.lower()}: "
        _TERMINAL.write(f"{level}{message}\n")


def _cause(event: dg.DagsterEvent | None) -> str | None:
    """Why a step failed: the message of the innermost error, without its traceback."""
    if event is None or not event.is_step_failure:
        return None
    error = event.step_failure_data.error
    while error is not None and error.cause is not None:
        error = error.cause
    return None if error is None else error.message.strip()


@dg.logger(
    config_schema={"log_level": dg.Field(str, is_required=False, default_value="INFO")},
    description="Short lines for people; the UI has every event.",
)
def terminal_logger(init_context: dg.InitLoggerContext) -> logging.Logger:
    """A logger for terminals."""
    logger = logging.Logger("numebot", init_context.logger_config["log_level"])
    logger.addHandler(_Tidy())
    return logger
