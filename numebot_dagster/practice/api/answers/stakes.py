"""What the holder of an API key may ask of stakes: the wallet and the on-chain positions.

The practice tournament has no chain. Addresses, hashes and signatures are hexadecimal digits that
depend on the seed; amounts are those of the positions. A method is the resolver of the root field
of its camelCase name.
"""

from __future__ import annotations

import hashlib
from datetime import timedelta
from decimal import Decimal

from numebot_dagster.practice.api.request import Fields, Resolver, is_classic, page, refuse_other
from numebot_dagster.practice.rules.clock import Refused, Round, RoundStatus
from numebot_dagster.practice.rules.state import Model
from numebot_dagster.practice.rules.tournament import CLASSIC
from numebot_dagster.practice.scoring.ledger import Earning

WEI = Decimal(10) ** 18
# Claims are final about a week after a round resolved.
CLAIM_AFTER = timedelta(days=7)
AUTHORISATION_LASTS = timedelta(hours=1)
NOWHERE = "0x000000000000000000000000000000000000dEaD"
SCOPE = "web3_staking"


class StakeAnswers(Resolver):
    """Answers about money; none of them moves any."""

    def _hexadecimal(self, digits: int, *parts: object) -> str:
        text = "/".join([self._state.identifier("chain"), *map(str, parts)])
        return "0x" + hashlib.sha512(text.encode()).hexdigest()[:digits]

    def _wallet(self, account: str) -> str:
        return self._hexadecimal(40, "wallet", account)

    # --- wallet -------------------------------------------------------------------------------

    def _wallet_txns(
        self, account: str, limit: int | None = None, offset: int | None = None
    ) -> list[Fields]:
        """Returns the account's WalletTxns, newest first.

        The opening deposit; a ``stake`` for each position at its close; a week after its
        resolution a ``claim`` of what is left and a ``burn`` of what was lost.
        """
        found = [self._deposit(account)]
        for earning in self._positions(account):
            found += self._flows(account, earning)
        past = [one for one in found if one["time"] <= self._now]
        past.sort(key=lambda one: (one["time"], one["txHash"]), reverse=True)
        return page(past, limit, offset)

    def _positions(self, account: str) -> list[Earning]:
        models = self._tournament.models(account)
        earnings = self._ledger.earnings(models, self._tournament.opened_rounds())
        return [one for one in earnings if one.at_risk]

    def _deposit(self, account: str) -> Fields:
        start = min(model.inserted_at for model in self._tournament.models(account))
        amount = Decimal(self._state.settings["wallet_nmr"])
        return self._txn("deposit", amount, NOWHERE, self._wallet(account), start, account)

    def _flows(self, account: str, one: Earning) -> list[Fields]:
        wallet, contract = self._wallet(account), self._hexadecimal(40, "staking contract")
        closed, claimed = one.round.close_staking_time, one.round.resolve_time + CLAIM_AFTER
        key = f"{one.round.number}/{one.model.id}"
        flows = [self._txn("stake", one.at_risk, wallet, contract, closed, key)]
        if one.settled:
            left = one.at_risk + one.payout
            flows.append(self._txn("claim", left, contract, wallet, claimed, key))
            if one.payout < 0:
                flows.append(self._txn("burn", -one.payout, contract, NOWHERE, claimed, key))
        return flows

    def _txn(
        self, kind: str, amount: Decimal, sender: str, receiver: str, at: object, key: str
    ) -> Fields:
        return {
            "type": kind,
            "amount": amount,
            "from": sender,
            "to": receiver,
            "time": at,
            "status": "confirmed",
            "tournament": CLASSIC,
            "txHash": self._hexadecimal(64, kind, key),
        }

    def _balance(self, account: str) -> Decimal:
        """Returns what is left in the wallet."""
        wallet = self._wallet(account)
        flows = self._wallet_txns(account)
        came = sum((one["amount"] for one in flows if one["to"] == wallet), Decimal(0))
        went = sum((one["amount"] for one in flows if one["from"] == wallet), Decimal(0))
        return came - went

    # --- v3 stake reads -----------------------------------------------------------------------

    def v3_stake_config(self, tournament_id: int | None = None) -> Fields:
        """Returns the addresses of the contracts."""
        self._require()
        _refuse_chain_of(tournament_id)
        return {
            "address": self._hexadecimal(40, "staking contract"),
            "authorizationSigner": self._hexadecimal(40, "signer"),
            "nmrAddress": self._hexadecimal(40, "nmr"),
            "owner": self._hexadecimal(40, "owner"),
            "paused": False,
            "pendingOwner": None,
            "serviceWallet": self._hexadecimal(40, "service wallet"),
        }

    def v3_stake_service_wallet(self) -> Fields:
        """Returns the wallet that pays for stakes moved by the service."""
        self._require(SCOPE)
        return {
            "nmrAddress": self._hexadecimal(40, "nmr"),
            "serviceWallet": self._hexadecimal(40, "service wallet"),
            "stakingAddress": self._hexadecimal(40, "staking contract"),
            "stakingAllowance": "0",
            "walletBalance": "0",
        }

    def _chain_round(self, round_id: str) -> Round:
        opened = {str(one.number): one for one in self._tournament.opened_rounds()}
        if round_id not in opened:
            raise Refused(f"Round {round_id} not found")
        return opened[round_id]

    def v3_stake_round(self, round_id: str, tournament_id: int | None = None) -> Fields:
        """Returns all positions on a round together; amounts are in wei, times in seconds."""
        self._require(SCOPE)
        _refuse_chain_of(tournament_id)
        one = self._chain_round(round_id)
        earnings = self._ledger.earnings(self._state.models(), [one])
        paid = [held.payout for held in earnings if held.at_risk and held.scores]
        earned = sum((amount for amount in paid if amount > 0), Decimal(0))
        burned = -sum((amount for amount in paid if amount < 0), Decimal(0))
        resolved = one.status(self._now) is RoundStatus.RESOLVED
        rules = self._tournament.rules(one)
        unclaimed = resolved and self._now < one.resolve_time + CLAIM_AFTER
        return {
            "roundId": round_id,
            "tournamentId": str(CLASSIC),
            "state": one.status(self._now).value.lower(),
            "openTime": _seconds(one.open_time),
            "closeTime": _seconds(one.close_staking_time),
            "resolveTime": _seconds(one.resolve_time),
            "resolved": resolved,
            "merkleRoot": self._hexadecimal(64, "merkle", one.number) if resolved else None,
            "payoutFactor": str(self._ledger.payout_factor(one)) if resolved else None,
            "stakeCap": _wei(rules.stake_cap or Decimal(0)),
            "stakeThreshold": _wei(rules.stake_cap or Decimal(0)),
            "totalStaked": _wei(self._ledger.total_at_risk(one)),
            "totalPayout": _wei(earned if resolved else Decimal(0)),
            "remainingPayout": _wei(earned if unclaimed else Decimal(0)),
            "remainingBurn": _wei(burned if unclaimed else Decimal(0)),
        }

    def v3_stake_auth(self, submission_id: str, staker: str, max_amount: str) -> Fields:
        """Returns what would let ``staker`` stake on a submission, on a chain that is not there."""
        account = self._require(SCOPE).account
        own = {model.id for model in self._tournament.models(account)}
        found = [s for s in self._state.submissions() if s.id == submission_id]
        if not found or found[0].model_id not in own:
            raise Refused("Submission not found")
        submission = found[0]
        content = self._state.content(submission.filename)
        nonce = self._hexadecimal(64, "nonce", submission_id, staker, max_amount)
        return {
            "authorizationDigest": self._hexadecimal(64, "digest", nonce),
            "authorizationSigner": self._hexadecimal(40, "signer"),
            "chainId": "1",
            "deadline": _seconds(self._now + AUTHORISATION_LASTS),
            "maxAmount": max_amount,
            "modelId": self._chain_id(submission.model_id),
            "nmrAddress": self._hexadecimal(40, "nmr"),
            "nonce": nonce,
            "roundId": str(submission.round),
            "signature": self._hexadecimal(128, "signature", nonce),
            "staker": staker,
            "stakingAddress": self._hexadecimal(40, "staking contract"),
            "submissionHash": "0x" + hashlib.sha256(content).hexdigest(),
            "submissionId": submission_id,
            "tournamentId": str(CLASSIC),
        }

    def v3_stake_claim(
        self, round_id: str, model_id: str, staker: str, tournament_id: int | None = None
    ) -> Fields:
        """Returns what a position has earned or burned once its round has resolved."""
        account = self._require(SCOPE).account
        _refuse_chain_of(tournament_id)
        one = self._chain_round(round_id)
        model = self._tournament.model(model_id, account)
        held = self._ledger.earnings([model], [one])[0]
        if not held.settled or not held.at_risk:
            raise Refused(f"there is nothing to claim of {model.name} in round {round_id}")
        return self._claim(model, held, staker)

    def _claim(self, model: Model, held: Earning, staker: str) -> Fields:
        number = held.round.number
        submission = held.entry.submission
        return {
            "apiModelId": model.id,
            "modelId": self._chain_id(model.id),
            "submissionId": submission and submission.id,
            "roundId": str(number),
            "tournamentId": str(CLASSIC),
            "staker": staker,
            "payoutAmountWei": _wei(max(held.payout, Decimal(0))),
            "burnAmountWei": _wei(max(-held.payout, Decimal(0))),
            "merkleRoot": self._hexadecimal(64, "merkle", number),
            "proof": [self._hexadecimal(64, "proof", number, model.id, i) for i in range(3)],
        }

    def _chain_id(self, model_id: str) -> str:
        """Returns a model's id as a contract has it: 32 bytes that begin with the UUID."""
        return "0x" + model_id.replace("-", "").ljust(64, "0")


def _refuse_chain_of(tournament_id: int | None) -> None:
    if not is_classic(tournament_id):
        refuse_other(int(tournament_id or 0))


def _wei(amount: Decimal) -> str:
    return str(int(amount * WEI))


def _seconds(instant: object) -> str:
    return str(int(instant.timestamp()))  # type: ignore[attr-defined]
