"""Serve the web application of `numebot up` in a thread, on a Dagster instance without any code."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dagster as dg
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import EmptyWorkspaceTarget

import numebot_dagster
from numebot_dagster.web.server import Site, build_server
from tests.support.ports import free_port
from tests.support.waiting import until

# What can be changed and looked at without any code.
MUTATION = 'mutation { setConcurrencyLimit(concurrencyKey: "KEY", limit: 1) }'
LIMITS = "{ instance { concurrencyLimits { concurrencyKey } } }"


@contextmanager
def serving(folder: Path, **settings: Any) -> Iterator[str]:
    """Serve the board in `folder / "board"` and Dagster; yield the address."""
    site = Site("127.0.0.1", free_port(), folder / "board", **settings)
    shutil.copy(Path(numebot_dagster.__file__).with_name("dagster.yaml"), folder)
    with (
        dg.DagsterInstance.from_config(str(folder)) as instance,
        WorkspaceProcessContext(
            instance, EmptyWorkspaceTarget(), version="", read_only=site.read_only
        ) as workspace,
    ):
        server = build_server(workspace, site)
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        try:
            until(lambda: server.started)
            yield f"http://127.0.0.1:{site.port}"
        finally:
            server.should_exit = True
            thread.join(30)
