"""Derive the alerts of a round from its receipts and the time."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from numebot_dagster import command_lines
from numebot_dagster.modeling.registry import RegisteredModel
from numebot_dagster.numerai.records import Round
from numebot_dagster.operations.alerts.outbox import Alert, Kind
from numebot_dagster.operations.causes import (
    by_cause,
    lacks_slot,
    must_be_corrected,
    names_of,
)
from numebot_dagster.submissions.file_names import uploader
from numebot_dagster.submissions.receipts import NOBODY_PLAYED, Outcome, Receipt, Rung

_INVALID = "invalid"
_STRETCH = re.compile(r"rounds-(\d+)-(\d+)/")
WARNINGS = (30, 15, 5)  # minutes before the close
# A run may still be asking Numerai for what it sent in the last second.
AFTER_THE_CLOSE = timedelta(minutes=5)
# A model without a receipt for longer than this was probably registered after the round.
UNTRIED_FOR = timedelta(days=1)


def round_alerts(
    round_: Round,
    models: Sequence[RegisteredModel],
    latest: Mapping[str, Receipt],
    now: datetime,
    raised: Mapping[Kind, Collection[str]] | None = None,
) -> list[Alert]:
    """Return everything that the recorded state of a round calls for, one alert for each kind.

    Args:
        round_: the round.
        models: the registered models; those that do not submit are left out.
        latest: the newest receipt by model.
        now: aware UTC, by Numerai's clock.
        raised: the subjects of earlier alerts by kind; a model that one of them names is not named
            again for the same reason.
    """
    names = [model.name for model in models if model.submit and model.enabled]
    matter = _Matter(round_, {name: latest.get(name) for name in names}, now, raised or {})
    due = [*_failed(matter), *_invalid(matter), *_on_a_lower_rung(matter), *_elsewhere(matter)]
    if round_.is_open(now):
        due += _deadline_near(matter)
    elif now >= round_.close_staking_time:
        due += _missed(matter)
    submitted = [receipt for receipt in matter.receipts.values() if receipt and receipt.is_on_time]
    own = [receipt for receipt in submitted if not receipt.is_foreign]
    is_confirmed = all(receipt.is_confirmed for receipt in own)
    if own and len(submitted) == len(names) and is_confirmed:
        elsewhere = [receipt.model for receipt in submitted if receipt.is_foreign]
        due.append(_all_confirmed(round_, own, elsewhere))
    return due


def stretch_subject(numbers: Sequence[int], names: Sequence[str]) -> str:
    """Return the identity of one alert about some models in many rounds."""
    return f"rounds-{min(numbers)}-{max(numbers)}/{','.join(names)}"


def _stretch_of(subject: str) -> range:
    """Return the rounds that an alert about many rounds speaks of; none for another alert."""
    match = _STRETCH.match(subject)
    return range(int(match[1]), int(match[2]) + 1) if match else range(0)


@dataclass(frozen=True)
class _Matter:
    """A round, the newest receipts of its models, the time, and the alerts raised before."""

    round: Round
    receipts: Mapping[str, Receipt | None]
    now: datetime
    raised: Mapping[Kind, Collection[str]]

    def without_alert(self, kind: Kind, names: Iterable[str], aspect: str = "") -> list[str]:
        """Return the models that no earlier alert of this kind names."""
        said: set[str] = set()
        for subject in self.raised.get(kind, ()):
            round_, _, rest = subject.partition("/")
            models, _, of = rest.partition("/")
            if (round_, of) == (f"round-{self.round.number}", aspect):
                said.update(models.split(","))
        return [name for name in names if name not in said]

    def subject(self, names: Sequence[str], aspect: str = "") -> str:
        """Return the identity of an alert about some models; `without_alert` reads it."""
        return f"round-{self.round.number}/{','.join(names)}{aspect and '/' + aspect}"

    def was_told_together(self, name: str) -> bool:
        """Return whether one message about many rounds says that nobody played this one."""
        receipt = self.receipts[name]
        nobody = receipt is None or (receipt.reason or "").startswith(NOBODY_PLAYED)
        return nobody and any(
            self.round.number in _stretch_of(subject)
            for subject in self.raised.get(Kind.ROUND_MISSED, ())
        )

    def again(
        self, names: Sequence[str], reason: Callable[[str], str], start: str = "To try again"
    ) -> str:
        """Return how to try again, where that may help; nothing after the close."""
        if not self.round.is_open(self.now):
            return ""
        hopeful = [name for name in names if not must_be_corrected(reason(name))]
        if not hopeful:
            return f"Once that is corrected: {self.command(names)}"
        return f"{start}: {self.command(hopeful)}"

    def command(self, names: Sequence[str], *, force: bool = False, late: bool = False) -> str:
        """Return the command that plays some models of the round."""
        return command_lines.run(self.round.number, names, force=force, late=late)


def _about(matter: _Matter, names: Sequence[str], reason: Callable[[str], str]) -> str:
    """Return why, for one model as a sentence, for more by cause; and what to type."""
    causes = by_cause((name, reason(name)) for name in names)
    command = matter.again(names, reason)
    if len(names) == 1:
        why = causes[0].text
        return f"{why.rstrip('.?')}. {command}" if command else why
    return "\n".join([*(f"- {cause}" for cause in causes), *filter(None, [command])])


def _failed(matter: _Matter) -> list[Alert]:
    failed = [
        name
        for name, receipt in matter.receipts.items()
        if receipt and receipt.outcome is Outcome.FAILED and not receipt.is_invalid
    ]
    names = matter.without_alert(Kind.MODEL_FAILED, failed)
    if not names:
        return []
    title = f"{_who(names)} failed in round {matter.round.number}"
    text = _about(matter, names, lambda name: _why(matter.receipts[name]))
    return [Alert(Kind.MODEL_FAILED, matter.subject(names), title, text)]


def _invalid(matter: _Matter) -> list[Alert]:
    reasons = {
        name: receipt.reason or "no reason was given"
        for name, receipt in matter.receipts.items()
        if receipt and receipt.is_invalid
    }
    names = matter.without_alert(Kind.MODEL_FAILED, reasons, _INVALID)
    if not names:
        return []
    title = f"{_who(names)}: Numerai has no valid submission for round {matter.round.number}"
    text = _about(matter, names, reasons.__getitem__)
    return [Alert(Kind.MODEL_FAILED, matter.subject(names, _INVALID), title, text)]


def _on_a_lower_rung(matter: _Matter) -> list[Alert]:
    """Return one alert for each rung whose predictions replace a model's own."""
    alerts = []
    for rung in (Rung.PREVIOUS, Rung.FALLBACK):
        reasons = {
            name: receipt.rung_reason or "its own predictions failed"
            for name, receipt in matter.receipts.items()
            if receipt and receipt.is_on_time and receipt.rung is rung
        }
        names = matter.without_alert(Kind.FALLBACK_USED, reasons)
        if names:
            title = f"{_who(names)}: {rung} predictions were used in round {matter.round.number}"
            text = _about(matter, names, reasons.__getitem__)
            alerts.append(Alert(Kind.FALLBACK_USED, matter.subject(names), title, text))
    return alerts


def _elsewhere(matter: _Matter) -> list[Alert]:
    """Return one alert for all models whose on-time file was not uploaded from here."""
    uploaders = {
        name: uploader(receipt.filename)
        for name, receipt in matter.receipts.items()
        if receipt and receipt.is_foreign and receipt.is_on_time
    }
    names = matter.without_alert(Kind.SUBMITTED_ELSEWHERE, uploaders)
    if not names:
        return []
    causes = by_cause((name, f"uploaded by {uploaders[name]}") for name in names)
    lines = [f"- {cause}" for cause in causes]
    if matter.round.is_open(matter.now):
        lines.append(f"To replace it: {matter.command(names, force=True)}")
    title = (
        f"{_who(names)}: Numerai has a file for round {matter.round.number} that was not "
        "uploaded from here"
    )
    return [Alert(Kind.SUBMITTED_ELSEWHERE, matter.subject(names), title, "\n".join(lines))]


def _deadline_near(matter: _Matter) -> list[Alert]:
    """Return one alert for the nearest threshold that has been reached."""
    round_, receipts = matter.round, matter.receipts
    left = round_.close_staking_time - matter.now
    reached = [minutes for minutes in WARNINGS if left <= timedelta(minutes=minutes)]
    names = [name for name, receipt in receipts.items() if not (receipt and receipt.is_on_time)]
    if not reached or not names:
        return []
    causes = by_cause((name, _why(receipts[name])) for name in names)
    again = matter.again(names, lambda name: _why(receipts[name]), start="Type")
    lines = [*(f"- {cause}" for cause in causes), again]
    return [
        Alert(
            Kind.DEADLINE_NEAR,
            f"round-{round_.number}/{min(reached)}-minutes",
            f"Round {round_.number} closes in {left.total_seconds() / 60:.0f} minutes, "
            f"{len(names)} of {len(receipts)} models have no accepted submission",
            "\n".join(lines),
        )
    ]


def _missed(matter: _Matter) -> list[Alert]:
    """Return one alert for all models; those that miss the round later get another one."""
    round_, receipts = matter.round, matter.receipts
    since = matter.now - round_.close_staking_time
    missed = [
        name
        for name, receipt in receipts.items()
        if _is_missed(receipt, since) and not matter.was_told_together(name)
    ]
    names = matter.without_alert(Kind.ROUND_MISSED, missed)
    if not names:
        return []
    causes = by_cause((name, _why(receipts[name])) for name in names)
    closed = f"The round closed at {round_.close_staking_time:%a %d %b %H:%M} UTC."
    lines = [closed, *(f"- {cause}" for cause in causes)]
    late = {name for name, receipt in receipts.items() if receipt and receipt.is_late}
    unsent = [name for name in names if name not in late]
    if unsent:
        lines.append(
            "Nothing is uploaded after the close, unless you type: "
            f"{matter.command(unsent, late=True)}"
        )
    title = f"{_who(names)} missed round {round_.number}"
    return [Alert(Kind.ROUND_MISSED, matter.subject(names), title, "\n".join(lines))]


def _who(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{len(names)} models"


def _is_missed(receipt: Receipt | None, since: timedelta) -> bool:
    if receipt is None:
        return AFTER_THE_CLOSE <= since < UNTRIED_FOR
    if lacks_slot(receipt.reason or ""):  # it could not have played
        return False
    return receipt.is_missed or (not receipt.is_on_time and since >= AFTER_THE_CLOSE)


def _why(receipt: Receipt | None) -> str:
    if receipt is None:
        return "no run has tried to submit"
    if receipt.is_late:
        counts = "counts for the next round" if receipt.outcome is Outcome.QUEUED else "is not paid"
        return f"its submission came late and {counts}"
    if receipt.reason:
        return receipt.reason
    if receipt.outcome is None:
        return "a run was stopped during the submission, or is still submitting"
    return f"the submission is {receipt.outcome}"


def _all_confirmed(round_: Round, own: Sequence[Receipt], elsewhere: Sequence[str]) -> Alert:
    """Return the alert that every file uploaded from here is confirmed."""
    by_rung = {
        rung: [receipt.model for receipt in own if receipt.rung is rung]
        for rung in (Rung.PREVIOUS, Rung.FALLBACK)
    }
    notes = [f"{names_of(names)} by {rung} predictions" for rung, names in by_rung.items() if names]
    if elsewhere:
        notes.append(
            f"the file of {names_of(elsewhere)} was uploaded elsewhere and is not compared"
        )
    counted = (
        f"all {len(own)} models are"
        if not elsewhere
        else f"all {len(own)} files uploaded from here are"
    )
    return Alert(
        Kind.ALL_CONFIRMED,
        f"round-{round_.number}",
        f"Round {round_.number}: {counted} confirmed",
        "Numerai's copies were downloaded and match what was sent"
        + (f"; {', '.join(notes)}." if notes else "."),
    )
