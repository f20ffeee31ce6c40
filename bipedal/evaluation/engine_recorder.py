"""Record episodes of the batched engine as trajectories, for the analysis of their gait."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch

from bipedal.engines.warp import Kinematics, WarpEngine
from bipedal.evaluation.trajectory import Floats, Trajectory, make_trajectory
from bipedal.physics.constants import HULL, LOWER_0, LOWER_1, TERRAIN_STEP, UPPER_0, UPPER_1
from bipedal.physics.robot import robot_arrays
from bipedal.walker import Step

LEGS = [LOWER_0, LOWER_1, UPPER_0, UPPER_1]
"""In the order of `make_trajectory`."""


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
        heights = engine.ground.height.numpy()[self._rows]
        x = np.arange(heights.shape[1]) * TERRAIN_STEP
        self._edges = [np.stack([x, height]) for height in heights]
        boxes = engine.boxes()
        self._boxes = [boxes[row].astype(np.float64) for row in self._rows]
        start = engine.kinematics(self._rows)
        self._start_x = self._hull_origin(start.center, start.angle)[:, 0]
        self._seen: list[Kinematics] = []
        self._answers: list[Floats] = []

    def record(self, step: Step) -> None:
        """Note what a step has led to."""
        self._seen.append(self._engine.kinematics(self._rows))
        answer = torch.stack([step.reward, step.terminated, step.truncated, step.fell])
        self._answers.append(answer[:, self._rows].cpu().numpy())

    def finish(self) -> list[Trajectory]:
        """The trajectories, in the order of the rows. Raises `ValueError` if one has not ended."""
        seen = Kinematics(*(np.stack(column) for column in zip(*self._seen, strict=True)))
        rewards, *flags = np.stack(self._answers, axis=1)  # each (T, R)
        terminated, truncated, fell = (flag.astype(np.bool_) for flag in flags)
        done = terminated | truncated
        if not done.any(axis=0).all():
            raise ValueError("an episode has not ended yet")
        contacts, states = seen.touching[:, :, LEGS], self._states(seen, rewards)
        trajectories = []
        for place, last in enumerate(done.argmax(axis=0)):
            length = max(1, last)
            trajectories.append(
                make_trajectory(
                    contacts[:length, place],
                    states[:length, place],
                    edges=self._edges[place],
                    boxes=self._boxes[place],
                    start_x=float(self._start_x[place]),
                    terminated=bool(terminated[last, place]),
                    truncated=bool(truncated[last, place]),
                    fell=bool(fell[last, place]),
                )
            )
        return trajectories

    def _states(self, seen: Kinematics, rewards: Floats) -> Floats:
        """Rows (T, R, 24) as `make_trajectory` takes them, of states with the axes (T, R, ...)."""
        first, second = self._joint_bodies
        lower = [LOWER_0, LOWER_1]
        legs = np.concatenate([seen.center[:, :, lower], seen.angle[:, :, lower, None]], axis=3)
        return np.concatenate(
            [
                self._hull_origin(seen.center, seen.angle),
                seen.velocity[:, :, HULL],
                seen.angle[:, :, HULL, None],
                legs.reshape(*legs.shape[:2], 6),
                seen.angle[:, :, second] - seen.angle[:, :, first] - self._reference_angle,
                seen.spin[:, :, second] - seen.spin[:, :, first],
                seen.torque,
                rewards[..., None],
            ],
            axis=2,
        )

    def _hull_origin(
        self, center: npt.NDArray[np.float32], angle: npt.NDArray[np.float32]
    ) -> Floats:
        """The hull's origin (..., 2) in m, from all bodies' centres (..., 5, 2) and angles."""
        cos, sin = np.cos(angle[..., HULL]), np.sin(angle[..., HULL])
        x, y = self._hull_center
        offset = np.stack([cos * x - sin * y, sin * x + cos * y], axis=-1)
        origin: Floats = (center[..., HULL, :] - offset).astype(np.float64)
        return origin
