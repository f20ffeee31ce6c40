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


def cross(a: Floats, b: Floats) -> np.float32:
    """z component of a x b."""
    return np.float32(a[0] * b[1] - a[1] * b[0])


def dot(a: Floats, b: Floats) -> np.float32:
    """Scalar product, in Box2D's order."""
    return np.float32(a[0] * b[0] + a[1] * b[1])


def side_normals(vertices: Floats) -> Floats:
    """Outward unit normals (n, 2) of a counter-clockwise polygon (n, 2), as Box2D rounds them."""
    edges = np.roll(vertices, -1, axis=0) - vertices
    normals = np.stack([edges[:, 1], -edges[:, 0]], axis=1)
    inverse = [np.float32(1) / np.sqrt(dot(normal, normal)) for normal in normals]
    unit: Floats = normals * np.array(inverse)[:, None]
    return unit


def centroid_of(vertices: Floats) -> Floats:
    """Centroid (2,) of a polygon (n, 2): ComputeCentroid in b2PolygonShape.cpp."""
    center, area = np.zeros(2, np.float32), np.float32(0)
    third = np.float32(1) / np.float32(3)
    for a, b in zip(vertices, np.roll(vertices, -1, axis=0), strict=True):
        triangle = np.float32(0.5) * cross(a, b)
        area += triangle
        center += triangle * third * (a + b)
    return center * (np.float32(1) / area)


def mass_properties(vertices: Floats, density: float) -> tuple[np.float32, Floats, np.float32]:
    """What Box2D makes of a polygon (n, 2) of uniform density (kg/m^2).

    Returns 1/mass (1/kg), the centre of mass (2,) and 1/inertia about it (1/(kg m^2)):
    b2PolygonShape::ComputeMass, then b2Body::ResetMassData.
    """
    one, third = np.float32(1), np.float32(1) / np.float32(3)
    origin = np.zeros(2, np.float32)
    for vertex in vertices:
        origin += vertex
    origin *= one / np.float32(len(vertices))
    center, area, inertia = np.zeros(2, np.float32), np.float32(0), np.float32(0)
    for a, b in zip(vertices - origin, np.roll(vertices, -1, axis=0) - origin, strict=True):
        twice = cross(a, b)
        triangle = np.float32(0.5) * twice
        area += triangle
        center += triangle * third * (a + b)
        squares = a * a + b * a + b * b
        inertia += (np.float32(0.25) * third * twice) * (squares[0] + squares[1])
    mass = np.float32(density) * area
    center *= one / area
    shape_center = center + origin
    inertia = np.float32(density) * inertia
    inertia += mass * (dot(shape_center, shape_center) - dot(center, center))
    inverse_mass = one / mass
    body_center = mass * shape_center * inverse_mass
    inertia -= mass * dot(body_center, body_center)
    return inverse_mass, body_center, one / inertia


def robot_arrays() -> dict[str, npt.NDArray[Any]]:
    """Compute every field of `Robot` as a NumPy array."""
    hull = (np.array(HULL_OUTLINE) / SCALE).astype(np.float32)
    upper, lower = box(LEG_WIDTH, LEG_HEIGHT), box(LOWER_LEG_WIDTH, LEG_HEIGHT)
    shapes = [hull, upper, lower, upper, lower]
    vertices = np.zeros((NUM_BODIES, MAX_VERTICES, 2), dtype=np.float32)
    normals = np.zeros_like(vertices)
    centroid, center = np.zeros((2, NUM_BODIES, 2), dtype=np.float32)
    inverse_mass, inverse_inertia, reach = np.zeros((3, NUM_BODIES), dtype=np.float32)
    for body, shape in enumerate(shapes):
        vertices[body, : len(shape)] = shape
        normals[body, : len(shape)] = side_normals(shape)
        if body == HULL:
            centroid[body] = centroid_of(shape)
        else:  # SetAsBox knows them
            normals[body, : len(shape)] = np.round(normals[body, : len(shape)])
        density = HULL_DENSITY if body == HULL else LEG_DENSITY
        inverse_mass[body], center[body], inverse_inertia[body] = mass_properties(shape, density)
        reach[body] = np.linalg.norm(shape - center[body], axis=1).max()
    hip, knee = (0.0, LEG_DOWN), (0.0, -LEG_HEIGHT / 2)
    anchor_a = np.array([hip, knee, hip, knee], dtype=np.float32)
    anchor_b = np.array([(0.0, LEG_HEIGHT / 2)] * NUM_JOINTS, dtype=np.float32)
    body_a = np.array([HULL, UPPER_0, HULL, UPPER_1], dtype=np.int32)
    body_b = np.array([UPPER_0, LOWER_0, UPPER_1, LOWER_1], dtype=np.int32)
    frictions = np.array([0.1, 0.2, 0.2, 0.2, 0.2], dtype=np.float32)
    return {
        "vertex_count": np.array([len(shape) for shape in shapes], dtype=np.int32),
        "vertices": vertices,
        "normals": normals,
        "centroid": centroid,
        "local_center": center,
        "reach": reach,
        "inverse_mass": inverse_mass,
        "inverse_inertia": inverse_inertia,
        "motor_mass": np.float32(1) / (inverse_inertia[body_a] + inverse_inertia[body_b]),
        "friction": np.sqrt(np.float32(TERRAIN_FRICTION) * frictions),
        "body_a": body_a,
        "body_b": body_b,
        "anchor_a": anchor_a - center[body_a],
        "anchor_b": anchor_b - center[body_b],
        "reference_angle": np.array([-0.05, 0.0, 0.05, 0.0], dtype=np.float32),
        "lower_limit": np.array([-0.8, -1.6, -0.8, -1.6], dtype=np.float32),
        "upper_limit": np.array([1.1, -0.1, 1.1, -0.1], dtype=np.float32),
        "motor_speed": np.array([HIP_SPEED, KNEE_SPEED, HIP_SPEED, KNEE_SPEED], dtype=np.float32),
    }


def rotate(rotation: Floats, points: Floats) -> Floats:
    """Turn points (..., 2) by rotations (..., 2) of cosine and sine, rounded as Box2D does."""
    (cosine, sine), (x, y) = np.moveaxis(rotation, -1, 0), np.moveaxis(points, -1, 0)
    turned: Floats = np.stack([cosine * x - sine * y, sine * x + cosine * y], axis=-1)
    return turned


def origins_of(center: Floats, rotation: Floats) -> Floats:
    """Origins of the bodies (..., 5, 2) in m, from their centres of mass and rotations."""
    return center - rotate(rotation, _LOCAL_CENTER)


_LOCAL_CENTER: Floats = robot_arrays()["local_center"]


def make_robot(device: str) -> Any:
    """Make a `Robot` in a device's memory."""
    robot: Any = Robot()
    for name, array in robot_arrays().items():
        scalar = wp.int32 if array.dtype == np.int32 else wp.float32
        dtype = wp.vec2 if array.ndim > 1 else scalar
        setattr(robot, name, wp.array(array, dtype=dtype, device=device))
    return robot
