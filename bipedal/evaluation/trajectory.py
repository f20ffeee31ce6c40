"""What an episode looked like, timestep by timestep.

Contacts are true ones, not observations 8 and 13: Gymnasium clears those flags when a foot leaves
one terrain edge, even while it stands on the next. They are evaluated at the start of a timestep,
so all of them lag the positions by one timestep.

Left and right do not exist in a side view: foot 0 belongs to joints 0 and 1, foot 1 to joints 2
and 3. A "foot" is the whole lower leg, a shin on the ground too.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bipedal.physics.constants import LEG_HEIGHT

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Trajectory:
    """One episode of T timesteps; row t is the state after timestep t."""

    foot_contact: Bools  # (T, 2) a lower leg touches the terrain
    upper_contact: Bools  # (T, 2) an upper leg touches the terrain
    foot_position: Floats  # (T, 2, 2) m, [t, foot, x or y], world position of the lower-leg tips
    foot_height: Floats  # (T, 2) m, the lower-leg tips over the highest terrain under them
    knee_height: Floats  # (T, 2) m, the knee joints over the highest terrain under them
    leg_angle: Floats  # (T, 2) rad, the lower legs from the vertical, 0 hanging straight down
    hull_position: Floats  # (T, 2) m, the hull's origin, 0.27 m above the hips
    hull_velocity: Floats  # (T, 2) m/s, of the hull's centre of mass
    hull_angle: Floats  # (T,) rad
    ground_height: Floats  # (T,) m, the top of a stump or stair block, the floor of a pit
    joint_angles: Floats  # (T, 4) rad: hip, knee of leg 0, hip, knee of leg 1
    joint_speeds: Floats  # (T, 4) rad/s
    joint_torques: Floats  # (T, 4) N m, what the motors applied; at most 80 * |action|
    rewards: Floats  # (T,) raw
    boxes: Floats  # (B, 4) m: left, bottom, right, top of stumps, stairs and pit walls
    start_x: float  # m, hull x after reset
    terminated: bool
    truncated: bool
    fell: bool  # the hull touched the terrain or left it at x < 0: last reward -100


def make_trajectory(
    contacts: Bools,
    states: Floats,
    *,
    edges: Floats,
    boxes: Floats,
    start_x: float,
    terminated: bool,
    truncated: bool,
    fell: bool,
) -> Trajectory:
    """Put a trajectory of T timesteps together.

    `contacts` (T, 4): lower leg 0 and 1, upper leg 0 and 1. `states` (T, 24): the hull's origin x
    and y, its velocity x and y, its angle; x, y and angle of lower leg 0, of lower leg 1; angles of
    the four joints, their speeds, their torques; the reward. `edges` (2, M): x and y of the ground
    line. `boxes` (B, 4) as in `Trajectory`. Units as there.
    """
    lower_legs = states[:, 5:11].reshape(-1, 2, 3)  # [t, foot, (x, y, angle)]
    angle = lower_legs[:, :, 2]
    to_tip = LEG_HEIGHT / 2 * np.stack([np.sin(angle), -np.cos(angle)], axis=-1)
    knee, tip = lower_legs[:, :, :2] - to_tip, lower_legs[:, :, :2] + to_tip
    return Trajectory(
        foot_contact=contacts[:, :2],
        upper_contact=contacts[:, 2:],
        foot_position=tip,
        foot_height=tip[:, :, 1] - ground_height(tip[:, :, 0], edges, boxes),
        knee_height=knee[:, :, 1] - ground_height(knee[:, :, 0], edges, boxes),
        leg_angle=angle,
        hull_position=states[:, 0:2],
        hull_velocity=states[:, 2:4],
        hull_angle=states[:, 4],
        ground_height=ground_height(states[:, 0], edges, boxes),
        joint_angles=states[:, 11:15],
        joint_speeds=states[:, 15:19],
        joint_torques=states[:, 19:23],
        rewards=states[:, 23],
        boxes=boxes,
        start_x=start_x,
        terminated=terminated,
        truncated=truncated,
        fell=fell,
    )


def ground_height(x: Floats, edges: Floats, boxes: Floats) -> Floats:
    """Highest terrain at each x. edges (2, M) x and y, boxes (B, 4), all in m -> like x."""
    height: Floats = np.interp(x, edges[0], edges[1])
    for left, _, right, top in boxes:
        under = (left <= x) & (x <= right)
        height[under] = np.maximum(height[under], top)
    return height
