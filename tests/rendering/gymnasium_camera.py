"""Photograph a live Gymnasium BipedalWalker: the frames of its `render`, without pygame."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium_start import read_terrain

from bipedal.engines.warp import quiet_warp
from bipedal.rendering.canvas import Frame
from bipedal.rendering.frame import draw
from bipedal.rendering.scene import Course, Scene, Singles


class Camera:
    """Draws one BipedalWalker, frame by frame; make it after `env.reset`."""

    def __init__(self, env: Any) -> None:
        """Look up what never moves in `env`, a Gymnasium BipedalWalker, wrapped or not."""
        quiet_warp()
        self._walker = env.unwrapped
        self._course = course_of(self._walker)
        self._frames = 0

    def take(self) -> Frame:
        """Draw the present state, (400, 600, 3)."""
        self._frames += 1
        return draw(scene_of(self._walker, self._course, self._frames))


def course_of(walker: Any) -> Course:
    """Read an unwrapped Gymnasium BipedalWalker, after a reset."""
    return Course(
        heights=np.array(walker.terrain_y, dtype=np.float64),
        boxes=read_terrain(walker)[1],
        clouds=np.array([cloud for cloud, _, _ in walker.cloud_poly]),
    )


def scene_of(walker: Any, course: Course, frame_number: int) -> Scene:
    """Read an unwrapped Gymnasium BipedalWalker on its course, for its next frame."""
    return Scene(
        course=course,
        hull=np.array(walker.hull.position, dtype=np.float32),
        outlines=tuple(_outline_of(body) for body in (walker.hull, *walker.legs)),
        lidar=np.array([beam.p2 for beam in walker.lidar], dtype=np.float64),
        frame_number=frame_number,
    )


def _outline_of(body: Any) -> Singles:
    """Corners of a body in the world, (K, 2) m; each of the robot's has one shape."""
    (fixture,) = body.fixtures
    corners = [body.transform * vertex for vertex in fixture.shape.vertices]
    return np.array(corners, dtype=np.float32)
