"""Store positions, claims of atomic staking and the price of NMR as Numerai shows them today.

They are good to know and no more: what Numerai refuses is logged, and the account book names it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from numebot_dagster.lake import catalog, parquet, tables
from numebot_dagster.numerai import money
from numebot_dagster.numerai.errors import NotAuthorised, NumeraiError, QueryRefused
from numebot_dagster.numerai.records import Claim, Model, Position, Round
from numebot_dagster.operations import long_work
from numebot_dagster.operations.platform import Platform

if TYPE_CHECKING:
    import polars as pl

FINAL_AFTER = timedelta(days=7)  # from the resolution of a round, claims are final
CLAIMS_AT_ONCE = 300  # a minute has about 70; what is left is asked for on the next days
ROUNDS_ANNOUNCED = 5  # that Numerai may list before the newest that has opened
ATOMIC_CLIP = 1.0  # of rounds whose position can be lost as a whole

# The first round of a model that has not been seen resolved. Today's file is written anew, so what
# it says does not count.
_UNRESOLVED = """
with newest as (
    select model, round, bool_or(resolved) as resolved from positions where date < ? group by all
)
select model, coalesce(min(round) filter (not resolved), max(round) + 1) from newest group by model
"""
_CLIPS = """
select round, min(clip) from paid_metrics group by round having count(distinct clip) = 1
"""
_TO_CLAIM = """
select distinct model, round from positions anti join claims using (model, round)
where resolved and at_risk > 0 and clip >= ? and resolve_date <= ? order by round desc, model
"""


def collect_positions(platform: Platform, models: Sequence[Model], day: date) -> list[Position]:
    """Store what each model has at risk in the rounds that have not been seen resolved.

    It takes one request for each model, and all rounds at the first time.
    """
    since = dict(catalog.query(platform.lake, _UNRESOLVED, [day]).iter_rows())
    positions: list[Position] = []
    for model in long_work.each(platform.log, "Reading the positions of models", models):
        positions += money.positions(platform.client.transport, model, since.get(model.name))
    clips = _clips(platform, positions)
    frame = _positions_frame(positions, clips)
    parquet.write(platform.lake.day_file("positions", day), frame)
    return positions


def collect_claims(platform: Platform, models: Sequence[Model], day: date) -> list[Claim]:
    """Store the claims of positions that have become final, each asked for until it is known."""
    by_name = {model.name: model for model in models}
    final = catalog.query(platform.lake, _TO_CLAIM, [ATOMIC_CLIP, day - FINAL_AFTER])
    due = [(by_name[name], number) for name, number in final.iter_rows() if name in by_name]
    if not due:
        return []
    transport = platform.client.transport
    staker = money.wallet(transport)
    claims = []
    for model, number in due[:CLAIMS_AT_ONCE]:
        try:
            claims.append(money.claim(transport, model, number, staker))
        except NotAuthorised as error:
            platform.log.info("Claims are not known: %s", error)
            break
        except QueryRefused as error:
            platform.log.info("%s, round %d: no claim: %s", model.name, number, error)
    _store_claims(platform, claims, day)
    return claims


def collect_price(platform: Platform, day: date) -> Decimal:
    """Store the price of one NMR today, in USD and, if Numerai has it, in EUR."""
    import polars as pl

    transport = platform.client.transport
    in_usd = money.price_in_usd(transport)
    try:
        in_eur = money.price_in_eur(transport)
    except NumeraiError as error:
        in_eur = None
        platform.log.info("Numerai gives no price of NMR in EUR: %s", error)
    frame = pl.DataFrame([(in_usd, in_eur)], schema=tables.PRICES.schema, orient="row")
    parquet.write(platform.lake.day_file("prices", day), frame)
    return in_usd


def _clips(platform: Platform, positions: Sequence[Position]) -> dict[int, float]:
    """Return the clip threshold of rounds: of their stored details, otherwise by one request.

    Only rounds with a stake are asked for.
    """
    clips = dict(catalog.query(platform.lake, _CLIPS).iter_rows())
    newest = max((position.round_number for position in positions), default=0)
    staked = {position.round_number for position in positions if position.at_risk}
    missing = staked - clips.keys()
    if missing:
        try:
            limit = newest - min(missing) + 1 + ROUNDS_ANNOUNCED
            for round_ in platform.client.enrichment.newest_rounds(limit):
                clip = _clip_of(round_)
                clips |= {} if clip is None else {round_.number: clip}
        except NumeraiError as error:
            platform.log.warning("The rules of %d rounds are not known: %s", len(missing), error)
    return clips


def _clip_of(round_: Round) -> float | None:
    """Return the clip on which the paid scores of a round agree."""
    clips = {config.clip_threshold for config in round_.score_configs if config.is_payout}
    return clips.pop() if len(clips) == 1 else None


def _positions_frame(positions: Iterable[Position], clips: Mapping[int, float]) -> pl.DataFrame:
    import polars as pl

    rows = [
        (
            position.model,
            position.round_number,
            position.at_risk,
            None if position.payout_factor is None else str(position.payout_factor),
            clips.get(position.round_number),
            position.resolve_date,
            position.resolved,
            *scored,
        )
        for position in positions
        for scored in _scores_of(position)
    ]
    return pl.DataFrame(rows, schema=tables.POSITIONS.schema, orient="row")


def _scores_of(position: Position) -> list[tuple[object, ...]]:
    """Return the columns of each paid score; empty ones where Numerai names none."""
    return [
        (score.metric, score.version, score.multiplier, score.day, score.value, score.payout_nmr)
        for score in position.scores
    ] or [(None,) * 6]


def _store_claims(platform: Platform, claims: Sequence[Claim], day: date) -> None:
    """Store claims beside those that were read earlier on the same day."""
    import polars as pl

    if not claims:
        return
    path = platform.lake.day_file("claims", day)
    rows = [(claim.model, claim.round_number, claim.payout_nmr, claim.burn_nmr) for claim in claims]
    frame = pl.DataFrame(rows, schema=tables.CLAIMS.schema, orient="row")
    if path.is_file():
        frame = pl.concat([parquet.read(path), frame])
    parquet.write(path, frame)
