"""Bad input of Numerai's data: a version that is newer than that of the weights.

The practice tournament lists two versions; here the participant has settled on the older one, so
that the other is the new one.
"""

from __future__ import annotations

import pytest

from numebot_dagster.operations.platform import Platform
from numebot_dagster.operations.rounds import live_data
from numebot_dagster.operations.rounds.playing import Play, play
from numebot_dagster.operations.training import trainer, vintages
from numebot_dagster.submissions import receipts
from numebot_dagster.submissions.receipts import State

OLD, NEW = "v5.2", "v5.3"


@pytest.fixture
def settled(fresh_world, monkeypatch):
    """Return a participant whose newest vintage and only weights are of the older version."""
    world = fresh_world
    world.register("untrained")
    number = world.open_round()
    with monkeypatch.context() as patch:
        patch.setenv("NUMEBOT_DATA_VERSION", OLD)
        platform = world.platform
        vintage = vintages.fetch_training(platform, number)
        trainer.train(platform, platform.registry["untrained"], vintage)
    return world, number


def test_a_new_data_version_is_not_adopted_by_itself(settled):
    world, number = settled
    platform: Platform = world.platform
    assert platform.client.enrichment.newest_data_version() == NEW
    assert vintages.training_version(platform) == OLD

    [stored] = live_data.fetch_live(platform, number, platform.registry.enabled)
    assert stored.data_version == OLD
    play(platform, Play(number, platform.registry.enabled))
    assert receipts.latest(platform.lake, number)["untrained"].state is State.CONFIRMED
    assert world.submissions(number) == {"untrained": 1}
    assert list(platform.lake.live_folders(number)) == [OLD]
