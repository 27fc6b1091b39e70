"""Upload by hand, beside the platform, as its user may."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import requests

from tests.chaos.harness.world import ChaosWorld

FILENAME = "by-hand.csv"
_AUTHORISE = (
    "query($name: String!, $model: ID) "
    "{ submissionUploadAuth(filename: $name, tournament: 8, modelId: $model) { url filename } }"
)
_CREATE = (
    "mutation($name: String!, $model: ID) "
    "{ createSubmission(filename: $name, tournament: 8, modelId: $model) { id } }"
)


class Rival:
    """Uploads valid files that the platform did not make."""

    def __init__(self, world: ChaosWorld) -> None:
        self._world = world

    def carry_over(self, models: Sequence[str]) -> None:
        """Upload for a round that has closed, which fills the next one too."""
        self.upload(models)

    def upload(self, models: Sequence[str]) -> None:
        """Upload random predictions of the newest round's ids."""
        if not models:
            return
        ids = self._world.client.live_round().ids
        values = np.random.default_rng(self._world.newest_round()).permutation(len(ids)) + 0.5
        lines = [
            f"{name},{float(value) / len(ids)!r}" for name, value in zip(ids, values, strict=True)
        ]
        content = "\n".join(["id,prediction", *lines, ""]).encode()
        for model in models:
            [row] = self._world.rows("SELECT id FROM models WHERE name = ?", model)
            place = self._world.client.ask(_AUTHORISE, name=FILENAME, model=row["id"])
            target = place["submissionUploadAuth"]
            requests.put(target["url"], data=content, timeout=60).raise_for_status()
            self._world.client.ask(_CREATE, name=target["filename"], model=row["id"])
            self._world.by_hand.add(target["filename"])
