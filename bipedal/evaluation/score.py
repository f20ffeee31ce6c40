"""Score a policy: greedy, frozen statistics, raw reward, Gymnasium's own environment.

Episode i of `seed` S is `reset(seed=S + i)` of a *fresh* environment and the network is asked for
one action at a time, so that anybody can check a score from the two model files alone.
"""

from __future__ import annotations

import functools
import math
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from bipedal.checkpoint import policy_from_bytes, policy_to_bytes
from bipedal.errors import RunFailedError, UserError
from bipedal.evaluation.episode import Episode, run_episode
from bipedal.evaluation.gait import summarise
from bipedal.evaluation.obstacles import NONE, Kind
from bipedal.physics.constants import TIMESTEP
from bipedal.policy import Policy, Statistics
from bipedal.processes import signals_held
from bipedal.walker import HARDCORE_ID, REWARD_THRESHOLD, check_env_id, check_seed


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


def summarise_episodes(
    returns: npt.NDArray[np.float64],
    lengths: npt.NDArray[np.int64],
    fell: npt.NDArray[np.bool_],
    distances: npt.NDArray[np.float64],
) -> dict[str, float]:
    """What E episodes come to; all arguments (E,), lengths in timesteps, distances in metres.

    The speed is that of all the episodes together, in m/s.
    """
    return {
        "mean_return": float(returns.mean()),
        "std_return": float(returns.std()),
        "min_return": float(returns.min()),
        "max_return": float(returns.max()),
        "fall_rate": float(fell.mean()),
        "mean_length": float(lengths.mean()),
        "mean_speed": float(distances.sum() / (lengths.sum() * TIMESTEP)),
    }


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
        """Mean return and so on, by the names of `evaluate --json`."""
        return summarise_episodes(
            self.returns,
            np.array([episode.length for episode in self.episodes]),
            np.array([episode.fell for episode in self.episodes]),
            np.array([episode.distance for episode in self.episodes]),
        )

    def gait(self) -> dict[str, Any]:
        """Mean gait of the episodes, in plain types."""
        return summarise([episode.gait for episode in self.episodes])

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


def _run_one(
    policy: tuple[bytes, bytes], statistics: Statistics, env_id: str, seed: int
) -> Episode:
    player = read_policy(*policy).with_statistics(statistics)
    return run_episode(player, env_id, seed, keep_trajectory=False)


read_policy = functools.lru_cache(maxsize=1)(policy_from_bytes)
"""Once for all episodes of an evaluation."""


def worker_pool(workers: int) -> ProcessPoolExecutor | None:
    """Make processes for `evaluate`; None where one would be no faster than this process.

    They are spawned when the first episode comes: a script needs the usual
    `if __name__ == "__main__":` guard.
    """
    if workers < 2:
        return None
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(workers, mp_context=context, initializer=_start_worker)


def _start_worker() -> None:
    torch.set_num_threads(1)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """A pool's process does not notice that its parent was killed: watch for it."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def evaluate(
    policy: Policy,
    env_id: str | None = None,
    *,
    episodes: int = 100,
    seed: int = 0,
    statistics: Statistics = "saved",
    executor: Executor | None = None,
    progress: Callable[[Iterable[Episode], int], Iterable[Episode]] = lambda items, total: items,
) -> Evaluation:
    """Play `episodes` episodes seeded `seed`, `seed + 1`, ... and sum them up.

    They are played in `env_id`, by default the environment that the policy was trained in.

    With an `executor` (see `worker_pool`) they are played in parallel, to the same result.
    `progress` may wrap the stream of episodes to show how far it is. Raises `UserError` for a
    request that makes no sense, `RunFailedError` if a process dies.
    """
    if episodes < 1:
        raise UserError(f"--episodes must be at least 1, not {episodes}")
    check_seed(seed)
    env_id = policy.env_id if env_id is None else env_id
    check_env_id(env_id)
    # Bytes, since multiprocessing would have torch move the policy that is being trained into
    # shared memory, a file descriptor for each tensor and episode.
    run_one = functools.partial(_run_one, policy_to_bytes(policy), statistics, env_id)
    run_all = map if executor is None else executor.map
    try:
        with signals_held(signal.SIGINT):
            stream = run_all(run_one, range(seed, seed + episodes))
        return Evaluation(env_id, seed, list(progress(stream, episodes)))
    except BrokenProcessPool:
        raise RunFailedError("a process that plays episodes died: was it killed?") from None
