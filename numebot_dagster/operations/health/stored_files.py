"""Check the stored files, as after trouble with a disk."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from itertools import starmap
from pathlib import Path
from typing import TYPE_CHECKING

from numebot_dagster.lake import blocks, layout, parquet
from numebot_dagster.lake.damaged import SUFFIX, DamagedFile
from numebot_dagster.lake.layout import Lake
from numebot_dagster.lake.locks import sole
from numebot_dagster.modeling.weights import weight_store
from numebot_dagster.submissions import submission_file

if TYPE_CHECKING:
    import polars

_Predictions = tuple[str | None, str | None, str]
_SUFFIXES = (".parquet", ".json")


@dataclass(frozen=True)
class Problem:
    """What is wrong with a file or a folder of weights: damage, or that it may not be read."""

    text: str
    is_damage: bool


@dataclass(frozen=True)
class Report:
    """The result of a check.

    Attributes:
        count: of the files and folders of weights.
        set_aside: files that were found damaged and set aside before.
    """

    count: int
    problems: tuple[Problem, ...]
    set_aside: tuple[Path, ...]


@dataclass
class Names:
    """The predictions that are stored, and those that receipts name, with a receipt of each.

    They are identified by model, round and hash. What was rolled up has its block.
    """

    of_predictions: set[_Predictions] = field(default_factory=set)
    of_receipts: dict[_Predictions, Path] = field(default_factory=dict)
    rolled_up: dict[Path, Path] = field(default_factory=dict)


def examine(lake: Lake) -> Report:
    """Check each file, and each folder of weights.

    Predictions must be those that were sent, weights those of their manifest, and what was rolled
    up what it had been; and the predictions that a receipt names must be there. Any other file must
    be readable: our own as a whole, large ones of Numerai by their footer and their end.

    Raises:
        HeldElsewhere: another process rolls up or unrolls, which changes files meanwhile.
    """
    with ExitStack() as stack:
        try:
            stack.enter_context(sole(lake.lock_file("rollup")))
        except OSError as error:  # a folder that may only be read is checked without the lock
            if error.errno not in (errno.EACCES, errno.EPERM, errno.EROFS):
                raise
        return _examine(lake)


def _examine(lake: Lake) -> Report:
    refusals: list[OSError] = []
    files = lake.stored_files(refusals.append)
    names = Names()
    checks: list[tuple[Path, Callable[[], object]]] = [
        *((path, partial(_check, lake, path, names)) for path in files if path.suffix in _SUFFIXES),
        *(
            (place.path, partial(weight_store.verify, place.path))
            for place in lake.all_weights_folders()
        ),
    ]
    problems = [
        Problem(str(error), is_damage=False)
        for error in refusals
        if not isinstance(error, FileNotFoundError)  # which has vanished meanwhile
    ]
    problems += filter(None, starmap(_problem, checks))
    problems += [
        Problem(f"the predictions {named[2]} that receipts name are not stored: {receipt}", True)
        for named, receipt in sorted(names.of_receipts.items(), key=lambda item: item[1])
        if named not in names.of_predictions
    ]
    set_aside = tuple(path for path in files if SUFFIX in path.name)
    return Report(len(checks), tuple(problems), set_aside)


def _problem(path: Path, check: Callable[[], object]) -> Problem | None:
    """Return what is wrong with a file or folder, if something is; nothing if it has vanished."""
    try:
        check()
    except FileNotFoundError:
        return None
    except Exception as error:  # damage may end in any
        is_refusal = isinstance(error, OSError) and not isinstance(error, DamagedFile)
        if not is_refusal and not os.path.lexists(path):
            return None
        text = str(error).strip().partition("\n")[0]
        named = text if str(path) in text else f"{path} cannot be read: {error!r}"
        return Problem(named, is_damage=not is_refusal)
    return None


def _check(lake: Lake, path: Path, names: Names) -> None:
    """Check one file, and note what predictions it names or holds.

    Raises:
        DamagedFile: it is not what was stored.
    """
    if path.suffix == ".json":
        try:
            json.loads(path.read_bytes())
        except ValueError as error:
            raise DamagedFile(f"{path} is not JSON: {error}") from None
        return
    parquet.verify(path)
    if lake.is_download(path):
        return
    if lake.is_block(path):
        block = blocks.verify(path)
        originals = [
            (lake.root / original.path, block.rows_of(original)) for original in block.originals
        ]
    else:
        originals = [(path, parquet.read(path))]
    for original, frame in originals:
        _check_rows(path, original, frame, names)
        if original != path and names.rolled_up.setdefault(original, path) != path:
            raise DamagedFile(f"{path} has {original}, and so has {names.rolled_up[original]}")


def _check_rows(path: Path, original: Path, frame: polars.DataFrame, names: Names) -> None:
    """Check the rows of an original, in the file that has them."""
    keys = layout.path_values(original.as_posix())
    model, number = keys.get("model"), keys.get("round")
    sha256 = layout.predictions_sha256(original)
    if sha256 is not None:
        values = frame["prediction"].to_numpy()
        if submission_file.prepare(frame["id"].to_list(), values).sha256 != sha256:
            place = path if path == original else f"{path}: {original}"
            raise DamagedFile(f"{place} does not hold the predictions that its name says")
        names.of_predictions.add((model, number, sha256))
    elif "predictions_sha256" in frame.columns:
        for value in frame["predictions_sha256"].drop_nulls():
            names.of_receipts.setdefault((model, number, value), original)
