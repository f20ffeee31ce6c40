"""What training makes of rewards, worked out by hand."""

import numpy as np
import pytest
import torch

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
    shaping = Shaping(reward_floor=-100.0, posture_cost=0.0, torque_share=0.0)
    kneeling = observations(1.0, 1.0, 1.0)
    for _ in range(3):
        assert torch.equal(shaping(RAW, kneeling, torch.ones(3, 4)), RAW)


def test_the_floor_bounds_the_cost_of_a_fall() -> None:
    shaping = Shaping(reward_floor=-10.0, posture_cost=0.0, torque_share=0.0)
    assert shaping(RAW, STANDING, STILL).tolist() == [0.3, -10.0, -0.2]
    assert RAW[1] == -100.0


def test_torque_takes_its_share_of_what_progress_pays() -> None:
    """At full action a motor costs 0.028 a timestep; actions beyond ±1 are cut off.

    Without the fall the two timesteps pay 0.3 + 0.028 and -0.2 + 0.084 before torque, 0.106 on
    average, and torque costs 0.056: w is 0.8 * 0.106 / 0.056.
    """
    shaping = Shaping(reward_floor=-100.0, posture_cost=0.0, torque_share=0.8)
    actions = torch.tensor([[0.5, -0.5, 0, 0], [0.0, 0, 0, 0], [7.0, -7.0, 1, 0]])
    shaped = shaping(RAW, STANDING, actions)
    weight = 0.8 * 0.106 / 0.056
    assert shaping.torque_weight == pytest.approx(weight, rel=1e-6)
    expected = RAW.numpy() - (weight - 1.0) * 0.028 * np.array([1.0, 0.0, 3.0])
    np.testing.assert_allclose(shaped, expected, rtol=1e-6)


def test_torque_never_costs_less_than_in_a_score() -> None:
    shaping = Shaping(reward_floor=-100.0, posture_cost=0.0, torque_share=0.5)
    backwards = torch.full((3,), -0.2, dtype=torch.float64)
    assert torch.equal(shaping(backwards, STANDING, torch.ones(3, 4)), backwards)
    assert shaping.torque_weight == 1.0


def test_the_quotient_is_a_running_mean_that_goes_on_after_a_resume() -> None:
    """A twentieth of every new rollout: 0.4 + 0.112 paid for 0.112, then 1.4 + 0.112 for 0.112."""
    shaping = Shaping(reward_floor=-100.0, posture_cost=0.0, torque_share=0.5)
    pay = torch.full((3,), 0.4, dtype=torch.float64)
    shaping(pay, STANDING, torch.ones(3, 4))
    assert shaping.torque_weight == pytest.approx(0.5 * 0.512 / 0.112, rel=1e-6)
    resumed = Shaping(reward_floor=-100.0, posture_cost=0.0, torque_share=0.5)
    resumed.restore(shaping.state())
    for each in (shaping, resumed):
        each(pay + 1.0, STANDING, torch.ones(3, 4))
        assert each.torque_weight == pytest.approx(0.5 * 0.562 / 0.112, rel=1e-6)


def test_a_rollout_of_falls_alone_says_nothing_of_torque() -> None:
    shaping = Shaping(reward_floor=-100.0, posture_cost=0.0, torque_share=0.5)
    falls = torch.full((3,), -100.0, dtype=torch.float64)
    assert torch.equal(shaping(falls, STANDING, torch.ones(3, 4)), falls)
    assert shaping.torque_weight == 1.0


def test_a_low_hull_costs_by_the_metre() -> None:
    shaping = Shaping(reward_floor=-100.0, posture_cost=0.2, torque_share=0.0)
    low = observations(UPRIGHT_HEIGHT + 0.1, UPRIGHT_HEIGHT - 0.5, UPRIGHT_HEIGHT - 1.0)
    expected = RAW.numpy() - 0.2 * np.array([0.0, 0.5, 1.0])
    np.testing.assert_allclose(shaping(RAW, low, STILL), expected, rtol=1e-6)


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
