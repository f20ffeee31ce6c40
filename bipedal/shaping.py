"""The reward that training sees, where it is not the raw one. Scores never see it."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from bipedal.physics.constants import FALL_REWARD, LIDAR_RANGE, MOTOR_COST

UPRIGHT_HEIGHT = 2.2
"""m, of the hull over the ground; on straight legs it is 2.54."""
DOWNWARDS = 14
"""Column of an observation: the lidar's beam straight down, as a share of LIDAR_RANGE."""
MEMORY = 0.95
"""Share of the running means that a rollout leaves as they were."""


class Shaping:
    """How the reward of training differs from the raw one.

    The way to the far end pays the same whatever the speed, so a score is a matter of torque per
    metre, and of falls. A discounted return is not: it would rather have the same reward sooner.
    That can be corrected. The robot with the least torque per metre is also the best one by the
    *difference* between what its progress pays and w times what its torque costs, with w the
    quotient of the two (Dinkelbach 1967, "On nonlinear fractional programming"). At that w nobody
    gains anything by walking; so torque takes a share of the quotient, measured on the way.
    """

    def __init__(self, reward_floor: float, posture_cost: float, torque_share: float) -> None:
        """Begin with nothing measured.

        Args:
            reward_floor: Smallest reward of a timestep.
            posture_cost: Taken off for each metre that the hull is below UPRIGHT_HEIGHT, per
                timestep.
            torque_share: Share of what progress pays that torque takes, in [0, 1). A timestep's
                torque never costs less than it does in a score.
        """
        self.reward_floor = reward_floor
        self.posture_cost = posture_cost
        self.torque_share = torque_share
        self._progress = 0.0
        self._torque = 0.0

    @property
    def torque_weight(self) -> float:
        """Factor w on the cost of torque."""
        if self._torque == 0.0:
            return 1.0
        return max(1.0, self.torque_share * self._progress / self._torque)

    def __call__(self, rewards: Tensor, observations: Tensor, actions: Tensor) -> Tensor:
        """Make training's rewards (...) of a rollout's raw ones, float64; returns a new tensor.

        They followed on `actions` (..., 4) in raw `observations` (..., 24).
        """
        torque = torque_cost(actions)
        self._measure(rewards, torque)
        shaped = rewards.clamp(min=self.reward_floor)
        if self.torque_weight > 1.0:
            shaped -= (self.torque_weight - 1.0) * torque
        if self.posture_cost:
            shaped -= self.posture_cost * depth(observations)
        return shaped

    def _measure(self, rewards: Tensor, torque: Tensor) -> None:
        """Running means of what a timestep's progress pays and its torque costs, falls apart."""
        walking = rewards != FALL_REWARD
        if not walking.any():
            return
        cost = float(torque[walking].mean())
        pay = float(rewards[walking].mean()) + cost
        memory = MEMORY if self._torque else 0.0
        self._progress = memory * self._progress + (1.0 - memory) * pay
        self._torque = memory * self._torque + (1.0 - memory) * cost

    def state(self) -> dict[str, float]:
        """What the next rewards depend on, beside the three settings."""
        return {"progress": self._progress, "torque": self._torque}

    def restore(self, state: Mapping[str, float]) -> None:
        """Go back to a saved state."""
        self._progress, self._torque = state["progress"], state["torque"]


def torque_cost(actions: Tensor) -> Tensor:
    """What the environment's reward charges for actions (..., 4) -> (...)."""
    return MOTOR_COST * actions.abs().clamp(max=1.0).sum(-1)


def depth(observations: Tensor) -> Tensor:
    """How far the hull is below UPRIGHT_HEIGHT, m: raw observations (..., 24) -> (...)."""
    height = observations[..., DOWNWARDS] * LIDAR_RANGE
    return (UPRIGHT_HEIGHT - height).clamp(min=0.0)
