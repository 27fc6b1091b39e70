"""Look at the rounds, and send alerts about their problems while these can be corrected.

The alerts of a round are a function of its receipts and the time alone (`round_alerts.py`), so that
the next process sends what a killed one could not.
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
        rounds: the numbers of the rounds that were looked at.
        problem: what could not be looked at, and why; empty when all was.
    """

    rounds: tuple[int, ...]
    raised: tuple[Alert, ...]
    problem: str = ""


def look(platform: Platform) -> Look:
    """Look at the disk and at open and lately closed rounds, and send new and waiting alerts.

    When Numerai does not answer, the stored times of the rounds and this machine's clock are used.
    """
    rounds, problem = _rounds(platform)
    alerts = disk_alerts(platform)
    for round_ in rounds:
        if not problem and round_.is_open(platform.client.now()):
            refusal, problem = _recheck(platform, round_)
            alerts += refusal
        records = RoundRecords(platform.lake, round_.number)
        alerts_of_round, unread = _alerts_of(platform, round_, records)
        alerts += alerts_of_round
        problem = problem or unread
    # All in one call: a channel that does not answer costs its whole time limit.
    new = outbox.send(platform, *alerts)
    return Look(tuple(round_.number for round_ in rounds), tuple(new), problem)


def announce_round(
    platform: Platform, round_: Round, records: RoundRecords, refusal: NotAuthorised | None = None
) -> list[Alert]:
    """Send the alerts that the receipts of a round call for, each once. Never raises."""
    refused = [] if refusal is None else [refused_alert(platform, refusal)]
    return outbox.send(platform, *refused, *_alerts_of(platform, round_, records)[0])


def _alerts_of(platform: Platform, round_: Round, records: RoundRecords) -> tuple[list[Alert], str]:
    """Return the alerts that a round calls for, and why they are unknown, if they are."""
    try:
        models = platform.registry.enabled
        now, raised = platform.client.now(), _raised(platform)
        if now >= round_.close_staking_time:
            takes_part = platform.lake.takes_part
            models = [model for model in models if takes_part(model.name, round_.number)]
        return round_alerts(round_, models, records.standing, now, raised), ""
    except Exception as error:  # one damaged receipt must not silence the other rounds
        platform.log.error("Round %d was not looked at: %s", round_.number, error)
        return [], f"round {round_.number} was not looked at: {error}"


def _raised(platform: Platform) -> dict[Kind, list[str]]:
    """Return the subjects of the recent alerts about models, by kind."""
    kinds = (Kind.MODEL_FAILED, Kind.FALLBACK_USED, Kind.ROUND_MISSED, Kind.SUBMITTED_ELSEWHERE)
    return {kind: outbox.subjects(platform, kind) for kind in kinds}


def disk_alerts(platform: Platform) -> list[Alert]:
    """Return the alert that the disk of the data folder is nearly full, at most one per day."""
    free = files.free_bytes(platform.settings.numerai_data_folder)
    if free >= LEAST_FREE_DISK:
        return []
    return [
        Alert(
            Kind.DISK_NEARLY_FULL,
            f"{platform.client.now():%Y-%m-%d}",
            f"Only {free / GIGABYTE:.1f} GB are free",
            f"The disk of {platform.settings.numerai_data_folder} is nearly full: predictions and "
            "receipts can soon no longer be stored. Free some space, or set NUMERAI_DATA_FOLDER to "
            "another disk.",
        )
    ]


def refused_alert(platform: Platform, error: NotAuthorised) -> Alert:
    """Return the alert that Numerai refuses the key, at most one per day."""
    return Alert(
        Kind.CREDENTIALS_REFUSED,
        f"{platform.client.now():%Y-%m-%d}",
        "Numerai refuses the credentials",
        f"{error}. If the key is wrong or gone, {platform.settings.key_remedy}",
    )


def _rounds(platform: Platform) -> tuple[list[Round], str]:
    """Return the rounds to look at, oldest first, and why Numerai did not answer, if so."""
    # Enough for a week; none for a damaged file.
    stored = {number: _stored(platform, number) for number in platform.lake.stored_rounds()[-10:]}
    rounds = {number: round_ for number, round_ in stored.items() if round_ is not None}
    try:
        rounds |= _published_rounds(platform, stored)
        problem = ""
    except NumeraiError as error:
        problem = f"Numerai did not answer, so the stored times are used: {error}"
        if platform.settings.is_practice:  # its clock is unknown without an answer
            return [], problem
    now = platform.client.now()
    played = rounds_of_interest(rounds.values(), platform.settings.numebot_rounds)
    recent = [round_ for round_ in played if now - round_.close_staking_time < LOOKED_BACK]
    return sorted(recent, key=lambda round_: round_.number), problem


def _published_rounds(platform: Platform, stored: Mapping[int, Round | None]) -> dict[int, Round]:
    """Return the open rounds, those that closed earlier than stored, and unreadable ones."""
    client = platform.client
    rounds = client.open_rounds()  # first, because its answer also carries Numerai's time
    now = client.now()
    opened = {round_.number: round_ for round_ in rounds if round_.open_time <= now}
    unclear = [number for number, round_ in stored.items() if round_ is None or round_.is_open(now)]
    return opened | {number: client.round(number) for number in unclear if number not in opened}


def _stored(platform: Platform, number: int) -> Round | None:
    def times(path: Path) -> Round:
        return Round(number, *parquet.read(path, ["open_time", "close_staking_time"]).row(0))

    return read_or_set_aside(platform.lake.round_details(number), times)


def _recheck(platform: Platform, round_: Round) -> tuple[list[Alert], str]:
    """Check that Numerai still has the submissions of a round; return why not, if that failed."""
    models = platform.registry.submitting
    try:
        follow_up.recheck(platform, round_, models)
    except NumeraiError as error:
        refusal = [refused_alert(platform, error)] if isinstance(error, NotAuthorised) else []
        return refusal, f"round {round_.number} was not checked: {error}"
    except Exception as error:  # for example a full disk: the alerts are needed all the more
        platform.log.exception("Round %d was not checked", round_.number)
        return [], f"round {round_.number} was not checked: {error}"
    return [], ""
