"""Serve the web pages of `numebot up` alone, without the daemon, which would play rounds.

With `--launch` it does of the daemon's work what starts the runs that a person asks for.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections import deque

import dagster as dg
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import ModuleTarget
from dagster._daemon.run_coordinator import QueuedRunCoordinatorDaemon

from numebot_dagster.lake.layout import Lake
from numebot_dagster.reporting.embed import BOARD_IS_SERVED
from numebot_dagster.settings import load_settings
from numebot_dagster.web.server import Site, build_server
from numebot_dagster.web.services import DEFINITIONS

LAUNCH = "--launch"


def launch_queued(workspace: WorkspaceProcessContext) -> None:
    """Start queued runs as they come."""
    with QueuedRunCoordinatorDaemon(interval_seconds=0) as coordinator:
        while True:
            deque(coordinator.run_iteration(workspace), maxlen=0)
            time.sleep(0.2)


if __name__ == "__main__":
    os.environ[BOARD_IS_SERVED] = "1"
    board = Lake(load_settings().numerai_data_folder).board_folder
    target = ModuleTarget(DEFINITIONS, None, ".", None)
    with (
        dg.DagsterInstance.get() as instance,
        WorkspaceProcessContext(instance, target, version=dg.__version__) as workspace,
    ):
        if LAUNCH in sys.argv:
            threading.Thread(target=launch_queued, args=[workspace], daemon=True).start()
        build_server(workspace, Site("127.0.0.1", int(sys.argv[1]), board)).run()
