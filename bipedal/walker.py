"""The task as everybody sees it: ids, dimensions, what a step answers, what an engine can do.

An *engine* steps N environments at once and starts an environment's next episode in the same
step in which the last one ended. The row that a reset produces is never the outcome of an
action: `Step` carries the true final observation beside it.

Engines speak torch tensors on their own device. On a CPU these share memory with numpy arrays
(`tensor.numpy()`), so nothing is copied for those who prefer numpy. This module itself does not
import torch: processes that step Gymnasium's environments need none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from bipedal.errors import UserError
from bipedal.physics.constants import FALL_REWARD

if TYPE_CHECKING:
    import torch
    from torch import Tensor

FloatArray = npt.NDArray[np.float32]
BoolArray = npt.NDArray[np.bool_]

WALKER_ID = "BipedalWalker-v3"
HARDCORE_ID = "BipedalWalkerHardcore-v3"
ENV_IDS = (WALKER_ID, HARDCORE_ID)
OBSERVATION_DIM = 24
ACTION_DIM = 4
REWARD_THRESHOLD = 300.0
"""Mean return at which Gymnasium calls either environment solved."""
TIME_LIMITS = {WALKER_ID: 1600, HARDCORE_ID: 2000}
"""Timesteps after which an episode is truncated."""


def check_env_id(env_id: str) -> None:
    """UserError if there is no such walker."""
    if env_id not in ENV_IDS:
        raise UserError(f"unknown environment {env_id!r}: choose one of {', '.join(ENV_IDS)}")


def check_seed(seed: int) -> None:
    """UserError if an episode cannot be seeded with this number."""
    if not 0 <= seed < 2**31:
        raise UserError(f"--seed must be from 0 to {2**31 - 1}, not {seed}")


def seeds_of_rows(seed: int | Sequence[int], num_envs: int) -> list[int]:
    """Seeds of N environments: `seed + i`, as in Gymnasium's vector environments, or those given.

    Raises `UserError` for another number of seeds and for one that is not from 0 to 2^63 - 1.
    """
    if isinstance(seed, int | np.integer):
        seeds: Sequence[int] = range(int(seed), int(seed) + num_envs)
    else:
        seeds = seed
    if len(seeds) != num_envs:
        raise UserError(f"{num_envs} environments need as many seeds, not {len(seeds)}")
    for one in seeds:
        if not (isinstance(one, int | np.integer) and 0 <= one < 2**63):
            raise UserError(f"a seed must be a whole number from 0 to 2^63 - 1, not {one!r}")
    return [int(one) for one in seeds]


class Step(NamedTuple):
    """What N environments answered to one action each; the next step overwrites the tensors."""

    observation: Tensor
    """(N, 24) float32, what the policy sees next: after an episode's end, the next one's first."""
    reward: Tensor
    """(N,) float64, raw."""
    terminated: Tensor
    """(N,) bool, the episode ended by a fall or at the far end: there is no future."""
    truncated: Tensor
    """(N,) bool, the episode ended at its time limit: there is a future that nobody saw."""
    final_observation: Tensor
    """(N, 24) float32, what really followed the action, also where the episode ended."""
    distance: Tensor
    """(N,) float64, metres walked since the episode's start, at that observation."""

    @property
    def done(self) -> Tensor:
        """(N,) bool, the episode ended one way or another."""
        return self.terminated | self.truncated

    @property
    def fell(self) -> Tensor:
        """(N,) bool, the robot fell, rather than reached the far end."""
        return self.terminated & (self.reward == FALL_REWARD)


class VectorEngine(Protocol):
    """N environments stepped together: all that training knows of any engine."""

    num_envs: int
    device: torch.device
    """Where its tensors live."""

    def reset(self) -> Tensor:
        """Start the first episode in every environment; returns observations (N, 24)."""
        ...

    def step(self, actions: Tensor) -> Step:
        """Apply actions (N, 4) float32. The tensors returned are overwritten by the next call."""
        ...

    def state(self) -> Mapping[str, Tensor]:
        """Everything needed to go on exactly from here, as tensors of the caller's own."""
        ...

    def restore(self, state: Mapping[str, Tensor]) -> Tensor:
        """Go back to a saved state; returns the observations (N, 24) at that moment."""
        ...

    def close(self) -> None:
        """Free processes, threads and memory."""
        ...
