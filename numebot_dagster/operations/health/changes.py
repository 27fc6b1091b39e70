"""Compare two observations of Numerai's data versions, targets, score rules and API fields."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from numebot_dagster import command_lines
from numebot_dagster.lake.json_records import Record
from numebot_dagster.operations.alerts.outbox import Alert, Kind

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
class Observation(Record):
    """The state of Numerai on one day.

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


def compare(before: Observation | None, now: Observation) -> list[Alert]:
    """Return an alert for every change that a user should know of.

    Args:
        before: the last observation; without one, only what is wrong by itself is reported.
        now: today's observation.
    """
    changes = [*_strange(now)]
    if before is not None:
        changes += [*_data_changes(before, now), *_rule_changes(before, now)]
        changes += _field_changes(before, now)
    return changes


def _strange(now: Observation) -> Iterator[Alert]:
    """Yield what is wrong without a comparison: missing data, an old target, an unknown score."""
    for version in sorted(set(now.used.values()) - set(now.versions)) if now.versions else ():
        users = ", ".join(name for name, used in now.used.items() if used == version)
        yield Alert(
            Kind.DATA_CHANGED,
            f"version {version} gone",
            f"{users} cannot predict: Numerai no longer publishes data version {version}",
            f"Numerai publishes {', '.join(now.versions)}. To train on the newest, set "
            f"NUMEBOT_DATA_VERSION={now.versions[-1]} and type: "
            f"{command_lines.train(*users.split(', '))}",
        )
    for model, target in now.targets.items():
        if target != now.target:
            yield Alert(
                Kind.DATA_CHANGED,
                f"target of {model} {target} {now.target}",
                f"{model} was trained when `target` was {target}; now it is {now.target}",
                "Its predictions aim at another target than newer models. To train it again, type: "
                f"{command_lines.train(model)}",
            )
    for name, rule in now.scores.items():
        if str(rule["name"]).lower().removeprefix("canon_") not in KNOWN_SCORES:
            yield Alert(
                Kind.RULES_CHANGED,
                f"unknown score {name}",
                f"Round {now.round_number} has a new score: {name}",
                f"{_rule_text(rule)}. It is stored and shown like others. Numerai's announcements "
                "explain it.",
            )


def _data_changes(before: Observation, now: Observation) -> Iterator[Alert]:
    for version in sorted(set(now.versions) - set(before.versions)) if before.versions else ():
        yield Alert(
            Kind.DATA_CHANGED,
            f"version {version} new",
            f"Numerai has published the data version {version}",
            "Your models keep the version of their weights. To adopt the new one, set "
            f"NUMEBOT_DATA_VERSION={version} and type: numebot train",
        )
    unused = set(before.versions) - set(now.versions) - set(now.used.values())
    for version in sorted(unused) if now.versions else ():
        yield Alert(
            Kind.DATA_CHANGED,
            f"version {version} gone",
            f"Numerai no longer publishes data version {version}",
            "None of your models needs it: there is nothing to do.",
        )
    for name, stamp in now.stamps.items():
        if name in before.stamps and before.stamps[name] != stamp:
            yield Alert(
                Kind.DATA_CHANGED,
                f"{name} {stamp}",
                f"Numerai replaced {name} by another file of the same version",
                "Features or targets may have changed, as `target` once did. To train on the new "
                "file, type: numebot train",
            )
    if before.target and now.target and before.target != now.target:
        yield Alert(
            Kind.DATA_CHANGED,
            f"target {before.target} {now.target}",
            f"The column `target` is now {now.target}; it was {before.target}",
            "Models that were trained before aim at the old target. To train them again, type: "
            "numebot train",
        )


def _rule_changes(before: Observation, now: Observation) -> Iterator[Alert]:
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
        yield Alert(
            Kind.RULES_CHANGED,
            f"round-{now.round_number}",
            f"Round {now.round_number} has other rules for scores or payouts than round "
            f"{before.round_number}",
            "\n".join(lines) + "\nCheck that your models still aim at the scores that are paid.",
        )


def _field_changes(before: Observation, now: Observation) -> Iterator[Alert]:
    for kind in sorted(set(before.fields) & set(now.fields)):
        new = sorted(set(now.fields[kind]) - set(before.fields[kind]))
        gone = sorted(set(before.fields[kind]) - set(now.fields[kind]))
        if new or gone:
            parts = [("new", new), ("gone", gone)]
            changed = "; ".join(f"{what}: {', '.join(names)}" for what, names in parts if names)
            yield Alert(
                Kind.RULES_CHANGED,
                f"fields of {kind} {' '.join([*new, *gone])}",
                f"Numerai's API has changed: fields of {kind}",
                f"{changed}. To see whether Numebot needs them, type: numebot doctor --live",
            )


def _rule_text(rule: Mapping[str, Any]) -> str:
    shown = {key: value for key, value in rule.items() if key in RULES and value is not None}
    return ", ".join(f"{key} {value}" for key, value in shown.items()) or "without known rules"
