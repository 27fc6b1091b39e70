"""A training that fails is told once, with what to do, on every channel."""

from __future__ import annotations

import pytest

from numebot_dagster.modeling.worker.failures import ModelFailed
from numebot_dagster.operations.alerts import outbox
from numebot_dagster.settings import AlertKind

BROKEN = """
from quick_models import Ridge

class Broken(Ridge):
    def train(self, data):
        data.column_of_the_future
"""


def test_a_failed_training_is_an_alert_of_its_vintage_and_code(world, receiver, monkeypatch):
    monkeypatch.setenv("NUMEBOT_NOTIFY_URLS", receiver.url)
    (world.folder / "broken.py").write_text(BROKEN)
    registry = world.folder / "model_configs.csv"
    registry.write_text("numerai_name,model_code\nbroken,broken:Broken\n")
    vintage = world.platform.lake.stored_vintages()[-1]
    for _ in range(2):
        with pytest.raises(ModelFailed):
            world.train("broken")
    [message] = receiver.messages
    assert message["title"] == f"broken could not be trained on vintage {vintage}"
    for words in ("column_of_the_future", "broken.py", "numebot models try broken"):
        assert words in message["message"]
    assert "\n" not in message["message"]  # a channel that is too short leaves out no cause

    (world.folder / "broken.py").write_text(BROKEN.replace("future", "past"))
    with pytest.raises(ModelFailed):
        world.train("broken")
    assert "column_of_the_past" in receiver.messages[1]["message"]
    assert len(outbox.subjects(world.platform, AlertKind.TRAINING_FAILED)) == 2
