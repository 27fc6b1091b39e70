"""Plan the hour: who goes first, how long each model takes, and who will not be done in time.

The order is by stake at risk, the largest first. How long a model takes is the median of what it
took in the last rounds by its receipts; a model that has not been measured yet counts with
the time budget that its weights declare.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from statistics import median

from numebot_dagster import command_lines
from numebot_dagster.lake.days import read_day, stored_days
from numebot_dagster.lake.layout import Lake
from numebot_dagster.modeling.registry import RegisteredModel, code_hash
from numebot_dagster.modeling.source.modules import SourceNotFound
from numebot_dagster.modeling.weights import weight_store
from numebot_dagster.modeling.weights.weight_store import DamagedWeights
from numebot_dagster.numerai.records import Round
from numebot_dagster.operations.alerts.outbox import Alert, Kind
from numebot_dagster.operations.platform import Platform
from numebot_dagster.submissions import receipts
from numebot_dagster.submissions.receipts import RoundRecord, RoundRecords, Rung

DAYS_LOOKED_BACK = 7
ROUNDS_MEASURED = 5
UPLOAD_SECONDS = 20.0  # kept free before the close for what is ready to be sent


@dataclass(frozen=True)
class Slot:
    """One model's place in the hour.

    Attributes:
        seconds: that it is expected to predict for.
        measured: whether the last rounds tell, or only the declared time budget does.
        ends_at: when it is expected to be uploaded, UTC.
        fits: whether that is before the close.
    """

    model: str
    position: int
    seconds: float
    measured: bool
    ends_at: datetime
    fits: bool


@dataclass(frozen=True)
class HourPlan:
    """The slots of all models in the order in which they are played, and the close of the round."""

    round_number: int
    close: datetime
    slots: tuple[Slot, ...]

    @property
    def too_late(self) -> list[Slot]:
        """The models that are expected to end after the close."""
        return [slot for slot in self.slots if not slot.fits]

    @property
    def measured(self) -> dict[str, float]:
        """Seconds of the models that the last rounds have measured."""
        return {slot.model: slot.seconds for slot in self.slots if slot.measured}

    @property
    def text(self) -> str:
        """One line: the order, the expected seconds, the end."""
        if not self.slots:
            return f"round {self.round_number}: no model is left to predict"
        order = ", ".join(f"{slot.model} {_about(slot)}" for slot in self.slots)
        return (
            f"round {self.round_number}: expected to be done at "
            f"{self.slots[-1].ends_at:%H:%M:%S} UTC, it closes on {self.close:%a %d %b} at "
            f"{self.close:%H:%M:%S}; {order}"
        )

    @property
    def alert(self) -> Alert:
        """The alert that names the models that will not be done in time, and what helps."""
        late, number = self.too_late, self.round_number
        text = (
            f"Not expected to be done before the close at {self.close:%H:%M} UTC: "
            f"{', '.join(f'{slot.model} ({_about(slot)})' for slot in late)}. Make slow models "
            "faster, lower their `time_budget`, or name a `fallback` for them in the registry. To "
            "play one that matters before the others: "
            f"{command_lines.run(number, [late[0].model])}"
        )
        title = f"Round {number}: too little time for {', '.join(slot.model for slot in late)}"
        return Alert(Kind.PLAN_TOO_LONG, f"round-{number}", title, text)


def _about(slot: Slot) -> str:
    return f"{slot.seconds:.0f} s" if slot.measured else f"up to {slot.seconds:.0f} s"


def plan_the_rest(
    platform: Platform, models: Sequence[RegisteredModel], round_: Round, records: RoundRecords
) -> HourPlan:
    """Plan for the models whose live predictions Numerai does not hold yet, and log the plan."""
    rest = [model for model in models if not is_finished(records[model.name])]
    plan = plan_hour(platform, rest, round_)
    platform.log.info("Plan of %s", plan.text)
    return plan


def is_finished(record: RoundRecord) -> bool:
    """Return whether Numerai was seen to hold the live predictions of a model."""
    standing = record.standing
    return standing is not None and standing.is_held and standing.rung is Rung.LIVE


def plan_hour(platform: Platform, models: Sequence[RegisteredModel], round_: Round) -> HourPlan:
    """Plan a round for models that are still to be predicted, from what the lake knows."""
    measured = measured_seconds(platform.lake, [model.name for model in models], round_.number)
    end = max(platform.client.now(), round_.open_time)
    slots = []
    for position, model in enumerate(in_order(platform, models), 1):
        seconds = measured.get(model.name)
        expected = time_budget(platform.lake, model) if seconds is None else seconds
        end += timedelta(seconds=expected)
        sent = end + timedelta(seconds=UPLOAD_SECONDS)
        fits = sent <= round_.close_staking_time
        slots.append(Slot(model.name, position, expected, seconds is not None, sent, fits))
    return HourPlan(round_.number, round_.close_staking_time, tuple(slots))


def seconds_left(platform: Platform, round_: Round) -> float:
    """Return the seconds until a round takes no more uploads (late ones after its close)."""
    now = platform.client.now()
    open_still = now < round_.close_staking_time
    close = round_.close_staking_time if open_still else round_.close_time
    return math.inf if close is None else (close - now).total_seconds()


def in_order(platform: Platform, models: Sequence[RegisteredModel]) -> list[RegisteredModel]:
    """Order models by their last known stakes; stakes that cannot be read are no obstacle."""
    try:
        stakes = last_known_stakes(platform.lake)
    except Exception as error:  # the order is worth something, but not the round
        platform.log.warning("The stakes cannot be read, so the order is the registry's: %s", error)
        stakes = {}
    return playing_order(models, stakes)


def playing_order(
    models: Sequence[RegisteredModel], stakes: Mapping[str, Decimal]
) -> list[RegisteredModel]:
    """Order models by stake, the largest first, but none before its inputs.

    A stake that is not known counts as the average of the known ones, so that its model goes
    neither first nor last for that reason alone; equal ones keep the order of the registry.
    """
    by_name = {model.name: model for model in models}
    staked = [stakes[name] for name in by_name if name in stakes]
    average = sum(staked, Decimal(0)) / len(staked) if staked else Decimal(0)
    placed: dict[str, RegisteredModel] = {}

    def place(model: RegisteredModel) -> None:
        for name in model.inputs:
            if name in by_name:
                place(by_name[name])
        placed.setdefault(model.name, model)

    for model in sorted(models, key=lambda model: -stakes.get(model.name, average)):
        place(model)
    return list(placed.values())


def measured_seconds(lake: Lake, models: Sequence[str], before: int) -> dict[str, float]:
    """Return the median seconds that each model's own code took in the rounds before one."""
    earlier = [number for number in lake.stored_rounds() if number < before]
    taken: dict[str, list[float]] = {}
    for number in earlier[-ROUNDS_MEASURED:]:
        for name, receipt in receipts.latest(lake, number).items():
            if receipt.predict_seconds is not None and receipt.rung is not Rung.FALLBACK:
                taken.setdefault(name, []).append(receipt.predict_seconds)
    return {name: median(taken[name]) for name in models if name in taken}


def time_budget(lake: Lake, model: RegisteredModel) -> float:
    """Return the seconds that a model may predict for, as its first weights declare.

    0 without any weights; whether they are whole is seen, and said, when they are used.
    """
    present = ""
    with suppress(SourceNotFound):
        present = code_hash(model)
    for place in weight_store.candidates(lake, model.name, present, model.vintage):
        with suppress(DamagedWeights):
            return weight_store.read_manifest(place.path).time_budget
    return 0.0


def last_known_stakes(lake: Lake) -> dict[str, Decimal]:
    """Return the NMR staked by own model, from the newest leaderboard snapshot that knows it.

    Snapshots of the last stored week are read; models that none of them knows are absent.
    """
    import polars as pl

    stakes: dict[str, Decimal] = {}
    for day in stored_days(lake, "leaderboard")[-DAYS_LOOKED_BACK:]:
        frame = read_day(lake, "leaderboard", day, ["model", "nmr_staked", "own"])
        if frame is None:
            continue
        own = frame.filter(pl.col("own"), pl.col("nmr_staked").is_not_null())
        stakes |= {name: Decimal(str(nmr)) for name, nmr, _ in own.iter_rows()}
    return stakes
