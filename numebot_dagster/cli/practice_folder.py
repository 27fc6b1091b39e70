"""A folder that holds a practice tournament and a participant's data side by side."""

from __future__ import annotations

import shutil
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from numebot_dagster.lake import files
from numebot_dagster.settings import Settings

if TYPE_CHECKING:
    from numebot_dagster.practice.server import PracticeServer

TOURNAMENT = "practice-tournament"
REGISTRY = """numerai_name,model_code,description
example_model,model_code.example_model,"Numerai's classic XGBoost example on today's data"
lightgbm_model,model_code.lightgbm_model,Numerai's standard LightGBM parameters
"""
STAKES = {"example_model": "1", "lightgbm_model": "2.5"}


@dataclass(frozen=True)
class PracticeFolder:
    """Where a demo keeps everything: settings, registry, data and the tournament."""

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
        """Whether a demo made it."""
        return self.env_file.is_file() and self.tournament.is_dir()

    def start(self) -> PracticeServer:
        """Starts the tournament, and writes the settings and the registry that belong to it."""
        from numebot_dagster.practice.creation import Plan
        from numebot_dagster.practice.server import PracticeServer, read_address

        server = PracticeServer(self.tournament, Plan(models=tuple(STAKES), stakes=STAKES))
        server.start()
        registry = self.path / "model_configs.csv"
        if not registry.exists():
            files.replace_text(registry, REGISTRY)
        files.replace_text(self.env_file, read_address(self.tournament).dotenv() + _REST)
        self.env_file.chmod(0o600)
        return server

    def remove(self) -> None:
        """Deletes what a demo made."""
        for name in (TOURNAMENT, "data"):
            shutil.rmtree(self.path / name, ignore_errors=True)
        for name in (".env", "model_configs.csv"):
            (self.path / name).unlink(missing_ok=True)


_REST = "NUMERAI_DATA_FOLDER=data\nMODEL_CONFIGS_PATH=model_configs.csv\n"


def restart_practice(stack: ExitStack, settings: Settings) -> bool:
    """Starts the tournament of the working directory again if the settings point to it.

    Args:
        stack: what ends the tournament's process.
        settings: of the working directory.

    Returns:
        Whether it was started; not when there is none, or when it answers already.
    """
    if not settings.is_practice or not (Path(TOURNAMENT) / "practice.json").is_file():
        return False
    from numebot_dagster.practice.server import Controls, PracticeServer, read_address

    if read_address(Path(TOURNAMENT)).url != settings.numerai_api_url:
        return False
    if Controls(settings.numerai_api_url).is_up():
        return False
    stack.enter_context(PracticeServer(Path(TOURNAMENT)))
    return True
