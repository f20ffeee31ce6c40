"""Gymnasium's spaces of one walker. Gymnasium's own module for them would import Box2D."""

from __future__ import annotations

import math

import numpy as np
from gymnasium.spaces import Box

from bipedal.physics.constants import LIDAR_RAYS
from bipedal.walker import ACTION_DIM

_HULL = [math.pi, 5.0, 5.0, 5.0]
_LEG = [math.pi, 5.0, math.pi, 5.0]


def make_observation_space() -> Box:
    """Of observations (24,): hull, then joints and contact of either leg, then lidar."""
    high = [*_HULL, *_LEG, 5.0, *_LEG, 5.0, *[1.0] * LIDAR_RAYS]
    low = [-bound for bound in high]
    low[8] = low[13] = 0.0  # a foot's contact
    return Box(np.array(low, np.float32), np.array(high, np.float32), dtype=np.float32)


def make_action_space() -> Box:
    """Of actions (4,): share of the torque of hip and knee of leg 0, then of leg 1."""
    return Box(-1.0, 1.0, (ACTION_DIM,), np.float32)
