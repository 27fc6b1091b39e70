"""Fetching what Numerai publishes: a round's details and live data, a vintage's training data."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from numebot_dagster.lake import files, parquet
from numebot_dagster.lake.locks import exclusive
from numebot_dagster.modeling import weights
from numebot_dagster.modeling.registry import RegisteredModel, code_hash
from numebot_dagster.numerai.errors import DataNotReady, NumeraiError, RoundNotOpen
from numebot_dagster.numerai.records import RemoteFile, Round
from numebot_dagster.operations.gates import Gate, ids_are_new, usual_row_count
from numebot_dagster.operations.platform import Platform

LIVE = "live.parquet"
LIVE_BENCHMARKS = "live_benchmark_models.parquet"
LIVE_EXAMPLE = "live_example_preds.parquet"
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

ROUNDS_TO_COMPARE = 5


@dataclass(frozen=True)
class LiveData:
    """A round's stored live data of one data version, and the verdict of its gates."""

    data_version: str
    folder: Path
    rows: int
    columns: tuple[str, ...]
    gates: tuple[Gate, ...]


@dataclass(frozen=True)
class Vintage:
    """One pinned release of the training data: which stored object each of its files is."""

    number: int
    data_version: str
    pinned_at: datetime
    files: dict[str, Path]
    stamps: dict[str, str]


def fetch_details(platform: Platform, round_number: int) -> Round:
    """Stores what Numerai says of a round.

    Score configurations are an enrichment: when the wide query fails, the times are stored
    without them and a warning is logged.

    Raises:
        NumeraiError: when not even the times can be read.
    """
    try:
        found = platform.client.round_details(round_number)
    except NumeraiError as error:
        found = platform.client.round(round_number)
        platform.log.warning(
            "Round %d: stored without its score configurations, which could not be read (%s). "
            "Materialise rounds/details again to add them.",
            round_number,
            error,
        )
    _store_details(platform, found)
    return found


def _store_details(platform: Platform, found: Round) -> None:
    import polars as pl

    row = {
        "round": found.number,
        "open_time": found.open_time,
        "close_staking_time": found.close_staking_time,
        "close_time": found.close_time,
        "score_time": found.score_time,
        "resolve_time": found.resolve_time,
        "status": status_of(found, platform.client.now()),
        "score_configs": json.dumps([asdict(one) for one in found.score_configs], default=_plain),
    }
    moment = pl.Datetime("us", "UTC")
    schema = {name: moment if name.endswith("_time") else pl.String for name in row}
    frame = pl.DataFrame([row], schema=schema | {"round": pl.Int64})
    parquet.write(platform.lake.round_details(found.number), frame)


def _plain(value: object) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Decimal):
        return str(value)
    return dict(value)  # type: ignore[call-overload]


def status_of(found: Round, now: datetime) -> str:
    """`upcoming`, `open`, `resolving` or `resolved` at `now` (aware UTC)."""
    if now < found.open_time:
        return "upcoming"
    if found.is_open(now):
        return "open"
    return "resolved" if found.resolved else "resolving"


def fetch_live(
    platform: Platform, round_number: int, models: Sequence[RegisteredModel]
) -> list[LiveData]:
    """Stores the round's live data, one folder per data version that the models' weights need.

    What is stored already is verified and not fetched again: live data of a round never change.

    Raises:
        RoundNotOpen: when the data are not stored and the window is not open: what Numerai serves
            now belongs to another round.
        DataNotReady: when the ids are still those of the round before; nothing is stored.
        DownloadFailed: when a file cannot be fetched whole.
    """
    versions = versions_needed(platform, models)
    return [_fetch_version(platform, round_number, version) for version in versions]


def versions_needed(platform: Platform, models: Sequence[RegisteredModel]) -> list[str]:
    """The data versions of the models' weights; without any weights the one to train on."""
    versions = set()
    for model in models:
        # A model without weights needs no data; that it cannot predict is said when it is played.
        with suppress(weights.NoWeights):
            chosen = weights.choose(platform.lake, model.name, code_hash(model), model.vintage)
            versions.add(chosen.manifest.data_version)
    return sorted(versions) or [training_version(platform)]


def _fetch_version(platform: Platform, round_number: int, version: str) -> LiveData:
    folder = platform.lake.live_folder(round_number, version)
    if not folder.is_dir():
        _require_open(platform, round_number)
        _store_live(platform, round_number, version, folder)
    facts = parquet.verify(folder / LIVE)
    gates = (
        ids_are_new(live_ids(folder), _previous_ids(platform, round_number, version)),
        usual_row_count(facts.rows, _earlier_row_counts(platform, round_number, version)),
    )
    return LiveData(version, folder, facts.rows, facts.columns, gates)


def _store_live(platform: Platform, round_number: int, version: str, folder: Path) -> None:
    """Fetches the live files into their folder, while no other process does the same."""
    lock = platform.lake.lock_file(f"live-{round_number}-{version}")
    with exclusive(lock, lambda: platform.log.info("Another run fetches the live data: waiting")):
        if folder.is_dir():
            return
        files.sweep(folder.parent)  # what a killed run left behind
        with files.folder(folder) as unfinished:
            _download_live(platform, round_number, version, unfinished)


def _require_open(platform: Platform, round_number: int) -> None:
    found, now = platform.client.round(round_number), platform.client.now()
    if not found.is_open(now):
        raise RoundNotOpen(
            f"round {round_number} is open from {found.open_time:%a %d %b %H:%M} to "
            f"{found.close_staking_time:%a %d %b %H:%M} UTC, and it is {now:%a %d %b %H:%M} UTC: "
            "its live data cannot be fetched"
        )


def _download_live(platform: Platform, round_number: int, version: str, folder: Path) -> None:
    fetched = platform.download(f"{version}/{LIVE}", folder / LIVE)
    verdict = ids_are_new(live_ids(folder), _previous_ids(platform, round_number, version))
    if not verdict.passed or _is_former(platform, round_number, version, fetched.remote):
        raise DataNotReady(
            f"Round {round_number} is open, but {version}/{LIVE} still has the ids of an earlier "
            "round: Numerai has not published the new data yet. Run again in a minute."
        )
    for name in (FEATURES, LIVE_BENCHMARKS, LIVE_EXAMPLE):
        try:
            platform.download(f"{version}/{name}", folder / name)
        except NumeraiError as error:
            # Beyond live.parquet nothing is needed by every model; one that does need it says so.
            platform.log.warning("Round %d goes on without %s: %s", round_number, name, error)


def _is_former(platform: Platform, round_number: int, version: str, fetched: RemoteFile) -> bool:
    """Whether a file is the one of the round before, when that round's ids are not stored here.

    The first round that is played has nothing else to tell late data from its own by; when
    Numerai does not say what the former file was, the file counts as new.
    """
    if (platform.lake.live_folder(round_number - 1, version) / LIVE).is_file():
        return False
    try:
        former = platform.client.identify(fetched.name, round_number=round_number - 1)
    except NumeraiError as error:
        platform.log.info("Round %d: the round before has no %s: %s", round_number, LIVE, error)
        return False
    return fetched.strong_etag is not None and former.strong_etag == fetched.strong_etag


def live_ids(folder: Path) -> list[str]:
    """The ids of a stored live file, in its order."""
    return parquet.read(folder / LIVE, ["id"])["id"].to_list()


def _previous_ids(platform: Platform, round_number: int, version: str) -> list[str] | None:
    earlier = _earlier_folders(platform, round_number, version)
    return live_ids(earlier[0]) if earlier else None


def _earlier_row_counts(platform: Platform, round_number: int, version: str) -> list[int]:
    earlier = _earlier_folders(platform, round_number, version)[:ROUNDS_TO_COMPARE]
    counts = []
    for folder in earlier:
        with suppress(parquet.DamagedFile):  # an old file that is damaged stops no new round
            counts.append(parquet.verify(folder / LIVE).rows)
    return counts


def _earlier_folders(platform: Platform, round_number: int, version: str) -> list[Path]:
    """The stored live folders of earlier rounds, newest first."""
    folders = (
        platform.lake.live_folder(number, version)
        for number in reversed(platform.lake.stored_rounds())
        if number < round_number
    )
    return [folder for folder in folders if (folder / LIVE).is_file()]


def training_version(platform: Platform) -> str:
    """The data version to train on: the one set, else that of the newest vintage, else the newest.

    A newer version than the last vintage's is adopted only by the user's word.
    """
    if platform.settings.numebot_data_version:
        return platform.settings.numebot_data_version
    vintages = platform.lake.stored_vintages()
    if vintages:
        return read_vintage(platform, vintages[-1]).data_version
    return platform.client.newest_data_version()


def fetch_training(platform: Platform, vintage: int) -> Vintage:
    """Pins a vintage: stores the training data of today under the number of a round.

    A vintage that is pinned stays as it is. A file that has not changed since another vintage
    is shared with it, not fetched or copied.

    Raises:
        DownloadFailed: when a file cannot be fetched whole.
    """
    manifest = platform.lake.vintage_manifest(vintage)
    if manifest.is_file():
        return read_vintage(platform, vintage)
    version = training_version(platform)
    stamps = {name: _fetch_object(platform, version, name) for name in TRAINING_FILES}
    files.replace_json(
        manifest,
        {
            "vintage": vintage,
            "data_version": version,
            "pinned_at": platform.client.now().isoformat(),
            "files": stamps,
        },
    )
    return read_vintage(platform, vintage)


def _fetch_object(platform: Platform, version: str, name: str) -> str:
    """Stores a training file under the stamp of its content, unless it is there; the stamp."""
    while True:
        stamp = platform.client.identify(f"{version}/{name}").stamp
        destination = platform.lake.training_object(version, name, stamp)
        if destination.is_file():
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
    path = platform.lake.vintage_manifest(vintage)
    if not path.is_file():
        raise FileNotFoundError(
            f"Vintage {vintage} is not stored: materialise training/data for it, "
            "or run `numebot train`."
        )
    manifest = json.loads(path.read_text())
    version, stamps = manifest["data_version"], manifest["files"]
    return Vintage(
        number=manifest["vintage"],
        data_version=version,
        pinned_at=datetime.fromisoformat(manifest["pinned_at"]),
        files={
            name: platform.lake.training_object(version, name, stamp)
            for name, stamp in stamps.items()
        },
        stamps=stamps,
    )
