"""Start the practice tournament of a demo's folder, and find that of the settings."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import psutil

from numebot_dagster import command_lines
from numebot_dagster.lake import files
from numebot_dagster.operations.health.ownership import LOOPBACK
from numebot_dagster.practice.api.rate_limits import Enforcement
from numebot_dagster.settings import Settings, SettingsError

if TYPE_CHECKING:
    from numebot_dagster.practice.server import PracticeServer

TOURNAMENT = "practice-tournament"
MARKER = ".numebot-demo"
REGISTRY = """numerai_name,model_code,description
example_model,model_code.example_model,"Numerai's classic XGBoost example on today's data"
lightgbm_model,model_code.lightgbm_model,Numerai's standard LightGBM parameters
"""
ENDING_SECONDS = 8.0
OWN_SLOT = "my_slot"  # of the demo's account: for the reader's own first model
STAKES = {"example_model": "1", "lightgbm_model": "2.5"}


@dataclass(frozen=True)
class PracticeFolder:
    """The folder of a demo: settings, registry, data and the tournament."""

    path: Path

    @property
    def tournament(self) -> Path:
        """The tournament's own folder."""
        return self.path / TOURNAMENT

    @property
    def env_file(self) -> Path:
        """The settings that point to the tournament."""
        return self.path / ".env"

    def is_demo(self) -> bool:
        """Return whether a demo created the folder."""
        return (self.path / MARKER).is_file()

    def claim(self) -> None:
        """Mark the folder as a demo's, before anything else is in it."""
        self.path.mkdir(parents=True, exist_ok=True)
        (self.path / MARKER).touch()
        files.replace_text(self.path / ".gitignore", "*\n")

    def start(self) -> PracticeServer:
        """Start the tournament, and write the settings and the registry that belong to it.

        Raises:
            SettingsError: It is in use, or cannot be started.
        """
        from numebot_dagster.practice.controls import read_address
        from numebot_dagster.practice.creation import Plan
        from numebot_dagster.practice.server import PracticeServer

        self._refuse_if_in_use()
        plan = Plan(models=(*STAKES, OWN_SLOT), stakes=STAKES)
        server = PracticeServer(self.tournament, plan, rate_limits=Enforcement.ON)
        with _explained():
            server.start()
        registry = self.path / "model_configs.csv"
        if not registry.exists():
            files.replace_text(registry, REGISTRY)
        files.replace_text(self.env_file, read_address(self.tournament).dotenv() + _REST)
        self.env_file.chmod(0o600)
        return server

    def remove(self) -> None:
        """Delete what a demo created, and nothing else.

        Raises:
            SettingsError: It is in use.
        """
        self._refuse_if_in_use()
        for name in (TOURNAMENT, "data"):
            if (self.path / name).exists():
                shutil.rmtree(self.path / name)
        for name in (".env", ".gitignore", "model_configs.csv", MARKER):
            (self.path / name).unlink(missing_ok=True)

    def _refuse_if_in_use(self) -> None:
        from numebot_dagster.practice.controls import ADDRESS_FILE, Controls, read_address

        if not (self.tournament / ADDRESS_FILE).is_file():
            return
        address = read_address(self.tournament)
        # The server of a demo that was just killed takes a moment to notice it.
        deadline = time.monotonic() + ENDING_SECONDS
        while psutil.pid_exists(address.pid) and Controls(address.url).is_up():
            if time.monotonic() > deadline:
                raise SettingsError(
                    f"the practice tournament of {self.path} is in use and answers at "
                    f"{address.url}: stop `numebot up` or `numebot practice serve` first, or "
                    "choose another --folder"
                )
            time.sleep(0.2)


_REST = "NUMERAI_DATA_FOLDER=data\nMODEL_CONFIGS_PATH=model_configs.csv\n"


def restart_practice(stack: ExitStack, settings: Settings) -> bool:
    """Start the tournament of the working directory again if the settings point to it.

    Returns:
        Whether it was started; not when there is none, or when it answers already.
    """
    if not is_practice_here(settings) or is_practice_up(settings):
        return False
    from numebot_dagster.practice.server import PracticeServer

    port = int(settings.numerai_api_url.rpartition(":")[2])  # the settings point to no other
    with _explained():
        stack.enter_context(PracticeServer(Path(TOURNAMENT), port=port, rate_limits=Enforcement.ON))
    return True


def is_practice_here(settings: Settings) -> bool:
    """Return whether the working directory holds the tournament that the settings point to."""
    if not settings.is_practice or not (Path(TOURNAMENT) / "practice.json").is_file():
        return False
    from numebot_dagster.practice.controls import read_address

    return read_address(Path(TOURNAMENT)).url == settings.numerai_api_url


def not_running(settings: Settings) -> str:
    """Return how to start the practice tournament of this machine that the settings point to.

    Empty when it answers, or when they point elsewhere.
    """
    is_here = urlsplit(settings.numerai_api_url).hostname in LOOPBACK
    if not settings.is_practice or not is_here or is_practice_up(settings):
        return ""
    folder = _folder_of(settings)
    if folder is None:
        start = f"{command_lines.practice('serve')} with its --folder; or correct NUMERAI_API_URL"
    elif folder == Path(TOURNAMENT):
        start = command_lines.practice("serve")
    else:
        start = command_lines.practice("serve", folder=folder)
    return f"The practice tournament is not running. To start it: {start}"


def _folder_of(settings: Settings) -> Path | None:
    """Return where the tournament that the settings point to was last served from, if known."""
    from numebot_dagster.practice.controls import ADDRESS_FILE, read_address

    beside = settings.numerai_data_folder.parent  # as `practice serve` proposes it
    folders = (Path(TOURNAMENT), beside, beside / TOURNAMENT)
    served = (folder for folder in folders if (folder / ADDRESS_FILE).is_file())
    address = settings.numerai_api_url
    return next((folder for folder in served if read_address(folder).url == address), None)


def is_practice_up(settings: Settings) -> bool:
    """Return whether a practice tournament answers where the settings point to."""
    from numebot_dagster.practice.controls import Controls

    return Controls(settings.numerai_api_url).is_up()


@contextmanager
def _explained() -> Iterator[None]:
    """Turn a refusal of the tournament into an error that a command shows as one line."""
    from numebot_dagster.practice.rules.clock import Refused

    try:
        yield
    except Refused as error:
        raise SettingsError(str(error)) from error
