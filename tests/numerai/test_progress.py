"""How far a download is, as a line of the log says it."""

from __future__ import annotations

import pytest

from numebot_dagster.numerai import progress
from numebot_dagster.numerai.progress import DownloadProgress

MB = 1_000_000


@pytest.mark.parametrize(
    ("arrivals", "text"),
    [
        ([], "nothing has arrived yet"),
        ([(5 * MB, None)], "5.0 MB"),
        ([(0, 3000 * MB)], "0.0 of 3,000 MB (0%)"),
        ([(0, 3000 * MB), (300 * MB, 3000 * MB)], "300 of 3,000 MB (10%), 90 s left"),
        ([(0, 30 * MB), (MB, 30 * MB)], "1.0 of 30 MB (3%), 5 min left"),
        # What was there before a download was resumed says nothing of how fast it goes.
        ([(20 * MB, 30 * MB), (25 * MB, 30 * MB)], "25 of 30 MB (83%), 10 s left"),
        ([(20 * MB, 30 * MB), (0, 30 * MB), (MB, 30 * MB)], "1.0 of 30 MB (3%), 5 min left"),
        ([(0, 30 * MB), (30 * MB, 30 * MB)], "30 MB (100%), being checked"),
    ],
)
def test_a_download_says_how_far_it_is(monkeypatch, arrivals, text):
    clock = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: clock[0])
    download = DownloadProgress()
    for arrival in arrivals:
        download(*arrival)
        clock[0] += 10.0
    clock[0] -= 0.0 if len(arrivals) < 2 else 10.0
    assert download.describe() == text
