"""The task as everybody sees it: ids, dimensions, what a step answers, what an engine can do.

An *engine* steps N environments at once and starts an environment's next episode in the same
step in which the last one ended. The row that a reset produces is never the outcome of an
action: `Step` carries the true final observation beside it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

import gymnasium
import numpy as np
import numpy.typing as npt

from bipedal.errors import UserError

FloatArray = npt.NDArray[np.float32]
BoolArray = npt.NDArray[np.bool_]
EngineState = Mapping[str, npt.NDArray[Any]]

HARDCORE_ID = "BipedalWalkerHardcore-v3"
ENV_IDS = ("BipedalWalker-v3", HARDCORE_ID)
OBSERVATION_DIM = 24
ACTION_DIM = 4
FALL_REWARD = -100.0
"""Reward of the timestep in which the robot falls, and of no other (bipedal_walker.py)."""


def reward_threshold(env_id: str) -> float:
    """Mean return at which Gymnasium calls an environment solved; infinity if it never does."""
    return gymnasium.spec(env_id).reward_threshold or math.inf


def check_seed(seed: int) -> None:
    """UserError if an episode cannot be seeded with this number."""
    if not 0 <= seed < 2**31:
        raise UserError(f"--seed must be from 0 to {2**31 - 1}, not {seed}")


class Step(NamedTuple):
    """What N environments answered to one action each."""

    observation: FloatArray
    """(N, 24) what the policy sees next: after an episode's end, the next one's first."""
    reward: npt.NDArray[np.float64]
    """(N,) raw reward."""
    terminated: BoolArray
    """(N,) the episode ended by a fall or at the far end: there is no future."""
    truncated: BoolArray
    """(N,) the episode ended at its time limit: there is a future that nobody saw."""
    final_observation: FloatArray
    """(N, 24) the observation that really followed the action, also where the episode ended."""
    distance: npt.NDArray[np.float64]
    """(N,) metres walked since the episode's start, at that observation."""

    @property
    def fell(self) -> BoolArray:
        """(N,) the robot fell, rather than reached the far end."""
        fell: BoolArray = self.terminated & (self.reward == FALL_REWARD)
        return fell


class VectorEngine(Protocol):
    """N environments stepped together: all that the trainer knows of any engine."""

    num_envs: int

    def reset(self) -> FloatArray:
        """Start episode 0 in every environment; returns observations (N, 24)."""
        ...

    def step(self, actions: FloatArray) -> Step:
        """Apply actions (N, 4). The arrays returned are overwritten by the next call."""
        ...

    def state(self) -> EngineState:
        """Everything needed to go on exactly from here, as plain arrays."""
        ...

    def restore(self, state: EngineState) -> FloatArray:
        """Go back to a saved state; returns the observations (N, 24) at that moment."""
        ...

    def close(self) -> None:
        """Free processes and memory."""
        ...
