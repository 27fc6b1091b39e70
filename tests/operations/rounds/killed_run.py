"""Run the `numebot` command and kill it with SIGKILL at the kill point that KILL_AT names."""

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
from tests.support.kill_points import KillPoint


def die(*_: Any, **__: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def after(function: Any) -> Any:
    def call(*arguments: Any, **more: Any) -> None:
        function(*arguments, **more)
        die()

    return call


def before_the_link_of(state: State) -> Any:
    """Die when the receipt is written under its temporary name, and not yet under its own."""
    append = receipts.append

    def call(lake: Any, receipt: Receipt) -> Receipt:
        if receipt.state is state:
            files.os.link = die  # type: ignore[assignment]
        return append(lake, receipt)

    return call


def in_the_middle(fetch: Any) -> Any:
    """Die when half of a training file has arrived."""

    def die_half_way(done: int, total: int | None) -> None:
        if total and 2 * done > total:
            die()

    def call(transport: Any, name: str, *arguments: Any, progress: Any = None) -> Any:
        report = die_half_way if name.endswith("/train.parquet") else progress
        return fetch(transport, name, *arguments, progress=report)

    return call


# In the process itself, exactly between two operations; the chaos run kills from outside.
DEATHS = {
    KillPoint.UPLOAD: lambda: setattr(NumeraiClient, "put_upload", die),
    KillPoint.REGISTRATION: lambda: setattr(
        NumeraiClient, "put_upload", after(NumeraiClient.put_upload)
    ),
    KillPoint.REGISTRATION_RECORDED: lambda: setattr(
        NumeraiClient, "create_submission", after(NumeraiClient.create_submission)
    ),
    KillPoint.ACCEPTANCE_RECORDED: lambda: setattr(
        receipts, "append", before_the_link_of(State.ACCEPTED)
    ),
    KillPoint.CONFIRMATION_RECORDED: lambda: setattr(
        receipts, "append", before_the_link_of(State.CONFIRMED)
    ),
    KillPoint.TRAINING_DATA: lambda: setattr(downloads, "fetch", in_the_middle(downloads.fetch)),
}

if __name__ == "__main__":
    DEATHS[KillPoint(os.environ["KILL_AT"])]()
    main()
