"""Run the services of `numebot up`: Dagster's code server, its daemon and our web server.

This is what `dagster dev` does, with the web server of `web/server.py`. It is a process of its own,
so that `numebot up` can end everything by its process group.
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from signal import SIGINT

import dagster as dg
import uvicorn
from dagster._cli.proxy_server_manager import ProxyServerManager
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import ModuleTarget, WorkspaceFileTarget
from dagster._utils.interrupts import setup_interrupt_handlers
from dagster._utils.log import configure_loggers
from dagster_webserver.cli import (
    DEFAULT_DB_STATEMENT_TIMEOUT,
    DEFAULT_POOL_MAX_OVERFLOW,
    DEFAULT_POOL_RECYCLE,
)

from numebot_dagster.lake.layout import Lake
from numebot_dagster.reporting.embed import BOARD_IS_SERVED
from numebot_dagster.settings import load_settings
from numebot_dagster.web.server import Site, build_server

DEFINITIONS = "numebot_dagster.definitions"

# Of Dagster's own messages those from warnings up; messages of runs are shown anyway.
LOG_LEVEL = "warning"
DAEMON_SECONDS = 10.0

READ_ONLY = "--read-only"


def main(host: str, port: int, *, read_only: bool) -> int:
    """Serve until interrupted, or until the daemon ends by itself.

    Args:
        host: the address to listen on.
        port: of the web server.
        read_only: whether nothing can be changed by visitors; the daemon plays rounds all the same.

    Returns:
        The exit status: 0 when it was interrupted.
    """
    configure_loggers(log_level=LOG_LEVEL.upper())
    setup_interrupt_handlers()
    os.environ[BOARD_IS_SERVED] = "1"
    site = _site(host, port, read_only=read_only)
    with ExitStack() as stack:
        instance = stack.enter_context(dg.DagsterInstance.get())
        workspace = stack.enter_context(_code_server(instance))
        daemon = stack.enter_context(_daemon(workspace))
        instance.optimize_for_webserver(
            DEFAULT_DB_STATEMENT_TIMEOUT, DEFAULT_POOL_RECYCLE, DEFAULT_POOL_MAX_OVERFLOW
        )
        target = WorkspaceFileTarget([str(workspace)])
        context = stack.enter_context(
            WorkspaceProcessContext(instance, target, version=dg.__version__, read_only=read_only)
        )
        server = build_server(context, site)
        threading.Thread(target=_end_together, args=(daemon, server), daemon=True).start()
        try:
            server.run()
        except KeyboardInterrupt:
            return 0
        if server.started:
            logging.getLogger("dagster").error(
                "Dagster's daemon has ended, so no round is played any more"
            )
        return 1


def _site(host: str, port: int, *, read_only: bool) -> Site:
    settings = load_settings()
    return Site(
        host,
        port,
        Lake(settings.numerai_data_folder).board_folder,
        settings.numebot_ui_hosts,
        settings.numebot_ui_password,
        read_only,
    )


def definitions_target() -> ModuleTarget:
    """Return what is loaded: the code location that has the name of its module, as by `-m`."""
    return ModuleTarget(
        module_name=DEFINITIONS,
        attribute=None,
        working_directory=str(Path.cwd()),
        location_name=None,
    )


@contextmanager
def _code_server(instance: dg.DagsterInstance) -> Iterator[Path]:
    """Load the definitions in a process of its own; yield a workspace file that names it."""
    with (
        ProxyServerManager(
            instance, definitions_target(), code_server_log_level=LOG_LEVEL
        ) as code_server,
        tempfile.TemporaryDirectory() as folder,
    ):
        workspace = Path(folder) / "workspace.yaml"
        # JSON is YAML too.
        workspace.write_text(json.dumps({"load_from": code_server.get_code_server_specs()}))
        yield workspace


@contextmanager
def _daemon(workspace: Path) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "dagster._daemon", "run", "--log-level", LOG_LEVEL]
    process = subprocess.Popen([*command, "--workspace", str(workspace)])
    try:
        yield process
    finally:
        process.send_signal(SIGINT)
        try:
            process.wait(DAEMON_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()


def _end_together(daemon: subprocess.Popen[bytes], server: uvicorn.Server) -> None:
    """End the web server when the daemon has ended, because no round would be played."""
    daemon.wait()
    server.should_exit = True


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2]), read_only=READ_ONLY in sys.argv[3:]))
