"""Bundle the settings, lake, client, registry and log that every operation uses."""

from __future__ import annotations

import copy
import logging
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from numebot_dagster.lake.installation import installation_id
from numebot_dagster.lake.layout import Lake
from numebot_dagster.modeling.registry import Registry, read_registry
from numebot_dagster.modeling.same_code import recognise_former_weights
from numebot_dagster.numerai.rounds import round_to_play
from numebot_dagster.operations import long_work
from numebot_dagster.settings import Settings

if TYPE_CHECKING:
    from numebot_dagster.numerai.client import NumeraiClient
    from numebot_dagster.numerai.http.deadline import Deadline
    from numebot_dagster.numerai.records import DownloadedFile, Round

LOGGER = logging.getLogger("numebot")


@dataclass(frozen=True)
class Platform:
    """One participant's platform; each part is opened when it is first used."""

    settings: Settings
    log: logging.Logger = LOGGER

    def download(self, name: str, destination: Path) -> DownloadedFile:
        """Download a data file such as `v5.3/live.parquet`, and log the progress.

        Raises:
            DownloadFailed: it cannot be downloaded completely.
        """
        from numebot_dagster.numerai.progress import DownloadProgress

        progress = DownloadProgress()
        with long_work.followed(self.log, f"Downloading {name}", progress.describe):
            return self.client.download(name, destination, progress=progress)

    @cached_property
    def lake(self) -> Lake:
        """The data folder."""
        return Lake(self.settings.numerai_data_folder)

    @cached_property
    def installation(self) -> str:
        """The id of this data folder in the names of the files that it uploads."""
        return installation_id(self.lake)

    @cached_property
    def registry(self) -> Registry:
        """The registered models; weights with a former hash of their code are recognised."""
        registry = read_registry(self.settings.model_configs_path)
        for model in registry.models:
            recognise_former_weights(self.lake, model)
        return registry

    @cached_property
    def client(self) -> NumeraiClient:
        """The tournament's API."""
        from numebot_dagster.numerai.client import NumeraiClient
        from numebot_dagster.numerai.http.transport import Transport

        return NumeraiClient(Transport(self.settings, self.log))

    def round_to_play(self) -> Round | None:
        """Return the newest round that takes on-time submissions now, if any does."""
        rounds = self.client.open_rounds()  # first, because its answer also tells Numerai's time
        return round_to_play(rounds, self.client.now())

    def within(self, deadline: Deadline) -> Platform:
        """Return this platform with a client whose every call ends by a deadline."""
        bounded = copy.copy(self)
        vars(bounded)["client"] = self.client.within(deadline)  # where the cached property keeps it
        return bounded
