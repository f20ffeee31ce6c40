"""The reward that training sees, where it is not the raw one. Scores never see it."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from bipedal.config import TrainConfig
from bipedal.physics.constants import LIDAR_RANGE, MOTOR_COST

UPRIGHT_HEIGHT = 2.2
"""m, of the hull over the ground; on straight legs it is 2.54."""
DOWNWARDS = 14
"""Column of an observation: the lidar's beam straight down, as a share of LIDAR_RANGE."""


@dataclass(frozen=True)
class Shaping:
    """How the reward of training differs from the raw one."""

    reward_floor: float
    """Smallest reward of a timestep."""
    torque_weight: float
    """Factor on the cost of torque; 1 leaves it as it is."""
    posture_cost: float
    """Taken off for each metre that the hull is below UPRIGHT_HEIGHT, per timestep."""

    @classmethod
    def of(cls, config: TrainConfig) -> Shaping:
        """The shaping that a configuration asks for."""
        return cls(config.reward_floor, config.torque_weight, config.posture_cost)

    def __call__(self, rewards: Tensor, observations: Tensor, actions: Tensor) -> Tensor:
        """Make training's rewards (...) of raw ones, float64; returns a new tensor.

        They followed on `actions` (..., 4) in raw `observations` (..., 24).
        """
        shaped = rewards.clamp(min=self.reward_floor)
        if self.torque_weight != 1.0:
            torque = actions.abs().clamp(max=1.0).sum(-1)
            shaped -= (self.torque_weight - 1.0) * MOTOR_COST * torque
        if self.posture_cost:
            shaped -= self.posture_cost * depth(observations)
        return shaped


def depth(observations: Tensor) -> Tensor:
    """How far the hull is below UPRIGHT_HEIGHT, m: raw observations (..., 24) -> (...)."""
    height = observations[..., DOWNWARDS] * LIDAR_RANGE
    return (UPRIGHT_HEIGHT - height).clamp(min=0.0)
