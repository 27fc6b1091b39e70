"""Decide how long a round that is not finished waits for its next run."""

from __future__ import annotations

# Minutes from the end of one run to the next; before the close no pause but the shortest is longer
# than this share of the time that is left, so that what works again late is still used.
PAUSES = (1, 2, 5, 10, 15, 30, 60)
SHARE_OF_TIME_LEFT = 1 / 3
# A run takes less than a minute, so that several fit: here a pause is the dearest thing there is.
LAST_MINUTES = 5.0
# A submission that turned invalid is replaced at once. One that does so again and again will not be
# mended by speed, and waits like every other failure.
REPLACED_AT_ONCE = 3


def seconds_before_next_run(
    attempts: int, seconds_left: float | None, *, invalidations: int = 0
) -> float:
    """Return the seconds to wait from the end of a round's last run to the start of the next.

    Args:
        attempts: how many runs there were.
        seconds_left: until the round closes; None when it has closed.
        invalidations: how often the submission of a model that has no valid one now was found
            invalid, for the model where that happened most often.
    """
    pause = 60.0 * PAUSES[min(max(attempts, 1), len(PAUSES)) - 1]
    if seconds_left is None:
        return pause
    if seconds_left <= 60 * LAST_MINUTES or 0 < invalidations <= REPLACED_AT_ONCE:
        return 0.0
    return min(pause, max(60.0 * PAUSES[0], seconds_left * SHARE_OF_TIME_LEFT))
