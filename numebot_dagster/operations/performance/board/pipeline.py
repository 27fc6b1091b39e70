"""Say of a model's pipeline whether it is sound, by the last replay and by its last rounds."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from numebot_dagster.operations.diagnostics.proof import Pipeline, Proof
from numebot_dagster.operations.health.status import RoundModel
from numebot_dagster.operations.performance.board import standings
from numebot_dagster.reporting.numbers import counted
from numebot_dagster.submissions.receipts import Rung

if TYPE_CHECKING:
    from numebot_dagster.reporting.pages.model import Statement

REPLAY = "numebot doctor --replay"
OLD = timedelta(days=7)
"""After which a proof is too old to be relied on; a replay is made daily."""
ROUNDS = 60
"""The last rounds that are looked at for failures."""
_STYLES = {Pipeline.SOUND: "good", Pipeline.BROKEN: "bad"}


def statement(proof: Proof | None, cells: Sequence[RoundModel], now: datetime) -> Statement:
    """Return what is known of a pipeline.

    Args:
        proof: of the last replay, if there was one.
        cells: how the model stands in its rounds, the newest first.
        now: aware UTC.
    """
    from numebot_dagster.reporting.pages.model import Statement
    from numebot_dagster.reporting.pages.page import age

    recent = _recent_rounds(cells[:ROUNDS])
    if proof is None:
        said = ["No stored round was replayed yet.", *recent]
        return Statement(f"Pipeline: {Pipeline.UNPROVED}", said, "", REPLAY)
    is_old = now - proof.replayed_at > OLD
    at = f"{proof.replayed_at.day} {proof.replayed_at:%b %Y %H:%M} UTC"
    replayed = f"Replayed {at}, {age(proof.replayed_at, now)} before this page was written."
    style = "warn" if is_old else _STYLES.get(proof.pipeline, "")
    proved = " ".join([replayed, *proof.sentences, *_newer_weights(proof, cells)])
    title = f"Pipeline: {proof.pipeline}{', last replayed over a week ago' * is_old}"
    command = REPLAY if is_old or proof.pipeline is Pipeline.UNPROVED else ""
    return Statement(title, [proved, *recent], style, command)


def _newer_weights(proof: Proof, cells: Sequence[RoundModel]) -> list[str]:
    """Say that weights are in use which no replay has tried."""
    played = [cell.receipt.vintage for cell in cells if cell.receipt and cell.receipt.is_held]
    replayed = {round_.vintage for round_ in proof.rounds}
    if not played or not proof.rounds or played[0] in (None, *replayed):
        return []
    return [f"Its weights of vintage {played[0]} were not replayed yet."]


def _recent_rounds(cells: Sequence[RoundModel]) -> list[str]:
    if not cells:
        return []
    failed = sum(cell.standing in standings.BAD for cell in cells)
    lower = sum(cell.receipt is not None and cell.receipt.rung is not Rung.LIVE for cell in cells)
    of = f"of its last {counted(len(cells), 'round')}"
    if not failed and not lower:
        return [f"None {of} failed or was played by a lower rung."]
    return [f"{failed} {of} failed, {lower} were played by a lower rung."]
