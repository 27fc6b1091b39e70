"""Define models that are good, and models that are bad in every way that a model can be."""

# ruff: noqa: T201 - what they print is a part of how they are bad

import os
import sys
import time
from pathlib import Path

import numpy as np

from numebot_dagster.modeling import NumeraiModel, every


class Good(NumeraiModel):
    feature_set = "medium"
    targets = ("target",)
    retrain = every(weeks=3)
    time_budget = 30
    memory_budget = 3
    factor = 2.0

    def train(self, data):
        matrix = data.every(2).matrix().astype(float)
        self.weights = matrix.T @ (data.every(2).target() - 0.5) / len(matrix) * self.factor

    def predict(self, data):
        return data.matrix @ self.weights

    def save(self, folder):
        np.save(folder / "weights.npy", self.weights)

    def load(self, folder):
        self.weights = np.load(folder / "weights.npy")


def is_live(data):
    return len(data) == 200


class Printing(Good):
    def predict(self, data):
        os.write(1, b"x" * 3_000_000)
        print("last words", flush=True)
        print("more", file=sys.stderr, flush=True)
        print("asked:", repr(sys.stdin.read()))
        return super().predict(data)


class Forking(Good):
    def predict(self, data):
        if is_live(data):
            os.fork()  # and both come back
        return super().predict(data)


class LeavingAChild(Good):
    def predict(self, data):
        if is_live(data) and os.fork() == 0:
            os.setsid()
            time.sleep(600)
        return super().predict(data)


class Raising(Good):
    def predict(self, data):
        if is_live(data):
            return self.divide(0)
        return super().predict(data)

    def divide(self, number):
        print("about to divide", flush=True)
        return 1 / number


class Exiting(Good):
    def predict(self, data):
        if is_live(data):
            sys.exit("enough")
        return super().predict(data)


class Leaving(Good):
    def predict(self, data):
        if is_live(data):
            print("leaving", flush=True)
            os._exit(7)
        return super().predict(data)


class Dying(Good):
    def predict(self, data):
        if is_live(data):
            import ctypes

            ctypes.string_at(0)
        return super().predict(data)


class Recursing(Good):
    def predict(self, data):
        return self.predict(data) if is_live(data) else super().predict(data)


class Hanging(Good):
    time_budget = 1

    def predict(self, data):
        while is_live(data):
            pass
        return super().predict(data)


class Greedy(Good):
    memory_budget = 0.8

    def predict(self, data):
        if is_live(data):
            self.hoard = np.ones(150_000_000)
            time.sleep(30)
        return super().predict(data)


class GreedyChildren(Good):
    memory_budget = 0.8

    def predict(self, data):
        if is_live(data):
            if os.fork() == 0:
                self.hoard = np.ones(150_000_000)
                time.sleep(30)
            time.sleep(30)
        return super().predict(data)


class Wrong(Good):
    def predict(self, data):
        return self.wrong(data) if is_live(data) else super().predict(data)


class TooShort(Wrong):
    def wrong(self, data):
        return np.zeros(3)


class TwoColumns(Wrong):
    def wrong(self, data):
        return np.zeros((len(data), 1))


class HasNan(Wrong):
    def wrong(self, data):
        return np.where(np.arange(len(data)) < 2, np.nan, 0.5)


class HasInfinity(Wrong):
    def wrong(self, data):
        return np.full(len(data), np.inf)


class Nothing(Wrong):
    def wrong(self, data):
        return None


class Texts(Wrong):
    def wrong(self, data):
        return ["a"] * len(data)


class Frame(Wrong):
    def wrong(self, data):
        return {"prediction": 1}


class AsSeries(Good):
    def predict(self, data):
        import pandas as pd

        return pd.Series(super().predict(data), index=data.ids)


class AsFloat32List(Good):
    def predict(self, data):
        return [np.float32(value) for value in super().predict(data)]


class HangingTraining(Good):
    train_time_budget = 1

    def train(self, data):
        time.sleep(600)


class HangingCanary(Good):
    time_budget = 1

    def predict(self, data):
        time.sleep(600)


class GreedyTraining(Good):
    train_memory_budget = 0.8

    def train(self, data):
        self.hoard = np.ones(150_000_000)
        time.sleep(30)


class Forgetful(Good):
    def save(self, folder):
        np.save(folder / "weights.npy", self.weights * 0 + [1, 2, 3, 4, 5, 6])


class Unfinished(Good):
    def save(self, folder):
        (folder / "half").touch()
        raise OSError("disk full")


class NeverPredicting(Good):
    def predict(self, data):
        raise KeyError("a column")


class NeverLoading(Good):
    def load(self, folder):
        raise OSError("no such file")


class UnknownSet(Good):
    feature_set = "huge"


class MisspeltTarget(Good):
    targets = ("target", "target_alfa_20")


class MisspeltFeature(Good):
    feature_set = ("feature_plain_simple_a", "feature_plain_simpel_b")


class TextBudget(Good):
    time_budget = "60s"


class NoMemory(Good):
    train_memory_budget = 0


class TextRetrain(Good):
    retrain = "weekly"


class Saveless(NumeraiModel):
    def train(self, data):
        pass

    def predict(self, data):
        return data.matrix[:, 0]


class TextTargets(Good):
    targets = "target"


class OddTraining(Good):
    train_on = "everything"


class NoModel:
    pass


class Chooser(Good):
    feature_set = ["feature_plain_simple_j", "feature_plain_simple_a"]  # noqa: RUF012 - as users write
    train_on = "all"
    train_time_budget = 77
    train_memory_budget = 1.5

    def predict(self, data):
        return super().predict(data).astype(np.float32)


class Ensemble(Good):
    def train(self, data):
        pass

    def predict(self, data):
        return data.inputs["a-b c"] + np.nan_to_num(data.benchmarks["v53_lgbm_ender60"])

    def save(self, folder):
        pass

    def load(self, folder):
        pass


class Drifting(Good):
    def predict(self, data):
        return super().predict(data) + (Path(__file__).with_name("drift").exists() * 0.25)


class Curious(Good):
    def predict(self, data):
        names = [name for name in os.environ if name.upper().startswith("NUMERAI")]
        return super().predict(data) + (1000.0 if names else 0.0)
