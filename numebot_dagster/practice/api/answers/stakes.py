"""Answer what the holder of an API key asks of stakes: the wallet and the on-chain positions.

The practice tournament has no chain. Addresses, hashes and signatures are hexadecimal digits that
depend on the seed; amounts are those of the positions.
"""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from decimal import Decimal

from numebot_dagster.practice.api.answers.submissions import own_submission
from numebot_dagster.practice.api.request import ApiRequest, Resolver, page, refuse_other
from numebot_dagster.practice.rules.clock import Refused, Round, RoundStatus
from numebot_dagster.practice.rules.tournament import CLASSIC
from numebot_dagster.practice.schema import Fields
from numebot_dagster.practice.schema.people_objects import (
    returns_fields,
    returns_values,
    stake_values,
)
from numebot_dagster.practice.scoring.ledger import Earning

WEI = Decimal(10) ** 18
# Claims are final about a week after a round resolved.
CLAIM_AFTER = timedelta(days=7)
AUTHORISATION_LASTS = timedelta(hours=1)
NOWHERE = "0x000000000000000000000000000000000000dEaD"
SCOPE = "web3_staking"
_ADDRESSES = {
    "address": "staking contract",
    "stakingAddress": "staking contract",
    "authorizationSigner": "signer",
    "nmrAddress": "nmr",
    "owner": "owner",
    "serviceWallet": "service wallet",
}
STAKE_MUTATIONS = (
    "cancelPendingStakeRelease", "increaseStake", "releaseStake", "v2ChangePayoutSelection",
    "v2ChangeStake", "v2WithdrawNmr", "v3ChangePayoutSelection",
)  # fmt: skip


def wallet_fields(request: ApiRequest, account: str) -> Fields:
    """Return the fields of an Account that are about money."""

    def positions() -> list[Earning]:
        return _positions(request, account)

    def transactions() -> list[Fields]:
        return _transactions(request, account)

    now = request.now
    return {
        "walletAddress": _wallet(request, account),
        "availableNmr": Decimal(request.state.settings["available_nmr"]),
        "availableStakeCredit": Decimal(0),
        "heldForFusionStakes": Decimal(0),
        "heldForPendingWithdrawals": Decimal(0),
        "heldForScheduledStakeIncreases": Decimal(0),
        "onChainWalletBalance": lambda: _balance(transactions(), _wallet(request, account)),
        "walletTxns": lambda limit=None, offset=None: page(transactions(), limit, offset),
        "pendingTxns": [],
        "scheduledStakeTxns": [],
        "returns": lambda tournament=None: returns_fields(positions(), now),
        "returnsValues": lambda tournament=None: returns_values(positions(), now),
        "totalStakeValues": lambda tournament=None: stake_values(positions(), now),
    }


def _positions(request: ApiRequest, account: str) -> list[Earning]:
    models = request.tournament.models(account)
    earnings = request.ledger.earnings(models, request.tournament.timetable.opened_rounds())
    return [earning for earning in earnings if earning.at_risk]


def _transactions(request: ApiRequest, account: str) -> list[Fields]:
    """Return the account's WalletTxns, newest first.

    The opening deposit; a `stake` for each position at its close; a week after its resolution a
    `claim` of what is left and a `burn` of what was lost.
    """
    wallet, contract = _wallet(request, account), _hexadecimal(request, 40, "staking contract")
    start = min(model.inserted_at for model in request.tournament.models(account))
    deposit = Decimal(request.state.settings["wallet_nmr"])
    flows = [("deposit", deposit, NOWHERE, wallet, start, account)]
    for earning in _positions(request, account):
        key = f"{earning.round.number}/{earning.model.id}"
        closed, at_risk = earning.round.close_staking_time, earning.at_risk
        flows.append(("stake", at_risk, wallet, contract, closed, key))
        if earning.settled:
            claimed, payout = earning.round.resolve_time + CLAIM_AFTER, earning.payout
            flows.append(("claim", at_risk + payout, contract, wallet, claimed, key))
            if payout < 0:
                flows.append(("burn", -payout, contract, NOWHERE, claimed, key))
    transactions: list[Fields] = [
        {
            "type": kind,
            "amount": amount,
            "from": sender,
            "to": receiver,
            "time": at,
            "status": "confirmed",
            "tournament": CLASSIC,
            "txHash": _hexadecimal(request, 64, kind, key),
        }
        for kind, amount, sender, receiver, at, key in flows
        if at <= request.now
    ]
    return sorted(transactions, key=lambda txn: (txn["time"], txn["txHash"]), reverse=True)


def _balance(transactions: list[Fields], wallet: str) -> Decimal:
    received = sum((txn["amount"] for txn in transactions if txn["to"] == wallet), Decimal(0))
    return received - sum(txn["amount"] for txn in transactions if txn["from"] == wallet)


def v3_stake_config(request: ApiRequest, tournament_id: int | None = None) -> Fields:
    """Return the addresses of the contracts."""
    request.require()
    refuse_other(tournament_id)
    names = ("address", "authorizationSigner", "nmrAddress", "owner", "serviceWallet")
    return {**_addresses(request, *names), "paused": False, "pendingOwner": None}


def v3_stake_service_wallet(request: ApiRequest) -> Fields:
    """Return the wallet that pays for stakes moved by the service."""
    request.require(SCOPE)
    addresses = _addresses(request, "nmrAddress", "serviceWallet", "stakingAddress")
    return {**addresses, "stakingAllowance": "0", "walletBalance": "0"}


def v3_stake_round(request: ApiRequest, round_id: str, tournament_id: int | None = None) -> Fields:
    """Return all positions on a round together; amounts are in wei, times in seconds."""
    request.require(SCOPE)
    refuse_other(tournament_id)
    round_ = _opened_round(request, round_id)
    earnings = request.ledger.earnings(request.state.models(), [round_])
    payouts = [earning.payout for earning in earnings if earning.at_risk and earning.scores]
    status = round_.status(request.now)
    resolved = status is RoundStatus.RESOLVED
    unclaimed = resolved and request.now < round_.resolve_time + CLAIM_AFTER
    earned = _wei(sum((amount for amount in payouts if amount > 0), Decimal(0)))
    burned = _wei(-sum((amount for amount in payouts if amount < 0), Decimal(0)))
    cap = _wei(request.tournament.timetable.rules(round_).stake_cap or Decimal(0))
    return {
        "roundId": round_id,
        "tournamentId": str(CLASSIC),
        "state": status.value.lower(),
        "openTime": _seconds(round_.open_time),
        "closeTime": _seconds(round_.close_staking_time),
        "resolveTime": _seconds(round_.resolve_time),
        "resolved": resolved,
        "merkleRoot": _merkle_root(request, round_) if resolved else None,
        "payoutFactor": str(request.ledger.payout_factor(round_)) if resolved else None,
        "stakeCap": cap,
        "stakeThreshold": cap,
        "totalStaked": _wei(request.ledger.total_at_risk(round_)),
        "totalPayout": earned if resolved else "0",
        "remainingPayout": earned if unclaimed else "0",
        "remainingBurn": burned if unclaimed else "0",
    }


def v3_stake_auth(request: ApiRequest, submission_id: str, staker: str, max_amount: str) -> Fields:
    """Return what would let `staker` stake on a submission if there were a chain."""
    submission = own_submission(request, SCOPE, submission_id)
    content = request.state.content(submission.filename)
    nonce = _hexadecimal(request, 64, "nonce", submission_id, staker, max_amount)
    return {
        **_addresses(request, "authorizationSigner", "nmrAddress", "stakingAddress"),
        "authorizationDigest": _hexadecimal(request, 64, "digest", nonce),
        "chainId": "1",
        "deadline": _seconds(request.now + AUTHORISATION_LASTS),
        "maxAmount": max_amount,
        "modelId": _chain_id(submission.model_id),
        "nonce": nonce,
        "roundId": str(submission.round),
        "signature": _hexadecimal(request, 128, "signature", nonce),
        "staker": staker,
        "submissionHash": "0x" + hashlib.sha256(content).hexdigest(),
        "submissionId": submission_id,
        "tournamentId": str(CLASSIC),
    }


def v3_stake_claim(
    request: ApiRequest, round_id: str, model_id: str, staker: str, tournament_id: int | None = None
) -> Fields:
    """Return what a position has earned or burned once its round has resolved."""
    account = request.account(SCOPE)
    refuse_other(tournament_id)
    round_ = _opened_round(request, round_id)
    model = request.tournament.model(model_id, account)
    [earning] = request.ledger.earnings([model], [round_])
    if not earning.settled or not earning.at_risk:
        raise Refused(f"there is nothing to claim of {model.name} in round {round_id}")
    submission = earning.entry.submission
    return {
        "apiModelId": model.id,
        "modelId": _chain_id(model.id),
        "submissionId": submission and submission.id,
        "roundId": round_id,
        "tournamentId": str(CLASSIC),
        "staker": staker,
        "payoutAmountWei": _wei(max(earning.payout, Decimal(0))),
        "burnAmountWei": _wei(max(-earning.payout, Decimal(0))),
        "merkleRoot": _merkle_root(request, round_),
        "proof": [_hexadecimal(request, 64, "proof", round_id, model.id, i) for i in range(3)],
    }


def _opened_round(request: ApiRequest, round_id: str) -> Round:
    opened = {str(round_.number): round_ for round_ in request.tournament.timetable.opened_rounds()}
    if round_id not in opened:
        raise Refused(f"Round {round_id} not found")
    return opened[round_id]


def _wallet(request: ApiRequest, account: str) -> str:
    return _hexadecimal(request, 40, "wallet", account)


def _addresses(request: ApiRequest, *names: str) -> Fields:
    return {name: _hexadecimal(request, 40, _ADDRESSES[name]) for name in names}


def _merkle_root(request: ApiRequest, round_: Round) -> str:
    return _hexadecimal(request, 64, "merkle", round_.number)


def _hexadecimal(request: ApiRequest, digits: int, *parts: object) -> str:
    text = "/".join([request.state.identifier("chain"), *map(str, parts)])
    return "0x" + hashlib.sha512(text.encode()).hexdigest()[:digits]


def _chain_id(model_id: str) -> str:
    """Return a model's id as a contract has it: 32 bytes that begin with the UUID."""
    return "0x" + model_id.replace("-", "").ljust(64, "0")


def _wei(amount: Decimal) -> str:
    return str(int(amount * WEI))


def _seconds(instant: datetime) -> str:
    return str(int(instant.timestamp()))


def _refusing(mutation: str) -> Resolver:
    def refuse(request: ApiRequest, **arguments: object) -> None:
        raise Refused(f"{mutation} moves stake, which the practice tournament refuses")

    return refuse


RESOLVERS: dict[str, Resolver] = {
    "v3StakeAuth": v3_stake_auth,
    "v3StakeClaim": v3_stake_claim,
    "v3StakeConfig": v3_stake_config,
    "v3StakeRound": v3_stake_round,
    "v3StakeServiceWallet": v3_stake_service_wallet,
    **{name: _refusing(name) for name in STAKE_MUTATIONS},
}
