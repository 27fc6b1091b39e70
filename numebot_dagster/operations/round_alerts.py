"""What the recorded state of a round calls for: alerts as a function of receipts and the time."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta

from numebot_dagster.modeling.registry import RegisteredModel
from numebot_dagster.numerai.receipts import Outcome, Receipt, Rung, State
from numebot_dagster.numerai.records import Round
from numebot_dagster.operations.alerts import Alert, Kind

WARNINGS = (30, 15, 5)  # minutes before the close
# A run may still be asking Numerai for what it sent in the last second.
AFTER_THE_CLOSE = timedelta(minutes=5)
# A model without any receipt: later than this it is rather one that was registered since.
UNTRIED_FOR = timedelta(days=1)


def round_alerts(
    found: Round,
    models: Sequence[RegisteredModel],
    latest: Mapping[str, Receipt],
    now: datetime,
    told_as_missed: Collection[str] = (),
) -> list[Alert]:
    """Everything that the recorded state of a round calls for.

    Args:
        found: the round.
        models: the registered models; those that do not submit are left out.
        latest: the newest receipt by model.
        now: aware UTC, by Numerai's clock.
        told_as_missed: the models of which it was said already that they missed the round.
    """
    names = [model.name for model in models if model.submit and model.enabled]
    due: list[Alert] = []
    for name in names:
        due += _of_model(found, name, latest.get(name), now)
    if found.is_open(now):
        due += _deadline_near(found, names, latest, now)
    elif now >= found.close_staking_time:
        untold = [name for name in names if name not in told_as_missed]
        due += _missed(found, untold, latest, now)
    held = [latest[name] for name in names if name in latest and _is_held(latest[name])]
    if names and len(held) == len(names) and all(one.state is State.CONFIRMED for one in held):
        due.append(_all_confirmed(found, held))
    return due


def _of_model(found: Round, name: str, receipt: Receipt | None, now: datetime) -> list[Alert]:
    """What failed for one model, or stands in for what failed.

    After the close another run would not mend it.
    """
    if receipt is None:
        return []
    subject = f"round-{found.number}/{name}"
    again = f". To try again: {_command(found, [name])}" if found.is_open(now) else ""
    if receipt.state is State.INVALID:
        title = f"{name}: Numerai does not hold a valid submission for round {found.number}"
        text = f"{receipt.reason or 'no reason was given'}{again}"
        return [Alert(Kind.MODEL_FAILED, f"{subject}/invalid", title, text)]
    if receipt.outcome is Outcome.FAILED:
        title = f"{name} failed in round {found.number}"
        return [Alert(Kind.MODEL_FAILED, subject, title, f"{_why(receipt).rstrip('.?')}{again}")]
    if _is_held(receipt) and receipt.rung is not Rung.LIVE:
        title = f"{name}: {receipt.rung} predictions stand in round {found.number}"
        why = receipt.rung_reason or "its own could not be made"
        return [Alert(Kind.FALLBACK_USED, subject, title, f"{why}{again}")]
    return []


def _deadline_near(
    found: Round, names: Sequence[str], latest: Mapping[str, Receipt], now: datetime
) -> list[Alert]:
    """One alert for the nearest threshold that has been reached."""
    left = found.close_staking_time - now
    reached = [minutes for minutes in WARNINGS if left <= timedelta(minutes=minutes)]
    open_ends = [name for name in names if not _is_held(latest.get(name))]
    if not reached or not open_ends:
        return []
    reasons = "\n".join(f"- {name}: {_why(latest.get(name))}" for name in open_ends)
    return [
        Alert(
            Kind.DEADLINE_NEAR,
            f"round-{found.number}/{min(reached)}-minutes",
            f"Round {found.number} closes in {left.total_seconds() / 60:.0f} minutes, "
            f"{len(open_ends)} of {len(names)} models are not accepted",
            f"{reasons}\nType: {_command(found, open_ends)}",
        )
    ]


def _missed(
    found: Round, names: Sequence[str], latest: Mapping[str, Receipt], now: datetime
) -> list[Alert]:
    """One alert for all models; those that are found missed later get another one."""
    since = now - found.close_staking_time
    missed = [name for name in names if _is_missed(latest.get(name), since)]
    if not missed:
        return []
    who = missed[0] if len(missed) == 1 else f"{len(missed)} models"
    reasons = "\n".join(f"- {name}: {_why(latest.get(name))}" for name in missed)
    without = [name for name in missed if not _is_late(latest.get(name))]
    late = (
        f"\nNothing is uploaded after the close unless you type: {_command(found, without)} --late"
    )
    return [
        Alert(
            Kind.ROUND_MISSED,
            f"round-{found.number}/{','.join(missed)}",
            f"{who} missed round {found.number}",
            f"The round closed at {found.close_staking_time:%a %d %b %H:%M} UTC.\n{reasons}"
            + (late if without else ""),
        )
    ]


def _is_missed(receipt: Receipt | None, since: timedelta) -> bool:
    if receipt is None:
        return AFTER_THE_CLOSE <= since < UNTRIED_FOR
    if receipt.outcome is Outcome.MISSED:
        return True
    return not _is_held(receipt) and since >= AFTER_THE_CLOSE


def _is_held(receipt: Receipt | None) -> bool:
    """Whether Numerai was seen to hold our file, on time."""
    return (
        receipt is not None
        and receipt.state in (State.ACCEPTED, State.CONFIRMED)
        and receipt.outcome in (None, Outcome.ON_TIME)
    )


def _is_late(receipt: Receipt | None) -> bool:
    """Whether Numerai was seen to hold our file, but not on time."""
    return (
        receipt is not None
        and receipt.state in (State.ACCEPTED, State.CONFIRMED)
        and receipt.outcome in (Outcome.LATE, Outcome.QUEUED)
    )


def _why(receipt: Receipt | None) -> str:
    if receipt is None:
        return "no run has tried it"
    if _is_late(receipt):
        counts = "for the next round" if receipt.outcome is Outcome.QUEUED else "without being paid"
        return f"its submission came late and counts {counts}"
    if receipt.reason:
        return receipt.reason
    if receipt.outcome is None:
        return "a run was stopped while it submitted, or still does"
    return f"the submission is {receipt.outcome}"


def _all_confirmed(found: Round, held: Sequence[Receipt]) -> Alert:
    lower = [f"{one.model} by {one.rung} predictions" for one in held if one.rung is not Rung.LIVE]
    return Alert(
        Kind.ALL_CONFIRMED,
        f"round-{found.number}",
        f"Round {found.number}: all {len(held)} models are confirmed",
        "Numerai's copies were downloaded and match what was sent"
        + (f"; {', '.join(lower)}." if lower else "."),
    )


def _command(found: Round, names: Sequence[str]) -> str:
    return f"numebot run --round {found.number} --models {','.join(names)}"
