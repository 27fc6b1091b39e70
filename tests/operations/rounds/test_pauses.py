"""How long a round that is not finished waits for its next run."""

from __future__ import annotations

import pytest

from numebot_dagster.operations.rounds.pauses import seconds_before_next_run

HOUR, DAY = 3600, 86_400


@pytest.mark.parametrize(
    ("attempts", "seconds_left", "invalidations", "pause"),
    [
        # The pauses grow with the attempts, where there is time.
        (0, DAY, 0, 60),
        (1, DAY, 0, 60),
        (2, DAY, 0, 120),
        (3, DAY, 0, 300),
        (6, DAY, 0, 1800),
        (7, DAY, 0, 3600),
        (99, DAY, 0, 3600),
        # Never more than a third of what is left, and a minute where that is less.
        (7, HOUR, 0, 1200),
        (6, 720, 0, 240),
        (6, 301, 0, 100 + 1 / 3),
        # In the last five minutes there is none.
        (1, 300, 0, 0),
        (9, 299, 0, 0),
        (9, 1, 0, 0),
        (9, 1, 9, 0),
        # Nor after an invalidation, as long as it is not the same again and again.
        (1, HOUR, 1, 0),
        (7, DAY, 1, 0),
        (7, DAY, 3, 0),
        (7, DAY, 4, 3600),
        (2, HOUR, 9, 120),
        # After the close nothing hurries.
        (1, None, 0, 60),
        (4, None, 1, 600),
    ],
)
def test_the_pause_before_the_next_run(attempts, seconds_left, invalidations, pause):
    seconds = seconds_before_next_run(attempts, seconds_left, invalidations=invalidations)
    assert seconds == pytest.approx(pause)
