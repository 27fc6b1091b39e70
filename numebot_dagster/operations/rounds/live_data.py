"""Fetch a round's live data once per data version, and judge them before they are stored.

They are the one thing that every model needs, so one version that cannot be had stops only the
models that were trained on it, and a stored file that proves damaged is fetched again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from numebot_dagster.lake import files, parquet
from numebot_dagster.lake.locks import exclusive
from numebot_dagster.modeling.registry import RegisteredModel, code_hash
from numebot_dagster.modeling.source.modules import SourceNotFound
from numebot_dagster.modeling.weights import weight_store
from numebot_dagster.numerai.errors import DataNotReady, NumeraiError, RoundNotOpen
from numebot_dagster.numerai.records import RemoteFile, Round
from numebot_dagster.operations.platform import Platform
from numebot_dagster.operations.rounds import phases
from numebot_dagster.operations.rounds.gates import (
    Gate,
    closed,
    ids_are_new,
    live_data_wellformed,
    usual_row_count,
)
from numebot_dagster.operations.training.vintages import FEATURES, training_version

LIVE = "live.parquet"
LIVE_BENCHMARKS = "live_benchmark_models.parquet"
LIVE_EXAMPLE = "live_example_preds.parquet"

# What is fetched beside the live data, in this order. Only the fewest models need any of them.
COMPANIONS = {
    FEATURES: phases.COMPANIONS,
    LIVE_BENCHMARKS: phases.COMPANIONS,
    LIVE_EXAMPLE: phases.EXAMPLE,
}

ROUNDS_TO_COUNT = 5
ROUNDS_TO_COMPARE = 30  # the stale file is rarely older than a week, and never than a month


@dataclass(frozen=True)
class FetchedLiveData:
    """A round's stored live data of one data version, and the verdict of its gates."""

    data_version: str
    folder: Path
    rows: int
    columns: tuple[str, ...]
    gates: tuple[Gate, ...]


@dataclass(frozen=True)
class _Request:
    """What is to be fetched; `late` when the round may have closed."""

    platform: Platform
    round_number: int
    version: str
    late: bool = False

    @property
    def folder(self) -> Path:
        return self.platform.lake.live_folder(self.round_number, self.version)


def fetch_live(
    platform: Platform, round_number: int, models: Sequence[RegisteredModel], *, late: bool = False
) -> list[FetchedLiveData]:
    """Store the round's live data, one folder per data version that the models' weights need.

    What is stored already is verified and not fetched again, unless it is damaged: live data of a
    round never change. A version that cannot be fetched is left out, with an error in the log that
    names its models; only when none can be, that is an error here.

    Raises:
        RoundNotOpen: when the data are not stored and the window is not open: what Numerai serves
            now belongs to another round.
        DataNotReady: when the ids are still those of an earlier round, or the file is malformed;
            nothing is stored.
        DownloadFailed: when a file cannot be fetched whole.
    """
    needed = versions_needed(platform, models)
    fetched: list[FetchedLiveData] = []
    failures: dict[str, NumeraiError] = {}
    for version in needed:
        try:
            fetched.append(fetch_version(platform, round_number, version, late=late))
        except NumeraiError as error:
            failures[version] = error
    errors = [*failures.values()]
    if not fetched and all(isinstance(failure, RoundNotOpen) for failure in errors):
        raise errors[0]  # nothing has failed, it is too late or too early
    _log_failures(platform, round_number, failures, needed)
    if not fetched:
        raise next((failure for failure in errors if isinstance(failure, DataNotReady)), errors[0])
    return fetched


def _log_failures(
    platform: Platform,
    round_number: int,
    failures: Mapping[str, NumeraiError],
    needed: Mapping[str, Sequence[str]],
) -> None:
    for version, failure in failures.items():
        names = ", ".join(needed[version]) or "no model yet"
        platform.log.error(
            "Round %d has no live data %s (needed by %s): %s", round_number, version, names, failure
        )


def versions_needed(platform: Platform, models: Sequence[RegisteredModel]) -> dict[str, list[str]]:
    """Return the data versions of the models' weights, the most needed first, with their models.

    Without any weights it is the one to train on.
    """
    needed: dict[str, list[str]] = {}
    for model in models:
        # A model without weights or source needs no data; its round says that it cannot predict.
        with suppress(weight_store.NoWeights, SourceNotFound):
            chosen = weight_store.choose(platform.lake, model.name, code_hash(model), model.vintage)
            needed.setdefault(chosen.manifest.data_version, []).append(model.name)
    by_need = sorted(needed.items(), key=lambda item: (-len(item[1]), item[0]))
    return dict(by_need) or {training_version(platform): []}


def fetch_version(
    platform: Platform, round_number: int, version: str, *, late: bool = False
) -> FetchedLiveData:
    """Store the round's live data of one data version; see `fetch_live`."""
    request = _Request(platform, round_number, version, late)
    problem = _problem_of(request.folder)
    if problem is not None:
        _store(request, _require_open(request))
    facts = parquet.verify(request.folder / LIVE)
    ids = live_ids(request.folder)
    gates = (
        ids_are_new(ids, _former_ids(request, ids)),
        _wellformed(request.folder),
        usual_row_count(facts.rows, _earlier_row_counts(request)),
    )
    return FetchedLiveData(version, request.folder, facts.rows, facts.columns, gates)


def _problem_of(folder: Path) -> str | None:
    """Return what is wrong with stored live data, or None when they can be used."""
    if not folder.is_dir():
        return "not stored"
    try:
        parquet.verify(folder / LIVE)
        verdict = _wellformed(folder)
    except OSError as error:  # damage, or a refusal of the system
        return str(error)
    return None if verdict.passed else verdict.text


def _store(request: _Request, round_: Round) -> None:
    """Fetch the live files into their folder, while no other process does the same."""
    platform, folder = request.platform, request.folder
    lock = platform.lake.lock_file(f"live-{request.round_number}-{request.version}")
    with exclusive(
        lock,
        lambda holder: platform.log.info("Waiting: another run fetches the live data (%s)", holder),
    ):
        problem = _problem_of(folder)
        if problem is None:
            return
        if folder.is_dir():
            platform.log.warning("The stored live data are fetched again: %s", problem)
        files.sweep(folder.parent)  # what a killed run left behind
        with files.folder(folder, overwrite=True) as unfinished:
            _download(request, round_, unfinished)


def _require_open(request: _Request) -> Round:
    """Return the round, once it is sure that what Numerai serves now is this round's."""
    client = request.platform.client
    round_, now = client.round(request.round_number), client.now()
    if round_.is_open(now) or (request.late and _takes_late(request.platform, round_, now)):
        return round_
    raise RoundNotOpen(
        f"round {round_.number} is open from {round_.open_time:%a %d %b %H:%M} to "
        f"{round_.close_staking_time:%a %d %b %H:%M} UTC, and it is {now:%a %d %b %H:%M} UTC: "
        "its live data cannot be fetched"
    )


def _takes_late(platform: Platform, round_: Round, now: datetime) -> bool:
    if now < round_.open_time or (round_.close_time is not None and now >= round_.close_time):
        return False
    newer = platform.round_to_play()
    return newer is None or newer.number <= round_.number


def _download(request: _Request, round_: Round, folder: Path) -> None:
    platform, number, version = request.platform, request.round_number, request.version
    bounded = phases.within(platform, phases.LIVE_DATA, round_)
    fetched = bounded.download(f"{version}/{LIVE}", folder / LIVE)
    wellformed = _wellformed(folder)
    if closed([wellformed]):
        raise DataNotReady(
            f"Round {number}: {version}/{LIVE} is not what Numerai usually publishes: "
            f"{wellformed.text}. Nothing was stored; run again in a minute: Numerai may correct it."
        )
    ids = live_ids(folder)
    is_new = ids_are_new(ids, _former_ids(request, ids)).passed
    if not is_new or _is_former(request, round_, fetched.remote):
        raise DataNotReady(
            f"Round {number} is open, but {version}/{LIVE} still has the ids of an earlier "
            "round: Numerai has not published the new data yet. Run again in a minute."
        )
    for name, phase in COMPANIONS.items():
        try:
            phases.within(platform, phase, round_).download(f"{version}/{name}", folder / name)
        except NumeraiError as error:
            # Beyond live.parquet nothing is needed by every model; one that does need it says so.
            platform.log.warning("Round %d goes on without %s: %s", number, name, error)


def _is_former(request: _Request, round_: Round, fetched: RemoteFile) -> bool:
    """Return whether a file is the one of the round before, whose ids are not stored here.

    Who plays for the first time, or only at weekends, has nothing else to tell late data by; when
    Numerai does not say in time what the former file was, the file counts as new.
    """
    platform, before = request.platform, request.round_number - 1
    if any(_stored_live(platform, before)):
        return False
    hasty = phases.within(platform, phases.FORMER_DATA, round_).client
    try:
        former = hasty.identify(fetched.name, round_number=before)
    except NumeraiError as error:
        platform.log.info("Round %d has no %s: %s", before, LIVE, error)
        return False
    return fetched.strong_etag is not None and former.strong_etag == fetched.strong_etag


def live_ids(folder: Path) -> list[str]:
    """Return the ids of a stored live file, in its order."""
    return parquet.read(folder / LIVE, ["id"])["id"].to_list()


def _wellformed(folder: Path) -> Gate:
    """Judge every id and every feature of a whole live file."""
    from polars import selectors

    columns = selectors.by_name("id", require_all=False) | selectors.starts_with("feature")
    return live_data_wellformed(parquet.read(folder / LIVE, columns))


def _former_ids(request: _Request, ids: Sequence[str]) -> list[str] | None:
    """Return the ids of the earlier round that has most in common with these, of any version."""
    here = set(ids)
    former: list[str] | None = None
    rounds = [
        number for number in request.platform.lake.live_rounds() if number < request.round_number
    ]
    for number in reversed(rounds[-ROUNDS_TO_COMPARE:]):
        for folder in _stored_live(request.platform, number):
            there = _ids_if_readable(folder)
            if here == set(there):
                return there
            former = former or there
    return former


def _ids_if_readable(folder: Path) -> list[str]:
    from polars.exceptions import PolarsError

    with suppress(PolarsError, OSError):  # an old file that is damaged stops no new round
        return live_ids(folder)
    return []


def _earlier_row_counts(request: _Request) -> list[int]:
    """Return the row counts of the last rounds stored in this data version, newest first."""
    counts: list[int] = []
    for number in reversed(request.platform.lake.live_rounds()):
        folder = request.platform.lake.live_folder(number, request.version)
        if number < request.round_number and len(counts) < ROUNDS_TO_COUNT:
            with suppress(OSError):
                counts.append(parquet.verify(folder / LIVE).rows)
    return counts


def _stored_live(platform: Platform, round_number: int) -> Iterator[Path]:
    for folder in platform.lake.live_folders(round_number).values():
        if (folder / LIVE).is_file():
            yield folder
