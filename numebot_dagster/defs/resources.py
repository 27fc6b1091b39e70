"""The platform as a Dagster resource."""

from __future__ import annotations

from logging import Logger
from pathlib import Path

import dagster as dg

from numebot_dagster.operations.platform import Platform
from numebot_dagster.settings import load_settings


class PlatformResource(dg.ConfigurableResource):
    """Settings, lake, client and registry of one participant.

    Credentials are read from the settings when they are needed and are no part of the resource's
    configuration, so that they cannot appear in a run's config.
    """

    settings_folder: str | None = None
    progress_bars: bool = False

    def open(self, log: Logger) -> Platform:
        """The platform, writing to a run's log."""
        folder = None if self.settings_folder is None else Path(self.settings_folder)
        return Platform(load_settings(folder), log, self.progress_bars)
