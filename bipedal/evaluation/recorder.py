"""Record episodes of the batched engine as trajectories, for pictures and the analysis of gaits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from bipedal.engines.warp import WarpEngine, kinematics_of
from bipedal.evaluation.trajectory import Floats, Trajectory, make_trajectory
from bipedal.physics.constants import HULL, LOWER_0, LOWER_1, TERRAIN_STEP, UPPER_0, UPPER_1
from bipedal.physics.robot import origins_of, robot_arrays
from bipedal.walker import TIME_LIMITS, Step

LEGS = [LOWER_0, LOWER_1, UPPER_0, UPPER_1]
"""In the order of `make_trajectory`."""

_FRAME = np.dtype(
    [
        ("center", np.float32, (5, 2)),
        ("angle", np.float32, 5),
        ("rotation", np.float32, (5, 2)),
        ("velocity", np.float32, (5, 2)),
        ("spin", np.float32, 5),
        ("touching", np.bool_, 5),
        ("torque", np.float32, 4),
        ("reward", np.float64),
        ("terminated", np.bool_),
        ("truncated", np.bool_),
        ("fell", np.bool_),
    ]
)
"""One timestep: a robot's `Kinematics`, and what the step answered."""


class Recorder:
    """Notes episodes of some of an engine's environments.

    Call `begin` when an episode has begun, `record` after every step, and `finish` when the episode
    has ended or is broken off. The engine must not reset environments by itself: in the step in
    which an episode ends, it would put the next one in its place.
    """

    def __init__(self, engine: WarpEngine, rows: Sequence[int]) -> None:
        """Make room for an episode of each environment with these numbers."""
        self._engine = engine
        self._rows = np.array(rows, dtype=np.intp)
        self._place = {row: place for place, row in enumerate(rows)}
        self._frames = np.empty((TIME_LIMITS[engine.env_id], len(rows)), dtype=_FRAME)
        self._length = np.zeros(len(rows), dtype=np.intp)
        self._noting = np.zeros(len(rows), dtype=np.bool_)
        self._beginnings: dict[int, tuple[Floats, Floats, float]] = {}
        robot = robot_arrays()
        self._joint_bodies = robot["body_a"], robot["body_b"]
        self._reference_angle = robot["reference_angle"]

    def __contains__(self, row: int) -> bool:
        """Whether there is room for this environment's episodes."""
        return row in self._place

    def begin(self, row: int) -> None:
        """Note the episode that has just begun in this environment."""
        place = self._place[row]
        self._length[place] = 0
        self._noting[place] = True
        height, boxes = self._engine.terrain(row)
        line = np.stack([np.arange(len(height)) * TERRAIN_STEP, height])
        start = self._engine.kinematics([row])
        start_x = float(origins_of(start.center, start.rotation)[0, HULL, 0])
        self._beginnings[row] = line, boxes.astype(np.float64), start_x

    def record(self, step: Step) -> None:
        """Note what a step has led to."""
        places = np.flatnonzero(self._noting)
        if not len(places):
            return
        rows = self._rows[places]
        frames = np.empty(len(rows), dtype=_FRAME)
        for name, values in self._engine.kinematics(rows.tolist())._asdict().items():
            frames[name] = values
        for name in ("reward", "terminated", "truncated", "fell"):
            frames[name] = getattr(step, name).cpu().numpy()[rows]
        self._frames[self._length[places], places] = frames
        self._length[places] += 1

    def take_in(self, notes: npt.NDArray[Any], lengths: Sequence[int], step: Step) -> None:
        """Note whole episodes of all environments, played by compiled code (fused/episodes.py).

        `notes` (T, R) are those of `Played`, of which each environment has its `length`, and `step`
        is what it was answered last.
        """
        frames = self._frames[: len(notes)]
        moving = kinematics_of(notes["body"], notes["joint"], notes["touching"])
        for name, values in moving._asdict().items():
            frames[name] = values
        frames["reward"] = notes["reward"]
        for name in ("terminated", "truncated", "fell"):
            frames[name] = getattr(step, name).numpy()[self._rows]  # the last row is what is read
        self._length[:] = lengths

    def finish(self, row: int) -> Trajectory:
        """The environment's episode so far; ends its notes. `ValueError` if it has no timestep."""
        place = self._place[row]
        noted = self._frames[: self._length[place], place]
        if not len(noted):
            raise ValueError("a trajectory needs at least one recorded timestep")
        self._noting[place] = False
        last = noted[-1]
        line, boxes, start_x = self._beginnings.pop(row)
        return make_trajectory(
            noted["touching"][:, LEGS],
            self._states(noted),
            edges=line,
            boxes=boxes,
            start_x=start_x,
            terminated=bool(last["terminated"]),
            truncated=bool(last["truncated"]),
            fell=bool(last["fell"]),
        )

    def _states(self, noted: npt.NDArray[Any]) -> Floats:
        """Rows (T, 24) as `make_trajectory` takes them."""
        first, second = self._joint_bodies
        angle, spin = noted["angle"], noted["spin"]
        origin = origins_of(noted["center"], noted["rotation"])
        return np.column_stack(
            [
                origin[:, HULL],
                noted["velocity"][:, HULL],
                angle[:, HULL],
                origin[:, LOWER_0],
                angle[:, LOWER_0],
                origin[:, LOWER_1],
                angle[:, LOWER_1],
                angle[:, second] - angle[:, first] - self._reference_angle,
                spin[:, second] - spin[:, first],
                noted["torque"],
                noted["reward"],
            ]
        )
