"""Run the `numebot` command in the process of the tests."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from unittest import mock

import pytest
from typer import testing
from typer.testing import CliRunner

from numebot_dagster.cli.main import app
from numebot_dagster.defs import logs

Finished = subprocess.CompletedProcess[str]

# All commands and their options are put together once, not once a command.
testing._get_command = cache(testing._get_command)


def run_here(folder: Path, *arguments: str, environment: Mapping[str, str]) -> Finished:
    """Run the command in this process: one of its own takes two seconds to start.

    The definitions are loaded anew, as a new process would; errors that are no exit status are
    raised.
    """
    sys.modules.pop("numebot_dagster.definitions", None)
    terminal = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, mock.patch.dict(os.environ, clear=True):
        os.environ.update(environment)
        patch.chdir(folder)
        patch.setattr(logs, "_TERMINAL", terminal)
        result = CliRunner().invoke(app, list(arguments))
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    errors = result.stderr + terminal.getvalue()
    return Finished(arguments, result.exit_code, result.stdout, errors)


def numebot(*arguments: str) -> tuple[str, int]:
    """Run the command as this process is; return what it prints, and its exit status."""
    result = CliRunner().invoke(app, list(arguments), env={"COLUMNS": "100"})
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.stdout, result.exit_code
