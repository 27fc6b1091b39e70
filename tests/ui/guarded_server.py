"""Serve the web pages of `numebot up` alone, without the daemon, which would play rounds."""

from __future__ import annotations

import sys

import dagster as dg
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import ModuleTarget

from numebot_dagster.web.server import Address, build_server
from numebot_dagster.web.services import DEFINITIONS

if __name__ == "__main__":
    target = ModuleTarget(DEFINITIONS, None, ".", None)
    with (
        dg.DagsterInstance.get() as instance,
        WorkspaceProcessContext(instance, target, version=dg.__version__) as workspace,
    ):
        build_server(workspace, Address("127.0.0.1", int(sys.argv[1]))).run()
