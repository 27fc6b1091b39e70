"""Draw which stocks there are on a day, and the ids under which a round shows them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np

from numebot_dagster.practice.market.randomness import Stream, generator

# A slot holds one stock after another: each for 6 to 12 years, with two months empty in between.
SHORTEST_LISTING, LONGEST_LISTING, EMPTY = 1_500, 3_000, 40
FIRST_SHARE = 0.45


@dataclass(frozen=True)
class Rows:
    """The rows of one round: `slots`, `stocks` and `ids` have one entry for each row."""

    slots: np.ndarray
    stocks: np.ndarray
    ids: np.ndarray


@dataclass(frozen=True)
class Growth:
    """How the share of slots in use grows: like a root until a day, like a cube until another.

    Attributes:
        first: share until day `begins`.
        middle: share on day `turning`.
        begins: the day on which the growth begins.
        turning: the day on which the growth turns.
        full: the day from which every slot is in use.
    """

    first: float
    middle: float
    begins: int
    turning: int
    full: int

    def day_of(self, share: np.ndarray) -> np.ndarray:
        """Return the day on which each share of slots comes to be in use."""
        early = np.clip((share - self.first) / (self.middle - self.first), 0.0, 1.0)
        late = np.clip((share - self.middle) / (1.0 - self.middle), 0.0, None)
        root = self.begins + early**2 * (self.turning - self.begins)
        days: np.ndarray = root + np.cbrt(late) * (self.full - self.turning)
        return days


class Universe:
    """A growing set of slots through which stocks come and go."""

    def __init__(self, seed: int, slots: int, full_from: int, growth: Growth | None = None) -> None:
        """Draw the listings.

        Args:
            seed: the market's seed.
            slots: number of slots, about the number of stocks once the market is fully grown.
            full_from: day from which every slot is in use; on day 0, 45 % of them are.
            growth: another way of growing, with days of its own.
        """
        random = generator(seed, Stream.UNIVERSE)
        self._seed = seed
        self._slots = slots
        self._listing = random.integers(SHORTEST_LISTING, LONGEST_LISTING, slots)
        self._offset = random.integers(0, self._listing)
        opening = random.uniform(0.0, 1.0, slots)
        steady = np.clip((opening - FIRST_SHARE) / (1.0 - FIRST_SHARE), 0.0, None)
        self._in_use_from = growth.day_of(opening) if growth else steady * full_from

    def rows(self, day: int, opened: date) -> Rows:
        """Return the stocks of a day under the ids of the round opened on a date, ordered by id.

        Ids are drawn anew for each date. Being random, their order hides which row was which
        stock in any other round.
        """
        listing, age = np.divmod(day + self._offset, self._listing)
        slots = np.flatnonzero((age >= EMPTY) & (self._in_use_from <= day))
        random = generator(self._seed, Stream.IDS, opened.toordinal())
        numbers = random.integers(0, 1 << 60, self._slots)[slots]
        order = np.argsort(numbers)
        slots = slots[order]
        return Rows(slots, slots + self._slots * listing[slots], _ids(numbers[order]))


def _ids(numbers: np.ndarray) -> np.ndarray:
    """Write 60-bit numbers as "n" and 15 hexadecimal digits."""
    digits = np.frombuffer(b"0123456789abcdef", dtype=np.uint8)
    shifts = np.arange(56, -4, -4)
    text = np.empty((len(numbers), 16), dtype=np.uint8)
    text[:, 0] = ord("n")
    text[:, 1:] = digits[(numbers[:, None] >> shifts) & 15]
    return text.view("S16").ravel().astype("U16")
