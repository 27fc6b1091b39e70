"""What anyone may ask: data, rounds, and what participants see of each other.

A method is the resolver of the root field of its camelCase name.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, time, timedelta
from functools import partial
from typing import Any

from numebot_dagster.practice.api.rate_limits import published, rate_limit_fields
from numebot_dagster.practice.api.request import (
    Fields,
    Resolver,
    camel,
    is_classic,
    not_part,
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
from numebot_dagster.practice.rules.state import Model, Submission
from numebot_dagster.practice.rules.tournament import CLASSIC, USER
from numebot_dagster.practice.schema import score_shapes, shapes
from numebot_dagster.practice.schema.round_detail import round_detail_fields
from numebot_dagster.practice.scoring.ledger import payout_of_score

_ESTIMATES = (
    "dataP90Eta", "dataP99Eta", "nextStartP90Eta", "resolveP90Eta", "resolveP99Eta",
    "scoreP90Eta", "scoreP99Eta", "startP90Eta",
)  # fmt: skip

_LONGER_THAN_ANY_TOURNAMENT = 36_500


class PublicAnswers(Resolver):
    """Answers that need no API key."""

    def list_datasets(self, round: int | None = None, tournament: int | None = None) -> list[str]:
        """Returns all file names, of now or of a round."""
        return self._library.names(round) if is_classic(tournament) else []

    def dataset(
        self, filename: str, round: int | None = None, tournament: int | None = None
    ) -> str:
        """Returns a link to a file, as it is now or was in a round."""
        if not is_classic(tournament):
            raise Refused(f"Dataset {filename} not found")
        return self._link("datasets", self._library.snapshot(filename, round).key)

    def rounds(
        self,
        tournament: int | None = None,
        number: int | None = None,
        target: str | None = None,
        status: str | None = None,
        limit: int | None = None,
    ) -> list[Fields]:
        """Returns rounds, newest first; number 0 means the open one.

        A limit counts from the newest that has opened: clients ask so for the present round.
        """
        if not is_classic(tournament):
            return []
        if number == 0:
            return [self._round(self._tournament.open_round())]
        limited = int(limit is not None and number is None and status is None)
        found = [
            one
            for one in self._tournament.rounds()[limited:]
            if number in (None, one.number)
            and status in (None, one.status(self._now))
            and target in (None, shapes.TARGET)
        ]
        return [self._round(one) for one in found[:limit]]

    def graphql_rate_limits(self) -> list[Fields]:
        """Returns how often each operation may be called, as published."""
        return [rate_limit_fields(limit) for limit in published()]

    def tournaments(self) -> list[Fields]:
        """Returns Numerai's three tournaments, of which the first is practised."""
        names = {CLASSIC: "numerai", 11: "signals", 12: "crypto"}
        return [
            {
                "id": self._state.identifier("tournament", number),
                "name": name,
                "tournament": number,
                "active": number == CLASSIC,
                "rounds": partial(self.rounds, number),
            }
            for number, name in names.items()
        ]

    def pipeline_status(self, tournament: str = "classic", date: str | None = None) -> Fields:
        """Returns how far the newest scoring day has come; the date is ignored."""
        if tournament != "classic":
            raise not_part(f"the pipeline of {tournament}")
        run = newest_published(self._now).opened
        day = partial(datetime.combine, run)
        times = {
            "startedAt": day(time(8, tzinfo=UTC)),
            "scoredAt": last_publication(self._now),
            "dataReadyAt": Round(newest_published(self._now).number).open_time,
            "resolvedAt": day(time(20, tzinfo=UTC)),
        }
        return {
            **{name: at if at <= self._now else None for name, at in times.items()},
            # Estimates of runs that have not begun: there is nothing to estimate from.
            **dict.fromkeys(_ESTIMATES),
            "isScoringDay": round_on(self._now.date()) is not None,
            "tournament": tournament,
        }

    def latest_nmr_price(self) -> Fields:
        """Returns the price at which payouts are valued."""
        return {
            "priceUsd": self._state.settings["nmr_price_usd"],
            "lastUpdated": self._now.isoformat(),
        }

    def submission_scores(
        self,
        model_id: str,
        tournament: int | None = None,
        last_n_rounds: int | None = None,
        distinct_on_round: bool | None = None,
        **wanted: Any,
    ) -> list[Fields]:
        """Returns a participant's published scores; ``wanted`` are the filters by value."""
        model = self._participant(model_id)
        if model is None or not is_classic(tournament):
            return []
        rounds = [r for r in self._tournament.opened_rounds() if r.scored_days(self._now)]
        if last_n_rounds is not None:
            rounds = rounds[:last_n_rounds]
        found = self._scores(model, rounds, newest_only=bool(distinct_on_round))
        return [one for one in found if all(v in (None, one[camel(k)]) for k, v in wanted.items())]

    def _scores(self, model: Model, rounds: list[Round], *, newest_only: bool) -> list[Fields]:
        if model.kind == USER:
            entered = self._tournament.selected(model.id)
            rounds = [one for one in rounds if one.number in entered]
        scores = self._scorer.scores(model.id, rounds, newest_only=newest_only)
        earnings = {one.round: one for one in self._ledger.earnings([model], rounds)}
        of_day: dict[tuple[Round, int], dict[str, float]] = {}
        for one in scores:
            of_day.setdefault((one.round, one.day), {})[one.name] = one.value
        return [
            score_shapes.score_fields(
                one,
                self._submission_id(model, earnings[one.round].entry.submission, one.round),
                payout_of_score(
                    earnings[one.round].at_risk,
                    one.name,
                    of_day[one.round, one.day],
                    earnings[one.round].rules,
                    earnings[one.round].payout_factor,
                ),
                self._state,
                self._now,
            )
            for one in scores
        ]

    def _submission_id(self, model: Model, held: Submission | None, one: Round) -> str | None:
        if model.kind == USER:
            return held.id if held else None
        return self._state.identifier("submission of", model.id, one.number)

    def v2_round_model_performances(
        self,
        model_id: str,
        tournament: int | None = None,
        limit: int | None = None,
        offset: int | None = None,
        distinct_on_round: bool | None = None,
        **wanted: Any,
    ) -> list[Fields]:
        """Returns a participant's rounds, newest first; ``wanted`` are the filters by round."""
        model = self._participant(model_id)
        if model is None or not is_classic(tournament):
            return []
        rounds = self._tournament.opened_rounds()[: wanted.pop("last_n_rounds", None)]
        earnings = self._ledger.earnings([model], [r for r in rounds if self._admits(r, wanted)])
        if wanted.get("submitted_only"):
            earnings = [one for one in earnings if one.entry.status != "none"]
        first = offset or 0
        shown = earnings[first : None if limit is None else first + limit]
        scores = self._scores(model, [one.round for one in shown], newest_only=False)
        return [
            score_shapes.performance_fields(
                one,
                self._submission_id(model, one.entry.submission, one.round),
                [score for score in scores if score["roundNumber"] == one.round.number],
                self._state,
            )
            for one in shown
        ]

    def _admits(self, one: Round, wanted: dict[str, Any]) -> bool:
        """Returns whether a round passes the filters of v2RoundModelPerformances."""
        now, resolved = self._now, one.resolve_time <= self._now
        days = one.scored_days(now)
        tests: dict[str, Callable[[Any], bool]] = {
            "resolved_only": lambda only: resolved or not only,
            "resolved_within_last_n_days": lambda n: (
                resolved and one.resolve_time > _days_before(now, n)
            ),
            "scored_within_last_n_days": lambda n: (
                days > 0 and one.publication(days) > _days_before(now, n)
            ),
            "round_number_eq": lambda number: one.number == number,
            "round_number_gte": lambda number: one.number >= number,
            "round_number_lte": lambda number: one.number <= number,
            "round_data_datestamp_gte": lambda stamp: one.data_datestamp >= stamp,
        }
        return all(
            tests[name](value)
            for name, value in wanted.items()
            if name in tests and value is not None
        )

    def round_details(self, round_number: int, tournament: int) -> Fields | None:
        """Returns a round with all its participants, None when it has not opened."""
        found = [one for one in self._tournament.opened_rounds() if one.number == round_number]
        if not found or not is_classic(tournament):
            return None
        earnings = self._ledger.earnings(self._state.models(), found)
        scores = self._ledger.newest_percentiles(found[0])
        return round_detail_fields(found[0], earnings, scores, self._round(found[0]), self._now)

    def model_name_available(self, name: str, tournament: int) -> bool:
        """Returns whether a model may be called so."""
        refuse_other(tournament)
        return bool(name.strip()) and name not in {one.name for one in self._state.models()}

    def account_name_available(self, name: str) -> bool:
        """Returns whether an account may be called so."""
        return bool(name.strip()) and name not in {one.account for one in self._state.models()}


def _days_before(now: datetime, days: int) -> datetime:
    return now - timedelta(days=min(days, _LONGER_THAN_ANY_TOURNAMENT))
