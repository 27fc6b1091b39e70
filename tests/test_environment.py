"""What the environment of a process may not do: hide this machine, or Python's own modules."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from numebot_dagster import environment
from numebot_dagster.numerai.errors import NumeraiError
from numebot_dagster.numerai.http.transport import Transport
from numebot_dagster.settings import Settings, SettingsError

LOOPBACK = "localhost,127.0.0.1,::1"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({}, {"no_proxy": LOOPBACK}),
        ({"no_proxy": "intern.example"}, {"no_proxy": f"intern.example,{LOOPBACK}"}),
        (
            {"NO_PROXY": "127.0.0.1"},
            {"no_proxy": LOOPBACK, "NO_PROXY": "127.0.0.1,localhost,::1"},
        ),
        ({"no_proxy": "*"}, {"no_proxy": "*"}),
        ({"no_proxy": LOOPBACK}, {"no_proxy": LOOPBACK}),
    ],
)
def test_loopback_is_never_asked_through_a_proxy(monkeypatch, before, after):
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    for name, value in before.items():
        monkeypatch.setenv(name, value)
    environment.spare_loopback()
    names = {name: os.environ[name] for name in ("no_proxy", "NO_PROXY") if name in os.environ}
    assert names == after


@pytest.mark.parametrize(
    ("proxy", "shown"),
    [
        ("http://user:password@127.0.0.1:9", "127.0.0.1:9"),
        ("http://127.0.0.1:9", "http://127.0.0.1:9"),
        ("127.0.0.1:9", "127.0.0.1:9"),
        ("user:password@127.0.0.1:9", "127.0.0.1:9"),
        ("http://user:password@127.0.0.1:99999", "127.0.0.1:99999"),
        ("http://user:password@127.0.0.1:port", "127.0.0.1:port"),
    ],
)
def test_a_refusal_names_the_proxy(monkeypatch, proxy, shown):
    monkeypatch.setenv("http_proxy", proxy)
    settings = Settings(
        _env_file=None, numerai_api_url="http://numerai.invalid", numebot_retry_deadline=0.1
    )
    with pytest.raises(NumeraiError) as caught:
        Transport(settings).query("{ rounds { number } }")
    text = str(caught.value)
    assert f"http://numerai.invalid through the proxy {shown}: " in text
    assert "password" not in text


@pytest.mark.parametrize(
    ("name", "refused"),
    [("secrets.py", True), ("json/__init__.py", True), ("model.py", False), ("json.txt", False)],
)
def test_files_that_hide_python_itself_are_named(tmp_path, name, refused):
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.touch()
    if not refused:
        environment.refuse_hiding_modules(tmp_path)
        return
    with pytest.raises(SettingsError, match="hides Python's own module") as caught:
        environment.refuse_hiding_modules(tmp_path)
    assert str(tmp_path / path.relative_to(tmp_path).parts[0]) in str(caught.value)


@pytest.mark.process
def test_a_deleted_working_directory(tmp_path):
    place = tmp_path / "gone"
    place.mkdir()
    script = 'rmdir "$PWD" && exec "$0" -m numebot_dagster.cli.main status'
    finished = subprocess.run(
        ["sh", "-c", script, sys.executable], cwd=place, capture_output=True, text=True, timeout=60
    )
    assert finished.returncode == 1
    assert finished.stderr == (
        "error: the working directory has been deleted: change to another one\n"
    )
