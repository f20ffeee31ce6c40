"""Score a policy: greedy, frozen statistics, raw reward.

Episode i of `seed` S is `reset(seed=S + i)` of a *fresh* Gymnasium environment. Episodes are played
side by side on the batched engine, which gives the same bits, and an action depends on its own
observations alone (`Policy.act_batch`). So anybody can check a score in Gymnasium from the two
model files, as `bipedal.evaluation.reference` does.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
import numpy.typing as npt

from bipedal.engines.warp import WarpEngine
from bipedal.errors import UserError
from bipedal.evaluation.episode import Episode, Player, begin, env_id_of, play_episodes
from bipedal.evaluation.gait import summarise
from bipedal.evaluation.obstacles import NONE, Kind
from bipedal.foreign_policy import ForeignPolicy
from bipedal.networks import one_thread_an_operation
from bipedal.physics.constants import TIMESTEP
from bipedal.policy import Policy, Statistics
from bipedal.walker import HARDCORE_ID, REWARD_THRESHOLD, check_seed

MAX_ROWS = 256
"""Episodes that are played side by side: with fewer the engine is slower a timestep, with more it
waits longer for the last ones."""

Played = tuple[int, Episode]
"""An episode and its number."""


def interquartile_mean(values: npt.NDArray[np.float64]) -> float | npt.NDArray[np.float64]:
    """Mean of the middle half: a quarter of the values, rounded down, is cut off at either end.

    `values` (..., n), n > 0; returns (...). Robust to a few outliers, and of smaller variance than
    the median. Of fewer than four values it is the plain mean. (Agarwal et al. 2021, "Deep
    reinforcement learning at the edge of the statistical precipice".)
    """
    ordered = np.sort(values, axis=-1)
    cut = ordered.shape[-1] // 4
    middle = ordered[..., cut : ordered.shape[-1] - cut]
    mean: float | npt.NDArray[np.float64] = middle.mean(axis=-1)
    return mean


FEWEST_EPISODES = 5
"""Below this an interval of the mean would say nothing."""


def mean_interval(values: npt.NDArray[np.float64]) -> list[float] | None:
    """Bounds of the mean's 95 % confidence interval, by Student's t; None for too few values.

    `values` (n,) are independent, such as the returns of n episodes: it is the interval for *this*
    policy on other terrains, and says nothing of another training run. The quantile of t is the
    expansion 26.7.5 of Abramowitz & Stegun, within 0.1 % from n = 5 on.
    """
    n = len(values)
    if n < FEWEST_EPISODES:
        return None
    z = NormalDist().inv_cdf(0.975)
    t = z + sum(
        term / (n - 1) ** power
        for power, term in enumerate(
            (
                (z**3 + z) / 4,
                (5 * z**5 + 16 * z**3 + 3 * z) / 96,
                (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
                (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
            ),
            start=1,
        )
    )
    mean, margin = float(values.mean()), t * float(values.std(ddof=1)) / math.sqrt(n)
    return [mean - margin, mean + margin]


@dataclass(frozen=True)
class Evaluation:
    """What a number of episodes say of a policy; `to_json` is the command's answer."""

    env_id: str
    seed: int
    episodes: Sequence[Episode]

    @property
    def returns(self) -> npt.NDArray[np.float64]:
        """Return of each episode, (episodes,)."""
        return np.array([episode.episodic_return for episode in self.episodes])

    @property
    def mean_return(self) -> float:
        """Mean undiscounted return."""
        return float(self.returns.mean())

    def summary(self) -> dict[str, float]:
        """Mean return and so on, by the names of `evaluate --json`.

        The speed is that of all the episodes together, in m/s.
        """
        lengths = np.array([episode.length for episode in self.episodes])
        distance = sum(episode.distance for episode in self.episodes)
        return {
            "mean_return": self.mean_return,
            "std_return": float(self.returns.std()),
            "min_return": float(self.returns.min()),
            "max_return": float(self.returns.max()),
            "fall_rate": float(np.mean([episode.fell for episode in self.episodes])),
            "mean_length": float(lengths.mean()),
            "mean_speed": float(distance / (lengths.sum() * TIMESTEP)),
        }

    def gait(self) -> dict[str, Any]:
        """Mean gait of the episodes that were recorded, in plain types."""
        return summarise([episode.gait for episode in self.episodes if episode.gait is not None])

    def crossed(self) -> dict[str, float | None]:
        """Share of each kind of obstacle that was crossed, of those that a robot came near."""
        met = sum((episode.crossings for episode in self.episodes), NONE)
        return met.rates()

    def falls_at(self) -> dict[str, int]:
        """Number of falls at each kind of obstacle and on free ground."""
        ends = [episode.ended_at for episode in self.episodes if episode.fell]
        return {**{str(kind): ends.count(kind) for kind in Kind}, "free ground": ends.count(None)}

    def to_json(self) -> dict[str, Any]:
        """Make plain types; speeds in m/s, lengths in timesteps, shares from 0 to 1.

        `interval_return` are the bounds of the mean's 95 % interval, or None for fewer than five
        episodes. `iqm_return` is the mean of the middle half of the returns. `share_solved` is the
        share of episodes that reach the environment's threshold, which `solved` asks of their mean.
        """
        return {
            "env_id": self.env_id,
            "episodes": len(self.episodes),
            "seed": self.seed,
            "solved": self.mean_return >= REWARD_THRESHOLD,
            **self.summary(),
            "interval_return": mean_interval(self.returns),
            "iqm_return": float(interquartile_mean(self.returns)),
            "share_solved": float((self.returns >= REWARD_THRESHOLD).mean()),
            **(
                {"crossed": self.crossed(), "falls_at": self.falls_at()}
                if self.env_id == HARDCORE_ID
                else {}
            ),
            "gait": self.gait(),
        }


def evaluate(
    policy: Player,
    env_id: str | None = None,
    *,
    episodes: int = 100,
    seed: int = 0,
    statistics: Statistics = "saved",
    progress: Callable[[Iterable[Played], int], Iterable[Played]] = lambda items, total: items,
) -> Evaluation:
    """Play `episodes` episodes seeded `seed`, `seed + 1`, ... and sum them up.

    They are played in `env_id`, by default the environment that the policy was trained in.
    `progress` may wrap the stream of episodes to show how far it is. Raises `UserError` for a
    request that makes no sense.
    """
    if episodes < 1:
        raise UserError(f"--episodes must be at least 1, not {episodes}")
    check_seed(seed)
    env_id = env_id_of(policy) if env_id is None else env_id
    player = _with_statistics(policy, statistics)
    rounds = -(-episodes // MAX_ROWS)
    rows = -(-episodes // rounds)
    engine = WarpEngine(env_id, rows, seed, autoreset=False, rest=True)
    with one_thread_an_operation(), closing(engine):
        act = begin(player)
        seeds = range(seed, seed + episodes)
        stream = play_episodes(act, engine, seeds, recorded=range(rows))
        played = dict(progress(stream, episodes))
    return Evaluation(env_id, seed, [played[number] for number in range(episodes)])


def _with_statistics(policy: Player, statistics: Statistics) -> Player:
    """The player that sees the world through these statistics."""
    if isinstance(policy, Policy | ForeignPolicy):
        return policy.with_statistics(statistics)
    if statistics != "saved":
        raise UserError(f"a plain function has no statistics that {statistics!r} could replace")
    return policy
