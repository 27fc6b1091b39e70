"""Answer what needs no API key: data, rounds, and the scores of all participants."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, time, timedelta
from functools import partial
from typing import Any

from numebot_dagster.practice.api.rate_limits import published, rate_limit_fields
from numebot_dagster.practice.api.request import (
    ApiRequest,
    Resolver,
    camel,
    is_classic,
    not_part,
    page,
    refuse_other,
)
from numebot_dagster.practice.rules.clock import (
    UTC,
    Refused,
    Round,
    last_publication,
    newest_published,
    round_on,
)
from numebot_dagster.practice.rules.state import Model
from numebot_dagster.practice.rules.tournament import CLASSIC, USER
from numebot_dagster.practice.schema import Fields, score_objects
from numebot_dagster.practice.schema.round_detail_object import round_detail_fields
from numebot_dagster.practice.schema.round_objects import TARGET
from numebot_dagster.practice.scoring.ledger import Earning, payout_of_score

_ESTIMATES = (
    "dataP90Eta", "dataP99Eta", "nextStartP90Eta", "resolveP90Eta", "resolveP99Eta",
    "scoreP90Eta", "scoreP99Eta", "startP90Eta",
)  # fmt: skip
_LONGER_THAN_ANY_TOURNAMENT = 36_500


def list_datasets(
    request: ApiRequest, round: int | None = None, tournament: int | None = None
) -> list[str]:
    """Return the names of all files, of now or of a round."""
    return request.library.names(round) if is_classic(tournament) else []


def dataset(
    request: ApiRequest, filename: str, round: int | None = None, tournament: int | None = None
) -> str:
    """Return a link to a file, as it is now or was in a round."""
    if not is_classic(tournament):
        raise Refused(f"Dataset {filename} not found")
    return request.link("datasets", request.library.snapshot(filename, round).key)


def rounds(
    request: ApiRequest,
    tournament: int | None = None,
    number: int | None = None,
    target: str | None = None,
    status: str | None = None,
    limit: int | None = None,
) -> list[Fields]:
    """Return rounds, newest first; number 0 means the open one.

    A limit counts from the newest that has opened: clients ask so for the present round.
    """
    if not is_classic(tournament):
        return []
    if number == 0:
        return [request.round_fields(request.tournament.timetable.open_round())]
    limited = int(limit is not None and number is None and status is None)
    matching = [
        round_
        for round_ in request.tournament.timetable.rounds()[limited:]
        if number in (None, round_.number)
        and status in (None, round_.status(request.now))
        and target in (None, TARGET)
    ]
    return [request.round_fields(round_) for round_ in matching[:limit]]


def tournaments(request: ApiRequest) -> list[Fields]:
    """Return Numerai's three tournaments; only the first is part of the practice."""
    names = {CLASSIC: "numerai", 11: "signals", 12: "crypto"}
    return [
        {
            "id": request.state.identifier("tournament", number),
            "name": name,
            "tournament": number,
            "active": number == CLASSIC,
            "rounds": partial(rounds, request, number),
        }
        for number, name in names.items()
    ]


def pipeline_status(
    request: ApiRequest, tournament: str = "classic", date: str | None = None
) -> Fields:
    """Return how far the newest scoring day has come; the date is ignored."""
    if tournament != "classic":
        raise not_part(f"the pipeline of {tournament}")
    newest = newest_published(request.now)
    day = partial(datetime.combine, newest.opened)
    times = {
        "startedAt": day(time(8, tzinfo=UTC)),
        "scoredAt": last_publication(request.now),
        "dataReadyAt": Round(newest.number).open_time,
        "resolvedAt": day(time(20, tzinfo=UTC)),
    }
    return {
        **{name: at if at <= request.now else None for name, at in times.items()},
        **dict.fromkeys(_ESTIMATES),
        "isScoringDay": round_on(request.now.date()) is not None,
        "tournament": tournament,
    }


def round_details(request: ApiRequest, round_number: int, tournament: int) -> Fields | None:
    """Return a round with all its participants, None when it has not opened."""
    opened = {round_.number: round_ for round_ in request.tournament.timetable.opened_rounds()}
    if round_number not in opened or not is_classic(tournament):
        return None
    round_ = opened[round_number]
    earnings = request.ledger.earnings(request.state.models(), [round_])
    percentiles = request.ledger.newest_percentiles(round_)
    fields = request.round_fields(round_)
    return round_detail_fields(round_, earnings, percentiles, fields, request.now)


def graphql_rate_limits(request: ApiRequest) -> list[Fields]:
    """Return how often each operation may be called, as published."""
    return [rate_limit_fields(limit) for limit in published()]


def model_name_available(request: ApiRequest, name: str, tournament: int) -> bool:
    """Return whether no model has this name yet."""
    refuse_other(tournament)
    return bool(name.strip()) and name not in {model.name for model in request.state.models()}


def account_name_available(request: ApiRequest, name: str) -> bool:
    """Return whether no account has this name yet."""
    return bool(name.strip()) and name not in {model.account for model in request.state.models()}


def submission_scores(
    request: ApiRequest,
    model_id: str,
    tournament: int | None = None,
    last_n_rounds: int | None = None,
    distinct_on_round: bool | None = None,
    **values: Any,
) -> list[Fields]:
    """Return a participant's published scores; `values` are those that fields must have."""
    model = request.participant(model_id)
    if model is None or not is_classic(tournament):
        return []
    opened = request.tournament.timetable.opened_rounds()
    scored = [round_ for round_ in opened if round_.scored_days(request.now)][:last_n_rounds]
    scores = scores_of(request, model, scored, newest_only=bool(distinct_on_round))
    return [
        score
        for score in scores
        if all(value in (None, score[camel(name)]) for name, value in values.items())
    ]


def scores_of(
    request: ApiRequest, model: Model, rounds: list[Round], *, newest_only: bool
) -> list[Fields]:
    """Return a SubmissionScore for each score of a model in these rounds."""
    if model.kind == USER:
        entered = request.tournament.selected(model.id)
        rounds = [round_ for round_ in rounds if round_.number in entered]
    scores = request.services.scorer.scores(model.id, rounds, newest_only=newest_only)
    earnings = {earning.round: earning for earning in request.ledger.earnings([model], rounds)}
    of_day: dict[tuple[Round, int], dict[str, float]] = {}
    for score in scores:
        of_day.setdefault((score.round, score.day), {})[score.name] = score.value
    fields = []
    for score in scores:
        earning = earnings[score.round]
        values = of_day[score.round, score.day]
        paid = payout_of_score(
            earning.at_risk, score.name, values, earning.rules, earning.payout_factor
        )
        submission_id = _submission_id(request, earning)
        fields.append(
            score_objects.score_fields(score, submission_id, paid, request.state, request.now)
        )
    return fields


def _submission_id(request: ApiRequest, earning: Earning) -> str | None:
    if earning.model.kind == USER:
        submission = earning.entry.submission
        return submission.id if submission else None
    return request.state.identifier("submission of", earning.model.id, earning.round.number)


def v2_round_model_performances(
    request: ApiRequest,
    model_id: str,
    tournament: int | None = None,
    limit: int | None = None,
    offset: int | None = None,
    distinct_on_round: bool | None = None,
    last_n_rounds: int | None = None,
    submitted_only: bool | None = None,
    **limits: Any,
) -> list[Fields]:
    """Return a participant's rounds, newest first; for `limits` see `_is_within`."""
    model = request.participant(model_id)
    if model is None or not is_classic(tournament):
        return []
    opened = request.tournament.timetable.opened_rounds()[:last_n_rounds]
    within = [round_ for round_ in opened if _is_within(round_, limits, request.now)]
    earnings = request.ledger.earnings([model], within)
    if submitted_only:
        earnings = [earning for earning in earnings if earning.entry.status != "none"]
    shown = page(earnings, limit, offset)
    scores = scores_of(request, model, [earning.round for earning in shown], newest_only=False)
    return [
        score_objects.performance_fields(
            earning,
            _submission_id(request, earning),
            [score for score in scores if score["roundNumber"] == earning.round.number],
            request.state,
        )
        for earning in shown
    ]


def _is_within(round_: Round, limits: dict[str, Any], now: datetime) -> bool:
    """Return whether a round passes the filters of v2RoundModelPerformances."""
    resolved = round_.resolve_time <= now
    days = round_.scored_days(now)
    tests: dict[str, Callable[[Any], bool]] = {
        "resolved_only": lambda only: resolved or not only,
        "resolved_within_last_n_days": lambda n: (
            resolved and round_.resolve_time > _days_before(now, n)
        ),
        "scored_within_last_n_days": lambda n: (
            days > 0 and round_.publication(days) > _days_before(now, n)
        ),
        "round_number_eq": lambda number: round_.number == number,
        "round_number_gte": lambda number: round_.number >= number,
        "round_number_lte": lambda number: round_.number <= number,
        "round_data_datestamp_gte": lambda stamp: round_.data_datestamp >= stamp,
    }
    return all(tests[name](value) for name, value in limits.items() if value is not None)


def _days_before(now: datetime, days: int) -> datetime:
    return now - timedelta(days=min(days, _LONGER_THAN_ANY_TOURNAMENT))


RESOLVERS: dict[str, Resolver] = {
    "accountNameAvailable": account_name_available,
    "dataset": dataset,
    "graphqlRateLimits": graphql_rate_limits,
    "listDatasets": list_datasets,
    "modelNameAvailable": model_name_available,
    "pipelineStatus": pipeline_status,
    "roundDetails": round_details,
    "rounds": rounds,
    "submissionScores": submission_scores,
    "tournaments": tournaments,
    "v2RoundModelPerformances": v2_round_model_performances,
}
