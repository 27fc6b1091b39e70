"""Store a vintage whose labels overlap as Numerai's do, and models that try to profit from it."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from numebot_dagster.lake import json_records
from numebot_dagster.modeling.weights.weight_store import StoredWeights
from numebot_dagster.operations.platform import Platform
from numebot_dagster.operations.training import trainer, vintages
from numebot_dagster.settings import Settings

STOCKS = 300
TRAIN = range(1, 41)
VALIDATION = range(41, 173)
LABELLED_60 = 160  # the newest era whose 60 days are over
LABELLED_20 = 168
META_MODEL = range(135, 173)
WEEKS_60, WEEKS_20 = 12, 4
AHEAD = 4
CODE = [f"feature_code_of_{letter}" for letter in "abcd"]  # who the stock is, in every era
SIGNAL = "feature_true_signal_now"
PLANTED = "feature_planted_own_label"  # the label, but in the training file alone
FUTURE = "feature_planted_future_label"  # in every era the label of four eras later
NOISE = [f"feature_noise_of_{letter}" for letter in "abc"]
FEATURES = [*CODE, SIGNAL, PLANTED, FUTURE, *NOISE]

MODELS = '''
import json
import numpy as np
from numebot_dagster.modeling import NumeraiModel

class Honest(NumeraiModel):
    """Least squares on features of the present."""
    feature_set = ["feature_true_signal_now", "feature_noise_of_a", "feature_noise_of_b"]
    time_budget, memory_budget = 20, 3
    def train(self, data):
        matrix = data.matrix().astype(float) - 2
        self.weights = np.linalg.lstsq(matrix, data.target() - 0.5, rcond=None)[0]
    def predict(self, data):
        assert set(vars(data)) == {"ids", "features", "matrix", "benchmarks", "inputs"}
        assert len(data) in (300, 500), len(data)  # one era, or the canary
        return (data.matrix.astype(float) - 2) @ self.weights
    def save(self, folder):
        np.save(folder / "weights.npy", self.weights)
    def load(self, folder):
        self.weights = np.load(folder / "weights.npy")

class HonestOnAll(Honest):
    train_on = "all"

class OfTwentyDays(Honest):
    train_on = "all"
    targets = ("target_agnes_20",)

class Believer(Honest):
    """Believes in the planted feature."""
    feature_set = ["feature_planted_own_label", "feature_noise_of_a", "feature_noise_of_b"]

class LastLabel(Honest):
    """Remembers what each stock's label was in the newest era that it was trained on."""
    feature_set = [f"feature_code_of_{letter}" for letter in "abcd"]
    def train(self, data):
        newest = data.eras == data.eras.max()
        self.weights = np.full(625, 0.5)
        self.weights[self.stocks(data.matrix()[newest])] = self.known(data, newest)
    def known(self, data, newest):
        return data.target()[newest]
    def predict(self, data):
        return self.weights[self.stocks(data.matrix)]
    def stocks(self, matrix):
        return matrix[:, :4].astype(int) @ [125, 25, 5, 1]

class LastLabelOnAll(LastLabel):
    train_on = "all"

class LastPlantedOnAll(LastLabelOnAll):
    """The same of the feature that shows a later era's label."""
    feature_set = [*LastLabel.feature_set, "feature_planted_future_label"]
    def known(self, data, newest):
        return data.matrix()[newest][:, 4]

class Hoarder(Honest):
    """Remembers every label by id, beyond the life of the instance."""
    train_on = "all"
    seen = {}
    def train(self, data):
        self.seen.update(zip(data.ids.tolist(), data.target().tolist()))
    def predict(self, data):
        return np.array([self.seen.get(one, hash(one) % 1000 / 1000) for one in data.ids])
    def save(self, folder):
        (folder / "seen.json").write_text(json.dumps(self.seen))
    def load(self, folder):
        self.seen.update(json.loads((folder / "seen.json").read_text()))

class Follower(Honest):
    """Second order: half the benchmark, half its input."""
    def train(self, data):
        pass
    def predict(self, data):
        (mine,) = data.inputs.values()
        return mine + np.nan_to_num(data.benchmarks["v53_lgbm_ender60"], nan=0.5)
    def save(self, folder):
        pass
    def load(self, folder):
        pass

class Mute(Honest):
    """Has no opinion of any stock."""
    def predict(self, data):
        return np.zeros(len(data))

class Moody(Honest):
    """Predicts something else in each process."""
    def save(self, folder):
        import os
        super().save(folder)
        (folder / "process").write_text(str(os.getpid()))
    def load(self, folder):
        import os
        super().load(folder)
        if (folder / "process").read_text() != str(os.getpid()):
            self.weights = self.weights[::-1]
'''


@dataclass(frozen=True)
class Research:
    """A lake with one vintage, 1300, and the participant's registry beside it."""

    folder: Path

    @cached_property
    def platform(self) -> Platform:
        return Platform(
            Settings(
                _env_file=None,
                numerai_data_folder=self.folder / "data",
                model_configs_path=self.folder / "models.csv",
            )
        )

    @property
    def vintage(self) -> vintages.Vintage:
        return vintages.read_vintage(self.platform, 1300)

    def train(self, name: str) -> StoredWeights:
        return trainer.train(self.platform, self.platform.registry[name], self.vintage)


@pytest.fixture(scope="session")
def research(tmp_path_factory: pytest.TempPathFactory) -> Research:
    """Prepare one for all tests: what is stored in it stays as it is."""
    return _prepare(tmp_path_factory.mktemp("research"))


@pytest.fixture
def own_research(research: Research, tmp_path: Path) -> Research:
    """Return a copy to change."""
    shutil.copytree(research.folder, tmp_path / "research")
    return Research(tmp_path / "research")


def _prepare(folder: Path) -> Research:
    (folder / "honest_and_not.py").write_text(MODELS)
    classes = re.findall(r"^class (\w+)", MODELS, re.MULTILINE)
    inputs = {"Follower": "HonestOnAll"}
    rows = [f"{name},honest_and_not:{name},{inputs.get(name, '')}" for name in classes]
    (folder / "models.csv").write_text("\n".join(["numerai_name,model_code,inputs", *rows]))
    _store_vintage(Research(folder))
    return Research(folder)


def _store_vintage(research: Research) -> None:
    tables = _tables()
    lake = research.platform.lake
    for name in vintages.TRAINING_FILES:
        path = lake.training_object("v5.3", name, "one")
        path.parent.mkdir(parents=True, exist_ok=True)
        if name == vintages.FEATURES:
            sets = {"all": FEATURES, "fncv3_features": [SIGNAL, *NOISE]}
            path.write_text(json.dumps({"feature_sets": sets}))
        else:
            tables[name].write_parquet(path)
    manifest = {
        "vintage": 1300,
        "data_version": "v5.3",
        "pinned_at": "2026-11-20T12:00:00+00:00",
        "files": dict.fromkeys(vintages.TRAINING_FILES, "one"),
    }
    json_records.write(lake.vintage_manifest(1300), manifest)


def _tables() -> dict[str, pl.DataFrame]:
    random = np.random.default_rng(7)
    last = VALIDATION.stop
    returns = random.normal(size=(last + WEEKS_60 + AHEAD, STOCKS))
    signal = random.integers(0, 5, (last + AHEAD, STOCKS))
    labels = {
        weeks: [
            _quantised(
                returns[era + 1 : era + 1 + weeks].sum(axis=0) / weeks**0.5
                + 0.3 * (signal[era] - 2)
            )
            for era in range(last + AHEAD)
        ]
        for weeks in (WEEKS_60, WEEKS_20)
    }
    code = np.stack([np.arange(STOCKS) // 5**power % 5 for power in (3, 2, 1, 0)])
    frames = []
    for era in range(1, last):
        bins = random.integers(0, 5, (5, STOCKS))
        label = labels[WEEKS_60][era]
        columns = dict(zip(CODE, code, strict=True)) | dict(zip(NOISE, bins, strict=False))
        columns |= {SIGNAL: signal[era], FUTURE: labels[WEEKS_60][era + AHEAD] * 4}
        columns[PLANTED] = label * 4 if era in TRAIN else bins[3]
        frames.append(
            pl.DataFrame(
                {
                    "id": [f"n{number:015x}" for number in random.integers(0, 2**59, STOCKS)],
                    "era": [f"{era:04d}"] * STOCKS,
                    "target_ender_60": _known(label, era <= LABELLED_60),
                    "target": _known(label, era <= LABELLED_60),
                    "target_agnes_20": _known(labels[WEEKS_20][era], era <= LABELLED_20),
                    "v53_lgbm_ender20": bins[4] / 4,
                    "v53_lgbm_ender60": signal[era] / 4 + random.normal(0, 0.5, STOCKS),
                    "numerai_meta_model": signal[era] / 8 + random.uniform(0, 0.5, STOCKS),
                    **{name: columns[name].astype(np.int8) for name in FEATURES},
                }
            )
        )
    return _split(pl.concat(frames))


def _split(every: pl.DataFrame) -> dict[str, pl.DataFrame]:
    """Return the files that hold the rows of every era."""
    number = pl.col("era").cast(pl.Int16)
    model_columns = ["target", "target_ender_60", "target_agnes_20", *FEATURES]
    benchmarks = ["v53_lgbm_ender20", "v53_lgbm_ender60"]
    train = every.filter(number.is_in(TRAIN))
    validation = every.filter(number.is_in(VALIDATION))
    return {
        vintages.TRAIN: train.select("id", "era", *model_columns),
        vintages.VALIDATION: validation.select("id", "era", *model_columns),
        vintages.TRAIN_BENCHMARKS: train.select("id", "era", *benchmarks),
        vintages.VALIDATION_BENCHMARKS: validation.select("id", "era", *benchmarks).reverse(),
        vintages.META_MODEL: every.filter(number.is_in(META_MODEL)).select(
            "id", "era", "numerai_meta_model"
        ),
    }


def _quantised(values: np.ndarray) -> np.ndarray:
    """Return 0, .25, .5, .75 and 1, of which there are 5, 20, 50, 20 and 5 percent."""
    return np.digitize(values, np.quantile(values, [0.05, 0.25, 0.75, 0.95])) / 4


def _known(label: np.ndarray, is_known: bool) -> np.ndarray:
    return (label if is_known else np.full(STOCKS, np.nan)).astype(np.float32)
