"""A vintage: the training data as Numerai publishes them on one day, pinned for good."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from numebot_dagster.lake import files, json_records, parquet
from numebot_dagster.lake.damaged import read_or_set_aside
from numebot_dagster.numerai import downloads
from numebot_dagster.operations.platform import Platform

FEATURES = "features.json"
TRAIN = "train.parquet"
VALIDATION = "validation.parquet"
TRAIN_BENCHMARKS = "train_benchmark_models.parquet"
VALIDATION_BENCHMARKS = "validation_benchmark_models.parquet"
META_MODEL = "meta_model.parquet"
TRAINING_FILES = (
    FEATURES,
    TRAIN,
    VALIDATION,
    TRAIN_BENCHMARKS,
    VALIDATION_BENCHMARKS,
    META_MODEL,
)


@dataclass(frozen=True)
class Vintage:
    """One pinned release of the training data: which stored object each of its files is."""

    number: int
    data_version: str
    pinned_at: datetime
    files: dict[str, Path]
    stamps: dict[str, str]


@dataclass(frozen=True)
class Manifest:
    """What is stored of a vintage; `files` are the stamps of its files by name."""

    vintage: int
    data_version: str
    pinned_at: datetime
    files: dict[str, str]


def training_version(platform: Platform) -> str:
    """The data version to train on: the one set, else that of the newest vintage, else the newest.

    A newer version than the last vintage's is adopted only by the user's word.
    """
    if platform.settings.numebot_data_version:
        return platform.settings.numebot_data_version
    for number in reversed(platform.lake.stored_vintages()):
        vintage = _pinned(platform, number)
        if vintage is not None:
            return vintage.data_version
    return platform.client.enrichment.newest_data_version()


def fetch_training(platform: Platform, vintage: int) -> Vintage:
    """Pins a vintage: stores the training data of today under the number of a round.

    A vintage that is pinned stays as it is, unless one of its files is damaged. A file that has not
    changed since another vintage is shared with it, not fetched or copied.

    Raises:
        DownloadFailed: when a file cannot be fetched whole.
    """
    pinned = _pinned(platform, vintage)
    if pinned is not None and all(map(_is_whole, pinned.files.values())):
        return pinned
    files.sweep(platform.lake.root)  # what killed runs left behind, anywhere
    version = training_version(platform)
    stamps = {}
    for place, name in enumerate(TRAINING_FILES, start=1):
        platform.log.info(
            "Training data %s, file %d of %d: %s", version, place, len(TRAINING_FILES), name
        )
        stamps[name] = _fetch_object(platform, version, name)
    downloads.sweep_parts(platform.lake.training_objects)
    manifest = Manifest(vintage, version, platform.client.now(), stamps)
    json_records.write(platform.lake.vintage_manifest(vintage), manifest)
    return read_vintage(platform, vintage)


def _fetch_object(platform: Platform, version: str, name: str) -> str:
    """Stores a training file under the stamp of its content, unless it is there; the stamp."""
    while True:
        stamp = platform.client.identify(f"{version}/{name}").stamp
        destination = platform.lake.training_object(version, name, stamp)
        if _is_whole(destination):
            return stamp
        fetched = platform.download(f"{version}/{name}", destination)
        if fetched.remote.stamp == stamp:
            return stamp
        # Published anew between the question and the download: it belongs under another stamp.
        files.remove(destination)


def read_vintage(platform: Platform, vintage: int) -> Vintage:
    """What a stored vintage holds.

    Raises:
        FileNotFoundError: when it is not stored; the text says how to pin it.
    """
    pinned = _pinned(platform, vintage)
    if pinned is None:
        raise FileNotFoundError(
            f"Vintage {vintage} is not stored: materialise training/data for it, "
            "or run `numebot train`."
        )
    return pinned


def _pinned(platform: Platform, vintage: int) -> Vintage | None:
    manifest = json_records.read_or_set_aside(platform.lake.vintage_manifest(vintage), Manifest)
    if manifest is None:
        return None
    version = manifest.data_version
    return Vintage(
        number=manifest.vintage,
        data_version=version,
        pinned_at=manifest.pinned_at,
        files={
            name: platform.lake.training_object(version, name, stamp)
            for name, stamp in manifest.files.items()
        },
        stamps=manifest.files,
    )


def _is_whole(path: Path) -> bool:
    """Whether a training file is stored and can be read; one that cannot be is set aside."""
    read: Callable[[Path], object] = parquet.verify if path.suffix == ".parquet" else _read_json
    return path.is_file() and read_or_set_aside(path, read) is not None


def _read_json(path: Path) -> object:
    return json.loads(path.read_bytes())
