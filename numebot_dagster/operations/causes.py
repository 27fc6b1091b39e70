"""Group the reasons of many models by their cause, so that each cause is named once."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from numebot_dagster.command_lines import models_option

NAMES_SHOWN = 3
MODELS_FAILED = "models failed"  # of a round's run, after the reasons of each model
LONGEST_REASON = 300  # characters; the view `submissions` has all of them

# Reasons that remain until a key or the registry is corrected, as `numerai/` and `slots.py` write
# them: receipts contain only the text.
_NO_SLOT = "the account has no model "
_TO_CORRECT = re.compile(rf"{_NO_SLOT}|this needs a key|check the credentials|Correct numerai_name")
_LINE = re.compile(r"\bline (\d+)")
_WITH_A_DIGIT = re.compile(r"\S*\d\S*")


@dataclass(frozen=True)
class Cause:
    """A reason in the words of its first model, with the names of all."""

    text: str
    models: tuple[str, ...]

    def __str__(self) -> str:
        return named(names_of(self.models), self.text)


def by_cause(reasons: Iterable[tuple[str, str]]) -> list[Cause]:
    """Group models whose reasons differ only in the model's name and in numbers.

    Returns:
        The causes in the order of their first model.
    """
    groups: dict[str, list[tuple[str, str]]] = {}
    for model, reason in reasons:
        text = one_line(reason)
        groups.setdefault(pattern_of(model, text), []).append((model, text))
    return [_cause(members) for members in groups.values()]


def pattern_of(model: str, text: str) -> str:
    """Return a reason without its model and its numbers, which is equal for the same cause."""
    return _WITH_A_DIGIT.sub("#", _own_name(model).sub("\N{BULLET}", text))


def named(name: str, text: str) -> str:
    """Return a text that begins with a name, which many errors do already."""
    return text if text.startswith((f"{name} ", f"{name}: ")) else f"{name}: {text}"


def names_of(models: Sequence[str]) -> str:
    """Return some models in words: `a`, `a and b`, or `a, b, c and 17 more`."""
    if len(models) <= NAMES_SHOWN + 1:
        return " and ".join(filter(None, [", ".join(models[:-1]), models[-1]]))
    return f"{', '.join(models[:NAMES_SHOWN])} and {len(models) - NAMES_SHOWN} more"


def rounds_of(numbers: Sequence[int]) -> str:
    """Return rounds in words: `Round 1310`, `Rounds 1310 to 1314`, or a list with gaps."""
    first, last = min(numbers), max(numbers)
    if first == last:
        return f"Round {first}"
    if last - first == len(numbers) - 1 > 1:
        return f"Rounds {first} to {last}"
    return f"Rounds {names_of([str(number) for number in sorted(numbers)])}"


def one_line(text: str) -> str:
    """Return a text without line breaks, shortened when it is too long for a message."""
    line = " ".join(text.split())
    if len(line) <= LONGEST_REASON:
        return line
    return line[: LONGEST_REASON - 1] + "\N{HORIZONTAL ELLIPSIS}"


def must_be_corrected(reason: str) -> bool:
    """Return whether a key or the registry must be corrected before another try."""
    return _TO_CORRECT.search(reason) is not None


def lacks_slot(reason: str) -> bool:
    """Return whether a model failed because the account has no slot of its name."""
    return _NO_SLOT in reason


def _cause(members: Sequence[tuple[str, str]]) -> Cause:
    models = tuple(model for model, _ in members)
    first, text = members[0]
    if len(models) > 1:
        text = _of_all(first, text, models)
        for places in _differing_lines(members):
            text = _LINE.sub(f"lines {names_of(places)}", text, count=1)
        text = text.replace(models_option([first]), models_option(models))
    return Cause(text, models)


def _of_all(first: str, text: str, models: Sequence[str]) -> str:
    """Return the reason of the first model with the names of all; the subject becomes `each`."""
    own = re.escape(first)
    text = re.sub(rf"^{own} ", "each ", text)
    return re.sub(rf"(?<= no model ){own}(?![\w-])", names_of(models), text)


def _differing_lines(members: Sequence[tuple[str, str]]) -> list[list[str]]:
    """Return the registry's lines that the members name, if they name one each."""
    lines = [match[1] for _, text in members if (match := _LINE.search(text))]
    return [lines] if len(lines) == len(members) and len(set(lines)) > 1 else []


def _own_name(model: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![\w-]){re.escape(model)}(?![\w-])")
