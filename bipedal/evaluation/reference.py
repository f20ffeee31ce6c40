"""Check a score in Gymnasium's own environment, which needs Box2D."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from bipedal.engines.reference import make_env
from bipedal.evaluation.score import Evaluation
from bipedal.foreign_policy import ForeignPolicy
from bipedal.networks import one_thread_an_operation
from bipedal.policy import Policy, Statistics


def return_in_gymnasium(policy: Policy | ForeignPolicy, env_id: str, seed: int) -> float:
    """Return of the episode that begins with `reset(seed=seed)` of a fresh environment.

    The policy is asked one observation at a time. Raises `UserError` where Box2D is missing.
    """
    policy.restart()
    env = make_env(env_id)
    observation, _ = env.reset(seed=seed)
    total, done = 0.0, False
    while not done:
        observation, reward, terminated, truncated, _ = env.step(policy.act(observation))
        total += float(reward)
        done = terminated or truncated
    env.close()
    return total


def compare_with_gymnasium(
    policy: Policy | ForeignPolicy,
    evaluation: Evaluation,
    *,
    statistics: Statistics = "saved",
    progress: Callable[[Iterable[float], int], Iterable[float]] = lambda items, total: items,
) -> dict[str, Any]:
    """Play an evaluation's episodes again in Gymnasium; takes about a second an episode.

    Returns the number of `episodes`, how many returns are `identical` to the bit, and the
    `largest_difference` of the others. Raises `UserError` where Box2D is missing.
    """
    player = policy.with_statistics(statistics)
    stream = (
        return_in_gymnasium(player, evaluation.env_id, episode.seed)
        for episode in evaluation.episodes
    )
    with one_thread_an_operation():
        returns = np.array(list(progress(stream, len(evaluation.episodes))))
    differences = np.abs(returns - evaluation.returns)
    return {
        "episodes": len(returns),
        "identical": int((differences == 0.0).sum()),
        "largest_difference": float(differences.max()),
    }
