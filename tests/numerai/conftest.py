"""Start a server that misbehaves by a script, and make settings that point to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from numebot_dagster.numerai.http import pacing
from numebot_dagster.settings import Settings
from tests.support.scripted_server import PUBLIC_ID, SECRET_KEY, ScriptedServer


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Begin retries after hundredths of a second, so that hundreds of them are soon tested."""
    monkeypatch.setattr(pacing, "_FIRST_WAIT", 0.02)


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    scripted = ScriptedServer()
    yield scripted
    scripted.stop()


@pytest.fixture
def make_settings(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Settings]:
    """Make settings with credentials and short limits, past this machine's environment."""
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)

    def make(url: str, **changes: Any) -> Settings:
        values = {
            "numerai_public_id": PUBLIC_ID,
            "numerai_secret_key": SECRET_KEY,
            "numerai_api_url": url,
            "numebot_connect_timeout": 0.5,
            "numebot_read_timeout": 0.5,
            "numebot_retry_deadline": 3.0,
        }
        return Settings(_env_file=None, **(values | changes))

    return make
