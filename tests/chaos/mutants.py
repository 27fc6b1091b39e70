"""Defects that are planted into the product, each of which the auditor must find.

A mutant is a small change of the product in the process that plays, and says on which round it
shows: an auditor that lets it pass is no auditor.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from tests.chaos.finding import DOUBLED, LOST, UNFOUNDED, UNREPORTED, WRONG
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

    def plant(self) -> None:
        """Changes the product in this process."""
        for place, change in self.changes.items():
            module_name, _, path = place.partition(":")
            *owners, name = path.split(".")
            owner: Any = importlib.import_module(module_name)
            for part in owners:
                owner = getattr(owner, part)
            setattr(owner, name, change(getattr(owner, name)))


OPERATIONS = "numebot_dagster.operations"
SUBMISSIONS = "numebot_dagster.submissions"


def _five_times(post: Any) -> Any:
    return lambda channel, message: [post(channel, message) for _ in range(5)][-1]


def _nothing(_: Any) -> Any:
    return lambda *arguments, **more: []


def _none(_: Any) -> Any:
    return lambda *arguments, **more: None


def _untrue(round_alerts: Any) -> Any:
    from numebot_dagster.operations.alerts.outbox import Alert, Kind

    def alerts(round_: Any, models: Any, latest: Any, now: Any, raised: Any = ()) -> Any:
        due = round_alerts(round_, models, latest, now, raised)
        title = f"Round {round_.number}: all {len(models)} models are confirmed"
        untrue = Alert(Kind.ALL_CONFIRMED, f"round-{round_.number}", title, "They match.")
        return [*(alert for alert in due if alert.kind is not Kind.ALL_CONFIRMED), untrue]

    return alerts


def _reversed(ranked: Any) -> Any:
    return lambda predictions: ranked(predictions)[::-1].copy()


def _unseen(_: Any) -> Any:
    from numebot_dagster.submissions.receipts import State

    def confirm(platform: Any, record: Any, receipt: Any, prediction: Any) -> Any:
        now = platform.client.now()
        confirmed = replace(receipt, state=State.CONFIRMED, confirmed_at=now)
        return record.append(confirmed)

    return confirm


def _pretended(_: Any) -> Any:
    """Receipts of an upload that never was."""
    from numebot_dagster.operations.rounds.uploading import _intent
    from numebot_dagster.submissions.receipts import Outcome, State

    def submit(
        platform: Any, round_: Any, record: Any, model_id: str, prediction: Any, **more: Any
    ) -> Any:
        pretended = replace(
            _intent(prediction),
            filename="pretended.csv",
            submission_id="00000000-0000-0000-0000-000000000000",
            state=State.ACCEPTED,
            outcome=Outcome.ON_TIME,
        )
        return record.append(pretended)

    return submit


def _twice(submit: Any) -> Any:
    def submit_twice(*arguments: Any, **more: Any) -> Any:
        submit(*arguments, **more)
        return submit(*arguments, **more)

    return submit_twice


def _status_0(_: Any) -> Any:
    import typer

    class Exit(typer.Exit):
        def __init__(self, code: int = 0) -> None:
            super().__init__(0)

    return SimpleNamespace(**{**vars(typer), "Exit": Exit})


def _without_beta(begin_model: Any) -> Any:
    """Beta is passed over: neither predicted nor missed by anybody."""
    from numebot_dagster.operations.rounds.outcomes import Ending, Played

    def begin(self: Any, model: Any, ladder: Any, *, others_wait: bool) -> Any:
        if model.name == "beta":
            return lambda: Played(model, Ending.SKIPPED, "passed over")
        return begin_model(self, model, ladder, others_wait=others_wait)

    return begin


def _oldest_first(candidates: Any) -> Any:
    return lambda *arguments, **more: list(candidates(*arguments, **more))[::-1]


def _of_the_first_model(judge: Any) -> Any:
    """All models send what the first one predicted."""
    first: list[Any] = []

    def judged(platform: Any, model: str, number: int, made: Any, *rest: Any) -> Any:
        first.append(made)
        return judge(platform, model, number, first[0], *rest)

    return judged


def _of_the_last_round(judge: Any) -> Any:
    """Every model sends the numbers of the round before, for the ids of this one."""
    import numpy as np

    def judged(platform: Any, model: str, number: int, made: Any, *rest: Any) -> Any:
        path = Path(f"kept-{model}.npy")
        values = np.resize(np.load(path), len(made.values)) if path.exists() else made.values
        np.save(path, made.values)
        return judge(platform, model, number, replace(made, values=values), *rest)

    return judged


def _as_if_late(play: Any) -> Any:
    """A round is played as with `--late`, which nobody asked for."""
    return lambda platform, asked: play(platform, replace(asked, late=True))


def _as_if_late_data(fetch: Any) -> Any:
    return lambda *arguments, **more: fetch(*arguments, **{**more, "late": True})


def _never(_: Any) -> Any:
    return lambda *arguments, **more: False


def _forced(decide: Any) -> Any:
    return lambda situation: decide(replace(situation, force=True))


def _said_live(own: Any) -> Any:
    """The receipt says that the model's own predictions were sent, whatever was."""
    from numebot_dagster.submissions.receipts import Rung

    return lambda *arguments, **more: replace(own(*arguments, **more), rung=Rung.LIVE)


def _failed(round_alerts: Any) -> Any:
    from numebot_dagster.operations.alerts.outbox import Alert, Kind

    def alerts(round_: Any, models: Any, *rest: Any) -> Any:
        name = models[0].name
        title = f"{name} failed in round {round_.number}"
        untrue = Alert(Kind.MODEL_FAILED, f"round-{round_.number}/{name}", title, "It did not.")
        return [*round_alerts(round_, models, *rest), untrue]

    return alerts


MUTANTS: dict[str, Mutant] = {
    "each message posted five times": Mutant(
        (DOUBLED, "5 times"), {f"{OPERATIONS}.alerts.channels:Channel.post": _five_times}
    ),
    "no message near the deadline": Mutant(
        (UNREPORTED, "no message at 15 minutes"),
        {f"{OPERATIONS}.health.round_alerts:_deadline_near": _nothing},
        [ASLEEP],
    ),
    "all confirmed, which is untrue": Mutant(
        (WRONG, "nothing of alpha counted when it was said"),
        {f"{OPERATIONS}.health.watchdog:round_alerts": _untrue},
        [FAILING],
    ),
    "uploads after the close": Mutant(
        (WRONG, "uploaded after the close"),
        {
            "numebot_dagster.defs.rounds.play_round:play": _as_if_late,
            "numebot_dagster.defs.rounds.assets:fetch_live": _as_if_late_data,
        },
        [ASLEEP],
    ),
    "predictions in reverse order": Mutant(
        (WRONG, "not this model's"),
        {f"{SUBMISSIONS}.submission_file:rank_to_unit_interval": _reversed},
    ),
    "confirmed without a download": Mutant(
        (WRONG, "was never downloaded"), {f"{OPERATIONS}.rounds.confirmation:confirm": _unseen}
    ),
    "exit status 0 after a failure": Mutant(
        (WRONG, "exit status 0, and nothing of alpha counts"),
        {"numebot_dagster.cli.run:typer": _status_0},
        [FAILING],
    ),
    "two uploads of one model": Mutant(
        (DOUBLED, "and then"), {f"{OPERATIONS}.rounds.uploading:submit": _twice}
    ),
    "a model that is passed over": Mutant(
        (LOST, "there is no receipt"),
        {f"{OPERATIONS}.rounds.playing:_RoundPlay._begin": _without_beta},
    ),
    "receipts of an upload that never was": Mutant(
        (LOST, "could be submitted and was not"),
        {
            f"{OPERATIONS}.rounds.uploading:submit": _pretended,
            f"{OPERATIONS}.rounds.confirmation:confirm": _unseen,
        },
    ),
    "older weights than the newest": Mutant(
        (LOST, "previous predictions stand, and its own could be made"),
        {"numebot_dagster.modeling.weights.weight_store:candidates": _oldest_first},
    ),
    "another rung than was sent": Mutant(
        (WRONG, "fallback predictions count, and our receipt says live"),
        {f"{OPERATIONS}.rounds.ladder:stand_in": _said_live},
        [STANDING_IN],
    ),
    "no message at all": Mutant(
        (UNREPORTED, "no message says that it missed the round"),
        {f"{OPERATIONS}.alerts.outbox:send": _nothing},
        [FAILING],
    ),
    "messages that never leave": Mutant(
        (UNREPORTED, "never arrived: alpha missed round"),
        {f"{OPERATIONS}.alerts.channels:Channel.post": _none},
        [FAILING],
    ),
    "a failure that was none": Mutant(
        (UNFOUNDED, "nothing had gone wrong"),
        {f"{OPERATIONS}.health.watchdog:round_alerts": _failed},
    ),
    "another model's predictions": Mutant(
        (WRONG, "fallback predictions count, and our receipt says live"),
        {f"{OPERATIONS}.rounds.predicting:_judged_and_stored": _of_the_first_model},
    ),
    "a stale round's predictions": Mutant(
        (WRONG, "not this model's"),
        {f"{OPERATIONS}.rounds.predicting:_judged_and_stored": _of_the_last_round},
        [RoundPlan(0), RoundPlan(1)],
    ),
    "a file carried over is left": Mutant(
        (LOST, "could be submitted and was not"),
        {
            f"{SUBMISSIONS}.reconciliation:is_carried_over": _never,
        },
        [RoundPlan(0, carried=("alpha",))],
    ),
    "a foreign file is replaced": Mutant(
        (WRONG, "replaced without --force"),
        {f"{OPERATIONS}.rounds.playing:decide": _forced},
        [RoundPlan(0, by_hand=("alpha",))],
    ),
}
