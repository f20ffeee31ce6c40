"""Record episodes of the batched engine as trajectories, for the analysis of their gait."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from bipedal.engines.warp import Kinematics, WarpEngine
from bipedal.evaluation.trajectory import Floats, Trajectory, make_trajectory
from bipedal.physics.constants import HULL, LOWER_0, LOWER_1, TERRAIN_STEP, UPPER_0, UPPER_1
from bipedal.physics.robot import robot_arrays
from bipedal.walker import Step

LEGS = [LOWER_0, LOWER_1, UPPER_0, UPPER_1]
"""In the order of `make_trajectory`."""


class _End(NamedTuple):
    """How an episode ended."""

    length: int
    """Timesteps before its last one."""
    terminated: bool
    truncated: bool
    fell: bool


class EngineRecorder:
    """Notes the current episodes of some environments, each until it ends.

    Make it when the episodes have begun, call `record` after every step, `finish` when all have
    ended. The engine begins the next episode in the step in which the last one ends, so the state
    after an episode's last timestep is gone: a trajectory is one timestep shorter than its episode.
    """

    def __init__(self, engine: WarpEngine, rows: Sequence[int]) -> None:
        """Look up the terrains of the environments with these numbers."""
        self._engine = engine
        self._rows = list(rows)
        robot = robot_arrays()
        self._hull_center = robot["local_center"][HULL]
        self._joint_bodies = robot["body_a"], robot["body_b"]
        self._reference_angle = robot["reference_angle"]
        heights = engine.ground.height.numpy()[self._rows].astype(np.float64)
        x = np.arange(heights.shape[1]) * TERRAIN_STEP
        self._edges = [np.stack([x, height]) for height in heights]
        boxes = engine.boxes()
        self._boxes = [boxes[row].astype(np.float64) for row in self._rows]
        self._start_x = self._hull_origin(engine.kinematics(self._rows))[:, 0]
        self._seen: list[Kinematics] = []
        self._rewards: list[Floats] = []
        self._ends: dict[int, _End] = {}

    def record(self, step: Step) -> None:
        """Note what a step has led to."""
        time = len(self._seen)
        for place in np.flatnonzero(step.done.cpu().numpy()[self._rows]).tolist():
            row = self._rows[place]
            how = (bool(flags[row]) for flags in (step.terminated, step.truncated, step.fell))
            self._ends.setdefault(place, _End(time, *how))
        self._seen.append(self._engine.kinematics(self._rows))
        self._rewards.append(step.reward.cpu().numpy()[self._rows])

    def finish(self) -> list[Trajectory]:
        """The trajectories, in the order of the rows. Raises `KeyError` if one has not ended."""
        contacts = np.stack([seen.touching[:, LEGS] for seen in self._seen])
        rows = zip(self._seen, self._rewards, strict=True)
        states = np.stack([self._state(seen, reward) for seen, reward in rows])
        trajectories = []
        for place in range(len(self._rows)):
            end = self._ends[place]
            length = max(1, end.length)
            trajectories.append(
                make_trajectory(
                    contacts[:length, place],
                    states[:length, place],
                    edges=self._edges[place],
                    boxes=self._boxes[place],
                    start_x=float(self._start_x[place]),
                    terminated=end.terminated,
                    truncated=end.truncated,
                    fell=end.fell,
                )
            )
        return trajectories

    def _state(self, seen: Kinematics, reward: Floats) -> Floats:
        """Rows (R, 24) as `make_trajectory` takes them."""
        first, second = self._joint_bodies
        lower = [LOWER_0, LOWER_1]
        legs = np.concatenate([seen.center[:, lower], seen.angle[:, lower, None]], axis=2)
        return np.concatenate(
            [
                self._hull_origin(seen),
                seen.velocity[:, HULL],
                seen.angle[:, HULL, None],
                legs.reshape(len(legs), 6),
                seen.angle[:, second] - seen.angle[:, first] - self._reference_angle,
                seen.spin[:, second] - seen.spin[:, first],
                seen.torque,
                reward[:, None],
            ],
            axis=1,
        )

    def _hull_origin(self, seen: Kinematics) -> Floats:
        """The hull's origin (R, 2) in m, from its centre of mass."""
        cos, sin = np.cos(seen.angle[:, HULL]), np.sin(seen.angle[:, HULL])
        x, y = self._hull_center
        offset = np.stack([cos * x - sin * y, sin * x + cos * y], axis=1)
        origin: Floats = (seen.center[:, HULL] - offset).astype(np.float64)
        return origin
