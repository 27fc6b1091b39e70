"""Observe what Numerai may change, and record it for the next comparison."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

from numebot_dagster.lake import json_records
from numebot_dagster.modeling.weights.weight_store import DamagedWeights, Manifest, read_manifest
from numebot_dagster.numerai.errors import NumeraiError
from numebot_dagster.numerai.records import ScoreConfig
from numebot_dagster.numerai.schema_use import REQUIRED_FIELDS
from numebot_dagster.operations.alerts import outbox
from numebot_dagster.operations.alerts.outbox import Alert
from numebot_dagster.operations.health.changes import RULES, Observation, compare
from numebot_dagster.operations.platform import Platform

T = TypeVar("T")

BARE_TARGET = "target"
# These two stay as they are while their version lasts; all others grow every week.
LASTING_FILES = ("train.parquet", "features.json")
# New fields of the root types are new calls, of which there are hundreds.
WATCHED_TYPES = (
    *(name for name in REQUIRED_FIELDS if not name.startswith("Root")),
    "RoundScoreConfig",
)
_VERSION = re.compile(r"v(\d+)\.(\d+)")


def look(platform: Platform) -> list[Alert]:
    """Compare today with the last observation, send an alert of each change, and record today.

    What Numerai does not answer today counts as unchanged, with a warning in the log.
    """
    before = recorded(platform)
    now = observe(platform, before or Observation())
    changes = compare(before, now)
    outbox.send(platform, *changes)
    # Last: a process that is killed before leaves the changes to the next one.
    json_records.write(platform.lake.observation_file, now)
    return changes


def recorded(platform: Platform) -> Observation | None:
    """Return the last observation, if there is one."""
    return json_records.read_or_set_aside(platform.lake.observation_file, Observation)


def observe(platform: Platform, before: Observation) -> Observation:
    """Return Numerai's present state; what it does not answer is taken from `before`."""
    newest = _newest_manifests(platform)
    used = {name: manifest.data_version for name, manifest in newest.items()}
    bare = {name: manifest.target_is.get(BARE_TARGET) for name, manifest in newest.items()}
    targets = {name: target for name, target in bare.items() if target}
    last = max(targets, key=lambda name: newest[name].vintage, default=None)
    versions = _asked(platform, "its data versions", partial(_versions, platform), before.versions)
    number, scores = _asked(
        platform, "its rules", partial(_rules, platform), (before.round_number, before.scores)
    )
    return replace(
        before,
        versions=versions,
        used=used,
        stamps=_stamps(platform, set(used.values()) & set(versions), before.stamps),
        target=None if last is None else targets[last],
        targets=targets,
        round_number=number,
        scores=scores,
        fields=_asked(platform, "its fields", partial(_fields, platform), before.fields),
    )


def _asked(platform: Platform, what: str, ask: Callable[[], T], otherwise: T) -> T:
    try:
        return ask()
    except NumeraiError as error:
        platform.log.warning(
            "Numerai did not return %s; the last observation is kept: %s", what, error
        )
        return otherwise


def _versions(platform: Platform) -> tuple[str, ...]:
    """Return the data versions of the listing in the order of their numbers."""
    names = {name.partition("/")[0] for name in platform.client.enrichment.list_datasets()}
    matches = map(_VERSION.fullmatch, names)
    numbered = (tuple(map(int, match.groups())) for match in matches if match)
    return tuple(f"v{major}.{minor}" for major, minor in sorted(numbered))


def _stamps(platform: Platform, versions: set[str], before: Mapping[str, str]) -> dict[str, str]:
    stamps = {}
    for name in (f"{version}/{file}" for version in sorted(versions) for file in LASTING_FILES):
        ask = partial(platform.client.identify, name)
        stamp = _asked(platform, name, lambda ask=ask: ask().stamp, before.get(name))  # type: ignore[misc]
        if stamp is not None:
            stamps[name] = stamp
    return stamps


def _rules(platform: Platform) -> tuple[int | None, dict[str, dict[str, Any]]]:
    """Return the newest round and the rules of its scores, by name and version."""
    newest = platform.client.rounds(limit=1)[-1:]
    if not newest:
        return None, {}
    round_ = platform.client.enrichment.round_details(newest[0].number)
    return round_.number, {_score_name(config): _rule(config) for config in round_.score_configs}


def _score_name(config: ScoreConfig) -> str:
    name = config.display_name or config.name
    return name if config.version is None else f"{name} (version {config.version})"


def _rule(config: ScoreConfig) -> dict[str, Any]:
    name = config.display_name or config.name
    return {"name": name} | {key: getattr(config, key) for key in RULES}


def _fields(platform: Platform) -> dict[str, tuple[str, ...]]:
    """Return the fields of each watched type that Numerai's schema has."""
    served = {name: platform.client.enrichment.schema_fields(name) for name in WATCHED_TYPES}
    return {name: tuple(sorted(fields)) for name, fields in served.items() if fields}


def _newest_manifests(platform: Platform) -> dict[str, Manifest]:
    """Return the manifest of each enabled model's newest weights, if it can be read."""
    manifests = {}
    for model in platform.registry.enabled:
        for place in platform.lake.weights_folders(model.name)[:1]:
            with suppress(DamagedWeights):  # the pre-flight reports them
                manifests[model.name] = read_manifest(place.path)
    return manifests
