"""Make each data file of the practice tournament once per test run, and copy it from then on.

Files of equal markets and moments are the same to the last byte, and large ones take seconds. What
every server computes before its first answer is computed before they are forked.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from numebot_dagster.lake.locks import exclusive
from numebot_dagster.practice.creation import shared_market
from numebot_dagster.practice.datasets import files
from numebot_dagster.practice.datasets.contents import dataset_stamp, write_dataset
from numebot_dagster.practice.market.market import PRACTICE_START, SMALL, Market
from numebot_dagster.practice.schema.dialect import schema

FOLDER = "TESTS_SHARED_DATA"
"""The environment variable with the folder that all processes of a run share."""


def install() -> None:
    """Let the tournaments of this process, and of those forked from it, share their files."""
    files.write_dataset = _write_shared  # type: ignore[assignment]


def compute_ahead() -> None:
    """Compute what the tournaments need that will be forked from this process."""
    schema()
    market = shared_market(0, SMALL, PRACTICE_START)
    market.realised_return(PRACTICE_START + timedelta(weeks=20), 1)
    market.benchmarks(PRACTICE_START + timedelta(days=1))


def _write_shared(
    market: Market,
    name: str,
    path: Path,
    today: date,
    opened: date | None,
    meta_model: Callable[[date], np.ndarray] | None = None,
    *,
    alias: int = 0,
    making: Any = None,
) -> None:
    """Write one file as `write_dataset` does; who plays decides the meta model, so it is made."""
    folder = os.environ.get(FOLDER)
    if not folder or market.scale.is_large or name.endswith("/meta_model.parquet"):
        write_dataset(market, name, path, today, opened, meta_model, alias=alias, making=making)
        return
    stamp = dataset_stamp(market, name, today, opened)
    facts = (market.seed, market.scale, market.start, name, stamp, alias)
    shared = Path(folder) / hashlib.sha256(repr(facts).encode()).hexdigest()
    with exclusive(shared.with_suffix(".lock")):
        if not shared.exists():
            part = shared.with_suffix(".part")
            write_dataset(market, name, part, today, opened, meta_model, alias=alias, making=making)
            part.replace(shared)
    shutil.copyfile(shared, path)  # no link: each tournament sets the time of its own
