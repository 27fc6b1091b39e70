"""Read and verify stored weights, and choose which ones to predict with."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from numebot_dagster import command_lines
from numebot_dagster.lake import json_records
from numebot_dagster.lake.damaged import LOGGER, DamagedFile
from numebot_dagster.lake.layout import Lake, WeightsFolder
from numebot_dagster.modeling.contract import RetrainPolicy

MANIFEST = "manifest.json"
CANARY = "canary.parquet"
KNOWN_FEATURES = "known_features.json"
MODEL_FOLDER = "model"


class NoWeights(Exception):
    """A model has no weights to predict with; the text says how to make some."""


class DamagedWeights(NoWeights):
    """A weights folder is incomplete, or its files are not those that were stored."""


@dataclass(frozen=True)
class StoredFile:
    """A file of a weights folder: its size in bytes and the SHA-256 of its content."""

    bytes: int
    sha256: str


@dataclass(frozen=True)
class Manifest(json_records.Record):
    """What is known of a training.

    Attributes:
        vintage: the round at which the data were pinned.
        data_stamp: what names the content of the training files.
        features: what the model was trained on, in that order.
        targets: what it learned from.
        target_is: which named target the bare `target` was equal to, by the name of the target.
        inputs: names of the models whose predictions it is given.
        parameters: what its code declares.
        library_versions: of Python and the libraries that were loaded.
        first_era: number of the oldest of them.
        last_era: number of the newest of them.
        seconds: of the whole training, reading and checking included.
        peak_memory_mb: highest resident size of the process, in MB (10^6 bytes).
        retrain_weeks: age at which the model wants to be trained again, if age decides.
        retrain_on_new_data_version: whether a new data version makes it want that.
        trained_at: when it ended, UTC.
        canary_rows: number of training rows that were predicted for later comparison.
        files: all files of the folder but the manifest, by their path in it.
    """

    model: str
    vintage: int
    code_hash: str
    data_version: str
    data_stamp: str
    features: tuple[str, ...]
    targets: tuple[str, ...]
    target_is: dict[str, str | None]
    inputs: tuple[str, ...]
    parameters: Any  # a mapping, unless a model declares otherwise
    library_versions: dict[str, str]
    train_eras: int
    first_era: int
    last_era: int
    train_rows: int
    seconds: float
    peak_memory_mb: float
    retrain_weeks: float | None
    retrain_on_new_data_version: bool
    time_budget: float
    memory_budget: float
    trained_at: datetime
    canary_rows: int
    files: dict[str, StoredFile]


@dataclass(frozen=True)
class StoredWeights:
    """Weights that were verified.

    Attributes:
        code_hash: of the code that made them, by the present rule.
        label: what the folder is named by, and their diagnosis.
    """

    vintage: int
    code_hash: str
    folder: Path
    label: str
    manifest: Manifest

    @property
    def model_folder(self) -> Path:
        """What `NumeraiModel.save` wrote and `NumeraiModel.load` reads."""
        return self.folder / MODEL_FOLDER


def is_due(manifest: Manifest, now: datetime, current_version: str) -> bool:
    """Return whether the retrain policy asks for new weights; see `RetrainPolicy.is_due`."""
    policy = RetrainPolicy(manifest.retrain_weeks, manifest.retrain_on_new_data_version)
    return policy.is_due(
        trained_at=manifest.trained_at,
        data_version=manifest.data_version,
        now=now,
        current_version=current_version,
    )


def list_files(folder: Path) -> dict[str, StoredFile]:
    """Return size and hash of every file of a folder but its manifest, by relative path."""
    return {
        str(path.relative_to(folder)): StoredFile(path.stat().st_size, _sha256(path))
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path != folder / MANIFEST
    }


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write the manifest into a weights folder."""
    json_records.write(folder / MANIFEST, manifest)


def read_manifest(folder: Path) -> Manifest:
    """Return the manifest of a weights folder.

    Raises:
        DamagedWeights: there is none, or it cannot be understood.
    """
    path = folder / MANIFEST
    try:
        return json_records.read(path, Manifest)
    except FileNotFoundError:
        raise DamagedWeights(f"{path} does not exist") from None
    except DamagedFile as error:
        raise DamagedWeights(f"{path} cannot be understood: {error}") from None


def verify(folder: Path) -> Manifest:
    """Check that a weights folder holds every file of its manifest, each with its content.

    Raises:
        DamagedWeights: naming the first file that is missing or different.
    """
    manifest = read_manifest(folder)
    for name, stored in manifest.files.items():
        path = folder / name
        if not path.is_file():
            raise DamagedWeights(f"{path} is missing")
        if path.stat().st_size != stored.bytes or _sha256(path) != stored.sha256:
            raise DamagedWeights(f"{path} is not the file that was stored")
    if CANARY not in manifest.files:
        raise DamagedWeights(f"{folder / CANARY} is missing")
    return manifest


def stored(lake: Lake, model_name: str) -> list[StoredWeights]:
    """Return the verified weights of a model, newest first; damaged ones are left out."""
    whole = []
    for place in lake.weights_folders(model_name):
        with suppress(DamagedWeights):
            whole.append(opened(place))
    return sorted(
        whole, key=lambda weights: (weights.vintage, weights.manifest.trained_at), reverse=True
    )


def choose(lake: Lake, model_name: str, code_hash: str, pinned: int | None = None) -> StoredWeights:
    """Return the weights to predict with: of the newest vintage, or of the pinned one.

    Weights that the code as it is now made go first. Where there are none, because the code was
    changed since, the newest others stand in rather than that a round is missed; the caller can see
    it from their `code_hash`, and the canary shows whether the new code still predicts the same.

    Raises:
        NoWeights: there are none; the text says why and what to type.
    """
    places = candidates(lake, model_name, code_hash, pinned)
    return first_whole(lake, model_name, places, pinned)


def first_whole(
    lake: Lake, model_name: str, places: Sequence[WeightsFolder], pinned: int | None = None
) -> StoredWeights:
    """Return the first of some weights of a model that are whole.

    Raises:
        NoWeights: there are none; the text says why and what to type.
    """
    damaged = []
    for place in places:
        try:
            whole = opened(place)
        except DamagedWeights as error:
            damaged.append(str(error))
            continue
        for text in damaged:
            used = f"the weights of vintage {whole.vintage} are used instead"
            _say_once(f"{model_name}: {used}: {text}")
        return whole
    vintages = [weights.vintage for weights in stored(lake, model_name)]
    raise NoWeights(_why_none(model_name, vintages, damaged, pinned))


@cache
def _say_once(text: str) -> None:
    LOGGER.warning("%s", text)


def candidates(
    lake: Lake, model_name: str, code_hash: str, pinned: int | None = None
) -> list[WeightsFolder]:
    """Return the weights of a model in the order in which to try them; see `choose`.

    Nothing is opened yet: hashing is left for what is really tried.
    """
    places = lake.weights_folders(model_name)
    places = [place for place in places if pinned in (None, place.vintage)]
    # Newest vintage first already, and the sort is stable.
    return sorted(places, key=lambda place: place.code_hash != code_hash)


def trained_before(
    lake: Lake, model_name: str, vintage: int, moment: datetime, code_hash: str | None = None
) -> list[tuple[WeightsFolder, Manifest]]:
    """Return the weights of a vintage that existed at a moment, the last training first.

    Those of a given code go before all others, as `choose` prefers them. Where none is that old, by
    the clock of the machine that trained them, they are all weights of the vintage. Those whose
    manifest cannot be read are left out.
    """
    readable = []
    for place in lake.weights_folders(model_name):
        if place.vintage == vintage:
            with suppress(DamagedWeights):
                readable.append((place, read_manifest(place.path)))
    in_time = [weights for weights in readable if weights[1].trained_at <= moment] or readable
    last_first = sorted(in_time, key=lambda weights: weights[1].trained_at, reverse=True)
    if code_hash is None:
        return last_first
    return sorted(last_first, key=lambda weights: weights[0].code_hash != code_hash)


def opened(place: WeightsFolder) -> StoredWeights:
    """Return the weights of a folder after verifying that they are whole.

    Raises:
        DamagedWeights: naming the first file that is missing or different.
    """
    manifest = verify(place.path)
    return StoredWeights(place.vintage, place.code_hash, place.path, place.label, manifest)


def _why_none(model_name: str, vintages: list[int], damaged: list[str], pinned: int | None) -> str:
    of_vintage = "" if pinned is None else f" of vintage {pinned}"
    reasons = [f"{model_name} has no weights{of_vintage}"]
    if pinned is not None and vintages:
        others = ", ".join(str(vintage) for vintage in sorted(set(vintages)))
        reasons.append(
            f"there are some of vintage {others}: set another one in the column `vintage` of the "
            "registry, or none"
        )
    reasons.extend(f"damaged: {reason}" for reason in damaged)
    reasons.append(f"to make some: {command_lines.train(model_name)}")
    return "; ".join(reasons)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
