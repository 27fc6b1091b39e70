"""Build every path of the lake; nothing else does.

Folders are hive partitions (`key=value`), so that DuckDB reads the values back as columns. A
value is percent-encoded, because a Numerai name may hold any character; DuckDB decodes it.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from urllib.parse import quote, unquote

ROUNDS_OF_A_BLOCK = 100
_NULL = "__HIVE_DEFAULT_PARTITION__"  # how hive writes, and DuckDB reads, a value that is absent
_DAY = re.compile(r"\d{4}-\d\d-\d\d")


@dataclass(frozen=True)
class WeightsFolder:
    """One stored training of a model: what its path says, without opening a file.

    Attributes:
        code_hash: of the code that made it, by the present rule, even if the folder bears a
            former one.
    """

    vintage: int
    code_hash: str
    path: Path

    @property
    def label(self) -> str:
        """What the folder is named by: the code's hash, and from the second training on a number.

        It names the diagnosis of these weights as well.
        """
        return unquote(self.path.name.removeprefix("code="))

    @property
    def attempt(self) -> int:
        """Which training it is of the same code on the same vintage, the first being 1."""
        number = self.label.partition("-")[2]
        return int(number) if number.isdecimal() else 1


@dataclass(frozen=True)
class Lake:
    """The places of everything that is stored under one root folder."""

    root: Path

    def stored_files(self, on_error: Callable[[OSError], object] | None = None) -> list[Path]:
        """Return all files of data: those in weights, and those that only work needs, are none.

        Args:
            on_error: called for each folder that the system does not let this process list.
        """
        passing = [self.root / name for name in ("dagster", "locks", "weights")]
        paths = []
        for folder, subfolders, names in os.walk(self.root, onerror=on_error):
            place = Path(folder)
            subfolders[:] = [
                name for name in subfolders if name[0] != "." and place / name not in passing
            ]
            paths += [place / name for name in names if name[0] != "."]
        return sorted(paths)

    def is_download(self, path: Path) -> bool:
        """Return whether a file is of Numerai's data, for training or live, which are large."""
        return any(path.is_relative_to(self.root / table) for table in ("training", "live"))

    def relative(self, path: Path) -> str:
        """Return a path below the root, with slashes."""
        return path.relative_to(self.root).as_posix()

    # Rounds

    def round_details(self, round_number: int) -> Path:
        """Return the file of a round's times, status and score configurations."""
        return self.root / "rounds" / f"round={round_number}" / "details.parquet"

    def stored_rounds(self) -> list[int]:
        """Return the rounds whose details are stored, oldest first."""
        return sorted(
            int(value)
            for value, folder in _partitions(self.root / "rounds", "round")
            if (folder / "details.parquet").is_file()
        )

    @property
    def skipped_rounds_file(self) -> Path:
        """The newest round that was skipped on purpose."""
        return self.root / "rounds" / "skipped.json"

    def live_folder(self, round_number: int, data_version: str) -> Path:
        """Return the folder of a round's live files of one data version, for example `v5.3`."""
        return self.root / "live" / f"round={round_number}" / _part("version", data_version)

    def live_folders(self, round_number: int) -> dict[str, Path]:
        """Return the stored live folders of a round by data version."""
        return dict(_partitions(self.root / "live" / f"round={round_number}", "version"))

    def live_rounds(self) -> list[int]:
        """Return the rounds of which some live data are stored, oldest first."""
        return sorted(int(value) for value, _ in _partitions(self.root / "live", "round"))

    # Training

    @property
    def training_objects(self) -> Path:
        """The folder of all downloaded training files."""
        return self.root / "training" / "objects"

    def training_object(self, data_version: str, filename: str, stamp: str) -> Path:
        """Return the path of a downloaded training file, immutable: `stamp` names its content.

        Vintages whose file has not changed share one object.
        """
        version = self.training_objects / _part("version", data_version)
        return version / _part("stamp", stamp) / filename

    def vintage_manifest(self, vintage: int) -> Path:
        """Return the file that says which training objects a vintage pins."""
        return self.root / "training" / f"vintage={vintage}" / "manifest.json"

    def stored_vintages(self) -> list[int]:
        """Return the vintages that have a manifest, oldest first."""
        return sorted(
            int(value)
            for value, folder in _partitions(self.root / "training", "vintage")
            if (folder / "manifest.json").is_file()
        )

    # Models

    def weights_folder(
        self, model_name: str, vintage: int, code_hash: str, attempt: int = 1
    ) -> Path:
        """Return the folder of what one code version of a model learned from a vintage."""
        label = code_hash if attempt == 1 else f"{code_hash}-{attempt}"
        return self._weights(model_name) / f"vintage={vintage}" / _part("code", label)

    def weights_folders(self, model_name: str) -> list[WeightsFolder]:
        """Return a model's weights folders: newest vintage first, last training first."""
        present = self.former_code_hashes(model_name)
        places = []
        for vintage, folder in _partitions(self._weights(model_name), "vintage"):
            for label, path in _partitions(folder, "code"):
                code_hash = label.partition("-")[0]
                places.append(WeightsFolder(int(vintage), present.get(code_hash, code_hash), path))
        return sorted(
            places,
            key=lambda place: (
                *(-place.vintage, place.code_hash),
                *(not place.label.startswith(place.code_hash), -place.attempt),
            ),
        )

    def all_weights_folders(self) -> list[WeightsFolder]:
        """Return the weights folders of all models, those included that are registered no more."""
        models = _partitions(self.root / "weights", "model")
        return [place for name, _ in models for place in self.weights_folders(name)]

    def former_code_file(self, model_name: str, former: str, present: str) -> Path:
        """Return the empty file whose path says that two hashes are of the same code of a model."""
        return self._weights(model_name) / _part("former", former) / _part("code", present)

    def former_code_hashes(self, model_name: str) -> dict[str, str]:
        """Return the present hash of a model's code by the one that it had under a former rule."""
        return {
            former: present
            for former, folder in _partitions(self._weights(model_name), "former")
            for present, _ in _partitions(folder, "code")
        }

    def _weights(self, model_name: str) -> Path:
        return self.root / "weights" / _part("model", model_name)

    def diagnosis_folder(self, model_name: str, vintage: int, label: str) -> Path:
        """Return the folder of a diagnosis of weights, by the label of their folder."""
        return self._diagnoses(model_name, vintage) / _part("code_hash", label)

    def diagnosis_folders(self, model_name: str, vintage: int) -> list[Path]:
        """Return the stored diagnoses of a model and a vintage, newest first."""
        diagnoses = self._diagnoses(model_name, vintage)
        folders = [path for _, path in _partitions(diagnoses, "code_hash")]
        return sorted(folders, key=lambda path: path.stat().st_mtime, reverse=True)

    def _diagnoses(self, model_name: str, vintage: int) -> Path:
        return self.root / "diagnostics" / _part("model", model_name) / f"vintage={vintage}"

    def predictions_folder(self, model_name: str, round_number: int) -> Path:
        """Return the folder of all predictions of a model for a round."""
        return self.root / "predictions" / _part("model", model_name) / f"round={round_number}"

    def predictions_files(self, model_name: str, round_number: int) -> list[Path]:
        """Return all stored predictions of a model for a round."""
        folder = self.predictions_folder(model_name, round_number)
        return sorted(folder.glob("vintage=*/sha256=*/predictions.parquet"))

    def predictions_file(
        self, model_name: str, round_number: int, vintage: int | None, sha256: str
    ) -> Path:
        """Return the file of predictions (`id`, `prediction`), named by their content.

        Without a vintage they were made by no weights of ours.
        """
        value = _NULL if vintage is None else vintage
        parent = self.predictions_folder(model_name, round_number) / f"vintage={value}"
        return parent / _part("sha256", sha256) / "predictions.parquet"

    def receipts_folder(self, model_name: str, round_number: int) -> Path:
        """Return the folder of a model's receipts for a round, one file per event."""
        return self.root / "submissions" / _part("model", model_name) / f"round={round_number}"

    def receipts_files(self, model_name: str, round_number: int) -> list[Path]:
        """Return a model's receipts for a round that are not rolled up, oldest first."""
        return sorted(self.receipts_folder(model_name, round_number).glob("[0-9]*.parquet"))

    def models_with_receipts(self, round_number: int) -> list[str]:
        """Return the models that have a folder for their receipts of a round."""
        models = _partitions(self.root / "submissions", "model")
        return [name for name, folder in models if (folder / f"round={round_number}").is_dir()]

    def takes_part(self, model_name: str, round_number: int) -> bool:
        """Return whether a model was trained before a round opened, or had predicted by then.

        One that came later has not missed the round, nor has one that was never trained. One that
        was trained in a round takes part in it once it was tried. The folder of
        the first round in which it was tried stays, empty, when its files are rolled up.
        """
        trained = [place.vintage for place in self.weights_folders(model_name)]
        tables = ("predictions", "submissions") if trained else ("predictions",)
        tried = [
            number
            for table in tables
            for number, _ in _rounds(self.root / table / _part("model", model_name))
        ]
        return any(vintage < round_number for vintage in trained) or any(
            number <= round_number for number in tried
        )

    def model_rounds(self, table: str) -> dict[int, list[str]]:
        """Return the models with a folder in `submissions` or `predictions`, by round."""
        models: dict[int, list[str]] = {}
        for name, folder in _partitions(self.root / table, "model"):
            for number, _ in _rounds(folder):
                models.setdefault(number, []).append(name)
        return dict(sorted(models.items()))

    def first_round_folders(self, table: str) -> frozenset[Path]:
        """Return the folders of the models' first rounds in `submissions` or `predictions`."""
        folders = (folder for _, folder in _partitions(self.root / table, "model"))
        rounds = ([*_rounds(folder)] for folder in folders)
        return frozenset(min(numbered)[1] for numbered in rounds if numbered)

    @property
    def live_correlations_file(self) -> Path:
        """The correlations of models' predictions in the last rounds."""
        return self.root / "correlations" / "live.parquet"

    # Performance

    def day_file(self, table: str, day: date) -> Path:
        """Return the file of a table by days (scores, leaderboard, payouts, …) of a UTC day."""
        return self.root / table / f"date={day:%Y-%m-%d}" / f"{table}.parquet"

    def stored_days(self, table: str) -> list[date]:
        """Return the UTC days for which a performance table has a file of its own, in order."""
        return sorted(
            date.fromisoformat(value)
            for value, folder in _partitions(self.root / table, "date")
            if _DAY.fullmatch(value) and (folder / f"{table}.parquet").is_file()
        )

    # Alerts

    def alert_file(self, kind: str, subject: str) -> Path:
        """Return the file of an alert: its text, and the channels that have it."""
        name = hashlib.sha256(subject.encode()).hexdigest()[:16]
        return self.root / "alerts" / _part("kind", kind) / f"{name}.json"

    def alert_files(self, kind: str = "*") -> list[Path]:
        """Return the files of alerts that are not rolled up, by kind, or those of one kind."""
        return sorted((self.root / "alerts").glob(f"kind={kind}/[0-9a-f]*.json"))

    def alert_kinds(self) -> list[str]:
        """Return the kinds of alerts that have a folder."""
        return [kind for kind, _ in _partitions(self.root / "alerts", "kind")]

    # What no longer changes, rolled up

    def is_block(self, path: Path) -> bool:
        """Return whether a file is one into which others were rolled up."""
        parts = path.relative_to(self.root).parts
        return len(parts) > 1 and parts[1] == "rollup" and path.suffix == ".parquet"

    def receipts_block(self, round_number: int) -> Path:
        """Return the file with the receipts of all models for a hundred rounds."""
        first = round_number // ROUNDS_OF_A_BLOCK * ROUNDS_OF_A_BLOCK
        return self.root / "submissions" / "rollup" / f"rounds={first}" / "receipts.parquet"

    def predictions_block(self, round_number: int, columns: str, number: int) -> Path:
        """Return a file with predictions of all models for a round.

        Args:
            round_number: the round.
            columns: names the columns of the file: all that are named alike have the same.
            number: tells the files of a round apart.
        """
        return self._predictions_blocks(round_number) / f"{_columns_part(columns)}-{number}.parquet"

    def predictions_blocks(self, round_number: int) -> list[Path]:
        """Return the files with rolled up predictions for a round, oldest first."""
        paths = self._predictions_blocks(round_number).glob("*-*.parquet")
        return sorted(paths, key=_block_number)

    def next_predictions_block(self, round_number: int) -> int:
        """Return the number of a round's next file with rolled up predictions."""
        return max(map(_block_number, self.predictions_blocks(round_number)), default=0) + 1

    def _predictions_blocks(self, round_number: int) -> Path:
        return self.root / "predictions" / "rollup" / f"round={round_number}"

    def day_block(self, table: str, day: date) -> Path:
        """Return the file with the days of a month of a performance table."""
        return self.root / table / "rollup" / f"month={day:%Y-%m}" / f"{table}.parquet"

    def day_blocks(self, table: str) -> list[Path]:
        """Return the files of a performance table with the days of a month each, in order."""
        return sorted((self.root / table / "rollup").glob(f"month=*/{table}.parquet"))

    def alerts_block(self, kind: str) -> Path:
        """Return the file with the old alerts of a kind."""
        return self.root / "alerts" / "rollup" / _part("kind", kind) / "alerts.parquet"

    # What was looked at

    @property
    def preflight_file(self) -> Path:
        """What the last pre-flight found."""
        return self.root / "preflight" / "last.json"

    def replay_file(self, model_name: str) -> Path:
        """Return what became of the last replay of a model's stored rounds."""
        return self.root / "replays" / _part("model", model_name) / "last.json"

    @property
    def observation_file(self) -> Path:
        """Numerai's data, rules and fields as they were when they were last looked at."""
        return self.root / "preflight" / "numerai.json"

    # The rest

    @property
    def board_folder(self) -> Path:
        """The folder of pages and pictures, which can be sent or archived as a whole."""
        return self.root / "board"

    def figure(self, name: str) -> Path:
        """Return the file of a picture of the board, for example `overview.png`."""
        return self.board_folder / "figures" / name

    def board_file(self, name: str) -> Path:
        """Return a file of the board, for example `index.html`."""
        return self.board_folder / name

    def lock_file(self, name: str) -> Path:
        """Return the file that processes lock to take turns at something."""
        return self.root / "locks" / f"{name}.lock"

    def requests_file(self, endpoint: str) -> Path:
        """Return the file in which the processes of this folder count their calls to a server."""
        digest = hashlib.sha256(endpoint.encode()).hexdigest()[:8]
        return self.root / "locks" / f"requests-{digest}.json"

    @property
    def owner_file(self) -> Path:
        """Which tournament and account the whole folder belongs to."""
        return self.root / "tournament.json"

    @property
    def installation_file(self) -> Path:
        """What tells this folder from others that use the same account."""
        return self.root / "installation.json"

    @property
    def catalog_file(self) -> Path:
        """The DuckDB database that holds the views and no data."""
        return self.root / "numebot.duckdb"


def predictions_sha256(path: Path) -> str | None:
    """Return the hash by which a file of predictions is named; None for any other file."""
    key, _, value = path.parent.name.partition("=")
    return value if key == "sha256" else None


def path_values(relative: str) -> dict[str, str | None]:
    """Return the values in the names of the folders of a path, decoded."""
    parts = (part.partition("=") for part in relative.split("/") if "=" in part)
    return {key: None if value == _NULL else unquote(value) for key, _, value in parts}


def _block_number(path: Path) -> int:
    return int(path.stem.partition("-")[2])


def _columns_part(columns: str) -> str:
    return hashlib.sha256(columns.encode()).hexdigest()[:8]


def _part(key: str, value: str) -> str:
    return f"{key}={quote(value, safe='')}"


def _partitions(parent: Path, key: str) -> Iterator[tuple[str, Path]]:
    """Yield the `key=value` folders of a parent that may not exist, as (decoded value, folder)."""
    if parent.is_dir():
        for folder in sorted(parent.glob(f"{key}=*")):
            yield unquote(folder.name.removeprefix(f"{key}=")), folder


def _rounds(parent: Path) -> Iterator[tuple[int, Path]]:
    """Yield the folders of rounds of a parent that may not exist, with their numbers."""
    for value, folder in _partitions(parent, "round"):
        if value.isdecimal():
            yield int(value), folder
