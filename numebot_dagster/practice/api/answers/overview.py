"""Answer what anyone may ask of the tournament as a whole, and refuse what it does not have.

A method is the resolver of the root field of its camelCase name.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from decimal import Decimal

from numebot_dagster.practice.api.answers.people import PeopleAnswers
from numebot_dagster.practice.api.request import Fields, page, refuse_other
from numebot_dagster.practice.rules.clock import Refused, midnight
from numebot_dagster.practice.rules.tournament import CLASSIC
from numebot_dagster.practice.schema import people_shapes
from numebot_dagster.practice.scoring.ledger import Earning

CURRENCIES = {"USD": "$", "NMR": "NMR", "ETH": "ETH"}
ETH_PRICE_USD = "2500.00"


class OverviewAnswers(PeopleAnswers):
    """Totals of all participants, prices, stake transactions, and empty message boxes."""

    def tournament_overview(self) -> Fields:
        """Return the totals of all participants."""
        earnings = self._all_earnings()
        return {
            **self._overview(earnings),
            "returnsValues": lambda: people_shapes.returns_values(earnings, self._now),
            "stakedAccountsLtm": len({one.model.account for one in earnings if one.at_risk}),
            "totalAtStakeValues": lambda: people_shapes.stake_values(earnings, self._now),
        }

    def v2_tournament_overview(self, tournament: int) -> Fields:
        """Return the totals of all participants of a tournament."""
        refuse_other(tournament)
        earnings = self._all_earnings()
        return {
            **self._overview(earnings),
            "totalAtRisk": _at_stake(earnings),
            "tournament": CLASSIC,
        }

    def _all_earnings(self) -> list[Earning]:
        return [earning for one in self._ledger.standings() for earning in one.earnings]

    def _overview(self, earnings: list[Earning]) -> Fields:
        """Return what both overviews have."""
        return {
            "returns": people_shapes.returns_fields(earnings, self._now),
            "stakedAccounts": _counts((one, one.model.account) for one in earnings),
            "stakedModels": _counts((one, one.model.id) for one in earnings),
            "totalAccounts": len({one.account for one in self._state.models()}),
            "totalAtStake": _at_stake(earnings),
            "totalStakes": sum(1 for one in earnings if one.at_risk and not one.settled),
        }

    def stake_transactions(
        self,
        model_id: str | None = None,
        model_ids: list[str] | None = None,
        type: str | None = None,
        limit: int | None = None,
        offset: int | None = None,
    ) -> list[Fields]:
        """Return the stakes of models, newest first; without a model those of all.

        Args:
            model_id: One model.
            model_ids: Several models.
            type: `stake` or `payout`; None for both.
            limit: How many at most.
            offset: How many to leave out.
        """
        asked = {*(model_ids or ()), *([model_id] if model_id else ())}
        models = [one for one in self._state.models() if not asked or one.id in asked]
        earnings = self._ledger.earnings(models, self._tournament.opened_rounds())
        flows = [flow for one in earnings if one.at_risk for flow in _flows(one)]
        found = [one for one in flows if type in (None, one["type"])]
        found.sort(key=lambda one: (one["timestamp"], one["modelId"]), reverse=True)
        return page(found, limit, offset)

    # --- prices -------------------------------------------------------------------------------

    def currency_codes(self) -> list[Fields]:
        """Return the currencies in which payouts can be shown."""
        return [{"code": code, "symbol": symbol} for code, symbol in CURRENCIES.items()]

    def latest_eth_price(self) -> Fields:
        """Return a price of ETH that never changes."""
        updated = self._now.isoformat()
        return {"priceUsd": ETH_PRICE_USD, "lastUpdated": updated, "volume": None}

    def latest_currency_price(self, base_symbol: str, target_symbol: str) -> Fields:
        """Return the price of one currency in another."""
        prices = {
            "USD": Decimal(1),
            "NMR": Decimal(self._state.settings["nmr_price_usd"]),
            "ETH": Decimal(ETH_PRICE_USD),
        }
        for symbol in (base_symbol, target_symbol):
            if symbol.upper() not in prices:
                raise Refused(f"no price of {symbol} is known; there are {', '.join(prices)}")
        price = prices[base_symbol.upper()] / prices[target_symbol.upper()]
        return {
            "baseSymbol": base_symbol,
            "targetSymbol": target_symbol,
            "price": f"{price:.8f}",
            "lastUpdated": self._now.isoformat(),
        }

    # --- message boxes ------------------------------------------------------------------------

    def unread_banners(self) -> list[Fields]:
        """Return no banner: there is nobody who would write one."""
        self._require()
        return []

    def unread_notifications(self) -> list[Fields]:
        """Return no notification."""
        self._require()
        return []

    def unread_earned_title_notifications(self) -> list[Fields]:
        """Return no notification of a title: none is awarded."""
        self._require()
        return []


def _at_stake(earnings: Iterable[Earning]) -> Decimal:
    return sum((one.at_risk for one in earnings if not one.settled), Decimal(0))


def _counts(owners: Iterable[tuple[Earning, str]]) -> list[Fields]:
    """Return how many owners had a stake in the round of each day, oldest first."""
    staked = {
        (midnight(one.round.close_staking_time), owner) for one, owner in owners if one.at_risk
    }
    counts = Counter(day for day, _ in staked)
    return [{"date": day, "count": counts[day]} for day in sorted(counts)]


def _flows(one: Earning) -> list[Fields]:
    """Return the StakeTxns of a position: the stake at its close, the payout at its resolution."""
    shared: Fields = {
        "model": one.model.name,
        "modelId": one.model.id,
        "note": None,
        "round": one.round.number,
        "tournament": CLASSIC,
    }
    flows = [("stake", one.at_risk, one.round.close_staking_time)]
    if one.settled:
        flows.append(("payout", one.payout, one.round.resolve_time))
    return [
        {**shared, "type": kind, "amount": amount, "value": one.at_risk, "timestamp": at}
        for kind, amount, at in flows
    ]
