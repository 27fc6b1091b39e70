"""Serve the web pages of `numebot up` in a process, for a world."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import requests

from tests.support.ports import free_port
from tests.support.world import World

LAUNCH = "--launch"
"""The option by which the runs that a person asks for are started."""


@contextmanager
def serving(world: World, *options: str) -> Iterator[str]:
    """Serve a world; yield the address."""
    port = free_port()
    server = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("guarded_server.py")), str(port), *options],
        cwd=world.folder,
        env=world.whole_environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait_for(port)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(30)


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + 90
    while True:
        try:
            requests.get(f"http://127.0.0.1:{port}/server_info", timeout=5)
        except requests.ConnectionError:
            assert time.monotonic() < deadline, "the web server does not answer"
            time.sleep(0.3)
        else:
            return
