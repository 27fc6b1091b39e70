"""What `numebot up` shows of what Dagster writes."""

from __future__ import annotations

import pytest

from numebot_dagster.web.following import Follower

RUN = "round_job - e75b42b0-846e-47fa-b6a8-225a78b43fb5"
AT = "2026-11-24 19:37:19 +0000"


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        (
            f'{AT} - dagster - DEBUG - {RUN} - 212 - RUN_START - Started execution of run for "x".',
            "19:37:19 run e75b42b0 of round_job begins",
        ),
        (f"{AT} - dagster - DEBUG - {RUN} - 212 - live_data - STEP_START - Started step.", None),
        (f"{AT} - dagster - DEBUG - {RUN} - 212 - ENGINE_EVENT - Executing steps", None),
        (
            f"{AT} - dagster - INFO - {RUN} - play_round - steady-1: confirmed",
            "19:37:19 steady-1: confirmed",
        ),
        (
            f"{AT} - dagster - WARNING - {RUN} - play_round - AssetCheckResult for check 'x' was",
            None,
        ),
        (
            f"{AT} - dagster - ERROR - {RUN} - play_round - Dependencies for step play_round "
            "failed: ['live_data']. Not executing.",
            None,
        ),
        (f"{AT} - dagster - INFO - {RUN} - Skipping step play_round due to skipped x", None),
        (
            f"{AT} - dagster - INFO - __repository__ - new_round_sensor - Round 1280 is noticed",
            "19:37:19 Round 1280 is noticed",
        ),
        (f"{AT} - dagster - WARNING - Not sent", "19:37:19 warning: Not sent"),
        (
            f"\x1b[32m{AT}\x1b[0m - dagster.daemon.EventLogConsumerDaemon - "
            "\x1b[34mWARNING\x1b[0m - No cursor for event type X, ignoring older events",
            None,
        ),
        (
            f"\x1b[32m{AT}\x1b[0m - dagster.daemon - \x1b[34mERROR\x1b[0m - Caught an error",
            "19:37:19 error: Caught an error",
        ),
        ('  File "numebot.py", line 3, in play\n', '  File "numebot.py", line 3, in play'),
        ("\n", ""),
    ],
)
def test_one_line_for_what_matters(line, shown):
    follower = Follower()
    assert [*follower.lines(line), *follower.rest()] == ([] if shown is None else [shown])


TRACE = f"""\
{AT} - dagster - ERROR - {RUN} - 212 - play_round - STEP_FAILURE - Execution of step "x" failed.

dagster._core.errors.DagsterExecutionStepExecutionError: Error occurred while executing op:

Stack Trace:
  File "execute_plan.py", line 246, in dagster_event_sequence_for_step
    yield from check.generator(step_events)

The above exception was caused by the following exception:
dagster._core.definitions.events.Failure: Round 1280: 2 of 3 models failed
a and b: no memory

Stack Trace:
  File "playing.py", line 68, in play_round
{AT} - dagster - ERROR - {RUN} - 212 - RUN_FAILURE - Execution of run failed. Steps failed: ['x'].

dagster._core.errors.DagsterExecutionStepExecutionError: Error occurred while executing op:

Stack Trace:
  File "execute_plan.py", line 246, in dagster_event_sequence_for_step

The above exception was caused by the following exception:
dagster._core.definitions.events.Failure: Round 1280: 2 of 3 models failed
a and b: no memory
with a second line

Stack Trace:
  File "playing.py", line 68, in play_round
{AT} - dagster - INFO - __repository__ - new_round_sensor - Round 1280 is tried again
"""


def test_a_trace_is_one_line_that_names_no_model_again():
    follower = Follower()
    lines = [text for line in TRACE.splitlines() for text in follower.lines(line)]
    assert lines == [
        "19:37:19 error: play_round: Round 1280: 2 of 3 models failed",
        "19:37:19 Round 1280 is tried again",
    ]


DEATH = ["warning: no record is kept", "Traceback (most recent call last):", "MemoryError"]


@pytest.mark.parametrize("lines", [1, 7, 14, 15, 28])
def test_a_failure_swallows_nothing_but_its_trace(lines):
    """However much of it was written before something else is."""
    follower = Follower()
    written = [*TRACE.splitlines()[:lines], *DEATH]
    shown = [text for line in written for text in follower.lines(line)]
    assert shown[0].startswith("19:37:19 error: play_round: ")
    assert shown[-3:] == DEATH


def test_a_line_that_only_looks_like_an_exception_is_not_lost():
    follower = Follower()
    written = [*TRACE.splitlines()[:15], "Interrupted: nothing was changed"]
    shown = [text for line in written for text in follower.lines(line)]
    assert [*shown, *follower.rest()][-1] == "Interrupted: nothing was changed"


RUN_FAILED = f"{AT} - dagster - ERROR - {RUN} - RUN_FAILURE - "


def test_a_run_that_fails_without_a_step_is_shown_at_once():
    follower = Follower()
    marked = "This run has been marked as failed from outside the execution context."
    assert [*follower.lines(RUN_FAILED + marked)] == [f"19:37:19 error: round_job: {marked}"]
    assert [text for line in DEATH for text in follower.lines(line)] == DEATH


def test_a_run_that_fails_with_an_exception_tells_its_cause():
    follower = Follower()
    trace = ["", "sqlite3.OperationalError: disk full", "", "Stack Trace:", '  File "x.py", line 1']
    thrown = "An exception was thrown during execution."
    shown = [text for line in [RUN_FAILED + thrown, *trace] for text in follower.lines(line)]
    assert [*shown, *follower.rest()] == [
        f"19:37:19 error: round_job: {thrown}",
        "19:37:19 error: round_job: sqlite3.OperationalError: disk full",
    ]


@pytest.mark.parametrize("line", ["Interrupted: nothing was changed", "OSError", "a plain line"])
def test_no_line_behind_an_error_without_a_stack_is_taken_for_its_cause(line):
    follower = Follower()
    error = f"{AT} - dagster.daemon - ERROR - Caught an error"
    assert [*follower.lines(error)] == []
    assert [*follower.lines(line)] == ["19:37:19 error: Caught an error", line]
    assert [*follower.lines(line)] == [line]


TICK = f"""\
{AT} - dagster.daemon.SensorDaemon - ERROR - Sensor tick caught an error
Traceback (most recent call last):
  File "sensor.py", line 649, in _process_tick_generator
    yield from _evaluate_sensor(
               ^^^^^^^^^^^^^^^^^
dagster._core.errors.DagsterUserCodeProcessError: dagster._core.errors.SensorExecutionError: Error

Stack Trace:
  File "impl.py", line 401, in get_external_sensor_execution

The above exception was caused by the following exception:
numebot_dagster.numerai.errors.PassingFault: http://127.0.0.1:9: the connection failed

Stack Trace:
  File "faults.py", line 121, in translated
    raise fault from None

"""
NAMED = TICK.replace("Sensor tick caught an error", "Sensor daemon caught an error for sensor look")


def test_a_sensor_that_raised_is_one_line_with_its_cause():
    follower = Follower()
    written = [*TICK.splitlines(), *NAMED.splitlines(), *DEATH]
    shown = [text for line in written for text in follower.lines(line)]
    assert shown == ["19:37:19 error: look: http://127.0.0.1:9: the connection failed", *DEATH]
