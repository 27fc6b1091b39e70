"""Bound sums of observations so that looking daily does not add up chances of a false alarm.

Of observations x_i that are symmetric around their mean m given the past, with any tails and any
changing spread, S = sum(x_i - m) and V = sum((x_i - m)^2) make exp(l S - l^2 V / 2) a
supermartingale for each l: de la Peña, "A general class of exponential inequalities for martingales
and ratios" (1999). Mixed over l by a normal density, as by Robbins, "Statistical methods related to
the law of the iterated logarithm" (1970), and with Ville's inequality,

    P(ever |S| >= sqrt((V + r) (log((V + r) / r) + 2 log(1 / level)))) <= level

for any r > 0: Howard, Ramdas, McAuliffe and Sekhon, "Time-uniform, nonparametric, nonasymptotic
confidence sequences" (2021), equation 14 and table 3. V is computed, so no variance is estimated.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

LEVEL = 0.05


@dataclass(frozen=True)
class Observations:
    """Hold nearly independent observations in their order.

    Attributes:
        values: (n,).
        spans: (n,) days that each spans; its mean is expected to grow with them.
        warm_up: the first observations, before which nobody looks, and which set r.
        tightest: the number of observations at which the bound is tightest.
    """

    values: np.ndarray
    spans: np.ndarray
    warm_up: int
    tightest: int

    def beyond(self, mean: float) -> float:
        """Return by how much |S| exceeds its bound when this is the mean; negative inside it."""
        apart = self.values - mean * self.spans
        scale = self.scale(mean)
        if not scale:
            return -math.inf
        return float(abs(apart.sum()) - mixture_bound(apart @ apart, scale))

    def scale(self, mean: float) -> float:
        """Return the r that the first observations set when this is the mean."""
        first = (self.values - mean * self.spans)[: self.warm_up]
        return mixing_scale(float(first @ first) / self.warm_up, self.tightest)


def mixing_scale(mean_square: float, tightest: int, level: float = LEVEL) -> float:
    """Return the r for which the bound is tightest after so many observations.

    Source: Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas, "Time-uniform central limit theory and
    asymptotic confidence sequences" (2024), appendix on tuning; r is 1 / rho^2 in units of V.
    """
    spent = -2 * math.log(level)
    return mean_square * tightest / (spent + math.log(1 + spent))


def mixture_bound(variation: np.ndarray, scale: float, level: float = LEVEL) -> np.ndarray:
    """Return the bound of |S| by the sum of squares V so far; see the module.

    Args:
        variation: any shape.
        scale: r, above zero.
        level: the chance that the bound is ever reached.
    """
    total = np.asarray(variation) + scale
    return np.asarray(np.sqrt(total * (np.log(total / scale) - 2 * math.log(level))))


def confidence_interval(observations: Observations) -> tuple[float, float]:
    """Return the interval of the mean a day that holds at all times together with 95 %.

    It consists of the means whose bound is not reached; infinite while no mean is excluded.
    """
    values, spans = observations.values, observations.spans
    centre = float(values.sum() / spans.sum())
    reach = float(np.ptp(values / spans))
    if not reach:
        return centre, centre
    return (
        _end(observations.beyond, centre, -reach),
        _end(observations.beyond, centre, reach),
    )


def observations_needed(mean: float, std: float, scale: float, power_quantile: float) -> float:
    """Return after how many observations of such mean and spread the bound is likely reached.

    That is the smallest n with |mean| n - q std sqrt(n) above the bound at V = n (std^2 + mean^2),
    q being the normal quantile of the power; infinite for no mean.
    """
    if not mean:
        return math.inf

    def is_reached(n: float) -> bool:
        likely = abs(mean) * n - power_quantile * std * math.sqrt(n)
        return likely >= float(mixture_bound(np.asarray(n * (std**2 + mean**2)), scale))

    high = 1.0
    while not is_reached(high):
        high *= 2
    low = high / 2
    while high - low > max(0.5, 1e-9 * high):
        middle = (low + high) / 2
        low, high = (low, middle) if is_reached(middle) else (middle, high)
    return math.ceil(high)


def _end(beyond: Callable[[float], float], centre: float, reach: float) -> float:
    """Return where `beyond` leaves the negative on one side of the centre."""
    from scipy.optimize import brentq

    for far in (reach * 2.0**power for power in range(12)):
        if beyond(centre + far) > 0:
            return float(brentq(beyond, centre, centre + far, xtol=1e-9 * abs(reach)))
    return math.copysign(math.inf, reach)
