"""Provide the platform as a Dagster resource."""

from __future__ import annotations

from logging import Logger
from pathlib import Path

import dagster as dg
from pydantic import Field

from numebot_dagster.defs.event_log import STORAGE_ERRORS, cause, tolerate_lost_events
from numebot_dagster.defs.runs import tag_run
from numebot_dagster.operations.health.ownership import claim
from numebot_dagster.operations.platform import LOGGER, Platform
from numebot_dagster.settings import Settings, load_settings

TICK_SECONDS = 20.0


class PlatformResource(dg.ConfigurableResource):
    """Settings, lake, client and registry of one participant.

    Credentials are read from the settings when they are needed, never from the resource's
    configuration, so that they cannot appear in a run's config.
    """

    settings_folder: str | None = Field(
        default=None,
        description="The folder whose .env and .secret are read; by default the one in which "
        "Numebot was started. It never holds a credential itself.",
    )

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:
        """Tag the run with the process that executes it, so that a killed run is noticed.

        A tag that cannot be written, as on a full disk, does not stop the run.
        """
        if context.run is None or context.instance is None:
            return
        tolerate_lost_events(context.instance)
        try:
            tag_run(context.instance, context.run.run_id)
        except STORAGE_ERRORS as error:
            (context.log or LOGGER).warning(
                "The run was not tagged with its process: %s", cause(error)
            )

    def open(self, log: Logger) -> Platform:
        """Return the platform, writing to a run's log."""
        return self._claimed(Platform(self._settings(), log))

    def open_for_tick(self, log: Logger, seconds: float = TICK_SECONDS) -> Platform:
        """Return the platform for a sensor or schedule, whose ticks Dagster ends after a minute."""
        return self._claimed(Platform(self._settings().with_retry_deadline(seconds), log))

    def _claimed(self, platform: Platform) -> Platform:
        claim(platform)
        return platform

    def _settings(self) -> Settings:
        return load_settings(None if self.settings_folder is None else Path(self.settings_folder))
