"""Play rounds with 50 models against Numerai's limits, and against half of them.

    python -m benchmarks.rate_limits [--models 50]

Shows how often each operation was called, how often the server refused one, and how many models
were confirmed. The last line is the cold start of an account with a year of history.
"""

from __future__ import annotations

import argparse
import logging
import shutil
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

from pydantic import SecretStr

from numebot_dagster.lake.layout import Lake
from numebot_dagster.numerai.http.rate_limits import Budget
from numebot_dagster.operations.health import doctor, watchdog
from numebot_dagster.operations.performance import collecting
from numebot_dagster.operations.platform import Platform
from numebot_dagster.operations.rounds import details, follow_up, live_data
from numebot_dagster.operations.rounds.outcomes import Ending, Play
from numebot_dagster.operations.rounds.playing import play
from numebot_dagster.operations.training import trainer, vintages
from numebot_dagster.practice.api.rate_limits import Enforcement
from numebot_dagster.practice.creation import Plan
from numebot_dagster.practice.server import PracticeServer
from numebot_dagster.settings import Settings

YEAR = timedelta(days=365)
MODEL = '''
import numpy as np
from numebot_dagster.modeling import NumeraiModel

class Quick(NumeraiModel):
    """Adds up a few features."""
    feature_set = "small"
    def train(self, data):
        self.weights = np.arange(data.matrix().shape[1], dtype=float)
    def predict(self, data):
        return data.matrix.astype(float) @ self.weights
    def save(self, folder):
        np.save(folder / "w.npy", self.weights)
    def load(self, folder):
        self.weights = np.load(folder / "w.npy")
'''


class Calls:
    """Counts what is called, and what the server refuses as one too many."""

    def __init__(self) -> None:
        self.made: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()

    @contextmanager
    def counted(self) -> Iterator[None]:
        """Count the calls of all threads in the block."""
        take, close = Budget.take, Budget.close

        def counted_take(budget: Budget, operations: Any, *arguments: Any, **named: Any) -> None:
            take(budget, operations, *arguments, **named)
            self.made.update(operations)

        def counted_close(budget: Budget, operations: Any, seconds: float | None) -> None:
            self.refused.update(operations)
            close(budget, operations, seconds)

        with (
            patch.object(Budget, "take", counted_take),
            patch.object(Budget, "close", counted_close),
        ):
            yield


def settings_of(folder: Path, practice: PracticeServer) -> Settings:
    """Return the settings of the participant."""
    key = practice.credentials
    return Settings(
        _env_file=None,  # type: ignore[call-arg]
        numerai_api_url=practice.url,
        numerai_public_id=SecretStr(key.public_id),
        numerai_secret_key=SecretStr(key.secret_key),
        numerai_data_folder=folder / "data",
        model_configs_path=folder / "models.csv",
    )


def prepare(folder: Path, names: list[str]) -> None:
    """Make a tournament, and a data folder with weights of the first model for all of them."""
    (folder / "quick_of_benchmark.py").write_text(MODEL)
    rows = [f"{name},quick_of_benchmark:Quick," for name in names]
    (folder / "models.csv").write_text("\n".join(["numerai_name,model_code,description", *rows]))
    sys.path.insert(0, str(folder))
    with PracticeServer(folder / "tournament", Plan(models=tuple(names))) as practice:
        platform = Platform(settings_of(folder, practice))
        vintage = vintages.fetch_training(platform, trainer.vintage_of_today(platform))
        stored = trainer.train(platform, platform.registry.enabled[0], vintage)
        lake = Lake(folder / "data")
        first = lake.weights_folders(names[0])[0].path.parents[1]
        assert stored.folder.is_relative_to(first)
        for name in names[1:]:
            shutil.copytree(first, first.with_name(f"model={name}"))


def background(platform: Platform, number: int, over: threading.Event) -> None:
    """Do beside a round what sensors, the watchdog and a curious person do."""
    while not over.is_set():
        platform.client.rounds()
        watchdog.look(platform)
        follow_up.recheck(platform, platform.client.round(number), platform.registry.enabled)
        collecting.collect_scores(platform, [collecting.today(platform)])
        over.wait(5.0)


def play_round(platform: Platform, number: int) -> Counter[str]:
    """Play a round beside everything else; how it ended, by the number of models."""
    over = threading.Event()
    beside = Platform(platform.settings)
    thread = threading.Thread(target=background, args=(beside, number, over), daemon=True)
    thread.start()
    details.fetch_details(platform, number)
    live_data.fetch_live(platform, number, platform.registry.enabled)
    played = play(platform, Play(number, platform.registry.enabled))
    over.set()
    thread.join(300)
    return Counter(str(result.ending) for result in played)


def cold_start(platform: Platform) -> int:
    """Collect a year of scores into a folder without any."""
    list(doctor.examine(platform))
    days = collecting.days_to_collect(platform)
    collecting.collect_scores(platform, days)
    collecting.collect_leaderboard(platform, days[-1])
    collecting.collect_payouts(platform, days[-1])
    return len(days)


def report(title: str, calls: Calls, seconds: float, outcome: str) -> None:
    """Print one line of figures."""
    made = ", ".join(f"{name} {count}" for name, count in calls.made.most_common())
    refused = sum(calls.refused.values())
    print(f"{title}: {outcome}; {refused} refused; {seconds:.0f} s; {made}", flush=True)


def main() -> None:
    """Run all of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=int, default=50)
    names = [f"model_{number:02}" for number in range(parser.parse_args().models)]
    logging.basicConfig(level=logging.ERROR)
    with tempfile.TemporaryDirectory(prefix="rate-limits-") as root:
        folder = Path(root)
        prepare(folder, names)
        for enforcement in (Enforcement.ON, Enforcement.HALF):
            with PracticeServer(folder / "tournament", rate_limits=enforcement) as practice:
                practice.advance("next-open")
                platform = Platform(settings_of(folder, practice))
                calls, started = Calls(), time.monotonic()
                with calls.counted():
                    endings = play_round(platform, int(practice.state()["open_round"]))
                outcome = f"{endings[str(Ending.CONFIRMED)]} of {len(names)} models confirmed"
                report(f"limits {enforcement}", calls, time.monotonic() - started, outcome)
        with PracticeServer(folder / "tournament", rate_limits=Enforcement.ON) as practice:
            practice.advance(days=YEAR.days)
            platform = Platform(settings_of(folder, practice))
            calls, started = Calls(), time.monotonic()
            with calls.counted():
                days = cold_start(platform)
            report("cold start", calls, time.monotonic() - started, f"{days} days")


if __name__ == "__main__":
    main()
