"""What Numerai changes is told once: literal pairs of days, and a tournament that changes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from numebot_dagster.operations.alerts.outbox import Kind
from numebot_dagster.operations.health import observations
from numebot_dagster.operations.health.changes import Observation, compare

CORR = {"name": "corr60", "is_payout": True, "default_multiplier": 3.0}
MMC = {"name": "mmc60", "is_payout": True, "default_multiplier": 15.0}
DAY = Observation(
    versions=("v5.2", "v5.3"),
    used={"a": "v5.3", "b": "v5.3"},
    stamps={"v5.3/train.parquet": "one"},
    target="target_ender_60",
    targets={"a": "target_ender_60", "b": "target_ender_60"},
    round_number=1404,
    scores={"corr60": CORR, "mmc60": MMC},
    fields={"Round": ("closeTime", "number")},
)


def titles_of(before, **changes):
    return [(alert.kind, alert.title) for alert in compare(before, replace(DAY, **changes))]


DATA, RULES = Kind.DATA_CHANGED, Kind.RULES_CHANGED
OTHER_RULES = "Round 1405 has other rules for scores or payouts than round 1404"
API = "Numerai's API has changed: fields of Round"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, []),
        ({"round_number": 1405}, []),
        (
            {"versions": ("v5.2", "v5.3", "v5.4")},
            [(DATA, "Numerai has published the data version v5.4")],
        ),
        ({"versions": ("v5.3",)}, [(DATA, "Numerai no longer publishes data version v5.2")]),
        (
            {"versions": ("v5.2",)},
            [(DATA, "a, b cannot predict: Numerai no longer publishes data version v5.3")],
        ),
        ({"versions": ()}, []),  # a listing that is empty is no listing
        (
            {"stamps": {"v5.3/train.parquet": "two"}},
            [(DATA, "Numerai replaced v5.3/train.parquet by another file of the same version")],
        ),
        (
            {"target": "target_x_60", "targets": {"a": "target_x_60", "b": "target_x_60"}},
            [(DATA, "The column `target` is now target_x_60; it was target_ender_60")],
        ),
        (
            {"targets": {"a": "target_ender_60", "b": "target_ender_20"}},
            [(DATA, "b was trained when `target` was target_ender_20; now it is target_ender_60")],
        ),
        (
            {
                "round_number": 1405,
                "scores": {"corr60": CORR | {"default_multiplier": 4.0}, "mmc60": MMC},
            },
            [(RULES, OTHER_RULES)],
        ),
        (
            {"round_number": 1405, "scores": {"corr60": CORR, "mmc60": MMC | {"is_payout": False}}},
            [(RULES, OTHER_RULES)],
        ),
        ({"round_number": 1405, "scores": {"corr60": CORR}}, [(RULES, OTHER_RULES)]),
        ({"round_number": 1405, "scores": {}}, []),
        (
            {
                "round_number": 1405,
                "scores": {"corr60": CORR, "mmc60": MMC, "zeta": {"name": "zeta"}},
            },
            [
                (RULES, "Round 1405 has a new score: zeta"),
                (RULES, OTHER_RULES),
            ],
        ),
        ({"fields": {"Round": ("closeTime", "number", "novelty")}}, [(RULES, API)]),
        ({"fields": {"Round": ("number",)}}, [(RULES, API)]),
        ({"fields": {}}, []),
        ({"fields": {"Round": ("closeTime", "number"), "Model": ("id",)}}, []),
    ],
)
def test_what_is_told_of_two_days(changes, expected):
    assert titles_of(DAY, **changes) == expected


def test_the_first_look_tells_only_what_is_strange_by_itself():
    assert titles_of(None) == []
    assert titles_of(None, versions=("v5.2", "v5.4"), fields={}) == [
        (DATA, "a, b cannot predict: Numerai no longer publishes data version v5.3")
    ]


def test_texts_say_what_changed_and_what_to_type():
    [rules] = compare(
        DAY, replace(DAY, round_number=1405, scores={"corr60": CORR | {"default_multiplier": 4.0}})
    )
    was, is_ = (f"is_payout True, default_multiplier {multiplier}" for multiplier in (3.0, 4.0))
    assert f"- corr60: {is_}; it was: {was}" in rules.text
    assert "- mmc60 is gone; it was: is_payout True, default_multiplier 15.0" in rules.text
    [gone] = compare(DAY, replace(DAY, versions=("v5.2",)))
    assert "NUMEBOT_DATA_VERSION=v5.2" in gone.text
    assert "numebot train --models a,b" in gone.text
    [fields] = compare(DAY, replace(DAY, fields={"Round": ("number", "novelty")}))
    assert fields.text.startswith("new: novelty; gone: closeTime.")


def test_a_tournament_that_changes_is_told_once(fresh_world):
    """Faults of the practice tournament: a score and a field, a target switched in place."""
    world = fresh_world
    world.open_round()
    assert observations.look(world.platform) == []
    first = observations.recorded(world.platform)
    assert first.versions[-1] == "v5.3"
    assert first.target == "target_ender_60"
    assert set(first.scores) >= {"corr60 (version 1)", "mmc60 (version 1)"}
    assert set(first.stamps) == {"v5.3/train.parquet", "v5.3/features.json"}
    assert "closeStakingTime" in first.fields["Round"]
    assert observations.look(world.platform) == []
    world.practice.add_fault("unknown-score")
    world.practice.add_fault("target-switched")
    world.practice.add_fault("field-removed", values={"field": "LatestSubmission.status"})
    world.open_round()
    titles = [alert.title for alert in observations.look(world.platform)]
    assert any("has a new score: zeta60" in title for title in titles)
    assert any("has other rules for scores or payouts" in title for title in titles)
    assert any("Numerai replaced v5.3/train.parquet" in title for title in titles)
    assert any("fields of LatestSubmission" in title for title in titles)
    again = {alert.subject for alert in observations.look(world.platform)}
    assert len(world.platform.lake.alert_files()) == len(titles)
    assert all("unknown score" in subject for subject in again)


def test_what_numerai_does_not_tell_counts_as_unchanged(fresh_world, caplog):
    world = fresh_world
    world.open_round()
    observations.look(world.platform)
    before = observations.recorded(world.platform)
    world.practice.add_fault("error", where="graphql:*")
    assert observations.look(world.platform) == []
    assert observations.recorded(world.platform) == before
    assert "Numerai did not return its data versions; the last observation is kept" in caplog.text
