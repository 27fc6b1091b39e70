"""Apply the rules: who may submit what when, which submission counts, what is staked on it.

Everything is computed from the facts in `state` and the clock, so nothing has to happen when a
round opens or closes: a late upload is stored once for the round that it missed and once for the
next one, and which of them counts follows from the time.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from numebot_dagster.practice.market.crowd import Crowd
from numebot_dagster.practice.market.market import Market
from numebot_dagster.practice.market.population import standing_of
from numebot_dagster.practice.rules.clock import Clock, Refused, Round
from numebot_dagster.practice.rules.state import Model, State, Submission
from numebot_dagster.practice.rules.submissions import select
from numebot_dagster.practice.rules.timetable import Timetable
from numebot_dagster.practice.rules.uploads import Uploads

CLASSIC = 8
ACCOUNT = "practice"
USER, RIVAL, BENCHMARK = "user", "rival", "benchmark"


@dataclass(frozen=True)
class Entry:
    """What a model has in a round: `status` is on-time, late, queued or none."""

    round: Round
    status: str
    submission: Submission | None


class Tournament:
    """One practice tournament: a market, its facts and its clock."""

    def __init__(self, state: State, market: Market) -> None:
        self.state = state
        self.market = market
        self.crowd = Crowd(market)
        self.clock = Clock(state.settings)
        self.timetable = Timetable(state, self.clock)
        self.lock = threading.RLock()
        self.market_lock = threading.RLock()
        self.uploads = Uploads(state, self.clock, self.timetable, market, self.market_lock)

    @contextmanager
    def unlocked(self) -> Iterator[None]:
        """Let others in while this thread works for long; do nothing if it holds no lock."""
        try:
            self.lock.release()
        except RuntimeError:
            yield
            return
        try:
            yield
        finally:
            self.lock.acquire()

    def models(self, account: str) -> list[Model]:
        """Return the models of an account."""
        return [model for model in self.state.models() if model.account == account]

    def models_of_users(self) -> list[Model]:
        """Return the models that submit, as against rivals and benchmarks."""
        return [model for model in self.state.models() if model.kind == USER]

    def add_model(self, name: str, account: str = ACCOUNT) -> Model:
        """Add a model slot.

        Raises:
            Refused: The name is empty or taken.
        """
        self._check_name(name)
        identifier = self.state.identifier("model", name, len(self.state.models()))
        model = Model(identifier, name, account, USER, self.clock.now())
        self.state.add_model(model)
        return model

    def rename_model(self, model: Model, name: str) -> None:
        """Give a model another name."""
        self._check_name(name)
        self.state.rename_model(model.id, name)

    def _check_name(self, name: str) -> None:
        if not name.strip():
            raise Refused("a model needs a name")
        if name in {model.name for model in self.state.models()}:
            raise Refused(f"the model name {name} is taken")

    def model(self, identifier: str | None, account: str) -> Model:
        """Return a model of the account; None means the only one.

        Raises:
            Refused: There is no such model in this account.
        """
        own = self.models(account)
        if identifier is None and len(own) == 1:
            return own[0]
        for model in own:
            if model.id == identifier:
                return model
        raise Refused(
            "Model not found" if identifier else "modelId is required with several models"
        )

    def users_submissions(self) -> list[Submission]:
        """Return what the models that submit have submitted, oldest first."""
        users = {model.id for model in self.models_of_users()}
        return [
            submission for submission in self.state.submissions() if submission.model_id in users
        ]

    def selected(self, model_id: str) -> dict[int, Submission]:
        """Return, by round, the submission that counts or will count; see `select`."""
        return select(self.state.submissions(model_id))

    def entries(self, model_id: str, newest: int) -> list[Entry]:
        """Return one entry per round, newest first; the next round only with a queued one."""
        selected = self.selected(model_id)
        upcoming, *opened = self.timetable.rounds()
        queued = [upcoming] if upcoming.number in selected else []
        rounds = [*queued, *opened][:newest]
        return [self.entry(round_, selected.get(round_.number)) for round_ in rounds]

    def entry(self, round_: Round, submission: Submission | None) -> Entry:
        """Return the entry that `submission` makes in its round."""
        if submission is None:
            return Entry(round_, "none", None)
        if submission.kind == "late":
            return Entry(round_, "late", submission)
        opened = self.clock.now() >= round_.open_time
        return Entry(round_, "on-time" if opened else "queued", submission)

    def entry_of(self, model: Model, round_: Round, selected: dict[int, Submission]) -> Entry:
        """Return what any participant has in a round."""
        if model.kind == USER:
            return self.entry(round_, selected.get(round_.number))
        if model.kind == BENCHMARK:  # never misses a round
            return Entry(round_, "on-time", None)
        attendance, _ = standing_of(self.market.seed, model.name, round_.opened)
        return Entry(round_, attendance.value, None)

    def set_position(self, name: str, nmr: str, round_number: int | None) -> None:
        """Set the stake on a model, for one round or (None) from the next one to close.

        Raises:
            Refused: No such model, not an amount, or the round has closed.
        """
        models = [model for model in self.models(ACCOUNT) if model.name == name]
        if not models:
            raise Refused(f"the account {ACCOUNT} has no model {name}")
        try:
            amount = Decimal(nmr)
        except InvalidOperation as error:
            raise Refused(f"{nmr!r} is not an amount of NMR") from error
        if not amount.is_finite() or amount < 0:
            raise Refused(f"a position of {nmr} NMR is not possible")
        now = self.clock.now()
        newest = self.timetable.newest(now)
        next_to_close = newest.number + (now >= newest.close_staking_time)
        if round_number is not None and round_number < next_to_close:
            raise Refused(f"round {round_number} has closed; its positions are fixed")
        from_round = next_to_close if round_number is None else round_number
        self.state.set_position(models[0].id, from_round, amount, only=round_number is not None)

    def at_risk(self, model: Model, round_: Round, entry: Entry) -> Decimal:
        """Return the model's position in a round in NMR: none before the close, none when late."""
        if entry.status != "on-time" or self.clock.now() < round_.close_staking_time:
            return Decimal(0)
        return self.state.position(model.id, round_.number)
