"""The user who uploads by hand, beside the platform."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import requests

from tests.chaos.truth import fetch_live, graphql

if TYPE_CHECKING:
    from tests.chaos.world import World

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

    def __init__(self, world: World) -> None:
        self._world = world

    def carry_over(self, models: Sequence[str]) -> None:
        """Uploads for a round that has closed, which fills the next one too."""
        self.upload(models)

    def upload(self, models: Sequence[str]) -> None:
        """Uploads random predictions of the newest round's ids."""
        if not models:
            return
        ids = fetch_live(self._world).ids
        values = np.random.default_rng(self._world.newest_round()).permutation(len(ids)) + 0.5
        lines = [
            f"{name},{float(value) / len(ids)!r}" for name, value in zip(ids, values, strict=True)
        ]
        content = "\n".join(["id,prediction", *lines, ""]).encode()
        for model in models:
            [row] = self._world.rows("SELECT id FROM models WHERE name = ?", model)
            place = graphql(self._world, _AUTHORISE, name=FILENAME, model=row["id"])
            target = place["submissionUploadAuth"]
            requests.put(target["url"], data=content, timeout=60).raise_for_status()
            graphql(self._world, _CREATE, name=target["filename"], model=row["id"])
            self._world.by_hand.add(target["filename"])
