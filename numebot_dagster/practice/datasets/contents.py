"""Pack the market into the files that Numerai offers for download."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from datetime import date, timedelta
from functools import partial
from itertools import groupby
from pathlib import Path

import numpy as np

from numebot_dagster.practice.datasets.packing import (
    ERAS_A_PART,
    Block,
    Columns,
    Making,
    Part,
    write_csv,
    write_parts,
)
from numebot_dagster.practice.market.crowd import Crowd
from numebot_dagster.practice.market.market import Market
from numebot_dagster.practice.market.targets import HORIZONS

VERSIONS = ("v5.3", "v5.2", "v5.1", "v5.0")
# Groups of features that came after a version, and that it lacks.
LATER_GROUPS = {
    "v5.3": (),
    "v5.2": ("quantum",),
    "v5.1": ("quantum",),
    "v5.0": ("quantum", "faith"),
}
_PARQUET_FILES = (
    "features.json",
    "train.parquet",
    "validation.parquet",
    "live.parquet",
    "train_benchmark_models.parquet",
    "validation_benchmark_models.parquet",
    "live_benchmark_models.parquet",
    "meta_model.parquet",
    "validation_example_preds.parquet",
    "live_example_preds.parquet",
)
_CSV_FILES = ("validation_example_preds.csv", "live_example_preds.csv")
# The listing of v5.2 was seen to have the two CSV files, that of v5.3 not; older ones as v5.2.
DATA_FILES = {
    version: _PARQUET_FILES if version == "v5.3" else (*_PARQUET_FILES, *_CSV_FILES)
    for version in VERSIONS
}
# What the listing offers, newest version first.
DATASET_NAMES = [f"{version}/{file}" for version in VERSIONS for file in DATA_FILES[version]]
# Not in the listing, but still served: Numerai's notebooks ask for it as of round 842.
OLD_FILES = {"v4.3/meta_model.parquet": "v5.2/meta_model.parquet"}
# Newest eras without a target of each horizon: "targets are populated in the graduated eras as soon
# as possible" (Numerai's announcement of data v4), which is after the horizon and two days of lag.
WEEKS_UNKNOWN = {20: 5, 60: 13}
SATURDAY = 5

# The horizon of the ender target that a version calls `target`, and the example's benchmark.
MAIN_HORIZON = {"v5.3": 60, "v5.2": 20, "v5.1": 20, "v5.0": 20}
EXAMPLE = {
    "v5.3": "v53_lgbm_ender60",
    "v5.2": "v52_lgbm_ender20",
    "v5.1": "v51_lgbm_cyrusd20",
    "v5.0": "v5_lgbm_cyrusd20",
}


def last_opening(today: date) -> date:
    """Return the last date up to today on which a round opens: Tuesday to Saturday."""
    late = (today.weekday() - SATURDAY) % 7
    return today - timedelta(days=late) if late <= 2 else today


def dataset_stamp(market: Market, name: str, today: date, opened: date | None) -> str:
    """Return a short text that changes exactly when the file's bytes do."""
    _, file = _split(name)
    if file.startswith("live"):
        return f"round-{opened or last_opening(today)}"
    if file.startswith(("validation", "meta_model")):
        return f"era-{market.last_validation_era(today):04d}"
    return "release"


def write_dataset(
    market: Market,
    name: str,
    path: Path,
    today: date,
    opened: date | None,
    meta_model: Callable[[date], np.ndarray] | None = None,
    *,
    alias: int = 0,
    making: Making | None = None,
) -> None:
    """Write one file.

    Targets of the newest eras are NaN until the returns of their horizon are known, see
    `WEEKS_UNKNOWN`; an era is of type `test` while the version's `target` is not known.

    Args:
        market: the market.
        name: one of `DATASET_NAMES`.
        path: where to write it; replaced if it exists, half written if the process dies.
        today: decides how far validation has grown and which of its targets are known.
        opened: the round whose live files are meant; None for the newest one.
        meta_model: returns the (rows,) meta model of a date; None for that of the market alone.
        alias: horizon of the ender target that `target` is another name of; 0 for the version's.
        making: how it is made.

    Raises:
        KeyError: there is no file of this name.
    """
    version, file = _split(name)
    if file == "features.json":
        path.write_text(json.dumps(_features_json(market, version), indent=1))
        return
    crowd, horizon = meta_model or Crowd(market).meta_model, alias or MAIN_HORIZON[version]
    release = _Release(market, version, today, opened or last_opening(today), crowd, horizon)
    write = write_csv if file.endswith(".csv") else write_parts
    write(path, release.parts(file), making or Making())


def _split(name: str) -> tuple[str, str]:
    version, _, file = name.partition("/")
    if file not in DATA_FILES.get(version, ()):
        raise KeyError(f"No dataset is called {name!r}; the names are those of DATASET_NAMES.")
    return version, file


def _features_json(market: Market, version: str) -> dict[str, object]:
    content = market.features_json()
    if version == VERSIONS[0]:
        return content
    names = set(_feature_names(market, version))
    sets = {
        name: [feature for feature in members if feature in names]
        for name, members in content["feature_sets"].items()
        if name not in LATER_GROUPS[version]
    }
    return {"feature_sets": sets, "targets": content["targets"]}


def _feature_names(market: Market, version: str) -> list[str]:
    if version == VERSIONS[0]:
        return market.feature_names
    sets = market.features_json()["feature_sets"]
    later = {name for group in LATER_GROUPS[version] for name in sets[group]}
    return [name for name in market.feature_names if name not in later]


class _Release:
    """The blocks of each file of one version, as they are on a day."""

    def __init__(
        self,
        market: Market,
        version: str,
        today: date,
        opened: date,
        meta_model: Callable[[date], np.ndarray],
        main_horizon: int,
    ) -> None:
        self._market = market
        self._crowd = meta_model
        self._main_horizon = main_horizon
        self._version = version
        self._opened = opened
        self._last = market.last_validation_era(today)
        names = _feature_names(market, version)
        kept = set(names)
        self._features = [
            (column, name) for column, name in enumerate(market.feature_names) if name in kept
        ]

    def parts(self, file: str) -> list[Part]:
        """Return the parts of a file, each with a block for each of its eras."""
        content, eras = self._plan(file)
        return [
            Part(self._key(group), len(group), partial(self._blocks, content, group))
            for _, members in groupby(eras, lambda era: (era or 0) // ERAS_A_PART)
            for group in [list(members)]
        ]

    def _key(self, eras: list[int | None]) -> str:
        """Return the eras of a part, and of how many of them each target is known."""
        numbers = [era or 0 for era in eras]
        labelled = (
            sum(number <= self._last - WEEKS_UNKNOWN[days] for number in numbers)
            for days in HORIZONS
        )
        return "-".join([f"{numbers[0]:04d}", f"{numbers[-1]:04d}", *map(str, labelled)])

    def _blocks(
        self, content: Callable[[int | None, date], Columns], eras: list[int | None]
    ) -> Iterator[Block]:
        for era in eras:
            opened = self._opened if era is None else self._market.saturday_of(era)
            yield Block(self._market.live_ids(opened), content(era, opened))

    def _plan(
        self, file: str
    ) -> tuple[Callable[[int | None, date], Columns], Iterable[int | None]]:
        scale = self._market.scale
        validation = range(scale.train_eras + 1, self._last + 1)
        first_meta = scale.train_eras + scale.validation_eras - scale.meta_model_eras + 1
        eras: dict[str, Iterable[int | None]] = {
            "train": range(1, scale.train_eras + 1),
            "validation": validation,
            "live": [None],
            "train_benchmark_models": range(scale.benchmark_gap + 1, scale.train_eras + 1),
            "validation_benchmark_models": validation,
            "live_benchmark_models": [None],
            "meta_model": range(first_meta, self._last + 1),
            "validation_example_preds": validation,
            "live_example_preds": [None],
        }
        stem = file.partition(".")[0]
        if stem.endswith("benchmark_models"):
            return self._benchmarks, eras[stem]
        if stem.endswith("example_preds"):
            return self._example, eras[stem]
        if stem == "meta_model":
            return self._meta_model, eras[stem]
        return self._data, eras[stem]

    def _data(self, era: int | None, opened: date) -> Columns:
        columns: Columns = {"era": self._era_name(era), "data_type": self._data_type(era)}
        if era is not None:
            columns.update(self._targets(era, opened))
        features = self._market.live_features(opened)
        columns.update({name: features[:, column] for column, name in self._features})
        return columns

    def _targets(self, era: int, opened: date) -> Columns:
        named: dict[str, np.ndarray] = {}
        for days in HORIZONS:
            if era > self._last - WEEKS_UNKNOWN[days]:
                continue
            named.update(self._market.named_targets(opened, days))
        main = f"target_ender_{self._main_horizon}"
        if main in named:
            named["target"] = named[main]
        unknown = np.full(len(self._market.live_ids(opened)), np.nan, dtype=np.float32)
        return {name: named.get(name, unknown) for name in self._market.target_names}

    def _benchmarks(self, era: int | None, opened: date) -> Columns:
        return {"era": self._era_name(era), **self._market.benchmarks(opened, self._version)}

    def _example(self, era: int | None, opened: date) -> Columns:
        benchmarks = self._market.benchmarks(opened, self._version)
        return {"prediction": benchmarks[EXAMPLE[self._version]]}

    def _meta_model(self, era: int | None, opened: date) -> Columns:
        return {
            "era": self._era_name(era),
            "data_type": self._data_type(era),
            "numerai_meta_model": self._crowd(opened),
        }

    def _era_name(self, era: int | None) -> str:
        return "X" if era is None else self._market.name_of(era)

    def _data_type(self, era: int | None) -> str:
        if era is None:
            return "live"
        if era <= self._market.scale.train_eras:
            return "train"
        unknown = WEEKS_UNKNOWN[self._main_horizon]
        return "test" if era > self._last - unknown else "validation"
