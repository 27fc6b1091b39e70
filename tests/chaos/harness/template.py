"""Make the participant that all worlds of the chaos run are copies of, and keep it.

It has trained twice, a week apart, so that a model has something to fall back to. It is made once
for each state of the sources; what depends on nothing else than them is not made again.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from numebot_dagster.lake.locks import exclusive
from numebot_dagster.practice.creation import Plan
from numebot_dagster.practice.server import ONE_THREAD, PracticeServer
from numebot_dagster.settings import Settings
from tests.chaos import plan
from tests.chaos.plan import FALLBACKS, MODELS
from tests.support.world import TOURNAMENT, World

ROOT = Path(__file__).resolve().parents[3]
STAKES = {"gamma": "5", "epsilon": "2"}
TRAININGS = 2
MODELS_FILE = Path(__file__).with_name("chaos_models.py")
# What a tournament and trained weights depend on.
SOURCES = ("practice", "modeling", "lake")


def template() -> Path:
    """Return the folder of the template for the present sources; make it when they are new."""
    place = Path(tempfile.gettempdir()) / f"numebot-chaos-template-{os.getuid()}"
    folder = place / _state_of_the_sources()
    done = folder.with_suffix(".done")
    with exclusive(place / "lock"):
        if not done.exists():
            for older in place.iterdir():
                if older.name != "lock":
                    shutil.rmtree(older) if older.is_dir() else older.unlink()
            _make(folder)
            done.touch()
    return folder


def process_environment(settings: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a process of the participant, with these settings and no others."""
    own = {name.upper() for name in Settings.model_fields} | {"PYTHONDONTWRITEBYTECODE"}
    return {
        **{name: value for name, value in os.environ.items() if name not in own},
        **ONE_THREAD,
        "PYTHONPATH": str(ROOT),
        "PYTHONHASHSEED": "0",  # a worker that is a fork has it from the player
        "PYTHONPYCACHEPREFIX": str(Path(tempfile.gettempdir()) / f"numebot-pycache-{os.getuid()}"),
        "POLARS_MAX_THREADS": "1",
        "ARROW_DEFAULT_MEMORY_POOL": "system",  # the other one starts a thread
        **settings,
    }


def register(folder: Path, models: Sequence[str]) -> None:
    """Make these the participant's models."""
    rows = [
        f"{name},{MODELS_FILE.stem}:{name.capitalize()},,{FALLBACKS.get(name, '')}"
        for name in models
    ]
    header = "numerai_name,model_code,description,fallback"
    (folder / "model_configs.csv").write_text("\n".join([header, *rows, ""]))


def write_moods(folder: Path, moods: dict[str, str], training: int = TRAININGS) -> None:
    """Replace the file that the models read, whole."""
    temporary = folder / "moods.part"
    temporary.write_text(json.dumps({**moods, "training": training}))
    temporary.replace(folder / "moods.json")


def _make(folder: Path) -> None:
    folder.mkdir(parents=True)
    shutil.copy(MODELS_FILE, folder)
    register(folder, MODELS)
    with PracticeServer(folder / TOURNAMENT, Plan(models=MODELS, stakes=STAKES)) as practice:
        # The first requests wait until the tournament has made its data.
        settings = {**World(folder, practice).environment, "NUMEBOT_RETRY_DEADLINE": "300"}
        environment = process_environment(settings)
        for training in range(1, TRAININGS + 1):
            if training > 1:
                practice.advance(days=7)
            write_moods(folder, {}, training)
            _train(folder, environment)


def _train(folder: Path, environment: dict[str, str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "numebot_dagster.cli.main", "train"],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"the models could not be trained:\n{done.stderr[-3000:]}")


def _state_of_the_sources() -> str:
    digest = hashlib.sha256()
    for part in SOURCES:
        for path in sorted((ROOT / "numebot_dagster" / part).rglob("*.py")):
            digest.update(path.read_bytes())
    for path in (MODELS_FILE, Path(plan.__file__), Path(__file__)):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]
