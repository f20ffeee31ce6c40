"""The robot's derived constants against the robot that is built from the others."""

from __future__ import annotations

import numpy as np
import pytest

from bipedal.physics.constants import (
    DT,
    HULL,
    LEG_DOWN,
    LEG_LENGTH,
    LOWER_0,
    ROBOT_MASS,
    STANDING_HEIGHT,
    TIMESTEP,
)
from bipedal.physics.robot import robot_arrays

ROBOT = robot_arrays()


def test_the_robots_mass_is_that_of_its_bodies() -> None:
    masses = 1 / ROBOT["inverse_mass"].astype(np.float64)
    assert pytest.approx(masses.sum(), rel=1e-6) == ROBOT_MASS


def test_a_straight_leg_reaches_from_the_hip_to_the_tip() -> None:
    hip, knee = 0, 1
    tip = ROBOT["vertices"][LOWER_0, :4, 1].min()
    upper = ROBOT["anchor_b"][hip, 1] - ROBOT["anchor_a"][knee, 1]
    lower = ROBOT["anchor_b"][knee, 1] - tip
    assert upper + lower == pytest.approx(LEG_LENGTH)
    origin_to_hip = ROBOT["anchor_a"][hip, 1] + ROBOT["local_center"][HULL, 1]
    assert origin_to_hip == pytest.approx(LEG_DOWN)
    assert upper + lower - origin_to_hip == pytest.approx(STANDING_HEIGHT)


def test_the_two_timesteps_differ_by_a_rounding_alone() -> None:
    assert TIMESTEP == 1 / 50
    assert np.float32(TIMESTEP) == DT != TIMESTEP
