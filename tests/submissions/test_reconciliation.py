from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from numebot_dagster.numerai.records import HeldSubmission, Round, SubmissionState
from numebot_dagster.submissions.receipts import Outcome, Receipt, Rung, State
from numebot_dagster.submissions.reconciliation import (
    REGISTERED,
    REGISTRATION_PATIENCE,
    Action,
    Intention,
    Situation,
    better_known,
    decide,
    doubtful_ids,
)

OPEN = datetime(2026, 8, 28, 12, tzinfo=UTC)
ROUND = Round(1343, OPEN, OPEN.replace(hour=13), close_time=OPEN + timedelta(days=1))
INSIDE, BEFORE = OPEN + timedelta(minutes=20), OPEN - timedelta(hours=3)
LATER, FAR_LATER = OPEN + timedelta(hours=5), OPEN + timedelta(days=2)
READY = Intention("sha-1", Rung.LIVE)


def submission(
    filename="ours.csv", submission_id="id-1", at=OPEN + timedelta(minutes=5), status="on-time"
):
    return HeldSubmission("m", "model-id", 1343, submission_id, filename, status, at)


def receipt(state=State.PENDING, rung=Rung.LIVE, sha="sha-1", filename="ours.csv", **more):
    return Receipt(
        "m", 1343, filename=filename, state=state, rung=rung, predictions_sha256=sha, **more
    )


def situation(**changes):
    return replace(Situation(ROUND, INSIDE, intention=READY), **changes)


OURS = {"submission": submission(), "receipts": [receipt()]}
CARRIED = submission("yesterday.csv", "id-0", at=BEFORE)
FOREIGN = submission("by-hand.csv", "id-9")
RECORDED = Receipt("m", 1343, "by-hand.csv", "id-9", Outcome.ON_TIME, State.ACCEPTED)
MISMATCH = receipt(State.INVALID, reason="2 ids differ", accepted_at=INSIDE)
NOTHING = submission(None, None, at=None, status="none")

CASES = {
    # before the opening nothing is done, whatever Numerai shows already
    "before": ({"now": BEFORE}, Action.REFUSE, "opens at 2026-08-28 12:00"),
    "before, queued file": ({"now": BEFORE, "submission": CARRIED}, Action.REFUSE, "opens at"),
    # the kill points, in order
    "first time": ({}, Action.SUBMIT, "holds nothing"),
    "row without submission": ({"submission": NOTHING}, Action.SUBMIT, "holds nothing"),
    "killed before the PUT": ({"receipts": [receipt()]}, Action.SUBMIT, "holds nothing"),
    "killed between PUT and create": ({"receipts": [receipt()]}, Action.SUBMIT, "holds nothing"),
    "killed after create": (OURS, Action.ACCEPT, "earlier attempt"),
    "killed after the id's receipt": (
        {"submission": submission(), "receipts": [receipt(), receipt(submission_id="id-1")]},
        Action.ACCEPT,
        "earlier attempt",
    ),
    "failed, but it did arrive": (
        {"submission": submission(), "receipts": [receipt(), receipt(outcome=Outcome.FAILED)]},
        Action.ACCEPT,
        "earlier attempt",
    ),
    "killed before the confirmation": (
        {"submission": submission(), "receipts": [receipt(), receipt(State.ACCEPTED)]},
        Action.CONFIRM,
        "not yet compared",
    ),
    "confirmed": (
        {
            "submission": submission(),
            "receipts": [receipt(State.ACCEPTED), receipt(State.CONFIRMED)],
        },
        Action.SKIP,
        "already confirmed",
    ),
    "known by its id alone": (
        {
            "submission": submission(filename="renamed.csv"),
            "receipts": [receipt(State.ACCEPTED, filename=None, submission_id="id-1")],
        },
        Action.CONFIRM,
        "not yet compared",
    ),
    "no timestamp, but our intent": (
        {"submission": submission(at=None), "receipts": [receipt()]},
        Action.ACCEPT,
        "earlier attempt",
    ),
    # carried over and foreign
    "carried over": ({"submission": CARRIED}, Action.SUBMIT, "carried over"),
    "carried over, nothing ready": (
        {"submission": CARRIED, "intention": None},
        Action.REFUSE,
        "no predictions",
    ),
    "foreign": ({"submission": FOREIGN}, Action.LEAVE, "by-hand.csv, uploaded by something other"),
    "foreign, and recorded as such": (
        {"submission": FOREIGN, "receipts": [RECORDED]},
        Action.LEAVE,
        "--force",
    ),
    "foreign, forced": ({"submission": FOREIGN, "force": True}, Action.SUBMIT, "forced"),
    "foreign over our older one": (
        {"submission": FOREIGN, "receipts": [receipt(State.CONFIRMED, submission_id="id-1")]},
        Action.LEAVE,
        "--force",
    ),
    "confirmed, then gone at Numerai": (
        {"submission": None, "receipts": [receipt(State.CONFIRMED)]},
        Action.SUBMIT,
        "holds nothing",
    ),
    # rungs and force over our own
    "higher rung": (
        {
            "submission": submission(),
            "receipts": [receipt(State.CONFIRMED, Rung.FALLBACK, "sha-0")],
        },
        Action.SUBMIT,
        "live predictions replace fallback ones",
    ),
    "higher rung, the same predictions": (
        {"submission": submission(), "receipts": [receipt(State.CONFIRMED, Rung.PREVIOUS)]},
        Action.SKIP,
        "already confirmed",
    ),
    "lower rung": (
        {
            "submission": submission(),
            "receipts": [receipt(State.CONFIRMED)],
            "intention": Intention("sha-2", Rung.PREVIOUS),
        },
        Action.SKIP,
        "already confirmed",
    ),
    "same rung, other predictions": (
        {"submission": submission(), "receipts": [receipt(State.CONFIRMED, sha="sha-0")]},
        Action.SKIP,
        "already confirmed",
    ),
    "same rung, other predictions, forced": (
        {
            "submission": submission(),
            "receipts": [receipt(State.CONFIRMED, sha="sha-0")],
            "force": True,
        },
        Action.SUBMIT,
        "forced: other predictions",
    ),
    "same predictions, forced": (
        {"submission": submission(), "receipts": [receipt(State.CONFIRMED)], "force": True},
        Action.SKIP,
        "already confirmed",
    ),
    "invalid": (
        {"submission": submission(), "receipts": [MISMATCH]},
        Action.SUBMIT,
        "2 ids differ",
    ),
    "invalid, nothing ready": (
        {
            "submission": submission(),
            "receipts": [MISMATCH],
            "intention": None,
        },
        Action.REFUSE,
        "2 ids differ",
    ),
    "not selected, and then it is": (
        {"submission": submission(), "receipts": [receipt(State.INVALID, reason="not selected")]},
        Action.ACCEPT,
        "after all",
    ),
    # after the close
    "closed": ({"now": ROUND.close_staking_time}, Action.REFUSE, "after the close"),
    "closed, late": ({"now": LATER, "late": True}, Action.SUBMIT, "holds nothing"),
    "closed, foreign, late": (
        {"now": LATER, "late": True, "submission": FOREIGN},
        Action.LEAVE,
        "--force",
    ),
    "closed for late ones too": (
        {"now": FAR_LATER, "late": True},
        Action.REFUSE,
        "last late submission",
    ),
    "closed, higher rung": (
        {
            "now": LATER,
            "submission": submission(),
            "receipts": [receipt(State.CONFIRMED, Rung.FALLBACK, "sha-0")],
        },
        Action.SKIP,
        "already confirmed",
    ),
    "closed, ours to accept": (OURS | {"now": LATER}, Action.ACCEPT, "earlier attempt"),
    "closed, ours to confirm": (
        {"now": FAR_LATER, "submission": submission(), "receipts": [receipt(State.ACCEPTED)]},
        Action.CONFIRM,
        "not yet compared",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_case(name):
    changes, action, text = CASES[name]
    decision = decide(situation(**changes))
    assert (decision.action, text in decision.reason) == (action, True), decision


def test_the_newest_receipt_of_the_held_file_counts():
    def own_receipt(submission, receipts):
        return situation(submission=submission, receipts=receipts).own_receipt

    receipts = [receipt(), receipt(State.ACCEPTED), receipt(filename="other.csv")]
    assert own_receipt(submission(), receipts) is receipts[1]
    assert own_receipt(submission("x.csv", "y"), receipts) is None
    assert own_receipt(NOTHING, [receipt(filename=None)]) is None
    # A receipt that knows neither name nor id is nobody's.
    assert own_receipt(submission(None, "id-1"), [receipt(filename=None)]) is None


def test_the_ladder():
    best, middle, last = Rung.LIVE, Rung.PREVIOUS, Rung.FALLBACK
    assert best.is_above(middle)
    assert middle.is_above(last)
    assert not last.is_above(last)
    assert not last.is_above(best)
    assert [rung.next_higher for rung in (last, middle, best)] == [middle, best, best]


MOMENTS = st.sampled_from([BEFORE, OPEN, INSIDE, ROUND.close_staking_time, LATER, FAR_LATER])
RECEIPTS = st.builds(
    receipt,
    st.sampled_from(State),
    st.sampled_from(Rung),
    st.sampled_from(["sha-1", "sha-2"]),
    st.sampled_from(["ours.csv", "other.csv", None]),
)
HELD = st.one_of(
    st.none(),
    st.builds(
        submission,
        st.sampled_from(["ours.csv", "by-hand.csv", None]),
        st.sampled_from(["id-1", None]),
        st.one_of(st.none(), MOMENTS),
    ),
)
SITUATIONS = st.builds(
    Situation,
    st.just(ROUND),
    MOMENTS,
    HELD,
    st.lists(RECEIPTS, max_size=3),
    st.one_of(
        st.none(),
        st.builds(Intention, st.sampled_from(["sha-1", "sha-2"]), st.sampled_from(Rung)),
    ),
    st.booleans(),
    st.booleans(),
)


@given(SITUATIONS)
@settings(max_examples=400)
def test_what_holds_in_every_situation(given_):
    decision = decide(given_)
    own = given_.own_receipt
    is_open = ROUND.is_open(given_.now)
    assert decision.reason
    if decision.action is Action.SUBMIT:
        assert given_.intention is not None
        assert is_open or given_.late
        assert OPEN <= given_.now < FAR_LATER
        carried_over = (
            given_.submission is not None
            and given_.submission.timestamp is not None
            and given_.submission.timestamp < OPEN
        )
        if own is not None and own.state is State.CONFIRMED and not carried_over:
            assert given_.intention.sha256 != own.predictions_sha256
    if decision.action in (Action.ACCEPT, Action.CONFIRM, Action.SKIP):
        assert decision.receipt is not None
        assert decision.receipt == replace(own, submission_id=given_.submission.submission_id)


class Killed(Exception):
    """The process ended at a point where the state machine said so."""


@dataclass
class Exchange:
    """Numerai and our receipts, as far as the protocol of a submission goes."""

    now: datetime
    submission: HeldSubmission | None = None
    receipts: tuple[Receipt, ...] = ()
    puts: frozenset[str] = frozenset()
    creates: int = 0
    names: int = 0


class KilledAnywhere(RuleBasedStateMachine):
    """A run may be killed after any step; a run that is not leaves one confirmed file of ours."""

    @initialize(carried=st.booleans())
    def begin(self, carried):
        self.exchange = Exchange(INSIDE, CARRIED if carried else None)

    def record(self, **changes):
        last = changes.pop("base", None) or Receipt("m", 1343)
        self.exchange.receipts = (*self.exchange.receipts, replace(last, **changes))
        return self.exchange.receipts[-1]

    def run(self, steps, intention=READY):
        """Run the protocol until it is killed after so many steps, or to its end."""
        left = iter(range(steps)) if steps is not None else None

        def survive():
            if left is not None and next(left, None) is None:
                raise Killed

        try:
            while True:
                exchange = self.exchange
                decision = decide(
                    Situation(
                        ROUND, exchange.now, exchange.submission, exchange.receipts, intention
                    )
                )
                if decision.action in (Action.SKIP, Action.REFUSE):
                    return decision
                survive()
                if decision.action is Action.SUBMIT:
                    self.submit(intention, survive)
                elif decision.action is Action.ACCEPT:
                    self.record(
                        base=decision.receipt,
                        state=State.ACCEPTED,
                        submission_id=exchange.submission.submission_id,
                    )
                else:
                    self.record(base=decision.receipt, state=State.CONFIRMED)
                survive()
        except Killed:
            return None

    def submit(self, intention, survive):
        exchange = self.exchange
        exchange.names += 1
        filename = f"file-{exchange.names}.csv"
        survive()
        intent = self.record(
            filename=filename, rung=intention.rung, predictions_sha256=intention.sha256
        )
        survive()
        exchange.puts |= {filename}
        survive()
        exchange.creates += 1
        exchange.submission = submission(filename, f"id-{exchange.creates}", at=exchange.now)
        survive()
        self.record(base=intent, submission_id=exchange.submission.submission_id)

    @rule(steps=st.integers(0, 9), rung=st.sampled_from(Rung))
    def killed_run(self, steps, rung):
        self.run(steps, Intention(f"sha-{rung}", rung))

    @rule()
    def whole_run(self):
        before = self.exchange.creates
        decision = self.run(None)
        assert decision.action is Action.SKIP
        assert decision.receipt.state is State.CONFIRMED
        assert decision.receipt.rung is Rung.LIVE
        assert decision.receipt.filename == self.exchange.submission.filename
        assert self.exchange.creates - before <= 1
        again = self.exchange.creates
        assert self.run(None).action is Action.SKIP
        assert self.exchange.creates == again

    @precondition(lambda self: self.exchange.submission is not None)
    @rule()
    def run_after_the_close_uploads_nothing(self):
        creates, now = self.exchange.creates, self.exchange.now
        self.exchange.now = LATER
        self.run(None)
        self.exchange.now = now
        assert self.exchange.creates == creates

    @invariant()
    def what_is_held_was_put_and_intended_first(self):
        current = getattr(self, "exchange", None)
        if (
            current is not None
            and current.submission is not None
            and current.submission is not CARRIED
        ):
            assert current.submission.filename in current.puts
            shown = situation(submission=current.submission, receipts=current.receipts)
            assert shown.own_receipt is not None


@pytest.mark.parametrize("carried", [False, True])
@pytest.mark.parametrize("steps", range(10))
def test_killed_once_at_each_point(steps, carried):
    """The points: decided, authorised, intended, put, created, its receipt, and so to the end."""
    machine = KilledAnywhere()
    machine.begin(carried)
    assert machine.run(steps) is None
    machine.whole_run()
    assert machine.exchange.creates == 1
    assert machine.exchange.receipts[-1].state is State.CONFIRMED


TestKilledAnywhere = pytest.mark.heavy(KilledAnywhere.TestCase)
TestKilledAnywhere.settings = settings(max_examples=150, stateful_step_count=12, deadline=None)


def state(selected=True, round_number=1343, at=INSIDE):
    return SubmissionState("id-1", "ours.csv", selected, round_number, at)


SENT = receipt(submission_id="id-1", submitted_at=INSIDE)
OLD = replace(SENT, submitted_at=INSIDE - REGISTRATION_PATIENCE)
REFUSED = replace(SENT, state=State.INVALID)
CONFIRMED = replace(SENT, state=State.CONFIRMED)


@pytest.mark.parametrize(
    ("receipts", "states", "status", "action"),
    [
        ([SENT], {"id-1": state()}, "selected", Action.ACCEPT),
        ([CONFIRMED], {"id-1": state()}, "selected", Action.SKIP),
        ([SENT], {"id-1": state(round_number=None)}, "selected", Action.ACCEPT),
        ([SENT], {"id-1": state(round_number=1344)}, "selected", Action.ACCEPT),  # too late for it
        ([SENT], {"id-1": state(round_number=1342)}, None, Action.SUBMIT),
        ([SENT], {"id-1": state(selected=False)}, None, Action.SUBMIT),
        ([SENT], {"id-1": state(selected=None)}, None, Action.SUBMIT),
        ([SENT], {}, REGISTERED, Action.ACCEPT),  # Numerai needs a while to show it
        ([OLD], {}, None, Action.SUBMIT),
        ([SENT, REFUSED], {}, None, Action.SUBMIT),
        ([REFUSED], {"id-1": state()}, "selected", Action.ACCEPT),
        ([CONFIRMED], {}, None, Action.SUBMIT),
    ],
)
@pytest.mark.parametrize("listed", [None, NOTHING, CARRIED], ids=["no row", "none", "carried"])
def test_what_the_list_lacks_is_asked_for_by_its_id(receipts, states, status, action, listed):
    given_ = situation(submission=listed, receipts=receipts)
    assert doubtful_ids(given_) == ["id-1"]
    better = better_known(given_, states)
    assert (better.submission == listed) if status is None else (better.submission.status == status)
    assert decide(better).action is action


def test_nothing_is_asked_when_the_list_shows_ours_or_nothing_was_registered():
    assert doubtful_ids(situation(submission=submission(), receipts=[SENT])) == []
    assert doubtful_ids(situation(receipts=[receipt()])) == []
