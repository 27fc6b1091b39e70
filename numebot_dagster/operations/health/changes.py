"""What Numerai has changed since it was last looked at: data, what `target` is, rules, fields.

Pure: `observing` says what is seen, and sends what is found here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from numebot_dagster import command_lines
from numebot_dagster.operations.alerts.outbox import Kind

# The scores that Numerai has published under these names so far, some with `canon_` before it.
KNOWN_SCORES = frozenset(
    {"corr60", "mmc60", "v2_corr20", "corr20", "mmc", "mmc20", "corr"}
    | {"fnc", "fnc_v3", "bmc", "cwmm", "corr_w_meta_model", "tc", "corj60", "cort20", "season"}
    | {"season_score", "mcwnm", "apcwnm"}
)
# What is paid for, and how; a round's payout factor differs from round to round by itself.
RULES = (
    "is_payout",
    "default_multiplier",
    "min_multiplier",
    "max_multiplier",
    "clip_threshold",
    "total_score_days",
    "returns_lag_days",
)


@dataclass(frozen=True)
class Observation:
    """What Numerai says on one day.

    Attributes:
        versions: of the data, as they are listed.
        used: the version that each model's newest weights need, by model.
        stamps: what names the content of files that last as long as their version.
        target: what the bare `target` was in the newest data that a model was trained on.
        targets: what it was when each model was trained, by model.
        round_number: the newest round whose rules could be read.
        scores: the rules of its scores, by name and version.
        fields: of the types that we read, by type.
    """

    versions: tuple[str, ...] = ()
    used: Mapping[str, str] = field(default_factory=dict)
    stamps: Mapping[str, str] = field(default_factory=dict)
    target: str | None = None
    targets: Mapping[str, str] = field(default_factory=dict)
    round_number: int | None = None
    scores: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    fields: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class Change:
    """One difference; `subject` names it for good, so that it is said once."""

    kind: Kind
    subject: str
    title: str
    text: str


def compare(before: Observation | None, now: Observation) -> list[Change]:
    """Every change that a user should know of; without a `before` only what is strange by itself.

    Args:
        before: what was recorded last.
        now: what is seen today.
    """
    changes = [*_strange(now)]
    if before is not None:
        changes += [*_data_changes(before, now), *_rule_changes(before, now)]
        changes += _field_changes(before, now)
    return changes


def _strange(now: Observation) -> Iterator[Change]:
    """What needs no former look to be strange: gone data, an old target, an unknown score."""
    for version in sorted(set(now.used.values()) - set(now.versions)) if now.versions else ():
        users = ", ".join(name for name, used in now.used.items() if used == version)
        yield Change(
            Kind.DATA_CHANGED,
            f"version {version} gone",
            f"The data version {version} is gone, and {users} cannot predict without it",
            f"Numerai lists {', '.join(now.versions)}. Train on one of them: set "
            f"NUMEBOT_DATA_VERSION={now.versions[-1]}, then type: "
            f"{command_lines.train(*users.split(', '))}",
        )
    for model, target in now.targets.items():
        if target != now.target:
            yield Change(
                Kind.DATA_CHANGED,
                f"target of {model} {target} {now.target}",
                f"{model} was trained when `target` was {target}; now it is {now.target}",
                f"Its predictions aim at another target than newer models'. Type: "
                f"{command_lines.train(model)}",
            )
    for name, rule in now.scores.items():
        if str(rule["name"]).lower().removeprefix("canon_") not in KNOWN_SCORES:
            yield Change(
                Kind.RULES_CHANGED,
                f"unknown score {name}",
                f"Round {now.round_number} has a score that Numebot does not know: {name}",
                f"{_rule_text(rule)}. It is stored and shown like any other; look at Numerai's "
                "announcements for what it measures.",
            )


def _data_changes(before: Observation, now: Observation) -> Iterator[Change]:
    for version in sorted(set(now.versions) - set(before.versions)) if before.versions else ():
        yield Change(
            Kind.DATA_CHANGED,
            f"version {version} new",
            f"Numerai has published the data version {version}",
            "Your models go on with the version of their weights. To adopt it, set "
            f"NUMEBOT_DATA_VERSION={version} and type: numebot train",
        )
    unused = set(before.versions) - set(now.versions) - set(now.used.values())
    for version in sorted(unused) if now.versions else ():
        yield Change(
            Kind.DATA_CHANGED,
            f"version {version} gone",
            f"The data version {version} is gone",
            "No model of yours needs it: there is nothing to do.",
        )
    for name, stamp in now.stamps.items():
        if name in before.stamps and before.stamps[name] != stamp:
            yield Change(
                Kind.DATA_CHANGED,
                f"{name} {stamp}",
                f"{name} was replaced by another file within its version",
                "Features or targets may have changed in place, as `target` once did. To train on "
                "it and see what `target` is now, type: numebot train",
            )
    if before.target and now.target and before.target != now.target:
        yield Change(
            Kind.DATA_CHANGED,
            f"target {before.target} {now.target}",
            f"The column `target` is {now.target}; it was {before.target}",
            "Models that were trained before aim at the old one: numebot train",
        )


def _rule_changes(before: Observation, now: Observation) -> Iterator[Change]:
    if not before.scores or not now.scores or before.round_number == now.round_number:
        return
    lines = []
    for name in sorted({*before.scores, *now.scores}):
        old, new = before.scores.get(name), now.scores.get(name)
        if old is None and new is not None:
            lines.append(f"- {name} is new: {_rule_text(new)}")
        elif new is None and old is not None:
            lines.append(f"- {name} is gone; it was: {_rule_text(old)}")
        elif old is not None and new is not None and old != new:
            lines.append(f"- {name}: {_rule_text(new)}; it was: {_rule_text(old)}")
    if lines:
        yield Change(
            Kind.RULES_CHANGED,
            f"round-{now.round_number}",
            f"Round {now.round_number} is scored or paid by other rules than round "
            f"{before.round_number}",
            "\n".join(lines) + "\nLook whether your models still aim at what is paid.",
        )


def _field_changes(before: Observation, now: Observation) -> Iterator[Change]:
    for kind in sorted(set(before.fields) & set(now.fields)):
        new = sorted(set(now.fields[kind]) - set(before.fields[kind]))
        gone = sorted(set(before.fields[kind]) - set(now.fields[kind]))
        if new or gone:
            told = [f"new: {', '.join(new)}"] * bool(new) + [f"gone: {', '.join(gone)}"] * bool(
                gone
            )
            yield Change(
                Kind.RULES_CHANGED,
                f"fields of {kind} {' '.join([*new, *gone])}",
                f"Numerai's API has changed: fields of {kind}",
                f"{'; '.join(told)}. Whether Numebot needs them, says: numebot doctor --live",
            )


def _rule_text(rule: Mapping[str, Any]) -> str:
    shown = {key: value for key, value in rule.items() if key in RULES and value is not None}
    return ", ".join(f"{key} {value}" for key, value in shown.items()) or "nothing is said of it"
