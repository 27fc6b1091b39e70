"""Makes the participant that all worlds of the chaos run are copies of, and keeps it.

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
from collections.abc import Sequence
from pathlib import Path

from numebot_dagster.lake.locks import exclusive
from numebot_dagster.practice.creation import Plan
from numebot_dagster.practice.server import ONE_THREAD, PracticeServer
from numebot_dagster.settings import Settings
from tests.chaos.plan import FALLBACKS, MODELS

ROOT = Path(__file__).resolve().parents[2]
STAKES = {"gamma": "5", "epsilon": "2"}
TRAININGS = 2
TOURNAMENT = "tournament"
MODELS_MODULE = "chaos_models"
# What a tournament and trained weights depend on.
SOURCES = ("practice", "modeling", "lake")


def template() -> Path:
    """The folder of the template for the sources as they are now; made first when it is new."""
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


def copy(source: Path, folder: Path) -> None:
    """Copies a participant; files that nobody changes are shared where the disk allows it."""
    shutil.copytree(source, folder, copy_function=_share)


def environment_of(folder: Path, url: str, public_id: str, secret_key: str) -> dict[str, str]:
    """The environment of a participant's processes."""
    own = {name.upper() for name in Settings.model_fields} | {"PYTHONDONTWRITEBYTECODE"}
    return {
        **{name: value for name, value in os.environ.items() if name not in own},
        **ONE_THREAD,
        "PYTHONPATH": str(ROOT),
        "PYTHONHASHSEED": "0",  # a worker that is a fork has it from the player
        "PYTHONPYCACHEPREFIX": str(Path(tempfile.gettempdir()) / f"numebot-pycache-{os.getuid()}"),
        "POLARS_MAX_THREADS": "1",
        "ARROW_DEFAULT_MEMORY_POOL": "system",  # the other one starts a thread
        "NUMERAI_API_URL": url,
        "NUMERAI_PUBLIC_ID": public_id,
        "NUMERAI_SECRET_KEY": secret_key,
        "NUMERAI_DATA_FOLDER": str(folder / "data"),
        "MODEL_CONFIGS_PATH": str(folder / "model_configs.csv"),
        "DAGSTER_HOME": str(folder / "dagster"),
    }


def register(folder: Path, models: Sequence[str]) -> None:
    """Makes these the participant's models."""
    rows = [
        f"{name},{MODELS_MODULE}:{name.capitalize()},,{FALLBACKS.get(name, '')}" for name in models
    ]
    header = "numerai_name,model_code,description,fallback"
    (folder / "model_configs.csv").write_text("\n".join([header, *rows, ""]))


def write_moods(folder: Path, moods: dict[str, str], training: int = TRAININGS) -> None:
    """Replaces the file that the models read, whole."""
    temporary = folder / "moods.part"
    temporary.write_text(json.dumps({**moods, "training": training}))
    temporary.replace(folder / "moods.json")


def _make(folder: Path) -> None:
    folder.mkdir(parents=True)
    shutil.copy(Path(__file__).with_name(f"{MODELS_MODULE}.py"), folder)
    register(folder, MODELS)
    plan = Plan(models=MODELS, stakes=STAKES)
    with PracticeServer(folder / TOURNAMENT, plan) as practice:
        key = practice.credentials
        environment = environment_of(folder, practice.url, key.public_id, key.secret_key)
        # The first requests wait until the tournament has made its data.
        environment["NUMEBOT_RETRY_DEADLINE"] = "300"
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
    for name in ("chaos_models.py", "plan.py", "template.py"):
        digest.update(Path(__file__).with_name(name).read_bytes())
    return digest.hexdigest()[:16]


def _share(source: str, target: str) -> str:
    if source.endswith(".parquet"):
        try:
            os.link(source, target)
        except OSError:  # another disk
            return str(shutil.copy2(source, target))
        return target
    return str(shutil.copy2(source, target))
