"""Vectors, rotations and poses in the plane."""

from __future__ import annotations

import warp as wp

from bipedal.physics.constants import FLOAT_EPSILON, MODULE_OPTIONS

wp.set_module_options(MODULE_OPTIONS)


@wp.struct
class Pose:
    """Where a body is: its origin, and its rotation as (cos, sin)."""

    origin: wp.vec2
    rotation: wp.vec2


@wp.func
def cross(a: wp.vec2, b: wp.vec2) -> float:
    """z component of a x b."""
    return a[0] * b[1] - a[1] * b[0]


@wp.func
def rotate(q: wp.vec2, v: wp.vec2) -> wp.vec2:
    """Turn v by the rotation q."""
    return wp.vec2(q[0] * v[0] - q[1] * v[1], q[1] * v[0] + q[0] * v[1])


@wp.func
def rotate_back(q: wp.vec2, v: wp.vec2) -> wp.vec2:
    """Turn v by the inverse of q."""
    return wp.vec2(q[0] * v[0] + q[1] * v[1], -q[1] * v[0] + q[0] * v[1])


@wp.func
def to_world(pose: Pose, v: wp.vec2) -> wp.vec2:
    """Body coordinates -> world coordinates."""
    return rotate(pose.rotation, v) + pose.origin


@wp.func
def to_body(pose: Pose, v: wp.vec2) -> wp.vec2:
    """World coordinates -> body coordinates."""
    return rotate_back(pose.rotation, v - pose.origin)


@wp.func
def pose_at(center: wp.vec2, rotation: wp.vec2, local_center: wp.vec2) -> Pose:
    """Pose of a body whose centre of mass is at `center`."""
    pose = Pose()
    pose.rotation = rotation
    pose.origin = center - rotate(rotation, local_center)
    return pose


@wp.func
def right_normal(v: wp.vec2) -> wp.vec2:
    """v turned clockwise by a right angle (b2Cross(v, 1))."""
    return wp.vec2(v[1], -v[0])


@wp.func
def unit(v: wp.vec2) -> wp.vec2:
    """v with length 1, or unchanged if it is shorter than FLOAT_EPSILON (b2Vec2::Normalize)."""
    length = wp.length(v)
    if length < FLOAT_EPSILON:
        return v
    inverse = 1.0 / length
    return wp.vec2(v[0] * inverse, v[1] * inverse)
