"""What an episode looked like, timestep by timestep: recorded from Gymnasium's BipedalWalker.

Contacts are Box2D's own (`contact.touching`), not observations 8 and 13: Gymnasium clears those
flags when a foot leaves one terrain edge, even while it stands on the next. Box2D evaluates
contacts at the start of a timestep, so all of them lag the positions by one timestep.

Left and right do not exist in a side view: foot 0 belongs to `legs[1]` and joints 0 and 1,
foot 1 to `legs[3]` and joints 2 and 3. A "foot" is the whole lower leg, a shin on the ground too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bipedal.evaluation.obstacles import terrain_boxes
from bipedal.physics.constants import LEG_HEIGHT, TIMESTEP

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Trajectory:
    """One episode of T timesteps; row t is the state after timestep t."""

    foot_contact: Bools  # (T, 2) a lower leg touches the terrain
    upper_contact: Bools  # (T, 2) an upper leg touches the terrain
    foot_position: Floats  # (T, 2, 2) m, [t, foot, x or y], world position of the lower-leg tips
    knee_height: Floats  # (T, 2) m, the knee joints over the highest terrain under them
    hull_position: Floats  # (T, 2) m, the hull's origin, 0.27 m above the hips
    hull_velocity: Floats  # (T, 2) m/s, of the hull's centre of mass
    hull_angle: Floats  # (T,) rad
    ground_height: Floats  # (T,) m, the highest terrain under the hull's origin
    joint_angles: Floats  # (T, 4) rad: hip, knee of leg 0, hip, knee of leg 1
    joint_speeds: Floats  # (T, 4) rad/s
    joint_torques: Floats  # (T, 4) N m, what the motors applied; at most 80 * |action|
    rewards: Floats  # (T,) raw
    boxes: Floats  # (B, 4) m: left, bottom, right, top of stumps, stairs and pit walls
    start_x: float  # m, hull x after reset
    terminated: bool
    truncated: bool
    fell: bool  # the hull touched the terrain or left it at x < 0: last reward -100


class TrajectoryRecorder:
    """Notes an episode of a Gymnasium BipedalWalker, wrapped or not; about 7 us a timestep.

    Make it after `env.reset`, call `record` after every `env.step`, `finish` at the end.

    `ground_height` in BipedalWalkerHardcore is the top of a stump or stair block where one lies
    under the hull, the floor of a pit over a pit (1.87 m below its rim), else the terrain edges.
    """

    def __init__(self, env: Any) -> None:
        """Look up what every timestep needs in `env`, just reset."""
        walker = env.unwrapped
        self._walker = walker
        self._hull = walker.hull
        self._upper_legs = (walker.legs[0], walker.legs[2])
        self._lower_legs = (walker.legs[1], walker.legs[3])
        self._joints = tuple(walker.joints)
        self._edges = np.array([walker.terrain_x, walker.terrain_y], dtype=np.float64)
        self._boxes = terrain_boxes(walker) if walker.hardcore else np.empty((0, 4))
        self._start_x = float(self._hull.position.x)
        self._contacts: list[tuple[bool, ...]] = []
        self._states: list[tuple[float, ...]] = []

    def record(self, reward: float) -> None:
        """Note the state after a timestep that paid `reward` (raw)."""
        upper0, upper1 = self._upper_legs
        lower0, lower1 = self._lower_legs
        hip0, knee0, hip1, knee1 = self._joints
        hull = self._hull
        position, velocity = hull.position, hull.linearVelocity
        position0, position1 = lower0.position, lower1.position
        self._contacts.append(
            (_touches(lower0), _touches(lower1), _touches(upper0), _touches(upper1))
        )
        self._states.append(
            (
                *(position.x, position.y, velocity.x, velocity.y, hull.angle),
                *(position0.x, position0.y, lower0.angle),
                *(position1.x, position1.y, lower1.angle),
                *(hip0.angle, knee0.angle, hip1.angle, knee1.angle),
                *(hip0.speed, knee0.speed, hip1.speed, knee1.speed),
                hip0.GetMotorTorque(1 / TIMESTEP),
                knee0.GetMotorTorque(1 / TIMESTEP),
                hip1.GetMotorTorque(1 / TIMESTEP),
                knee1.GetMotorTorque(1 / TIMESTEP),
                reward,
            )
        )

    def finish(self, terminated: bool, truncated: bool) -> Trajectory:
        """The episode so far. Call it before the environment is reset.

        Raises:
            ValueError: nothing was recorded.
        """
        if not self._states:
            raise ValueError("an episode needs at least one recorded timestep")
        off_the_end = self._states[-1][0] < 0
        return make_trajectory(
            np.array(self._contacts, dtype=np.bool_),
            np.array(self._states, dtype=np.float64),
            edges=self._edges,
            boxes=self._boxes,
            start_x=self._start_x,
            terminated=bool(terminated),
            truncated=bool(truncated),
            fell=bool(terminated) and (bool(self._walker.game_over) or off_the_end),
        )


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
    knee = lower_legs[:, :, :2] - to_tip
    return Trajectory(
        foot_contact=contacts[:, :2],
        upper_contact=contacts[:, 2:],
        foot_position=lower_legs[:, :, :2] + to_tip,
        knee_height=knee[:, :, 1] - _ground_height(knee[:, :, 0], edges, boxes),
        hull_position=states[:, 0:2],
        hull_velocity=states[:, 2:4],
        hull_angle=states[:, 4],
        ground_height=_ground_height(states[:, 0], edges, boxes),
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


def _touches(body: Any) -> bool:
    """Whether a leg touches anything; by its collision filter that can only be terrain."""
    return any(edge.contact.touching for edge in body.contacts)


def _ground_height(x: Floats, edges: Floats, boxes: Floats) -> Floats:
    """Highest terrain at each x. edges (2, M) x and y, boxes (B, 4), all in m -> like x."""
    height: Floats = np.interp(x, edges[0], edges[1])
    for left, _, right, top in boxes:
        under = (left <= x) & (x <= right)
        height[under] = np.maximum(height[under], top)
    return height
