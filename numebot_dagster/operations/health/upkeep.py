"""Roll up what can no longer change into few files, and undo that.

What can no longer change are the receipts and predictions of rounds that have resolved, the days
before yesterday, and alerts that are older than any round runs. The receipts of rounds that have
closed are copied into their block as well, so that few files have to be opened, and stay.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import partial
from itertools import groupby
from pathlib import Path

from numebot_dagster.lake import blocks, catalog, files, json_records, rollups, tables
from numebot_dagster.lake.damaged import DamagedFile
from numebot_dagster.lake.layout import ROUNDS_OF_A_BLOCK, Lake
from numebot_dagster.lake.locks import sole
from numebot_dagster.lake.rollups import Result, Unit
from numebot_dagster.lake.tables import Table
from numebot_dagster.operations.alerts.outbox import Raised
from numebot_dagster.operations.platform import Platform

ALERTS_KEPT_FOR = timedelta(days=100)  # longer than a round runs, and than alerts are looked at
AFTER_THE_CLOSE = timedelta(days=1)

GoOn = Callable[[int, int], bool]
"""Is given how many of how many blocks are done, and returns whether to do the next one."""


@dataclass(frozen=True)
class Settled:
    """What can no longer change.

    Attributes:
        resolved: the rounds that have resolved.
        closed: the rounds that have closed, those that have resolved among them.
        today: the UTC day by Numerai's clock.
    """

    resolved: frozenset[int]
    closed: frozenset[int]
    today: date


@dataclass(frozen=True)
class Verification:
    """What a look at the blocks has shown.

    Attributes:
        blocks: how many were read.
        left: how many were not, because it was stopped.
        problems: what is wrong, naming each block.
    """

    blocks: int
    left: int
    problems: Sequence[str]


def settled(platform: Platform) -> Settled:
    """Ask Numerai which rounds have closed and resolved.

    Raises:
        NumeraiError: it does not answer.
    """
    client, stored = platform.client, _stored_rounds(platform.lake)
    resolved = {round_.number for round_ in client.resolved_rounds(len(stored) + 1000)}
    closed = {
        round_.number
        for round_ in client.rounds()
        if client.now() >= round_.close_staking_time + AFTER_THE_CLOSE
    }
    return Settled(
        frozenset(stored & resolved), frozenset(stored & (closed | resolved)), client.now().date()
    )


def roll_up(lake: Lake, what: Settled, go_on: GoOn = lambda done, of_all: True) -> Result:
    """Roll up everything that can no longer change, one block after the other.

    What is left when it is stopped or killed is rolled up the next time.

    Raises:
        HeldElsewhere: another process rolls up or unrolls.
    """
    result = Result()
    with sole(lake.lock_file("rollup")), _seen_by_others(lake) as written:
        units = [*_receipts(lake, what), *_predictions(lake, what), *_days(lake, what)]
        units += _alerts(lake)
        for done, make in enumerate(units):
            if not go_on(done, len(units)):
                break
            unit = make()
            with _named(result, unit.target("").parent):
                rollups.roll_up(lake, unit, result, written)
        result.blocks = len(rollups.all_blocks(lake))
    return result


def unroll(lake: Lake, go_on: GoOn = lambda done, of_all: True) -> Result:
    """Write all files again that were rolled up, and remove the blocks.

    Raises:
        HeldElsewhere: another process rolls up or unrolls.
    """
    result = Result()
    with sole(lake.lock_file("rollup")), _seen_by_others(lake):
        present = rollups.all_blocks(lake)
        for done, block in enumerate(present):
            if not go_on(done, len(present)):
                break
            with _named(result, block):
                rollups.unroll(lake, block, result)
        result.blocks = len(rollups.all_blocks(lake))
    return result


@contextmanager
def _seen_by_others(lake: Lake) -> Iterator[Callable[[Path], None]]:
    """Yield what is called with each block that is written, and shows other clients the first ones.

    Their views look for blocks of a table only if there were any when the views were written.
    """
    seen = {_kind(lake, path) for path in rollups.all_blocks(lake)}

    def written(path: Path) -> None:
        if _kind(lake, path) not in seen:
            _rebuild(lake)
            seen.add(_kind(lake, path))

    _rebuild(lake)  # the last roll-up may have been killed before it did
    try:
        yield written
    except BaseException:
        _rebuild(lake)
        raise


def _kind(lake: Lake, block: Path) -> tuple[str, str]:
    """Return the table of a block, and what blocks with the same columns begin with."""
    return lake.relative(block).split("/")[0], block.stem.partition("-")[0]


def _rebuild(lake: Lake) -> None:
    """Write the views for other clients anew, where there are any."""
    if lake.catalog_file.exists():
        catalog.rebuild(lake)


@contextmanager
def _named(result: Result, place: Path) -> Iterator[None]:
    """Name what keeps one block from its work, which goes on with the next; not on a full disk.

    Nothing was removed before the block was read back.
    """
    try:
        yield
    except Exception as error:
        number = getattr(error, "errno", None)
        if number in files.FULL_DISK:
            raise
        result.problems.append(f"{place} was left as it was: {type(error).__name__}: {error}")


def verify(lake: Lake, go_on: GoOn = lambda done, of_all: True) -> Verification:
    """Look for blocks whose rows are no longer what their originals had.

    Raises:
        HeldElsewhere: another process rolls up or unrolls.
    """
    problems: list[str] = []
    with sole(lake.lock_file("rollup")):
        present = rollups.all_blocks(lake)
        for done, block in enumerate(present):
            if not go_on(done, len(present)):
                return Verification(done, len(present) - done, problems)
            try:
                blocks.verify(block)
            except DamagedFile as error:
                problems.append(str(error))
    return Verification(len(present), 0, problems)


def _stored_rounds(lake: Lake) -> set[int]:
    return {*lake.model_rounds("submissions"), *lake.model_rounds("predictions")}


def _receipts(lake: Lake, what: Settled) -> Iterator[Callable[[], Unit]]:
    models = lake.model_rounds("submissions")
    closed = [number for number in models if number in what.closed]
    kept = lake.first_round_folders("submissions")

    def unit(numbers: list[int]) -> Unit:
        files = {number: _all(lake.receipts_files, models[number], number) for number in numbers}
        originals = [path for number in numbers for path in files[number]]
        removed = {path for number in numbers if number in what.resolved for path in files[number]}
        return _fixed(tables.RECEIPTS, lake.receipts_block(numbers[0]), originals, removed, kept)

    for _, numbers in groupby(closed, lambda number: number // ROUNDS_OF_A_BLOCK):
        yield partial(unit, list(numbers))


def _predictions(lake: Lake, what: Settled) -> Iterator[Callable[[], Unit]]:
    models = lake.model_rounds("predictions")
    kept = lake.first_round_folders("predictions")

    def unit(number: int) -> Unit:
        present = lake.predictions_blocks(number)
        target = partial(lake.predictions_block, number, number=lake.next_predictions_block(number))
        originals = _all(lake.predictions_files, models[number], number)
        return Unit(tables.PREDICTIONS, target, present, originals, frozenset(originals), kept)

    for number in models:
        if number in what.resolved:
            yield partial(unit, number)


def _days(lake: Lake, what: Settled) -> Iterator[Callable[[], Unit]]:
    yesterday = what.today - timedelta(days=1)

    def unit(table: Table, days: list[date]) -> Unit:
        originals = [lake.day_file(table.name, day) for day in days]
        return _fixed(table, lake.day_block(table.name, days[0]), originals, originals)

    for table in filter(lambda table: table.is_rewritten, tables.TABLES):
        past = [day for day in lake.stored_days(table.name) if day < yesterday]
        for _, days in groupby(past, lambda day: (day.year, day.month)):
            yield partial(unit, table, list(days))


def _alerts(lake: Lake) -> Iterator[Callable[[], Unit]]:
    def unit(kind: str) -> Unit:
        old = [path for path in lake.alert_files(kind) if _is_old(path)]
        return _fixed(tables.ALERTS, lake.alerts_block(kind), old, old)

    for kind in lake.alert_kinds():
        yield partial(unit, kind)


def _is_old(path: Path) -> bool:
    try:
        raised = datetime.fromisoformat(json_records.read(path, Raised).raised_at)
    except (DamagedFile, ValueError, FileNotFoundError):
        return False  # whoever reads alerts sets it aside
    return raised.tzinfo is not None and datetime.now(UTC) - raised > ALERTS_KEPT_FOR


def _all(files_of: Callable[[str, int], list[Path]], models: list[str], number: int) -> list[Path]:
    return [path for model in models for path in files_of(model, number)]


def _fixed(
    table: Table,
    block: Path,
    originals: list[Path],
    removed: list[Path] | set[Path],
    kept: frozenset[Path] = frozenset(),
) -> Unit:
    """Return a unit whose block always has the same path."""
    present = [block] if block.exists() else []
    return Unit(table, lambda _: block, present, originals, frozenset(removed), kept)
