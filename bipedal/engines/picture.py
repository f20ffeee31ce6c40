"""Pictures of the batched engine's walkers, pixel for pixel those of Gymnasium."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from bipedal.engines.warp import WarpEngine
from bipedal.errors import UserError
from bipedal.physics.constants import HULL, LIDAR_RANGE, LIDAR_RAYS, NUM_BODIES
from bipedal.physics.robot import origins_of, robot_arrays, rotate
from bipedal.physics.terrain import make_clouds
from bipedal.rendering.canvas import Frame
from bipedal.rendering.frame import draw
from bipedal.rendering.scene import Course, Doubles, Scene, Singles

_ROBOT = robot_arrays()
_ANGLES = 1.5 * np.arange(LIDAR_RAYS) / 10.0
_RAYS = np.stack([np.sin(_ANGLES), -np.cos(_ANGLES)], axis=1) * LIDAR_RANGE
"""(10, 2) m, from the hull's origin to where a beam ends that meets nothing."""


def check_render_mode(mode: str | None, known: Sequence[str]) -> None:
    """UserError if there is no such render mode."""
    if mode is not None and mode not in known:
        raise UserError(f"unknown render mode {mode!r}: choose None or one of {', '.join(known)}")


def take_picture(engine: WarpEngine, row: int, frame_number: int) -> Frame:
    """Draw an environment as it is now, (400, 600, 3); of one that was just reset, the new episode.

    `frame_number` counts the frames of the episode from 1: it decides which lidar beam is shown.
    """
    return draw(scene_of(engine, row, frame_number))


def scene_of(engine: WarpEngine, row: int, frame_number: int) -> Scene:
    """What a picture of an environment shows now.

    A terrain from `set_start` has no clouds of its own and gets any.
    """
    heights, boxes = engine.terrain(row)
    clouds = make_clouds(engine.walkers.generator.numpy()[row])
    course = Course(heights, boxes, np.array([outline for outline, _, _ in clouds]))
    moving = engine.kinematics([row])
    rotation = moving.rotation[0]
    origin = origins_of(moving.center[0], rotation)
    reading = engine.observation[row, -LIDAR_RAYS:].cpu().numpy()
    return Scene(
        course=course,
        hull=origin[HULL],
        outlines=tuple(
            rotate(rotation[part], _ROBOT["vertices"][part, : _ROBOT["vertex_count"][part]])
            + origin[part]
            for part in range(NUM_BODIES)
        ),
        lidar=_beam_ends(origin[HULL], reading),
        frame_number=frame_number,
    )


def _beam_ends(hull: Singles, reading: Singles) -> Doubles:
    """Where the lidar's beams end, (10, 2) m.

    A point that is hit comes from Box2D in single precision; the end of a beam that hits nothing
    is Gymnasium's own, in double precision.
    """
    far: Any = hull.astype(np.float64) + _RAYS
    share = reading[:, None]
    hit = (np.float32(1.0) - share) * hull + share * far.astype(np.float32)
    ends: Doubles = np.where(share < 1.0, hit.astype(np.float64), far)
    return ends
