"""List the defects that are planted into the product, each of which the auditor must find.

A mutant is a small change of the product in the process that plays, and says on which round it
shows: an auditor that lets it pass is no auditor.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.chaos.auditor.finding import DOUBLED, LOST, UNFOUNDED, UNREPORTED, WRONG
from tests.chaos.mutants import changes
from tests.chaos.plan import RoundPlan

Change = Callable[[Any], Any]
FAILING = RoundPlan(0, moods={"alpha": "raise"})
STANDING_IN = RoundPlan(0, moods={"beta": "raise"})
ASLEEP = RoundPlan(0, asleep=True)


@dataclass(frozen=True)
class Mutant:
    """A defect.

    Attributes:
        finding: its kind, and what its text must hold.
        changes: what stands in the place of an attribute, by `module:attribute`; each is given
            what stood there.
        plans: the rounds on which it shows.
    """

    finding: tuple[str, str]
    changes: Mapping[str, Change]
    plans: Sequence[RoundPlan] = (RoundPlan(0),)

    @property
    def named_changes(self) -> dict[str, str]:
        """The changes by their names, for the process that makes them."""
        return {
            place: f"{change.__module__}:{change.__qualname__}"
            for place, change in self.changes.items()
        }


OPERATIONS = "numebot_dagster.operations"
SUBMISSIONS = "numebot_dagster.submissions"


MUTANTS: dict[str, Mutant] = {
    "each message posted five times": Mutant(
        (DOUBLED, "5 times"), {f"{OPERATIONS}.alerts.channels:Channel.post": changes.five_times}
    ),
    "no message near the deadline": Mutant(
        (UNREPORTED, "no message at 15 minutes"),
        {f"{OPERATIONS}.health.round_alerts:_deadline_near": changes.nothing},
        [ASLEEP],
    ),
    "all confirmed, which is untrue": Mutant(
        (WRONG, "nothing of alpha counted when it was said"),
        {f"{OPERATIONS}.health.watchdog:round_alerts": changes.untrue},
        [FAILING],
    ),
    "uploads after the close": Mutant(
        (WRONG, "uploaded after the close"),
        {
            "numebot_dagster.defs.rounds.play_round:play": changes.as_if_late,
            "numebot_dagster.defs.rounds.assets:fetch_live": changes.as_if_late_data,
        },
        [ASLEEP],
    ),
    "predictions in reverse order": Mutant(
        (WRONG, "not this model's"),
        {f"{SUBMISSIONS}.submission_file:rank_to_unit_interval": changes.reverse_order},
    ),
    "confirmed without a download": Mutant(
        (WRONG, "was never downloaded"),
        {f"{OPERATIONS}.rounds.confirmation:confirm": changes.unseen},
    ),
    "exit status 0 after a failure": Mutant(
        (WRONG, "exit status 0, and nothing of alpha counts"),
        {"numebot_dagster.cli.run:typer": changes.status_0},
        [FAILING],
    ),
    "two uploads of one model": Mutant(
        (DOUBLED, "and then"), {f"{OPERATIONS}.rounds.uploading:submit": changes.twice}
    ),
    "a model that is passed over": Mutant(
        (LOST, "there is no receipt"),
        {f"{OPERATIONS}.rounds.playing:_RoundPlay._begin": changes.without_beta},
    ),
    "receipts of an upload that never was": Mutant(
        (LOST, "could be submitted and was not"),
        {
            f"{OPERATIONS}.rounds.uploading:submit": changes.pretended,
            f"{OPERATIONS}.rounds.confirmation:confirm": changes.unseen,
        },
    ),
    "older weights than the newest": Mutant(
        (LOST, "previous predictions stand, and its own could be made"),
        {"numebot_dagster.modeling.weights.weight_store:candidates": changes.oldest_first},
    ),
    "another rung than was sent": Mutant(
        (WRONG, "fallback predictions count, and our receipt says live"),
        {f"{OPERATIONS}.rounds.ladder:stand_in": changes.said_live},
        [STANDING_IN],
    ),
    "no message at all": Mutant(
        (UNREPORTED, "no message says that it missed the round"),
        {f"{OPERATIONS}.alerts.outbox:send": changes.nothing},
        [FAILING],
    ),
    "messages that never leave": Mutant(
        (UNREPORTED, "never arrived: alpha missed round"),
        {f"{OPERATIONS}.alerts.channels:Channel.post": changes.none},
        [FAILING],
    ),
    "a failure that was none": Mutant(
        (UNFOUNDED, "nothing had gone wrong"),
        {f"{OPERATIONS}.health.watchdog:round_alerts": changes.failed},
    ),
    "another model's predictions": Mutant(
        (WRONG, "fallback predictions count, and our receipt says live"),
        {f"{OPERATIONS}.rounds.predicting:_judged_and_stored": changes.of_the_first_model},
    ),
    "a stale round's predictions": Mutant(
        (WRONG, "not this model's"),
        {f"{OPERATIONS}.rounds.predicting:_judged_and_stored": changes.of_the_last_round},
        [RoundPlan(0), RoundPlan(1)],
    ),
    "a file carried over is left": Mutant(
        (LOST, "could be submitted and was not"),
        {
            f"{SUBMISSIONS}.reconciliation:is_carried_over": changes.never,
        },
        [RoundPlan(0, carried=("alpha",))],
    ),
    "a foreign file is replaced": Mutant(
        (WRONG, "replaced without --force"),
        {f"{OPERATIONS}.rounds.playing:decide": changes.forced},
        [RoundPlan(0, by_hand=("alpha",))],
    ),
}
