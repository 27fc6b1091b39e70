"""Ask Numerai for what the account book needs: positions, claims and prices.

No round depends on it, and Numerai may refuse any of it: callers treat a failure as a warning.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING

from numebot_dagster.numerai import parsing
from numebot_dagster.numerai.numerapi_bridge import CLASSIC
from numebot_dagster.numerai.records import Claim, Model, PaidScore, Position

if TYPE_CHECKING:
    from numebot_dagster.numerai.http.transport import Transport

POSITIONS = """
query ($modelId: ID!, $tournament: Int, $since: Int) {
  v2RoundModelPerformances(
    modelId: $modelId, tournament: $tournament, roundNumberGte: $since
  ) {
    roundNumber
    roundResolveTime
    roundResolved
    roundPayoutFactor
    atRisk
    payoutMultipliers { name displayName version multiplier }
    submissionScores { displayName version day value payoutPending payoutSettled }
  }
}
"""

WALLET = """
query { account { walletAddress } }
"""

CLAIM = """
query ($roundId: String!, $modelId: ID!, $staker: String!, $tournament: Int) {
  v3StakeClaim(
    roundId: $roundId, modelId: $modelId, staker: $staker, tournamentId: $tournament
  ) { payoutAmountWei burnAmountWei }
}
"""

PRICE_IN_USD = """
query { latestNmrPrice { priceUsd } }
"""

PRICE_IN_EUR = """
query { latestCurrencyPrice(baseSymbol: "NMR", targetSymbol: "EUR") { price } }
"""

# The schema of Numerai that is known from outside may lack some of them, so that `numebot doctor`
# does not look for their fields there.
ALL = {
    "positions": POSITIONS,
    "wallet": WALLET,
    "claim": CLAIM,
    "price in USD": PRICE_IN_USD,
    "price in EUR": PRICE_IN_EUR,
}

_WEI = Decimal(1).scaleb(-18)


def positions(transport: Transport, model: Model, since: int | None = None) -> list[Position]:
    """Return what a model has at risk in each round, with the newest scores that are paid.

    Args:
        transport: the way to Numerai.
        model: whose positions they are.
        since: the first round to ask for; by default all.
    """
    variables = {"modelId": model.id, "tournament": CLASSIC, "since": since}
    data = transport.query(POSITIONS, variables, authorised=True)
    parsing.need(data, "v2RoundModelPerformances")
    rows = parsing.rows(data, "v2RoundModelPerformances")
    return parsing.usable(partial(parse_position, model.name), rows)


def wallet(transport: Transport) -> str:
    """Return the address by which the account stakes."""
    account = parsing.need(transport.query(WALLET, authorised=True), "account")
    return parsing.needed(parsing.read_text, account, "walletAddress")


def claim(transport: Transport, model: Model, round_number: int, staker: str) -> Claim:
    """Return what a position of atomic staking may claim, and what of it is burned.

    Raises:
        NotAuthorised: the key lacks the scope `web3_staking`.
        QueryRefused: there is nothing to claim, or not yet.
    """
    variables = {
        "roundId": str(round_number),
        "modelId": model.id,
        "staker": staker,
        "tournament": CLASSIC,
    }
    data = transport.query(CLAIM, variables, authorised=True)
    answer = parsing.need(data, "v3StakeClaim")
    return Claim(
        model=model.name,
        round_number=round_number,
        payout_nmr=parsing.needed(parsing.read_decimal, answer, "payoutAmountWei") * _WEI,
        burn_nmr=parsing.needed(parsing.read_decimal, answer, "burnAmountWei") * _WEI,
    )


def price_in_usd(transport: Transport) -> Decimal:
    """Return the price of one NMR in USD."""
    answer = parsing.need(transport.query(PRICE_IN_USD), "latestNmrPrice")
    return parsing.needed(parsing.read_decimal, answer, "priceUsd")


def price_in_eur(transport: Transport) -> Decimal:
    """Return the price of one NMR in EUR, which Numerai may not have.

    Raises:
        QueryRefused: it has none.
    """
    answer = parsing.need(transport.query(PRICE_IN_EUR), "latestCurrencyPrice")
    return parsing.needed(parsing.read_decimal, answer, "price")


def parse_position(model_name: str, raw: parsing.Json) -> Position:
    """Return a row of `v2RoundModelPerformances` with the scores that it pays for."""
    newest = parsing.usable(_parse_score, parsing.rows(raw, "submissionScores"))
    paid = parsing.usable(_parse_multiplier, parsing.rows(raw, "payoutMultipliers"))
    return Position(
        model=model_name,
        round_number=parsing.needed(parsing.read_int, raw, "roundNumber"),
        at_risk=parsing.unless_odd(parsing.read_decimal, raw, "atRisk"),
        payout_factor=parsing.unless_odd(parsing.read_decimal, raw, "roundPayoutFactor"),
        resolve_date=parsing.unless_odd(parsing.read_date, raw, "roundResolveTime"),
        resolved=bool(parsing.unless_odd(parsing.read_bool, raw, "roundResolved")),
        scores=tuple(_with_score(score, newest) for score in paid),
    )


def _parse_multiplier(raw: parsing.Json) -> PaidScore:
    name = parsing.unless_odd(parsing.read_text, raw, "displayName")
    return PaidScore(
        metric=name or parsing.needed(parsing.read_text, raw, "name"),
        version=parsing.unless_odd(parsing.read_text, raw, "version"),
        multiplier=parsing.unless_odd(parsing.read_float, raw, "multiplier"),
    )


def _parse_score(raw: parsing.Json) -> PaidScore:
    settled = parsing.unless_odd(parsing.read_decimal, raw, "payoutSettled")
    pending = parsing.unless_odd(parsing.read_decimal, raw, "payoutPending")
    return PaidScore(
        metric=parsing.needed(parsing.read_text, raw, "displayName"),
        version=parsing.unless_odd(parsing.read_text, raw, "version"),
        day=parsing.unless_odd(parsing.read_int, raw, "day"),
        value=parsing.unless_odd(parsing.read_float, raw, "value"),
        payout_nmr=pending if settled is None else settled,
    )


def _with_score(paid: PaidScore, newest: Sequence[PaidScore]) -> PaidScore:
    """Add the newest value to a paid score; versions of a score are never mixed.

    Without a version on either side the name decides, if only one score bears it.
    """
    named = [score for score in newest if score.metric == paid.metric]
    same = [score for score in named if score.version == paid.version] or [
        score for score in named if None in (score.version, paid.version)
    ]
    if len(same) != 1:
        return paid
    version = paid.version or same[0].version
    return replace(same[0], version=version, multiplier=paid.multiplier)
