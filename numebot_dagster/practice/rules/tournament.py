"""Apply the rules: who may submit what when, which submission counts, what is staked on it.

Everything is computed from the facts in `state` and the clock, so nothing has to happen when a
round opens or closes: a late upload is stored once for the round that it missed and once for the
next one, and which of them counts follows from the time.
"""

from __future__ import annotations

import secrets
import string
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from functools import cached_property, lru_cache
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

import numpy as np

from numebot_dagster.practice.market.crowd import Crowd, map_by_stock
from numebot_dagster.practice.market.market import Market
from numebot_dagster.practice.market.population import standing_of
from numebot_dagster.practice.rules.clock import Clock, Refused, Round, RoundStatus, newest_opened
from numebot_dagster.practice.rules.deadlines import Deadlines
from numebot_dagster.practice.rules.payout_rules import RuleBook, Rules
from numebot_dagster.practice.rules.state import Model, State, Submission
from numebot_dagster.practice.rules.submissions import (
    error_of,
    read_predictions,
    select,
    storable,
    write_predictions,
)

if TYPE_CHECKING:
    import pandas as pd

CLASSIC = 8
ACCOUNT = "practice"
USER, RIVAL, BENCHMARK = "user", "rival", "benchmark"
NO_OPEN_ROUND = "Current round not open for submissions"
_ALPHABET = string.ascii_letters + string.digits


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
        self.lock = threading.RLock()
        self.market_lock = threading.RLock()
        self.live_ids = lru_cache(maxsize=32)(self._live_ids)
        self.deadlines = Deadlines(state, self.clock)

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

    # --- rounds -------------------------------------------------------------------------------

    @cached_property
    def rule_book(self) -> RuleBook:
        """Which rules which rounds carry."""
        change_at = self.state.settings["rules_change_at"]
        return RuleBook(int(change_at) if change_at else None)

    def round(self, round_number: int) -> Round:
        """Return a round, scored for as long as its rules say and closing when it does."""
        days = self.rule_book.of(round_number).score_days
        closes, opens = self.deadlines.of(round_number), self.deadlines.opening(round_number)
        return Round(round_number, days, closes, opens)

    def newest(self, now: datetime) -> Round:
        """Return the newest round that has opened by `now`."""
        return self.round(newest_opened(now).number)

    def rules(self, round_: Round) -> Rules:
        """Return the rules that a round carries."""
        return self.rule_book.of(round_.number)

    @cached_property
    def first_round(self) -> Round:
        """The round that was the newest when the practice tournament began."""
        return self.round(
            newest_opened(datetime.fromisoformat(self.state.settings["start"])).number
        )

    def opened_rounds(self) -> list[Round]:
        """Return the rounds that have opened, newest first."""
        newest = newest_opened(self.clock.now())
        numbers = range(newest.number, self.first_round.number - 1, -1)
        return [self.round(number) for number in numbers]

    def rounds(self) -> list[Round]:
        """Return the next round and all that have opened, newest first."""
        opened = self.opened_rounds()
        return [self.round(opened[0].number + 1), *opened]

    def open_round(self) -> Round:
        """Return the round whose window is open.

        Raises:
            Refused: No window is open, in the API's words.
        """
        now = self.clock.now()
        newest = self.newest(now)
        if newest.status(now) is not RoundStatus.OPEN:
            raise Refused(NO_OPEN_ROUND)
        return newest

    def _live_ids(self, round_number: int) -> pd.Index:
        import pandas as pd

        with self.market_lock:
            return pd.Index(self.market.live_ids(Round(round_number).opened), dtype=str, name="id")

    # --- models -------------------------------------------------------------------------------

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
        """Give a model another name.

        Raises:
            Refused: The name is empty or taken.
        """
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

    # --- uploads ------------------------------------------------------------------------------

    def authorise_upload(self, filename: str, model: Model | None) -> str:
        """Return the name under which the tournament accepts the file."""
        path = PurePath(filename)
        random = "".join(secrets.choice(_ALPHABET) for _ in range(12))
        name = f"{storable(path.stem, 100)}-{random}{storable(path.suffix, 20)}"
        self.state.authorise_upload(name, model.id if model else "", self.clock.now())
        return name

    def uploaded(self, filename: str, model: Model | None) -> None:
        """Check that a file was authorised for a model (None: for no model) and has come.

        Raises:
            Refused: It was not, or has not.
        """
        upload = self.state.upload(filename)
        if upload is None or upload.model_id != (model.id if model else ""):
            whom = model.name if model else "no model"
            raise Refused(f"no upload of {filename} was authorised for {whom}")
        if upload.received_at is None:
            raise Refused(f"{filename} was authorised but never uploaded: PUT its bytes first")

    def submit(self, filename: str, model: Model, origin: dict[str, Any]) -> Submission:
        """Turn uploaded bytes into a submission, valid or not.

        Args:
            filename: The name that `authorise_upload` gave.
            model: The model to submit for.
            origin: `source`, `trigger_id` and `data_datestamp` as the client gave them.

        Raises:
            Refused: Nothing was authorised for this model, or nothing uploaded, under this name.
        """
        if "pickle" in self.state.attributes(model.id):
            raise Refused(f"{model.name} submits by its uploaded pickle; unassign it first")
        self.uploaded(filename, model)
        now = self.clock.now()
        target = self.newest(now)
        late = target.status(now) is not RoundStatus.OPEN
        ids_round = self._round_of_datestamp(origin.get("data_datestamp"), target)
        with self.state.transaction():
            count = self.state.rows("SELECT count(*) AS n FROM submissions")[0]["n"]
            first = Submission(
                id=self.state.identifier("submission", count),
                model_id=model.id,
                round=target.number,
                kind="late" if late else "window",
                filename=filename,
                ids_round=ids_round.number,
                inserted_at=self.state.next_instant(model.id, now),
                error=error_of(self.state.content(filename), self.live_ids(ids_round.number)),
                source=origin.get("source"),
                trigger_id=origin.get("trigger_id"),
                data_datestamp=origin.get("data_datestamp"),
            )
            self.state.add_submission(first)
            if late:
                carried = {"round": target.number + 1, "kind": "carried"}
                carried["id"] = self.state.identifier("submission", count + 1)
                self.state.add_submission(Submission(**{**vars(first), **carried}))
        return first

    def _round_of_datestamp(self, datestamp: int | None, target: Round) -> Round:
        """Return the round whose data a submission was made from."""
        if datestamp is None:
            return target
        for number in range(target.number, target.number - 6, -1):
            if Round(number).data_datestamp == datestamp:
                return Round(number)
        raise Refused(f"dataDatestamp {datestamp} is not that of a recent round")

    def predictions(self, submission: Submission) -> np.ndarray:
        """Return a valid submission's predictions in the order of its round's live ids.

        A file made for another round's ids is mapped by stock; stocks that the other round did not
        have get 0.5.
        """
        ids = self.live_ids(submission.ids_round)
        values = read_predictions(self.state.content(submission.filename), ids)
        if submission.ids_round == submission.round:
            return values
        with self.market_lock:
            available = self.market.stock_of(Round(submission.ids_round).opened)
            requested = self.market.stock_of(Round(submission.round).opened)
        return map_by_stock(values, available, requested)

    def file_of(self, submission: Submission) -> bytes:
        """Return the file that counts: as uploaded, or with its ids mapped to its round."""
        queued = self.clock.now() < Round(submission.round).open_time
        if submission.ids_round == submission.round or submission.error or queued:
            return self.state.content(submission.filename)
        return write_predictions(self.live_ids(submission.round), self.predictions(submission))

    # --- what counts --------------------------------------------------------------------------

    def selected(self, model_id: str) -> dict[int, Submission]:
        """Return, by round, the submission that counts or will count; see `select`."""
        return select(self.state.submissions(model_id))

    def entries(self, model_id: str, newest: int) -> list[Entry]:
        """Return one entry per round, newest first; the next round only when it has a queued one.

        Args:
            model_id: Whose entries.
            newest: How many rounds to go back.
        """
        selected = self.selected(model_id)
        upcoming, *opened = self.rounds()
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
        """Return what any participant has in a round.

        Args:
            model: The participant.
            round_: The round.
            selected: `selected` of a user's model; not looked at for others.
        """
        if model.kind == USER:
            return self.entry(round_, selected.get(round_.number))
        if model.kind == BENCHMARK:  # never misses a round
            return Entry(round_, "on-time", None)
        attendance, _ = standing_of(self.market.seed, model.name, round_.opened)
        return Entry(round_, attendance.value, None)

    # --- positions ----------------------------------------------------------------------------

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
        newest = self.newest(now)
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
