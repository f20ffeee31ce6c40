"""What training makes of rewards, worked out by hand."""

import numpy as np
import pytest
import torch

from bipedal.config import TrainConfig
from bipedal.engines.warp import WarpEngine
from bipedal.physics.constants import LIDAR_RANGE
from bipedal.physics.robot import origins_of
from bipedal.shaping import UPRIGHT_HEIGHT, Shaping, depth
from bipedal.walker import WALKER_ID

RAW = torch.tensor([0.3, -100.0, -0.2], dtype=torch.float64)


def observations(*heights: float) -> torch.Tensor:
    """Of robots whose hulls are so high over flat ground, in m; all else is 0.5."""
    result = torch.full((len(heights), 24), 0.5)
    result[:, 14] = torch.tensor(heights) / LIDAR_RANGE
    return result


STANDING = observations(2.3, 2.3, 2.3)
STILL = torch.zeros(3, 4)


def test_without_it_rewards_stay_as_they_are() -> None:
    shaped = Shaping.of(TrainConfig(posture_cost=0.0, torque_weight=1.0))
    kneeling = observations(1.0, 1.0, 1.0)
    assert torch.equal(shaped(RAW, kneeling, torch.ones(3, 4)), RAW)


def test_the_floor_bounds_the_cost_of_a_fall() -> None:
    shaped = Shaping(reward_floor=-10.0, torque_weight=1.0, posture_cost=0.0)
    assert shaped(RAW, STANDING, STILL).tolist() == [0.3, -10.0, -0.2]
    assert RAW[1] == -100.0


def test_torque_is_weighed_as_the_environment_counts_it() -> None:
    """At full action a motor costs 0.028 a timestep; actions beyond ±1 are cut off."""
    shaped = Shaping(reward_floor=-100.0, torque_weight=3.0, posture_cost=0.0)
    actions = torch.tensor([[0.0, 0, 0, 0], [0.5, -0.5, 0, 0], [7.0, -7.0, 1, 0]])
    expected = RAW.numpy() - 2.0 * 0.028 * np.array([0.0, 1.0, 3.0])
    np.testing.assert_allclose(shaped(RAW, STANDING, actions), expected, rtol=1e-6)


def test_a_low_hull_costs_by_the_metre() -> None:
    shaped = Shaping(reward_floor=-100.0, torque_weight=1.0, posture_cost=0.2)
    low = observations(UPRIGHT_HEIGHT + 0.1, UPRIGHT_HEIGHT - 0.5, UPRIGHT_HEIGHT - 1.0)
    expected = RAW.numpy() - 0.2 * np.array([0.0, 0.5, 1.0])
    np.testing.assert_allclose(shaped(RAW, low, STILL), expected, rtol=1e-6)


def test_the_height_is_that_of_the_hull_over_the_ground() -> None:
    """The beam straight down begins at the hull's origin."""
    engine = WarpEngine(WALKER_ID, 4, seed=0)
    seen = engine.reset()
    now = engine.kinematics(range(4))
    hull = origins_of(now.center, now.rotation)[:, 0]
    for row, (x, y) in enumerate(hull):
        heights, _ = engine.terrain(row)
        ground = np.interp(x, np.arange(len(heights)) * 14 / 30, heights)
        expected = max(0.0, UPRIGHT_HEIGHT - float(y - ground))
        assert float(depth(seen[row])) == pytest.approx(expected, abs=1e-3)
    engine.close()
