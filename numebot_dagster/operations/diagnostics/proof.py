"""Store what the last replay of a model's rounds proved of its pipeline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from numebot_dagster.lake import json_records
from numebot_dagster.lake.layout import Lake
from numebot_dagster.reporting.numbers import counted


class Outcome(StrEnum):
    """What became of a stored round that was predicted again."""

    EQUAL = "the same file"
    ROUNDED = "the same ranks but for rounding"
    LIBRARY = "nearly the same ranks, by another version of a library"
    MIXED = "the features are not those of the training"
    DIFFERENT = "something else than was submitted"
    FAILED = "it cannot be predicted any more"
    RANDOM = "something else each time"
    OTHER_CODE = "the code has changed since"
    UNFINISHED = "there was no time for it"


class Pipeline(StrEnum):
    """What is known of the way from the data to what was submitted."""

    SOUND = "sound"
    BROKEN = "broken"
    RANDOM = "cannot be proved, because the model is not deterministic"
    UNPROVED = "not proved yet"


_SAME = (Outcome.EQUAL, Outcome.ROUNDED, Outcome.LIBRARY)
_BROKEN = (Outcome.MIXED, Outcome.DIFFERENT, Outcome.FAILED)


@dataclass(frozen=True)
class ReplayedRound:
    """A stored round that was predicted again.

    Attributes:
        vintage: of the weights, as the receipt names it.
        correlation: of the ranks that were submitted with those of the replay; None where nothing
            was predicted.
        canary_difference: the largest on the canary rows, on the model's own scale; None where they
            were not predicted.
        text: what there is to say of it, as a part of a sentence; empty when it is the same file.
    """

    round_number: int
    vintage: int
    outcome: Outcome
    correlation: float | None = None
    canary_difference: float | None = None
    text: str = ""


@dataclass(frozen=True)
class Proof(json_records.Record):
    """What the last replay of a model proved.

    Attributes:
        replayed_at: aware UTC, by Numerai's clock.
        rounds: that were predicted again, the newest first.
        left_out: recent rounds of which live data, predictions or weights are no longer stored.
        reason: why nothing could be replayed.
    """

    model: str
    replayed_at: datetime
    rounds: tuple[ReplayedRound, ...] = ()
    left_out: int = 0
    reason: str = ""

    @property
    def pipeline(self) -> Pipeline:
        """What the rounds prove together: one that differs outweighs all others."""
        outcomes = {round_.outcome for round_ in self.rounds}
        if outcomes.intersection(_BROKEN):
            return Pipeline.BROKEN
        if Outcome.RANDOM in outcomes:
            return Pipeline.RANDOM
        return Pipeline.SOUND if outcomes.intersection(_SAME) else Pipeline.UNPROVED

    @property
    def proving(self) -> Sequence[ReplayedRound]:
        """The rounds on which the verdict rests."""
        outcomes: Sequence[Outcome] = {
            Pipeline.SOUND: _SAME,
            Pipeline.BROKEN: _BROKEN,
            Pipeline.RANDOM: (Outcome.RANDOM,),
            Pipeline.UNPROVED: (),
        }[self.pipeline]
        return [round_ for round_ in self.rounds if round_.outcome in outcomes]

    @property
    def sentences(self) -> Sequence[str]:
        """What was done and seen, for people."""
        said = {
            Pipeline.SOUND: self._sound,
            Pipeline.BROKEN: self._broken,
            Pipeline.RANDOM: self._random,
            Pipeline.UNPROVED: self._unproved,
        }[self.pipeline]()
        others = sum(round_.outcome is Outcome.OTHER_CODE for round_ in self.rounds)
        if others and self.pipeline is not Pipeline.UNPROVED:
            said.append(f"{counted(others, 'round')} of other code cannot be compared.")
        if self.left_out and self.rounds:
            said.append(f"Of {counted(self.left_out, 'more round')} not all is stored any more.")
        return said

    def _sound(self) -> list[str]:
        replayed = f"With its stored weights it predicts for {_in_words(self.proving)}"
        apart = [round_ for round_ in self.proving if round_.outcome is not Outcome.EQUAL]
        if not apart:
            said = [f"{replayed} the very file that was submitted."]
        else:
            libraries = any(round_.outcome is Outcome.LIBRARY for round_ in apart)
            cause = "what another version of a library changed" if libraries else "rounding"
            said = [f"{replayed} what was submitted, apart from {cause} in {_in_words(apart)}."]
            said += [
                f"Round {round_.round_number}: {round_.text}."
                for round_ in apart[:1]
                if round_.text
            ]
        differences = [round_.canary_difference or 0.0 for round_ in self.proving]
        largest = max(differences)
        said.append(
            f"Canary rows differ by {largest:.1g}." if largest else "Canary rows are equal."
        )
        return said

    def _broken(self) -> list[str]:
        newest, *others = self.proving
        said = [f"Round {newest.round_number}, by the weights of {newest.vintage}: {newest.text}."]
        if others:
            said.append(f"So it is with {_in_words(others)}.")
        fine = sum(round_.outcome in _SAME for round_ in self.rounds)
        if fine:
            said.append(f"{counted(fine, 'other round')} can be reproduced.")
        return said

    def _random(self) -> list[str]:
        return [
            f"It predicts something else each time: of {_in_words(self.proving)}, "
            f"{self.proving[0].text}, and not less with what was submitted.",
            "So a replay proves nothing here, and nothing speaks against it.",
        ]

    def _unproved(self) -> list[str]:
        if self.reason:
            return [f"It could not be replayed: {self.reason}."]
        if not self.rounds:
            return ["There is no submitted round of which all is stored that a replay needs."]
        newest = self.rounds[0]
        return [f"Round {newest.round_number}: {newest.outcome}: {newest.text}."]


def _in_words(rounds: Sequence[ReplayedRound]) -> str:
    numbers = [round_.round_number for round_ in rounds]
    if len(numbers) == 1:
        return f"round {numbers[0]}"
    return f"{len(numbers)} rounds from {min(numbers)} to {max(numbers)}"


def store(lake: Lake, proof: Proof) -> None:
    """Put a proof in the place of the model's last one."""
    json_records.write(lake.replay_file(proof.model), proof)


def last(lake: Lake, model_name: str) -> Proof | None:
    """Return what the last replay of a model proved; None if there was none."""
    return json_records.read_or_set_aside(lake.replay_file(model_name), Proof)
