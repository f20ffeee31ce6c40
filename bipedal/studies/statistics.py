"""Statistics over seeds: what can be said when every training run is one draw.

The measures that Agarwal, Schwarzer, Castro, Courville & Bellemare 2021, "Deep reinforcement
learning at the edge of the statistical precipice", recommend for few runs. The unit that is
resampled is the seed, never the episode: a hundred episodes of one run say nothing of another run.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.float64]
RESAMPLES = 10_000
CONFIDENCE = 0.95


class Estimate(NamedTuple):
    """A statistic and its percentile bootstrap interval."""

    value: float
    low: float
    high: float


def probability_of_improvement(ours: Values, theirs: Values) -> float | Values:
    """Chance that a random one of `ours` (..., n) exceeds a random one of `theirs` (..., m).

    Ties count half: the Mann-Whitney U statistic over n·m. 0.5 says that neither is better.
    """
    left, right = ours[..., :, None], theirs[..., None, :]
    wins = (left > right) + 0.5 * (left == right)
    chance: float | Values = wins.mean(axis=(-2, -1))
    return chance


def matched_improvement(*samples: Values) -> float | Values:
    """Mean probability of improvement over pairs: the first sample over the second, and so on."""
    pairs = zip(samples[::2], samples[1::2], strict=True)
    chances = [np.asarray(probability_of_improvement(ours, theirs)) for ours, theirs in pairs]
    average: float | Values = np.stack(chances).mean(axis=0)
    return average


def share(values: Values) -> Estimate:
    """Share of ones among zeros and ones (n,), with Wilson's 95 % score interval (Wilson 1927).

    A bootstrap of ten zeros would be sure that there is never a one. Raises `ValueError` for no
    values.
    """
    count = len(values)
    if not count:
        raise ValueError("no values")
    z = NormalDist().inv_cdf(0.5 + CONFIDENCE / 2)
    found = float(values.mean())
    middle = (found + z**2 / (2 * count)) / (1 + z**2 / count)
    spread = z * math.sqrt(found * (1 - found) / count + z**2 / (4 * count**2)) / (1 + z**2 / count)
    return Estimate(found, max(0.0, middle - spread), min(1.0, middle + spread))


def bootstrap(statistic: Callable[..., float | Values], *samples: Values) -> Estimate:
    """Value and 95 % percentile bootstrap interval of a statistic of one or more samples.

    Each sample (n,) is resampled with replacement on its own, 10,000 times, always with the same
    random numbers, so that a table made twice is the same table. `statistic` takes arrays
    (..., n) and returns (...). Raises `ValueError` for an empty sample.
    """
    if not all(len(sample) for sample in samples):
        raise ValueError("no values to resample")
    generator = np.random.default_rng(0)
    drawn = [
        sample[generator.integers(len(sample), size=(RESAMPLES, len(sample)))] for sample in samples
    ]
    tail = 50.0 * (1.0 - CONFIDENCE)
    low, high = np.percentile(statistic(*drawn), (tail, 100.0 - tail))
    return Estimate(float(statistic(*samples)), float(low), float(high))
