"""Read what a model learns from: only the columns that it names, when it asks for them."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal
from weakref import WeakValueDictionary

import numpy as np
import polars as pl

from numebot_dagster.lake import matrix as lake_matrix
from numebot_dagster.lake.files import version
from numebot_dagster.lake.matrix import RowSelection
from numebot_dagster.modeling.columns import (
    BARE_TARGET,
    META_MODEL,
    UnknownColumn,
    aligned,
    prediction_names,
)
from numebot_dagster.modeling.feature_matrix import FeatureMatrix, feature_matrix
from numebot_dagster.modeling.splits import HELD_OUT_ERAS, purge_eras

# The memory of matrices that are still in use in this process, by what they were read from.
_shared: WeakValueDictionary[tuple[object, ...], np.ndarray] = WeakValueDictionary()


class LookAhead(Exception):
    """A model asked for something that it will not have when it predicts."""


@dataclass(frozen=True)
class TrainingFiles:
    """The files of one vintage, all of the same data version.

    Attributes:
        validation: `validation.parquet`; needed only by models that train on `all`.
    """

    features: Path
    train: Path
    validation: Path | None = None
    benchmarks: tuple[Path, ...] = ()
    meta_model: Path | None = None


class TrainingData:
    """The labelled rows of a vintage: those where every one of the model's targets has a value.

    Rows are labelled by that alone, never by `data_type`, in the order of the files: era by era,
    train before validation. All arrays have one entry per row and fit each other; nothing is read
    before it is asked for.

    **Look-ahead.** A target looks 20 or 60 business days ahead, so an era overlaps with the next
    four or twelve. Whoever validates on these rows must drop ("purge") at least 8 eras for a 20-day
    and 16 for a 60-day target between what is trained on and what is judged; without that, the
    judgement is too good to be true.

    Attributes:
        features: names of the matrix's columns.
        targets: names of the model's targets.
    """

    def __init__(
        self,
        files: TrainingFiles,
        features: Sequence[str],
        targets: Sequence[str],
        train_on: Literal["train", "all"] = "train",
    ) -> None:
        """Open a vintage for one model; see `NumeraiModel` for the meaning of the arguments."""
        paths = [files.train]
        if train_on == "all":
            if files.validation is None:
                raise UnknownColumn('this model trains on "all", but the vintage has no validation')
            paths.append(files.validation)
        self._files = files
        self.features = tuple(features)
        self.targets = tuple(targets)
        self._rows: list[RowSelection] = [
            lake_matrix.select_rows(path, labelled=self.targets) for path in paths
        ]

    def __len__(self) -> int:
        return sum(map(len, self._rows))

    def every(self, eras: int) -> TrainingData:
        """Return the same data thinned to the first of every so many eras.

        Neighbouring eras share most of their targets' days, so one in four loses little.
        """
        numbers = np.unique(self.eras)[::eras]
        return self._picked([np.flatnonzero(np.isin(rows.eras, numbers)) for rows in self._rows])

    def pick(self, positions: np.ndarray) -> TrainingData:
        """Return the same data with some of its rows, given by their ascending positions."""
        firsts = np.cumsum([0, *map(len, self._rows)])
        return self._picked(
            [
                positions[(positions >= first) & (positions < first + len(rows))] - first
                for first, rows in zip(firsts, self._rows, strict=False)
            ]
        )

    def of_eras(self, eras: Collection[int]) -> TrainingData:
        """Return the same data with the rows of these eras only."""
        numbers = np.fromiter(eras, dtype=np.int16)
        return self._picked([np.flatnonzero(np.isin(rows.eras, numbers)) for rows in self._rows])

    def for_tuning(self) -> TrainingData:
        """Return the same data without the newest two years, to choose parameters and blends on.

        Left out are the newest `HELD_OUT_ERAS` eras of the vintage in which the model's targets
        and the bare `target` are known, and the purge before them. Published diagnostics come
        from those eras; whoever has chosen by them would publish his choice, not his skill.
        """
        names = self._judged_by()
        newest = self._newest_labelled(names)
        purged = purge_eras([self._resolved(name) for name in names])
        kept = self.of_eras(range(1, newest - HELD_OUT_ERAS - purged + 1))
        if not len(kept):
            raise ValueError(
                f"no era is left for tuning: the {HELD_OUT_ERAS} newest, up to era {newest}, are "
                f"kept for diagnostics, {purged} more are purged before them, and this data "
                f"starts at era {self.eras.min(initial=32_767)}"
            )
        return kept

    def by_era(self) -> Iterator[tuple[int, slice | np.ndarray]]:
        """Yield the eras in the order of the rows, each with the index of its rows.

        That is a slice, which copies nothing; or positions, if the rows do not lie together:

            for era, rows in data.by_era():
                score(predictions[rows], target[rows])
        """
        numbers, firsts, counts = np.unique(self.eras, return_index=True, return_counts=True)
        for place in np.argsort(firsts):
            era, start = numbers[place], firsts[place]
            together = slice(int(start), int(start + counts[place]))
            is_whole = bool((self.eras[together] == era).all())
            yield int(era), together if is_whole else np.flatnonzero(self.eras == era)

    @property
    def matrix(self) -> FeatureMatrix:
        """(rows, features) int8, column-major, values 0 to 4; `data.matrix()` is the same.

        Read-only, because it is shared: while anyone in this process holds the matrix, whoever asks
        for the same features of the same rows is given that one. A copy is yours to change.
        """
        key = (self.features, *map(_content, self._rows))
        memory = _shared.get(key)
        if memory is None:
            memory = lake_matrix.fill_matrix(self._rows, self.features).base
            assert memory is not None, "a matrix is a view of the memory that was filled"
            memory.setflags(write=False)
            _shared[key] = memory  # not the matrix: that, and all views of it, hold on to this
        return feature_matrix(memory.reshape(len(self.features), len(self)).T)

    @cached_property
    def eras(self) -> np.ndarray:
        """(rows,) int16 era numbers: 1 for era "0001"."""
        return np.concatenate([rows.eras for rows in self._rows])

    @cached_property
    def ids(self) -> np.ndarray:
        """(rows,) str objects."""
        return np.concatenate([lake_matrix.read_ids(rows) for rows in self._rows])

    def target(self, name: str | None = None) -> np.ndarray:
        """Return (rows,) float32 labels between 0 and 1.

        Args:
            name: one of the model's targets; the first one by default.

        Raises:
            UnknownColumn: the model did not declare that target.
        """
        name = self.targets[0] if name is None else name
        if name not in self.targets:
            raise UnknownColumn(
                f"target {name!r} is not among the targets that the model declares: "
                f"{', '.join(self.targets)}. Add it to the class attribute `targets`."
            )
        columns = pl.concat([lake_matrix.read_rows(rows, [name]) for rows in self._rows])
        return columns[name].cast(pl.Float32).to_numpy()

    @cached_property
    def benchmark_names(self) -> tuple[str, ...]:
        """The benchmark models that the vintage holds predictions of."""
        return prediction_names(self._files.benchmarks)

    def benchmark(self, name: str) -> np.ndarray:
        """Return (rows,) float32 walk-forward predictions of a benchmark model; NaN if it has none.

        Raises:
            LookAhead: the meta model was asked for, which is not known before a round closes.
            UnknownColumn: there is no such benchmark model.
        """
        if name == META_MODEL:
            raise LookAhead(
                "the meta model is not known until a round has closed, so no model may learn from "
                "it; `meta_model` holds it for scoring"
            )
        if name not in self.benchmark_names:
            raise UnknownColumn(
                f"no benchmark model {name!r}; there are: {', '.join(self.benchmark_names)}"
            )
        return aligned(self.ids, self._files.benchmarks, name, eras=self.eras)

    @property
    def meta_model(self) -> np.ndarray:
        """(rows,) float32 meta model, NaN where there is none: for scoring, never for learning.

        Raises:
            UnknownColumn: the vintage holds no meta model.
        """
        if self._files.meta_model is None:
            raise UnknownColumn("the vintage holds no meta model file")
        return aligned(self.ids, [self._files.meta_model], META_MODEL, eras=self.eras)

    def what_target_is(self) -> str | None:
        """Return the named target whose values the bare `target` repeats, by comparing columns.

        Numerai has pointed `target` to another one within a data version.

        Returns:
            For example `target_ender_60`; None when no column equals it.
        """
        paths = [rows.path for rows in self._rows]
        names = [name for name in lake_matrix.column_names(paths[0]) if name.startswith("target_")]
        for name in names:
            same = pl.col(name).eq_missing(pl.col(BARE_TARGET)).all()
            if all(lake_matrix.scan(path).select(same).collect().item() for path in paths):
                return name
        return None

    def _judged_by(self) -> tuple[str, ...]:
        """Return the model's targets, and the one that its diagnostics score by."""
        has_bare = BARE_TARGET in lake_matrix.column_names(self._files.train)
        return tuple(dict.fromkeys((*self.targets, *((BARE_TARGET,) if has_bare else ()))))

    def _newest_labelled(self, targets: Sequence[str]) -> int:
        """Return the newest era of the vintage in which the targets are known."""
        paths = filter(None, (self._files.train, self._files.validation))
        selections = [lake_matrix.select_rows(path, labelled=targets) for path in paths]
        return max(int(selection.eras.max(initial=0)) for selection in selections)

    def _resolved(self, target: str) -> str:
        return (self.what_target_is() or target) if target == BARE_TARGET else target

    def _picked(self, positions: list[np.ndarray]) -> TrainingData:
        picked = object.__new__(TrainingData)
        picked._files = self._files
        picked.features, picked.targets = self.features, self.targets
        picked._rows = [rows.pick(kept) for rows, kept in zip(self._rows, positions, strict=True)]
        return picked


def _content(rows: RowSelection) -> tuple[object, ...]:
    """Return what changes when a matrix of these rows would."""
    chosen = hashlib.sha256(rows.runs.tobytes()).digest()
    return rows.path, version(rows.path), chosen
