"""Accept uploaded files and turn them into submissions."""

from __future__ import annotations

import secrets
import string
import threading
from functools import lru_cache
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

import numpy as np

from numebot_dagster.practice.market.crowd import map_by_stock
from numebot_dagster.practice.market.market import Market
from numebot_dagster.practice.rules.clock import Clock, Refused, Round, RoundStatus
from numebot_dagster.practice.rules.state import Model, State, Submission
from numebot_dagster.practice.rules.submissions import (
    error_of,
    read_predictions,
    storable,
    write_predictions,
)
from numebot_dagster.practice.rules.timetable import Timetable

if TYPE_CHECKING:
    import pandas as pd

_ALPHABET = string.ascii_letters + string.digits


class Uploads:
    """The files of one tournament and what they are submitted as."""

    def __init__(
        self,
        state: State,
        clock: Clock,
        timetable: Timetable,
        market: Market,
        market_lock: threading.RLock,
    ) -> None:
        self._state = state
        self._clock = clock
        self._timetable = timetable
        self._market = market
        self._market_lock = market_lock
        self.live_ids = lru_cache(maxsize=32)(self._live_ids)

    def authorise_upload(self, filename: str, model: Model | None) -> str:
        """Return the name under which the tournament accepts the file."""
        path = PurePath(filename)
        random = "".join(secrets.choice(_ALPHABET) for _ in range(12))
        name = f"{storable(path.stem, 100)}-{random}{storable(path.suffix, 20)}"
        self._state.authorise_upload(name, model.id if model else "", self._clock.now())
        return name

    def uploaded(self, filename: str, model: Model | None) -> None:
        """Check that a file was authorised for a model (None: for no model) and has come."""
        upload = self._state.upload(filename)
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
        if "pickle" in self._state.attributes(model.id):
            raise Refused(f"{model.name} submits by its uploaded pickle; unassign it first")
        self.uploaded(filename, model)
        now = self._clock.now()
        target = self._timetable.newest(now)
        late = target.status(now) is not RoundStatus.OPEN
        ids_round = self._round_of_datestamp(origin.get("data_datestamp"), target)
        with self._state.transaction():
            count = self._state.rows("SELECT count(*) AS n FROM submissions")[0]["n"]
            first = Submission(
                id=self._state.identifier("submission", count),
                model_id=model.id,
                round=target.number,
                kind="late" if late else "window",
                filename=filename,
                ids_round=ids_round.number,
                inserted_at=self._state.next_instant(model.id, now),
                error=error_of(self._state.content(filename), self.live_ids(ids_round.number)),
                source=origin.get("source"),
                trigger_id=origin.get("trigger_id"),
                data_datestamp=origin.get("data_datestamp"),
            )
            self._state.add_submission(first)
            if late:
                carried = {"round": target.number + 1, "kind": "carried"}
                carried["id"] = self._state.identifier("submission", count + 1)
                self._state.add_submission(Submission(**{**vars(first), **carried}))
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
        values = read_predictions(self._state.content(submission.filename), ids)
        if submission.ids_round == submission.round:
            return values
        with self._market_lock:
            available = self._market.stock_of(Round(submission.ids_round).opened)
            requested = self._market.stock_of(Round(submission.round).opened)
        return map_by_stock(values, available, requested)

    def file_of(self, submission: Submission) -> bytes:
        """Return the file that counts: as uploaded, or with its ids mapped to its round."""
        queued = self._clock.now() < Round(submission.round).open_time
        if submission.ids_round == submission.round or submission.error or queued:
            return self._state.content(submission.filename)
        return write_predictions(self.live_ids(submission.round), self.predictions(submission))

    def _live_ids(self, round_number: int) -> pd.Index:
        import pandas as pd

        with self._market_lock:
            return pd.Index(self._market.live_ids(Round(round_number).opened), dtype=str, name="id")
