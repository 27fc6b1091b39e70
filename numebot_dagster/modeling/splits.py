"""Split eras in time: what a model learns from always lies before what it is judged on."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

# The newest labelled eras, two years, are kept from tuning and blending, so that what is published
# of them was never chosen by them; see `TrainingData.for_tuning`.
HELD_OUT_ERAS = 104
# Where a target's name does not tell its horizon it counts as the longest that Numerai has had.
_LONGEST_HORIZON = 60
_TRADING_DAYS_AN_ERA = 5
# What Numerai's own walk-forward leaves out beyond the eras that a target reaches over.
_MARGIN_ERAS = 4


@dataclass(frozen=True)
class EraSplit:
    """One step of a walk forward: era numbers to learn from, and later ones to be judged on."""

    train: tuple[int, ...]
    test: tuple[int, ...]


@dataclass(frozen=True)
class WalkForward:
    """Trains on the past, leaves a gap, predicts the next eras; then moves on by those.

    All lengths are in weeks, which is what an era is, counted by era number. So data thinned to
    every fourth era are split at the same dates, and as safely, as the whole.

    **Look-ahead.** A target looks 20 or 60 business days ahead: the label of era 148 is made of
    the same days as those of the next 4 or 12 eras. A model that has seen it and is judged on era
    149 has seen a part of the answer. So `purge_eras` eras are left out between the two: 8 for
    20-day and 16 for 60-day targets; `purge_eras(targets)` says how many for the longest of *all*
    targets used. It must hold for every step on the way: whoever picks features, parameters or
    blending weights on eras of a test window has trained on them.

    A calendar, as Numerai makes its benchmark models (20-day targets; the labelled eras go to 600):

        WalkForward(test_eras=156, purge_eras=8, first_test_era=157)

        train 1..148   purged 149..156   test 157..312
        train 1..304   purged 305..312   test 313..468
        train 1..460   purged 461..468   test 469..600    (what is left)

    And rolling over the last 100 eras, `WalkForward(test_eras=156, purge_eras=8, train_eras=100)`:

        train   1..100   purged 101..108   test 109..264
        train 157..256   purged 257..264   test 265..420
        train 313..412   purged 413..420   test 421..576
        train 469..568   purged 569..576   test 577..600

    A `WalkForward` is a cross-validator of scikit-learn, with the eras as groups:

        cross_val_score(model, data.matrix(), data.target(), groups=data.eras,
                        cv=WalkForward(test_eras=156, purge_eras=purge_eras(data.targets)))

    Attributes:
        test_eras: length of a test window; windows follow each other without a gap.
        purge_eras: length of the gap between training and test.
        train_eras: length of a training window; None expands from the first era on.
        first_test_era: where the first test window starts. By default after `train_eras` and the
            gap; an expanding training starts as long as a test window.
    """

    test_eras: int
    purge_eras: int
    train_eras: int | None = None
    first_test_era: int | None = None

    def __post_init__(self) -> None:
        shortest = (
            self.test_eras if self.train_eras is None else min(self.test_eras, self.train_eras)
        )
        if shortest < 1 or self.purge_eras < 0:
            raise ValueError(f"{self}: a window has at least one era, and a purge is not negative")

    def split_eras(self, eras: Sequence[int] | np.ndarray) -> Iterator[EraSplit]:
        """Yield the steps over these eras, oldest first, each with ascending era numbers.

        Args:
            eras: era numbers, in any order; repetitions and gaps do not matter.

        Raises:
            ValueError: the eras are too few, or the first test window comes too early, for a first
                training to hold a single era.
        """
        present = np.unique(np.asarray(eras, dtype=np.int64))
        if not len(present):
            raise ValueError("there are no eras to split")
        start, last = self._first_test(int(present[0])), int(present[-1])
        if start > last:
            raise ValueError(
                f"eras {present[0]} to {last} hold no test window, which would start at {start}: "
                "give more eras, or shorter windows"
            )
        for first in range(start, last + 1, self.test_eras):
            end = first - self.purge_eras
            begin = present[0] if self.train_eras is None else end - self.train_eras
            train = present[(present >= begin) & (present < end)]
            test = present[(present >= first) & (present < first + self.test_eras)]
            if not len(train):
                raise ValueError(
                    f"nothing is left to train on before era {first} less the {self.purge_eras} "
                    f"that are purged: the eras given start at {present[0]}"
                )
            if len(test):
                yield EraSplit(tuple(train.tolist()), tuple(test.tolist()))

    def split(
        self,
        X: Any = None,  # noqa: N803 (scikit-learn's name)
        y: Any = None,
        groups: Any = None,
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield the steps in scikit-learn's form: ascending row positions of training and test.

        Args:
            X: not used.
            y: not used.
            groups: (rows,) the era of each row, as a number or as Numerai's text "0001".

        Raises:
            ValueError: there are no groups, or what `split_eras` raises.
        """
        rows = _era_of_rows(groups)
        for step in self.split_eras(rows):
            yield (
                np.flatnonzero(np.isin(rows, step.train)),
                np.flatnonzero(np.isin(rows, step.test)),
            )

    def get_n_splits(
        self,
        X: Any = None,  # noqa: N803 (scikit-learn's name)
        y: Any = None,
        groups: Any = None,
    ) -> int:
        """Return the number of steps that `split` yields for the same groups."""
        return sum(1 for _ in self.split_eras(_era_of_rows(groups)))

    def _first_test(self, first_era: int) -> int:
        if self.first_test_era is not None:
            return self.first_test_era
        return first_era + (self.train_eras or self.test_eras) + self.purge_eras


def purge_eras(targets: Sequence[str]) -> int:
    """Return the number of eras to leave out between training and test, by the longest target.

    Numerai purges 8 eras for its 20-day and 16 for its 60-day targets: the eras that the target
    reaches over, and four more. The same rule serves whatever horizon comes next.

    Args:
        targets: names of all targets used; they end in the horizon in business days, as
            `target_ender_20`. Any other, such as the bare `target`, counts as 60 days: give
            the name of what it equals (`TrainingData.what_target_is`) to know better.
    """
    if not targets:
        raise ValueError("no target is named, so the purge cannot be computed")
    return max(-(-horizon_days(name) // _TRADING_DAYS_AN_ERA) + _MARGIN_ERAS for name in targets)


def horizon_days(target: str) -> int:
    """Return the business days that a target looks ahead."""
    days = re.search(r"_(\d+)$", target)
    return int(days[1]) if days else _LONGEST_HORIZON


def _era_of_rows(groups: Any) -> np.ndarray:
    if groups is None:
        raise ValueError("WalkForward needs the era of each row: give groups=data.eras")
    return np.asarray(groups).astype(np.int64)
