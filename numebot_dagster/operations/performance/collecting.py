"""Collect the scores, leaderboard and payouts that Numerai publishes, day by day."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from numebot_dagster.lake import catalog, files, parquet, rollups, tables
from numebot_dagster.lake.damaged import read_or_set_aside
from numebot_dagster.lake.days import stored_days
from numebot_dagster.numerai.errors import NumeraiError
from numebot_dagster.numerai.records import LeaderboardEntry, Model, Payout, Score
from numebot_dagster.operations import long_work
from numebot_dagster.operations.performance.money import stakes
from numebot_dagster.operations.platform import Platform

if TYPE_CHECKING:
    import polars as pl

# A round is scored for about 64 business days, and five rounds open a week.
ROUNDS_IN_SCORING = 70
LEADERBOARD_ROWS = 2000

# The first round of a model that has not been seen resolved.
_UNRESOLVED = """
with seen as (
    select model, round, bool_or(resolved) as resolved from scores where date < ? group by all
)
select model, coalesce(min(round) filter (not resolved), max(round) + 1) from seen group by model
"""


def today(platform: Platform) -> date:
    """Return the UTC day by Numerai's clock."""
    platform.client.rounds()  # so that the clock has been read from an answer
    return platform.client.now().date()


def days_to_collect(platform: Platform) -> list[date]:
    """Return every day from the first that is not stored, or the newest that is, to today.

    The newest stored day is read again, because it may have been unfinished.
    """
    now = today(platform)
    stored = stored_days(platform.lake, "scores")
    since = _days_between(min([*stored, _first_round_day(platform) or now, now]), now)
    missing = sorted(set(since) - set(stored))
    return _days_between(min([*missing[:1], *stored[-1:], now]), now)


def _days_between(first: date, last: date) -> list[date]:
    return [first + timedelta(days=offset) for offset in range((last - first).days + 1)]


def _first_round_day(platform: Platform) -> date | None:
    """Return the day on which the first stored round opened; no score is older."""
    for number in platform.lake.stored_rounds():
        path = platform.lake.round_details(number)
        opened = read_or_set_aside(path, _open_day)
        if opened is not None:
            return opened
    return None


def _open_day(path: Path) -> date:
    opened: datetime = parquet.read(path, ["open_time"])["open_time"][0]
    return opened.date()


def collect_scores(platform: Platform, days: Sequence[date]) -> dict[date, int]:
    """Store the registered models' scores of the given days; return their number by day.

    A day without scores (Sunday, Monday) gets an empty file, so that it is not read again.
    """
    files.sweep(platform.lake.root)  # what killed runs left behind
    now = today(platform)
    by_day: dict[date, list[Score]] = {day: [] for day in days if day <= now}
    if not by_day:
        return {}
    models, rounds_back = _own_models(platform), _rounds_back(platform, min(by_day), now)
    final: list[Score] = []
    for model in long_work.each(platform.log, "Reading the scores of models", models):
        for score in platform.client.enrichment.scores(model, rounds_back(model.name)):
            if score.date in by_day:
                by_day[score.date].append(score)
            elif score.resolved:
                final.append(score)
    _mark_resolved(platform, final)
    for day, scores in by_day.items():
        parquet.write(platform.lake.day_file("scores", day), _scores_frame(scores))
    return {day: len(scores) for day, scores in by_day.items()}


def collect_leaderboard(platform: Platform, day: date) -> list[LeaderboardEntry]:
    """Store today's leaderboard, the only one that there is; return the registered models' rows.

    Args:
        platform: whose lake stores it.
        day: today, as `today` has just said.
    """
    entries = platform.client.enrichment.leaderboard(LEADERBOARD_ROWS)
    own = _own_names(platform)
    frame = _leaderboard_frame(entries, own)
    parquet.write(platform.lake.day_file("leaderboard", day), frame)
    return [entry for entry in entries if entry.model in own]


def collect_payouts(platform: Platform, day: date) -> list[Payout]:
    """Store the pending and settled payouts of the registered models as they are today.

    Positions, claims and the price of NMR are stored beside them; what Numerai refuses of these is
    logged.

    Args:
        platform: whose lake stores them.
        day: today, as `today` has just said.
    """
    own = _own_names(platform)
    payouts = [payout for payout in platform.client.enrichment.payouts() if payout.model in own]
    parquet.write(platform.lake.day_file("payouts", day), _payouts_frame(payouts))
    models = _own_models(platform)
    enrichments: dict[str, Callable[[], object]] = {
        "positions": lambda: stakes.collect_positions(platform, models, day),
        "claims": lambda: stakes.collect_claims(platform, models, day),
        "the price of NMR": lambda: stakes.collect_price(platform, day),
    }
    for name, collect in enrichments.items():
        try:
            collect()
        except NumeraiError as error:
            platform.log.warning("%s could not be read and will be tried again: %s", name, error)
    return payouts


def _own_names(platform: Platform) -> set[str]:
    return {model.name for model in platform.registry.enabled}


def _own_models(platform: Platform) -> list[Model]:
    """Return the registered models of the account; missing ones are logged."""
    models = {model.name: model for model in platform.client.enrichment.account().models}
    missing = _own_names(platform) - set(models)
    if missing:
        platform.log.warning(
            "No scores, because the account has no such model: %s", ", ".join(sorted(missing))
        )
    return [model for name, model in sorted(models.items()) if name in _own_names(platform)]


def _mark_resolved(platform: Platform, scores: Sequence[Score]) -> None:
    """Mark scores of earlier days as final that were stored before their round resolved.

    A round may resolve days after its last score, as from a Saturday to a Monday.
    """
    import polars as pl

    schema = {"date": pl.Date(), "model": pl.String(), "round": pl.Int64()}
    rows = [(score.date, score.model, score.round_number) for score in scores]
    final = pl.DataFrame(rows, schema=schema, orient="row").unique()
    for (day,), submissions in final.group_by("date"):
        path = rollups.day_file(platform.lake, "scores", day)
        stored = read_or_set_aside(path, parquet.read) if path.is_file() else None
        if stored is None:
            continue
        marked = _marked(stored, submissions)
        if not marked.equals(stored):
            parquet.write(path, marked)


def _marked(stored: pl.DataFrame, submissions: pl.DataFrame) -> pl.DataFrame:
    import polars as pl

    keys = submissions.select("model", "round", is_final=pl.lit(True))
    joined = stored.join(keys, on=["model", "round"], how="left", maintain_order="left")
    resolved = pl.col("resolved") | pl.col("is_final").fill_null(False)
    return joined.with_columns(resolved.alias("resolved")).drop("is_final")


def _rounds_back(platform: Platform, first_day: date, now: date) -> Callable[[str], int]:
    """Return how many of the newest rounds of a model may have scores since `first_day`.

    Rounds that were seen resolved before that day have none, so that they are not read again.
    """
    most = ROUNDS_IN_SCORING + (now - first_day).days
    newest = max((round_.number for round_ in platform.client.rounds()), default=0)
    since = dict(catalog.query(platform.lake, _UNRESOLVED, [first_day]).iter_rows())
    return lambda model_name: min(most, max(1, newest - since.get(model_name, 0) + 1))


def _scores_frame(scores: Iterable[Score]) -> pl.DataFrame:
    import polars as pl

    rows = [
        (
            score.model,
            score.round_number,
            score.metric,
            score.version,
            score.day,
            score.date,
            score.value,
            score.percentile,
            score.resolved,
        )
        for score in scores
    ]
    return pl.DataFrame(rows, schema=tables.SCORES.schema, orient="row").unique(maintain_order=True)


def _leaderboard_frame(entries: Sequence[LeaderboardEntry], own: set[str]) -> pl.DataFrame:
    import polars as pl

    numbers = sorted({name for entry in entries for name in (*entry.reputations, *entry.returns)})
    rows = [
        {
            "model": entry.model,
            "rank": entry.rank,
            "nmr_staked": None if entry.nmr_staked is None else float(entry.nmr_staked),
            "own": entry.model in own,
            **entry.reputations,
            **entry.returns,
        }
        for entry in entries
    ]
    schema = tables.LEADERBOARD.schema
    schema.update(dict.fromkeys(numbers, pl.Float64()))
    return pl.DataFrame(rows, schema=schema)


def _payouts_frame(payouts: Sequence[Payout]) -> pl.DataFrame:
    import polars as pl

    rows = [
        (
            payout.model,
            payout.round_number,
            float(payout.payout_nmr),
            payout.settled,
            str(payout.payout_nmr),
        )
        for payout in payouts
    ]
    return pl.DataFrame(rows, schema=tables.PAYOUTS.schema, orient="row")
