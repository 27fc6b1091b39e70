"""From Numerai's JSON to the records: lenient in what it may lack, exact in what it must have."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from email.utils import parsedate_to_datetime
from typing import Any

from numebot_dagster.numerai.errors import UnexpectedAnswer
from numebot_dagster.numerai.records import (
    HeldSubmission,
    LeaderboardEntry,
    Model,
    Payout,
    Round,
    Score,
    ScoreConfig,
    SubmissionState,
    SubmissionStatus,
)

Json = Mapping[str, Any]
_reported: set[tuple[str, str]] = set()
_HUMP = re.compile(r"(?<=[a-z])(?=[A-Z])")


def need(answer: Any, *path: str) -> Any:
    """The value at a path of an answer.

    Raises:
        UnexpectedAnswer: naming the first part of the path that is null or absent.
    """
    walked: list[str] = []
    for key in path:
        walked.append(key)
        answer = answer.get(key) if isinstance(answer, Mapping) else None
        if answer is None:
            raise UnexpectedAnswer(
                f"Numerai's answer has nothing at {'.'.join(walked)}; "
                "if this stays, the token may lack a scope: numebot doctor"
            )
    return answer


def rows(value: Any) -> list[Json]:
    """The objects of a list that may be null or hold nulls."""
    return [one for one in value or () if isinstance(one, Mapping)]


def parse_time(value: Any) -> datetime | None:
    """An instant as aware UTC; a text without zone is UTC.

    Raises:
        UnexpectedAnswer: the text is no instant.
    """
    if value is None or value == "":
        return None
    try:
        moment = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    except ValueError:
        raise UnexpectedAnswer(f"Numerai sent {str(value)[:40]!r} where a time belongs") from None
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def parse_date(value: Any) -> date | None:
    """The UTC day of a date or an instant."""
    moment = parse_time(value)
    return None if moment is None else moment.date()


def parse_http_time(header: str | None) -> datetime | None:
    """The instant of an HTTP header such as `Last-Modified`; one that is no date is absent."""
    try:
        moment = parsedate_to_datetime(header or "")
    except ValueError:
        return None
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def parse_decimal(value: Any) -> Decimal | None:
    """A decimal from a number or a text such as `"0E-18"` or `"1,234.5"`.

    Raises:
        UnexpectedAnswer: the value is no number.
    """
    if value is None or value == "":
        return None
    try:
        return Decimal(str(value).replace(",", "").strip())
    except InvalidOperation:
        raise UnexpectedAnswer(f"Numerai sent {str(value)[:40]!r} where a number belongs") from None


def parse_float(value: Any) -> float | None:
    """A number as a float, from a number or a text."""
    number = parse_decimal(value)
    return None if number is None else float(number)


def known_text(known: Iterable[str], value: Any, what: str) -> str:
    """A value of an enumeration as text; one that we do not know is reported once per process."""
    text = str(value)
    if text not in {str(one) for one in known} and (what, text) not in _reported:
        _reported.add((what, text))
        logging.getLogger(__name__).warning("Numerai has a new %s: %r", what, text)
    return text


def highest_version(names: Iterable[str]) -> str | None:
    """The highest `vX.Y` that begins a name such as `v5.3/train.parquet`, by its numbers."""
    found = (re.match(r"v(\d+)\.(\d+)/", name) for name in names)
    numbers = [(int(one[1]), int(one[2])) for one in found if one]
    return "v{}.{}".format(*max(numbers)) if numbers else None


def parse_round(raw: Json) -> Round:
    """A round, narrow or wide; what `Round` does not have is kept in `extra`.

    Raises:
        UnexpectedAnswer: the number, the opening or the close is missing.
    """
    number = need(raw, "number")
    open_time = parse_time(raw.get("openTime"))
    close_staking_time = parse_time(raw.get("closeStakingTime"))
    if open_time is None or close_staking_time is None:
        raise UnexpectedAnswer(f"Numerai does not say when round {number} opens and closes")
    own = {field.name for field in fields(Round)} - {"extra"}
    used = {"resolvedGeneral", "roundScoreConfigs"}
    return Round(
        number=int(number),
        open_time=open_time,
        close_staking_time=close_staking_time,
        close_time=parse_time(raw.get("closeTime")),
        score_time=parse_time(raw.get("scoreTime")),
        resolve_time=parse_time(raw.get("resolveTime")),
        resolved=raw.get("resolvedGeneral"),
        target=raw.get("target"),
        payout_factor=parse_decimal(raw.get("payoutFactor")),
        stake_threshold=parse_float(raw.get("stakeThreshold")),
        score_configs=tuple(parse_score_config(one) for one in rows(raw.get("roundScoreConfigs"))),
        extra={key: raw[key] for key in raw if _snake(key) not in own and key not in used},
    )


def parse_score_config(raw: Json) -> ScoreConfig:
    """One `roundScoreConfigs` entry; what `ScoreConfig` does not have is kept in `extra`."""
    own = {field.name for field in fields(ScoreConfig)} - {"extra"}
    values: dict[str, Any] = {
        _snake(key): value for key, value in raw.items() if _snake(key) in own
    }
    for key in ("scoring_start", "scoring_end"):
        values[key] = parse_time(values.get(key))
    for key in values:
        if key.endswith(("_multiplier", "_threshold", "_factor")):
            values[key] = parse_float(values[key])
    values["name"] = str(need(raw, "name"))
    values["is_payout"] = bool(values.get("is_payout"))
    extra = {key: value for key, value in raw.items() if _snake(key) not in own}
    return ScoreConfig(**values, extra=extra)


def parse_model(raw: Json) -> Model:
    """A model slot."""
    return Model(str(need(raw, "name")), str(need(raw, "id")), raw.get("tournament"))


def parse_held(model: Model, raw: Json) -> HeldSubmission:
    """A row of `latestSubmissions`."""
    return HeldSubmission(
        model=model.name,
        model_id=model.id,
        round_number=int(need(raw, "roundNumber")),
        submission_id=raw.get("id"),
        filename=raw.get("filename"),
        status=known_text(SubmissionStatus, raw.get("status") or "none", "submission status"),
        timestamp=parse_time(raw.get("timestamp")),
    )


def parse_state(submission_id: str, answer: Sequence[Json]) -> SubmissionState | None:
    """One submission asked for by its id; nothing when Numerai does not know the id."""
    for raw in answer:
        if str(raw.get("id")) == submission_id:
            return SubmissionState(
                submission_id=submission_id,
                filename=raw.get("filename"),
                selected=raw.get("selected"),
                round_number=(raw.get("round") or {}).get("number"),
                inserted_at=parse_time(raw.get("insertedAt")),
            )
    return None


def parse_score(model: str, raw: Json) -> Score:
    """One metric of one submission on one scoring day."""
    return Score(
        model=model,
        round_number=int(need(raw, "roundNumber")),
        metric=str(need(raw, "displayName")),
        version=raw.get("version"),
        day=raw.get("day"),
        date=parse_date(raw.get("date")),
        value=parse_float(raw.get("value")),
        percentile=parse_float(raw.get("percentile")),
        resolved=bool(raw.get("resolved")),
        submission_id=raw.get("submissionId"),
    )


def parse_leaderboard_entry(raw: Json) -> LeaderboardEntry:
    """A leaderboard row: every `…Rep` is a reputation, every `return…` a return."""
    return LeaderboardEntry(
        model=str(need(raw, "username")),
        rank=raw.get("rank"),
        nmr_staked=parse_decimal(raw.get("nmrStaked")),
        reputations={key: parse_float(raw[key]) for key in raw if key.endswith("Rep")},
        returns={key: parse_float(raw[key]) for key in raw if key.startswith("return")},
    )


def parse_payout(raw: Json, settled: bool) -> Payout | None:
    """A row of `pendingModelPayouts`; nothing while no amount is known."""
    amount = parse_decimal(raw.get("payoutNmr"))
    if amount is None:
        return None
    return Payout(
        model=str(need(raw, "modelName")),
        round_number=int(need(raw, "roundNumber")),
        payout_nmr=amount,
        settled=settled,
        resolve_date=parse_date(raw.get("roundResolveTime")),
    )


def _snake(name: str) -> str:
    return _HUMP.sub("_", name).lower()
