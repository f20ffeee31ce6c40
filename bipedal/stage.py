"""What a robot in training has come to, in a few words for whoever watches."""

from __future__ import annotations

import itertools
from collections.abc import Collection
from statistics import fmean

from bipedal.rollout import EpisodeStatistics

NEAR, FAR = 3.0, 15.0
"""m: less than the first is standing or falling over, more than the second is walking."""


def describe(episodes: Collection[EpisodeStatistics]) -> str:
    """Say what most of the last training episodes were like; empty before the first has ended."""
    if not episodes:
        return ""
    distance = fmean(episode.distance for episode in episodes)
    falls = fmean(episode.fell for episode in episodes)
    if distance < NEAR:
        return "falls over" if falls > 0.5 else "stands still"
    stage = "takes steps" if distance < FAR else "walks"
    return f"{stage}, falls {falls:.0%}" if falls else stage


BARS = "▁▂▃▄▅▆▇█"


def sparkline(values: Collection[float], width: int, low: float, high: float) -> str:
    """A line of at most `width` bars, each the mean of an equal part of the values.

    Bars go from `low` to `high`, and values beyond are at the end of the scale.
    """
    numbers = list(values)
    count = min(width, len(numbers))
    cuts = [len(numbers) * part // max(count, 1) for part in range(count + 1)]
    parts = [numbers[start:stop] for start, stop in itertools.pairwise(cuts)]
    heights = [(fmean(part) - low) / (high - low) * len(BARS) for part in parts]
    return "".join(BARS[min(max(int(height), 0), len(BARS) - 1)] for height in heights)
