"""Pin vintages: the training data as Numerai publishes them on one day."""

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
TRAINING_FILES = (FEATURES, TRAIN, VALIDATION, TRAIN_BENCHMARKS, VALIDATION_BENCHMARKS, META_MODEL)


@dataclass(frozen=True)
class Vintage:
    """One pinned release of the training data, with its files by name."""

    number: int
    data_version: str
    pinned_at: datetime
    files: dict[str, Path]
    stamps: dict[str, str]


@dataclass(frozen=True)
class Manifest(json_records.Record):
    """What is stored of a vintage; `files` are the stamps of its files by name."""

    vintage: int
    data_version: str
    pinned_at: datetime
    files: dict[str, str]


def training_version(platform: Platform) -> str:
    """Return the data version to train on: as set, as in the newest vintage, or the newest.

    A newer version than that of the last vintage is used only when the user sets it.
    """
    if platform.settings.numebot_data_version:
        return platform.settings.numebot_data_version
    for number in reversed(platform.lake.stored_vintages()):
        vintage = _pinned(platform, number)
        if vintage is not None:
            return vintage.data_version
    return platform.client.enrichment.newest_data_version()


def fetch_training(platform: Platform, vintage: int) -> Vintage:
    """Pin a vintage: store the training data of today under the number of a round.

    A pinned vintage stays as it is, unless one of its files is damaged. A file that has not changed
    since another vintage is shared with it, not downloaded or copied.

    Raises:
        DownloadFailed: a file cannot be downloaded completely.
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
    """Store a training file under the stamp of its content, unless it exists; return the stamp."""
    while True:
        stamp = platform.client.identify(f"{version}/{name}").stamp
        destination = platform.lake.training_object(version, name, stamp)
        if _is_whole(destination):
            return stamp
        fetched = platform.download(f"{version}/{name}", destination)
        if fetched.remote.stamp == stamp:
            return stamp
        # Published again between the two requests: the file belongs under another stamp.
        files.remove(destination)


def read_vintage(platform: Platform, vintage: int) -> Vintage:
    """Return a stored vintage.

    Raises:
        FileNotFoundError: it is not stored; the text says how to pin it.
    """
    pinned = _pinned(platform, vintage)
    if pinned is None:
        raise FileNotFoundError(
            f"Vintage {vintage} is not stored. Materialise training/data for it, or type: "
            "numebot train"
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
    """Return whether a training file is stored and readable; an unreadable one is set aside."""
    read: Callable[[Path], object] = parquet.verify if path.suffix == ".parquet" else _read_json
    return path.is_file() and read_or_set_aside(path, read) is not None


def _read_json(path: Path) -> object:
    return json.loads(path.read_bytes())
