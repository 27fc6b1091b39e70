"""Describe what a run is asked to play, and how the round ended for each model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from numebot_dagster.modeling.registry import RegisteredModel
from numebot_dagster.operations.rounds.gates import Gate
from numebot_dagster.operations.rounds.predicting import Prediction
from numebot_dagster.submissions.receipts import Receipt


class Ending(StrEnum):
    """How the round ended for one model in this run."""

    ACCEPTED = "accepted"  # on the way to confirmed; no run ends with it
    CONFIRMED = "confirmed"
    PREDICTED = "predicted"  # predictions only, as asked
    SKIPPED = "skipped"
    FAILED = "failed"


@dataclass(frozen=True)
class Play:
    """What is asked for.

    Attributes:
        submit: false to predict and check only.
        force: replace a submission that is not ours, or ours by newer predictions.
        late: submit after the close too, which also fills the next round.
    """

    round_number: int
    models: Sequence[RegisteredModel]
    submit: bool = True
    force: bool = False
    late: bool = False


@dataclass(frozen=True)
class Played:
    """How the round ended for one model; `text` says why it was skipped or failed."""

    model: RegisteredModel
    ending: Ending
    text: str
    prediction: Prediction | None = None
    receipt: Receipt | None = None
    gates: tuple[Gate, ...] = ()
