"""Seeds of episodes: a range of its own for each use, so that no two uses share an episode.

A seed s stands for the episode of `reset(seed=s)`, terrain and push and all, in both engines.
"""

ROOM = 1_000_000
"""Seeds that each use may take from its first one upward."""
MAX_TRAINING_SEED = ROOM - 1
"""Largest `--seed` of training."""
FINAL_SEED = 1 * ROOM
"""First seed of the score at the end of a run, and of the studies' scores."""
EVALUATION_SEED = 2 * ROOM
"""First seed of the greedy evaluations while a run trains, which choose its best model."""
CONFIRMATION_SEED = 3 * ROOM
"""First seed of the episodes that confirm that a run has solved its environment."""
_FIRST_ROW_SEED = 2**32
_ROWS = 2**20


def row_seeds(seed: int, num_envs: int) -> list[int]:
    """Seeds of the N environments that train with `--seed`: above all other seeds, 2^20 apart.

    They decide the first episodes; each environment's generator goes on from there.
    """
    first = _FIRST_ROW_SEED + seed * _ROWS
    return list(range(first, first + num_envs))
