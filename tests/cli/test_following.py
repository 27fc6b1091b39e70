"""What `numebot up` shows of what Dagster writes."""

from __future__ import annotations

import pytest

from numebot_dagster.cli.following import tidy

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
            f"{AT} - dagster - ERROR - {RUN} - 212 - play_round - STEP_FAILURE - it failed - why",
            "19:37:19 error: it failed - why",
        ),
        (
            f"{AT} - dagster - WARNING - {RUN} - play_round - AssetCheckResult for check 'x' was",
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
    assert tidy(line) == shown
