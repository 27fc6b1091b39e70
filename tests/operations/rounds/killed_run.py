"""Runs the `numebot` command and kills it with SIGKILL at the point that KILL_AT names."""

from __future__ import annotations

import os
import signal
from typing import Any

from numebot_dagster.cli.main import main
from numebot_dagster.lake import files
from numebot_dagster.numerai import downloads
from numebot_dagster.numerai.client import NumeraiClient
from numebot_dagster.submissions import receipts
from numebot_dagster.submissions.receipts import Receipt, State


def die(*_: Any, **__: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def after(function: Any) -> Any:
    def call(*arguments: Any, **more: Any) -> None:
        function(*arguments, **more)
        die()

    return call


def before_the_link_of(state: State) -> Any:
    """Dies when the receipt is written under its temporary name, and not yet under its own."""
    append = receipts.append

    def call(lake: Any, receipt: Receipt) -> Receipt:
        if receipt.state is state:
            files.os.link = die  # type: ignore[assignment]
        return append(lake, receipt)

    return call


def in_the_middle(fetch: Any) -> Any:
    """Dies when half of a training file has arrived."""

    def die_half_way(done: int, total: int | None) -> None:
        if total and 2 * done > total:
            die()

    def call(transport: Any, name: str, *arguments: Any, progress: Any = None) -> Any:
        report = die_half_way if name.endswith("/train.parquet") else progress
        return fetch(transport, name, *arguments, progress=report)

    return call


POINTS = {
    "before the PUT": lambda: setattr(NumeraiClient, "put_upload", die),
    "after the PUT": lambda: setattr(NumeraiClient, "put_upload", after(NumeraiClient.put_upload)),
    "after the registration": lambda: setattr(
        NumeraiClient, "create_submission", after(NumeraiClient.create_submission)
    ),
    "before the accepted receipt": lambda: setattr(
        receipts, "append", before_the_link_of(State.ACCEPTED)
    ),
    "before the confirmed receipt": lambda: setattr(
        receipts, "append", before_the_link_of(State.CONFIRMED)
    ),
    "in a download": lambda: setattr(downloads, "fetch", in_the_middle(downloads.fetch)),
}

if __name__ == "__main__":
    POINTS[os.environ["KILL_AT"]]()
    main()
