"""The robot as Box2D sees it: shapes, masses and joints, computed once and kept in float32.

Bodies are numbered in Gymnasium's order of creation: hull, upper leg 0, lower leg 0, upper leg 1,
lower leg 1. The joints are hip 0, knee 0, hip 1, knee 1.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import warp as wp

from bipedal.physics.constants import (
    HIP_SPEED,
    HULL,
    HULL_DENSITY,
    HULL_OUTLINE,
    KNEE_SPEED,
    LEG_DENSITY,
    LEG_DOWN,
    LEG_HEIGHT,
    LEG_WIDTH,
    LOWER_0,
    LOWER_1,
    LOWER_LEG_WIDTH,
    MAX_VERTICES,
    NUM_BODIES,
    NUM_JOINTS,
    SCALE,
    TERRAIN_FRICTION,
    UPPER_0,
    UPPER_1,
)
from bipedal.physics.state import Robot

Floats = npt.NDArray[np.float32]


def box(width: float, height: float) -> Floats:
    """Corners (4, 2) of a rectangle around the origin, in `b2PolygonShape::SetAsBox`'s order."""
    x, y = width / 2, height / 2
    return np.array([(-x, -y), (x, -y), (x, y), (-x, y)], dtype=np.float32)


def side_normals(vertices: Floats) -> Floats:
    """Outward unit normals (n, 2) of a counter-clockwise polygon (n, 2)."""
    edge = np.roll(vertices, -1, axis=0) - vertices
    length = np.sqrt((edge * edge).sum(axis=1, keepdims=True), dtype=np.float32)
    normals: Floats = np.stack([edge[:, 1], -edge[:, 0]], axis=1) / length
    return normals


def mass_properties(vertices: Floats, density: float) -> tuple[float, Floats, float]:
    """Mass (kg), centre of mass (2,) and inertia about it (kg m^2), of a polygon (n, 2).

    The polygon has a uniform density in kg/m^2.
    """
    a = vertices.astype(np.float64)
    b = np.roll(a, -1, axis=0)
    cross = a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]
    mass = density * cross.sum() / 2
    center = ((a + b) * cross[:, None]).sum(axis=0) / (3 * cross.sum())
    inertia = density * (cross * ((a * a) + a * b + b * b).sum(axis=1)).sum() / 12
    return mass, center.astype(np.float32), inertia - mass * float(center @ center)


def robot_arrays() -> dict[str, npt.NDArray[Any]]:
    """Compute every field of `Robot` as a NumPy array."""
    hull = np.array(HULL_OUTLINE, dtype=np.float32) / np.float32(SCALE)
    upper, lower = box(LEG_WIDTH, LEG_HEIGHT), box(LOWER_LEG_WIDTH, LEG_HEIGHT)
    shapes = [hull, upper, lower, upper, lower]
    vertices = np.zeros((NUM_BODIES, MAX_VERTICES, 2), dtype=np.float32)
    normals = np.zeros_like(vertices)
    center = np.zeros((NUM_BODIES, 2), dtype=np.float32)
    mass, inertia = np.zeros(NUM_BODIES), np.zeros(NUM_BODIES)
    for body, shape in enumerate(shapes):
        vertices[body, : len(shape)] = shape
        normals[body, : len(shape)] = side_normals(shape)
        density = HULL_DENSITY if body == HULL else LEG_DENSITY
        mass[body], center[body], inertia[body] = mass_properties(shape, density)
    center[1:] = 0.0  # exactly 0 for the legs
    hip, knee = (0.0, LEG_DOWN), (0.0, -LEG_HEIGHT / 2)
    anchor_a = np.array([hip, knee, hip, knee], dtype=np.float32)
    body_a = np.array([HULL, UPPER_0, HULL, UPPER_1], dtype=np.int32)
    reach = [
        np.linalg.norm(shape - center[body], axis=1).max() for body, shape in enumerate(shapes)
    ]
    return {
        "vertex_count": np.array([len(shape) for shape in shapes], dtype=np.int32),
        "vertices": vertices,
        "normals": normals,
        "centroid": center,
        "local_center": center,
        "reach": np.array(reach, dtype=np.float32),
        "inverse_mass": (1 / mass).astype(np.float32),
        "inverse_inertia": (1 / inertia).astype(np.float32),
        "friction": np.sqrt(TERRAIN_FRICTION * np.array([0.1, 0.2, 0.2, 0.2, 0.2])).astype(
            np.float32
        ),
        "body_a": body_a,
        "body_b": np.array([UPPER_0, LOWER_0, UPPER_1, LOWER_1], dtype=np.int32),
        "anchor_a": anchor_a - center[body_a],
        "anchor_b": np.tile(np.array([0.0, LEG_HEIGHT / 2], dtype=np.float32), (NUM_JOINTS, 1)),
        "reference_angle": np.array([-0.05, 0.0, 0.05, 0.0], dtype=np.float32),
        "lower_limit": np.array([-0.8, -1.6, -0.8, -1.6], dtype=np.float32),
        "upper_limit": np.array([1.1, -0.1, 1.1, -0.1], dtype=np.float32),
        "motor_speed": np.array([HIP_SPEED, KNEE_SPEED, HIP_SPEED, KNEE_SPEED], dtype=np.float32),
    }


def make_robot(device: str) -> Any:
    """Make a `Robot` in a device's memory."""
    robot: Any = Robot()
    for name, array in robot_arrays().items():
        scalar = wp.int32 if array.dtype == np.int32 else wp.float32
        dtype = wp.vec2 if array.ndim > 1 else scalar
        setattr(robot, name, wp.array(array, dtype=dtype, device=device))
    return robot
