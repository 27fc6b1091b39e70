"""Answer what concerns the tournament as a whole: totals, prices, and empty message boxes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from decimal import Decimal

from numebot_dagster.practice.api.request import ApiRequest, Resolver, page, refuse_other
from numebot_dagster.practice.rules.clock import Refused, midnight
from numebot_dagster.practice.rules.tournament import CLASSIC
from numebot_dagster.practice.schema import Fields, people_objects
from numebot_dagster.practice.scoring.ledger import Earning, stake_of

CURRENCIES = {"USD": "$", "NMR": "NMR", "ETH": "ETH"}
ETH_PRICE_USD = "2500.00"


def tournament_overview(request: ApiRequest) -> Fields:
    """Return the totals of all participants."""
    earnings = _all_earnings(request)
    return {
        **_overview(request, earnings),
        "returnsValues": lambda: people_objects.returns_values(earnings, request.now),
        "stakedAccountsLtm": len({e.model.account for e in earnings if e.at_risk}),
        "totalAtStakeValues": lambda: people_objects.stake_values(earnings, request.now),
    }


def v2_tournament_overview(request: ApiRequest, tournament: int) -> Fields:
    """Return the totals of all participants of a tournament."""
    refuse_other(tournament)
    earnings = _all_earnings(request)
    return {
        **_overview(request, earnings),
        "totalAtRisk": stake_of(earnings),
        "tournament": CLASSIC,
    }


def _all_earnings(request: ApiRequest) -> list[Earning]:
    standings = request.ledger.standings()
    return [earning for standing in standings for earning in standing.earnings]


def _overview(request: ApiRequest, earnings: list[Earning]) -> Fields:
    """Return the fields of both overviews."""
    return {
        "returns": people_objects.returns_fields(earnings, request.now),
        "stakedAccounts": _counts((earning, earning.model.account) for earning in earnings),
        "stakedModels": _counts((earning, earning.model.id) for earning in earnings),
        "totalAccounts": len({model.account for model in request.state.models()}),
        "totalAtStake": stake_of(earnings),
        "totalStakes": sum(1 for e in earnings if e.at_risk and not e.settled),
    }


def _counts(owners: Iterable[tuple[Earning, str]]) -> list[Fields]:
    """Return how many owners had a stake in the round of each day, oldest first."""
    staked = {
        (midnight(earning.round.close_staking_time), owner)
        for earning, owner in owners
        if earning.at_risk
    }
    counts = Counter(day for day, _ in staked)
    return [{"date": day, "count": counts[day]} for day in sorted(counts)]


def stake_transactions(
    request: ApiRequest,
    model_id: str | None = None,
    model_ids: list[str] | None = None,
    type: str | None = None,
    limit: int | None = None,
    offset: int | None = None,
) -> list[Fields]:
    """Return stakes and payouts, newest first, of some models or of all."""
    ids = {*(model_ids or ()), *([model_id] if model_id else ())}
    models = [model for model in request.state.models() if not ids or model.id in ids]
    earnings = request.ledger.earnings(models, request.tournament.timetable.opened_rounds())
    transactions = [
        transaction
        for earning in earnings
        if earning.at_risk
        for transaction in _stake_transactions(earning)
        if type in (None, transaction["type"])
    ]
    transactions.sort(key=lambda fields: (fields["timestamp"], fields["modelId"]), reverse=True)
    return page(transactions, limit, offset)


def _stake_transactions(earning: Earning) -> list[Fields]:
    """Return the StakeTxns of a position: the stake at its close, the payout at its resolution."""
    shared: Fields = {
        "model": earning.model.name,
        "modelId": earning.model.id,
        "note": None,
        "round": earning.round.number,
        "tournament": CLASSIC,
        "value": earning.at_risk,
    }
    flows = [("stake", earning.at_risk, earning.round.close_staking_time)]
    if earning.settled:
        flows.append(("payout", earning.payout, earning.round.resolve_time))
    return [
        {**shared, "type": kind, "amount": amount, "timestamp": at} for kind, amount, at in flows
    ]


def currency_codes(request: ApiRequest) -> list[Fields]:
    """Return the currencies in which payouts can be shown."""
    return [{"code": code, "symbol": symbol} for code, symbol in CURRENCIES.items()]


def latest_nmr_price(request: ApiRequest) -> Fields:
    """Return the price at which payouts are valued."""
    price = request.state.settings["nmr_price_usd"]
    return {"priceUsd": price, "lastUpdated": request.now.isoformat()}


def latest_eth_price(request: ApiRequest) -> Fields:
    """Return a price of ETH that never changes."""
    return {"priceUsd": ETH_PRICE_USD, "lastUpdated": request.now.isoformat(), "volume": None}


def latest_currency_price(request: ApiRequest, base_symbol: str, target_symbol: str) -> Fields:
    """Return the price of one currency in another."""
    prices = {
        "USD": Decimal(1),
        "NMR": Decimal(request.state.settings["nmr_price_usd"]),
        "ETH": Decimal(ETH_PRICE_USD),
    }
    for symbol in (base_symbol, target_symbol):
        if symbol.upper() not in prices:
            raise Refused(f"there is no price of {symbol}; choose one of {', '.join(prices)}")
    price = prices[base_symbol.upper()] / prices[target_symbol.upper()]
    return {
        "baseSymbol": base_symbol,
        "targetSymbol": target_symbol,
        "price": f"{price:.8f}",
        "lastUpdated": request.now.isoformat(),
    }


def no_messages(request: ApiRequest) -> list[Fields]:
    """Return an empty list: nobody writes banners or notifications."""
    request.require()
    return []


RESOLVERS: dict[str, Resolver] = {
    "currencyCodes": currency_codes,
    "latestCurrencyPrice": latest_currency_price,
    "latestEthPrice": latest_eth_price,
    "latestNmrPrice": latest_nmr_price,
    "stakeTransactions": stake_transactions,
    "tournamentOverview": tournament_overview,
    "unreadBanners": no_messages,
    "unreadEarnedTitleNotifications": no_messages,
    "unreadNotifications": no_messages,
    "v2TournamentOverview": v2_tournament_overview,
}
