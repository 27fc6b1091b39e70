"""Bad input of Numerai's data: a version that is newer than that of the weights.

The practice tournament lists two versions; here the participant has settled on the older one, so
that the other is the new one.
"""

from __future__ import annotations

import pytest

from numebot_dagster.operations.platform import Platform
from numebot_dagster.operations.rounds import live_data
from numebot_dagster.operations.rounds.playing import Play, play
from numebot_dagster.operations.training import vintages
from numebot_dagster.submissions import receipts
from numebot_dagster.submissions.receipts import State

OLD, NEW = "v5.2", "v5.3"


@pytest.fixture
def settled(fresh_world):
    """Return a participant whose vintage and weights are of the older version, by their manifests.

    The small set has the same features in both.
    """
    world = fresh_world
    data = world.folder / "data"
    objects = data / "training" / "objects"
    (objects / f"version={NEW}").rename(objects / f"version={OLD}")
    for manifest in data.rglob("manifest.json"):
        manifest.write_text(manifest.read_text().replace(f'"{NEW}"', f'"{OLD}"'))
    return world, world.open_round()


def test_a_new_data_version_is_not_adopted_by_itself(settled, monkeypatch):
    world, number = settled
    platform: Platform = world.platform
    assert platform.client.enrichment.newest_data_version() == NEW
    assert vintages.training_version(platform) == OLD

    [stored] = live_data.fetch_live(platform, number, platform.registry.enabled)
    assert stored.data_version == OLD
    play(platform, Play(number, platform.registry.enabled))
    assert receipts.latest(platform.lake, number)["steady-1"].state is State.CONFIRMED
    assert world.submissions(number) == {"steady-1": 1, "second": 1}
    assert list(platform.lake.live_folders(number)) == [OLD]

    monkeypatch.setenv("NUMEBOT_DATA_VERSION", NEW)
    assert vintages.training_version(world.platform) == NEW
