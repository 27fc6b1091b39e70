"""Parse Numerai's JSON into records: lenient in what may be missing, exact in what may not."""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar

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
_TRUTH = {"true": True, "false": False, "1": True, "0": False, "1.0": True, "0.0": False}
_LARGEST = 2**63  # what fits into a column of whole numbers
_T = TypeVar("_T")
_HUMP = re.compile(r"(?<=[a-z])(?=[A-Z])")


def need(answer: Any, *path: str) -> Any:
    """Return the value at a path of an answer.

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
                "if this persists, the token may lack a scope: numebot doctor"
            )
    return answer


def rows(answer: Json, key: str) -> list[Json]:
    """Return the objects of a list that may be null or hold nulls.

    Raises:
        UnexpectedAnswer: there is something else than a list.
    """
    return [row for row in read_list(answer, key) if isinstance(row, Mapping)]


def read_list(answer: Json, key: str) -> list[Any]:
    """Return the list in a field; empty when it is null."""
    return _read(answer, key, _as_list, "a list") or []


def read_text(answer: Json, key: str) -> str | None:
    """Return the text in a field; a number is read as it is written."""
    return _read(answer, key, _as_text, "a text")


def read_int(answer: Json, key: str) -> int | None:
    """Return the whole number in a field: `12`, `12.0`, `"12"`, `"1.2e1"` or `"1,200"`."""
    return _read(answer, key, _as_int, "a whole number")


def read_bool(answer: Json, key: str) -> bool | None:
    """Return the truth value in a field, also as text or as 0 and 1."""
    return _read(answer, key, _as_bool, "true or false")


def read_float(answer: Json, key: str) -> float | None:
    """Return the number in a field; NaN and infinity, which are none, count as absent."""
    return _read(answer, key, _as_float, "a number")


def read_decimal(answer: Json, key: str) -> Decimal | None:
    """Return the decimal in a field, such as `"0E-18"` or `"1,234.5"`; NaN counts as absent."""
    return _read(answer, key, parse_decimal, "a number")


def read_time(answer: Json, key: str) -> datetime | None:
    """Return the instant in a field as aware UTC; a text without zone is UTC."""
    return _read(answer, key, parse_time, "a time")


def read_date(answer: Json, key: str) -> date | None:
    """Return the UTC day of a date or an instant in a field."""
    moment = read_time(answer, key)
    return None if moment is None else moment.date()


def unless_odd(read: Callable[[Json, str], _T | None], answer: Json, key: str) -> _T | None:
    """Read a field that nothing depends on: an odd value counts as absent, with a warning."""
    try:
        return read(answer, key)
    except UnexpectedAnswer as error:
        _warn_once("field", f"{error}: it is left out")
        return None


def warn_of_entry(problem: str) -> None:
    """Warn once that an entry of a list cannot be read."""
    _warn_once("entry", f"{problem}: this entry is left out")


def usable(parse: Callable[[Json], _T], answers: Sequence[Json]) -> list[_T]:
    """Parse the objects of a list, leaving out with a warning what cannot be read.

    Raises:
        UnexpectedAnswer: of the first, when none of them can be read.
    """
    parsed: list[_T] = []
    errors: list[UnexpectedAnswer] = []
    for raw in answers:
        try:
            parsed.append(parse(raw))
        except UnexpectedAnswer as error:
            errors.append(error)
    if errors and not parsed:
        raise errors[0]
    for problem in errors:
        warn_of_entry(str(problem))
    return parsed


def _read(answer: Json, key: str, convert: Callable[[Any], _T | None], kind: str) -> _T | None:
    value = answer.get(key) if isinstance(answer, Mapping) else None
    if value is None or value == "":
        return None
    try:
        return convert(value)
    except (ValueError, TypeError, ArithmeticError, UnexpectedAnswer):
        shown = repr(value)[:40] if isinstance(value, (str, int, float)) else type(value).__name__
        raise UnexpectedAnswer(f"Numerai sent {shown} as {key} instead of {kind}") from None


def _as_list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError
    return value


def _as_text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return str(value)
    raise TypeError


def _as_int(value: Any) -> int:
    number = parse_decimal(value)
    if number is None or number != number.to_integral_value() or abs(number) >= _LARGEST:
        raise ValueError
    return int(number)


def _as_bool(value: Any) -> bool:
    text = str(value).strip().lower()
    if text not in _TRUTH:
        raise ValueError
    return _TRUTH[text]


def _as_float(value: Any) -> float | None:
    number = parse_decimal(value)
    if number is None or not math.isfinite(float(number)):
        return None
    return float(number)


def parse_time(value: Any) -> datetime | None:
    """Return an instant as aware UTC; a text without zone is UTC.

    Raises:
        UnexpectedAnswer: the text is no instant.
    """
    if value is None or value == "":
        return None
    try:
        moment = value if isinstance(value, datetime) else datetime.fromisoformat(value)
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, TypeError, OverflowError):
        raise UnexpectedAnswer(f"Numerai sent {str(value)[:40]!r} instead of a time") from None


def parse_decimal(value: Any) -> Decimal | None:
    """Return a decimal from a number or a text such as `"0E-18"` or `"1,234.5"`.

    Raises:
        UnexpectedAnswer: the value is no number.
    """
    if value is None or value == "":
        return None
    try:
        if isinstance(value, bool):
            raise InvalidOperation
        number = Decimal(str(value).replace(",", "").strip())
    except (InvalidOperation, ValueError):
        raise UnexpectedAnswer(f"Numerai sent {str(value)[:40]!r} instead of a number") from None
    return number if number.is_finite() else None


def parse_http_time(header: str | None) -> datetime | None:
    """Return the instant of an HTTP header such as `Last-Modified`; None if it is no date."""
    try:
        moment = parsedate_to_datetime(header or "")
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, TypeError, LookupError, OverflowError):
        return None


def _warn_once(kind: str, text: str) -> None:
    if (kind, text) not in _reported:
        _reported.add((kind, text))
        logging.getLogger(__name__).warning("%s", text)


def known_text(values: Iterable[str], value: Any, what: str) -> str:
    """Return a value of an enumeration as text, and report a new one once per process."""
    text = str(value)
    if text not in {str(each) for each in values}:
        _warn_once(what, f"Numerai has a new {what}: {text!r}")
    return text


def highest_version(names: Iterable[str]) -> str | None:
    """Return the highest `vX.Y` that begins a name such as `v5.3/train.parquet`."""
    matches = (re.match(r"v(\d+)\.(\d+)/", name) for name in names)
    numbers = [(int(match[1]), int(match[2])) for match in matches if match]
    return "v{}.{}".format(*max(numbers)) if numbers else None


def parse_round(raw: Json) -> Round:
    """Return a round, narrow or wide; what `Round` does not have is kept in `extra`.

    Only its number, its opening and its close are needed; anything else that is odd is left out.

    Raises:
        UnexpectedAnswer: the number, the opening or the close is missing or none.
    """
    number = needed(read_int, raw, "number")
    open_time, close_staking_time = read_time(raw, "openTime"), read_time(raw, "closeStakingTime")
    if open_time is None or close_staking_time is None:
        raise UnexpectedAnswer(f"Numerai gives no opening and closing time for round {number}")
    own = {field.name for field in fields(Round)} - {"extra"}
    used = {"resolvedGeneral", "roundScoreConfigs"}
    return Round(
        number=number,
        open_time=open_time,
        close_staking_time=close_staking_time,
        close_time=unless_odd(read_time, raw, "closeTime"),
        score_time=unless_odd(read_time, raw, "scoreTime"),
        resolve_time=unless_odd(read_time, raw, "resolveTime"),
        resolved=unless_odd(read_bool, raw, "resolvedGeneral"),
        target=unless_odd(read_text, raw, "target"),
        payout_factor=unless_odd(read_decimal, raw, "payoutFactor"),
        stake_threshold=unless_odd(read_float, raw, "stakeThreshold"),
        score_configs=tuple(usable(parse_score_config, rows(raw, "roundScoreConfigs"))),
        extra={key: raw[key] for key in raw if _snake(key) not in own and key not in used},
    )


def parse_score_config(raw: Json) -> ScoreConfig:
    """Return one `roundScoreConfigs` entry; what `ScoreConfig` lacks is kept in `extra`."""
    own = {field.name for field in fields(ScoreConfig)} - {"extra"}
    values: dict[str, Any] = {
        _snake(key): unless_odd(_config_reader(_snake(key)), raw, key)
        for key in raw
        if _snake(key) in own
    }
    values["name"] = needed(read_text, raw, "name")
    values["is_payout"] = bool(values.get("is_payout"))
    extra = {key: value for key, value in raw.items() if _snake(key) not in own}
    return ScoreConfig(**values, extra=extra)


def _config_reader(name: str) -> Callable[[Json, str], Any]:
    if name == "is_payout":
        return read_bool
    if name in ("scoring_start", "scoring_end"):
        return read_time
    if name.endswith("_days"):
        return read_int
    return read_float if name.endswith(("_multiplier", "_threshold", "_factor")) else read_text


def needed(read: Callable[[Json, str], _T | None], answer: Json, key: str) -> _T:
    """Read a field that the caller cannot do without.

    Raises:
        UnexpectedAnswer: naming the field, when it is absent or odd.
    """
    value = read(answer, key)
    if value is None:
        need(answer, key)  # which names it
        raise UnexpectedAnswer(f"Numerai's answer has no usable {key}")
    return value


def parse_model(raw: Json) -> Model:
    """Return a model slot."""
    return Model(
        needed(read_text, raw, "name"),
        needed(read_text, raw, "id"),
        unless_odd(read_int, raw, "tournament"),
    )


def parse_held(model: Model, raw: Json) -> HeldSubmission:
    """Return a row of `latestSubmissions`."""
    status = unless_odd(read_text, raw, "status") or "none"
    return HeldSubmission(
        model=model.name,
        model_id=model.id,
        round_number=needed(read_int, raw, "roundNumber"),
        submission_id=read_text(raw, "id"),
        filename=unless_odd(read_text, raw, "filename"),
        status=known_text(SubmissionStatus, status, "submission status"),
        timestamp=unless_odd(read_time, raw, "timestamp"),
    )


def parse_state(submission_id: str, answer: Sequence[Json]) -> SubmissionState | None:
    """Return one submission asked for by its id; None when Numerai does not know the id."""
    for raw in answer:
        if str(raw.get("id")) == submission_id:
            round_ = raw.get("round")
            return SubmissionState(
                submission_id=submission_id,
                filename=unless_odd(read_text, raw, "filename"),
                selected=unless_odd(read_bool, raw, "selected"),
                round_number=unless_odd(read_int, round_, "number") if round_ else None,
                inserted_at=unless_odd(read_time, raw, "insertedAt"),
            )
    return None


def parse_score(model_name: str, raw: Json) -> Score:
    """Return one metric of one submission on one scoring day."""
    return Score(
        model=model_name,
        round_number=needed(read_int, raw, "roundNumber"),
        metric=needed(read_text, raw, "displayName"),
        version=unless_odd(read_text, raw, "version"),
        day=read_int(raw, "day"),
        date=read_date(raw, "date"),
        value=read_float(raw, "value"),
        percentile=unless_odd(read_float, raw, "percentile"),
        resolved=bool(unless_odd(read_bool, raw, "resolved")),
        submission_id=unless_odd(read_text, raw, "submissionId"),
    )


def parse_leaderboard_entry(raw: Json) -> LeaderboardEntry:
    """Return a leaderboard row: every `…Rep` is a reputation, every `return…` a return."""
    figures = [key for key in raw if key.endswith("Rep") or key.startswith("return")]
    numbers = {key: unless_odd(read_float, raw, key) for key in figures}
    return LeaderboardEntry(
        model=needed(read_text, raw, "username"),
        rank=unless_odd(read_int, raw, "rank"),
        nmr_staked=unless_odd(read_decimal, raw, "nmrStaked"),
        reputations={key: value for key, value in numbers.items() if key.endswith("Rep")},
        returns={key: value for key, value in numbers.items() if not key.endswith("Rep")},
    )


def parse_payout(raw: Json, settled: bool) -> Payout | None:
    """Return a row of `pendingModelPayouts`; None while no amount is known."""
    amount = read_decimal(raw, "payoutNmr")
    if amount is None:
        return None
    return Payout(
        model=needed(read_text, raw, "modelName"),
        round_number=needed(read_int, raw, "roundNumber"),
        payout_nmr=amount,
        settled=settled,
        resolve_date=unless_odd(read_date, raw, "roundResolveTime"),
    )


def _snake(name: str) -> str:
    return _HUMP.sub("_", name).lower()
