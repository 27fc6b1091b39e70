"""Fetch and store the times, the status and the score configurations of a round."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import datetime
from decimal import Decimal
from typing import Any

from numebot_dagster.lake import parquet, tables
from numebot_dagster.numerai.errors import NumeraiError
from numebot_dagster.numerai.records import Round
from numebot_dagster.operations.platform import Platform
from numebot_dagster.operations.rounds import phases


def fetch_details(platform: Platform, round_number: int) -> Round:
    """Fetch what Numerai says of a round, and store it.

    Score configurations are an enrichment: when the wide query fails, the times are stored
    without them and a warning is logged.

    Raises:
        NumeraiError: when not even the times can be read.
    """
    try:
        round_ = phases.within(platform, phases.DETAILS).client.enrichment.round_details(
            round_number
        )
    except NumeraiError as error:
        round_ = platform.client.round(round_number)
        platform.log.warning(
            "Round %d: stored without its score configurations, which could not be read (%s). "
            "Materialise rounds/details again to add them.",
            round_number,
            error,
        )
    store_details(platform, round_)
    return round_


def store_details(platform: Platform, round_: Round) -> None:
    """Store a round's times and score configurations as one row, with its status of now."""
    import polars as pl

    row = {
        "round": round_.number,
        "open_time": round_.open_time,
        "close_staking_time": round_.close_staking_time,
        "close_time": round_.close_time,
        "score_time": round_.score_time,
        "resolve_time": round_.resolve_time,
        "status": status_of(round_, platform.client.now()),
        "score_configs": json.dumps(
            [asdict(config) for config in round_.score_configs], default=_plain
        ),
    }
    frame = pl.DataFrame([row], schema=tables.ROUNDS.schema)
    parquet.write(platform.lake.round_details(round_.number), frame)


def _plain(value: object) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Decimal):
        return str(value)
    return dict(value)  # type: ignore[call-overload]


def status_of(round_: Round, now: datetime) -> str:
    """Return `upcoming`, `open`, `resolving` or `resolved` at `now` (aware UTC)."""
    if now < round_.open_time:
        return "upcoming"
    if round_.is_open(now):
        return "open"
    return "resolved" if round_.resolved else "resolving"
