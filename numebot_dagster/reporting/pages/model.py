"""Write the page of a model: how its rounds went, and where the running ones stand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from numebot_dagster.reporting.pages.page import Frame, render
from numebot_dagster.reporting.pages.today import Cell
from numebot_dagster.reporting.picture import Picture


@dataclass(frozen=True)
class RoundLine:
    """The model in one round.

    Attributes:
        page: the round's page.
        text: what is to be said of its state.
        day: the newest scoring day, if there is one.
        scores: the newest value by metric.
        payout_nmr: credited, or pending while the round runs.
    """

    number: int
    page: str
    state: Cell
    text: str
    vintage: int | None
    day: int | None
    scores: Mapping[str, float]
    is_resolved: bool
    payout_nmr: float | None


@dataclass(frozen=True)
class Version:
    """Weights that the model was trained to, with the code that made them."""

    vintage: int
    code_hash: str
    data_version: str
    trained_at: str
    rounds: int


@dataclass(frozen=True)
class Statement:
    """Something that is known of the model, or not.

    Attributes:
        title: the answer.
        paragraphs: why.
        style: the colour of a state of operation; empty for what is none.
        command: that may tell more; empty where none does.
    """

    title: str
    paragraphs: Sequence[str]
    style: str = ""
    command: str = ""


@dataclass(frozen=True)
class ModelPage:
    """All that the page shows.

    Attributes:
        pipeline: whether it predicts and submits what it should.
        luck: what can be said of its skill.
        facts: what stands beside the name: stake, code, weights.
        history: the model's pages in Dagster by name.
        metrics: of the table of rounds.
        pictures: from top to bottom.
        rounds: the newest first.
        versions: the newest first.
    """

    name: str
    description: str
    pipeline: Statement
    luck: Statement
    facts: Sequence[str]
    history: Mapping[str, str]
    metrics: Sequence[str]
    pictures: Sequence[Picture]
    rounds: Sequence[RoundLine]
    versions: Sequence[Version]


def page(model: ModelPage, frame: Frame) -> str:
    """Return the page as HTML."""
    return render("model.html", frame, section="model", model=model)
