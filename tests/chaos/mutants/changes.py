"""Change functions of the product for the worse: each takes the original and returns the defect."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any


def five_times(post: Any) -> Any:
    return lambda channel, message: [post(channel, message) for _ in range(5)][-1]


def nothing(_: Any) -> Any:
    return lambda *arguments, **more: []


def none(_: Any) -> Any:
    return lambda *arguments, **more: None


def untrue(round_alerts: Any) -> Any:
    from numebot_dagster.operations.alerts.outbox import Alert, Kind

    def alerts(round_: Any, models: Any, latest: Any, now: Any, raised: Any = ()) -> Any:
        due = round_alerts(round_, models, latest, now, raised)
        title = f"Round {round_.number}: all {len(models)} models are confirmed"
        untrue = Alert(Kind.ALL_CONFIRMED, f"round-{round_.number}", title, "They match.")
        return [*(alert for alert in due if alert.kind is not Kind.ALL_CONFIRMED), untrue]

    return alerts


def reverse_order(ranked: Any) -> Any:
    return lambda predictions: ranked(predictions)[::-1].copy()


def unseen(_: Any) -> Any:
    from numebot_dagster.submissions.receipts import State

    def confirm(platform: Any, record: Any, receipt: Any, prediction: Any) -> Any:
        now = platform.client.now()
        confirmed = replace(receipt, state=State.CONFIRMED, confirmed_at=now)
        return record.append(confirmed)

    return confirm


def pretended(_: Any) -> Any:
    """Record receipts of an upload that never was."""
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


def twice(submit: Any) -> Any:
    def submit_twice(*arguments: Any, **more: Any) -> Any:
        submit(*arguments, **more)
        return submit(*arguments, **more)

    return submit_twice


def status_0(_: Any) -> Any:
    import typer

    class Exit(typer.Exit):
        def __init__(self, code: int = 0) -> None:
            super().__init__(0)

    return SimpleNamespace(**{**vars(typer), "Exit": Exit})


def without_beta(begin_model: Any) -> Any:
    """Pass beta over: it is neither predicted nor missed by anybody."""
    from numebot_dagster.operations.rounds.outcomes import Ending, Played

    def begin(self: Any, model: Any, ladder: Any, *, others_wait: bool) -> Any:
        if model.name == "beta":
            return lambda: Played(model, Ending.SKIPPED, "passed over")
        return begin_model(self, model, ladder, others_wait=others_wait)

    return begin


def oldest_first(candidates: Any) -> Any:
    return lambda *arguments, **more: list(candidates(*arguments, **more))[::-1]


def of_the_first_model(judge: Any) -> Any:
    """Let all models send what the first one predicted."""
    first: list[Any] = []

    def judged(platform: Any, model: str, number: int, made: Any, *rest: Any) -> Any:
        first.append(made)
        return judge(platform, model, number, first[0], *rest)

    return judged


def of_the_last_round(judge: Any) -> Any:
    """Let every model send the numbers of the round before, for the ids of this one."""
    import numpy as np

    def judged(platform: Any, model: str, number: int, made: Any, *rest: Any) -> Any:
        path = Path(f"kept-{model}.npy")
        values = np.resize(np.load(path), len(made.values)) if path.exists() else made.values
        np.save(path, made.values)
        return judge(platform, model, number, replace(made, values=values), *rest)

    return judged


def as_if_late(play: Any) -> Any:
    """Play a round as with `--late`, which nobody asked for."""
    return lambda platform, asked: play(platform, replace(asked, late=True))


def as_if_late_data(fetch: Any) -> Any:
    return lambda *arguments, **more: fetch(*arguments, **{**more, "late": True})


def never(_: Any) -> Any:
    return lambda *arguments, **more: False


def forced(decide: Any) -> Any:
    return lambda situation: decide(replace(situation, force=True))


def said_live(own: Any) -> Any:
    """Let the receipt say that the model's own predictions were sent, whatever was."""
    from numebot_dagster.submissions.receipts import Rung

    return lambda *arguments, **more: replace(own(*arguments, **more), rung=Rung.LIVE)


def failed(round_alerts: Any) -> Any:
    from numebot_dagster.operations.alerts.outbox import Alert, Kind

    def alerts(round_: Any, models: Any, *rest: Any) -> Any:
        name = models[0].name
        title = f"{name} failed in round {round_.number}"
        untrue = Alert(Kind.MODEL_FAILED, f"round-{round_.number}/{name}", title, "It did not.")
        return [*round_alerts(round_, models, *rest), untrue]

    return alerts
