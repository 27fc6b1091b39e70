"""The watchdog: looks at the rounds, and says what they call for while it can be mended.

What they call for is a function of receipts and the time alone (`round_alerts.py`), so that whoever
looks next says what a killed process could not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from numebot_dagster.lake import files, parquet
from numebot_dagster.lake.damaged import read_or_set_aside
from numebot_dagster.numerai.errors import NotAuthorised, NumeraiError
from numebot_dagster.numerai.records import Round
from numebot_dagster.numerai.rounds import rounds_of_interest
from numebot_dagster.operations.alerts import outbox
from numebot_dagster.operations.alerts.outbox import Alert, Kind
from numebot_dagster.operations.health.doctor import GIGABYTE, LEAST_FREE_DISK
from numebot_dagster.operations.health.round_alerts import round_alerts
from numebot_dagster.operations.platform import Platform
from numebot_dagster.operations.rounds import follow_up
from numebot_dagster.submissions.receipts import RoundRecords

LOOKED_BACK = timedelta(days=7)


@dataclass(frozen=True)
class Look:
    """One look of the watchdog.

    Attributes:
        rounds: those that were looked at.
        raised: the alerts that were new.
        problem: what kept it from seeing everything; nothing when it is healthy.
    """

    rounds: tuple[int, ...]
    raised: tuple[Alert, ...]
    problem: str = ""


def look(platform: Platform) -> Look:
    """Looks at the open rounds and those that closed of late, at the disk, and sends what waits.

    When Numerai does not answer, the stored times of the rounds and this machine's clock are used.
    """
    found, problem = _rounds(platform)
    due = disk_alerts(platform)
    for one in found:
        if not problem and one.is_open(platform.client.now()):
            refusal, problem = _recheck(platform, one)
            due += refusal
        alerts_of_round, unread = _due(platform, one, RoundRecords(platform.lake, one.number))
        due += alerts_of_round
        problem = problem or unread
    # At once, because a channel that does not answer costs its whole time limit.
    new = outbox.send(platform, *due)
    return Look(tuple(one.number for one in found), tuple(new), problem)


def announce_round(
    platform: Platform,
    found: Round,
    records: RoundRecords,
    refusal: NotAuthorised | None = None,
) -> list[Alert]:
    """Sends what the receipts of a round call for and was not said before. Never raises.

    Args:
        platform: whose round it is.
        found: the round.
        records: what is recorded of its models.
        refusal: with what Numerai refused the credentials, if it did.
    """
    refused = [] if refusal is None else [refused_alert(platform, refusal)]
    return outbox.send(platform, *refused, *_due(platform, found, records)[0])


def _due(platform: Platform, found: Round, records: RoundRecords) -> tuple[list[Alert], str]:
    """What a round calls for, and why that is unknown, if it is."""
    try:
        models = platform.registry.enabled
        now, raised = platform.client.now(), _raised(platform)
        if now >= found.close_staking_time:
            models = [one for one in models if platform.lake.takes_part(one.name, found.number)]
        return round_alerts(found, models, records.standing, now, raised), ""
    except Exception as error:  # one damaged receipt must not silence the other rounds
        platform.log.error("Round %d was not looked at: %s", found.number, error)
        return [], f"round {found.number} was not looked at: {error}"


def _raised(platform: Platform) -> dict[Kind, list[str]]:
    """The subjects of the alerts about models that were raised of late, by kind."""
    kinds = (
        Kind.MODEL_FAILED,
        Kind.FALLBACK_USED,
        Kind.ROUND_MISSED,
        Kind.SUBMITTED_ELSEWHERE,
    )
    return {kind: outbox.subjects(platform, kind) for kind in kinds}


def disk_alerts(platform: Platform) -> list[Alert]:
    """Whether the data folder's disk is nearly full; said once a day."""
    free = files.free_bytes(platform.settings.numerai_data_folder)
    if free >= LEAST_FREE_DISK:
        return []
    return [
        Alert(
            Kind.DISK_NEARLY_FULL,
            f"{platform.client.now():%Y-%m-%d}",
            f"Only {free / GIGABYTE:.1f} GB are free",
            f"The disk of {platform.settings.numerai_data_folder} is nearly full: predictions and "
            "receipts will soon not be stored. Free some space, or set NUMERAI_DATA_FOLDER to "
            "another disk.",
        )
    ]


def refused_alert(platform: Platform, error: NotAuthorised) -> Alert:
    """Numerai refuses the key; said once a day."""
    return Alert(
        Kind.CREDENTIALS_REFUSED,
        f"{platform.client.now():%Y-%m-%d}",
        "Numerai refuses the credentials",
        f"{error}. If the key is wrong or gone, {platform.settings.key_remedy}",
    )


def _rounds(platform: Platform) -> tuple[list[Round], str]:
    """The rounds to look at, oldest first, and why Numerai could not be asked, if so."""
    stored = _stored_rounds(platform)
    known = {number: one for number, one in stored.items() if one is not None}
    try:
        known |= _told_by_numerai(platform, stored)
        problem = ""
    except NumeraiError as error:
        problem = f"Numerai was not asked, the stored times are used: {error}"
        if platform.settings.is_practice:  # whose clock cannot be known from here
            return [], problem
    now = platform.client.now()
    played = rounds_of_interest(known.values(), platform.settings.numebot_rounds)
    recent = [one for one in played if now - one.close_staking_time < LOOKED_BACK]
    return sorted(recent, key=lambda one: one.number), problem


def _told_by_numerai(platform: Platform, stored: Mapping[int, Round | None]) -> dict[int, Round]:
    """The open rounds, those that should still be open but closed early, and unreadable ones."""
    client = platform.client
    opened = {one.number: one for one in client.open_rounds() if one.open_time <= client.now()}
    unclear = [n for n, one in stored.items() if one is None or one.is_open(client.now())]
    return opened | {number: client.round(number) for number in unclear if number not in opened}


def _stored_rounds(platform: Platform) -> dict[int, Round | None]:
    """The rounds in the lake, as many of the newest as a week can hold; none for a torn file."""
    return {number: _stored(platform, number) for number in platform.lake.stored_rounds()[-10:]}


def _stored(platform: Platform, number: int) -> Round | None:
    def times(path: Path) -> Round:
        return Round(number, *parquet.read(path, ["open_time", "close_staking_time"]).row(0))

    return read_or_set_aside(platform.lake.round_details(number), times)


def _recheck(platform: Platform, found: Round) -> tuple[list[Alert], str]:
    """Asks whether Numerai still holds what it held; why that failed, if it did."""
    models = [model for model in platform.registry.enabled if model.submit]
    try:
        follow_up.recheck(platform, found, models)
    except NumeraiError as error:
        refusal = [refused_alert(platform, error)] if isinstance(error, NotAuthorised) else []
        return refusal, f"round {found.number} was not checked: {error}"
    except Exception as error:  # a full disk, a damaged receipt: the alerts are needed all the more
        platform.log.exception("Round %d was not checked", found.number)
        return [], f"round {found.number} was not checked: {error}"
    return [], ""
