"""What every operation works with: settings, lake, client, registry and a log."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from numebot_dagster.lake.layout import Lake
from numebot_dagster.modeling.registry import Registry, read_registry
from numebot_dagster.settings import Settings, load_settings

if TYPE_CHECKING:
    from numebot_dagster.numerai.client import NumeraiClient

LOGGER = logging.getLogger("numebot")


@dataclass(frozen=True)
class Platform:
    """One participant's platform. Nothing is opened or asked before it is used."""

    settings: Settings
    log: logging.Logger = LOGGER

    @classmethod
    def open(cls, folder: Path | None = None, log: logging.Logger = LOGGER) -> Platform:
        """The platform that the settings in `folder` (or the working directory) describe."""
        return cls(load_settings(folder), log)

    @cached_property
    def lake(self) -> Lake:
        """The data folder."""
        return Lake(self.settings.numerai_data_folder)

    @cached_property
    def registry(self) -> Registry:
        """The registered models."""
        return read_registry(self.settings.model_configs_path)

    @cached_property
    def client(self) -> NumeraiClient:
        """The tournament's API."""
        from numebot_dagster.numerai.client import NumeraiClient

        return NumeraiClient(self.settings, self.log)
