"""Vectors, rotations and poses in the plane."""

from __future__ import annotations

import warp as wp

wp.set_module_options({"enable_backward": False, "max_unroll": 1})


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
def rotation_of(angle: float) -> wp.vec2:
    """(cos, sin) of an angle in rad, by Taylor series in double precision, rounded once.

    A good C library, which Box2D calls, returns the same except for a rare last bit. This is the
    same on every device and several times faster than two library calls.
    """
    quarters = wp.rint(wp.float64(angle) * wp.float64(0.6366197723675814))
    x = wp.float64(angle) - quarters * wp.float64(1.5707963267948966)
    z = x * x
    s = x + x * z * (
        wp.float64(-1.0 / 6.0)
        + z
        * (
            wp.float64(1.0 / 120.0)
            + z * (wp.float64(-1.0 / 5040.0) + z * wp.float64(1.0 / 362880.0))
        )
    )
    c = wp.float64(1.0) + z * (
        wp.float64(-0.5)
        + z
        * (
            wp.float64(1.0 / 24.0)
            + z
            * (
                wp.float64(-1.0 / 720.0)
                + z * (wp.float64(1.0 / 40320.0) + z * wp.float64(-1.0 / 3628800.0))
            )
        )
    )
    quadrant = int(quarters) & 3
    odd = (quadrant & 1) == 1
    cos = wp.where(odd, s, c)
    sin = wp.where(odd, c, s)
    return wp.vec2(
        float(wp.where(quadrant == 1 or quadrant == 2, -cos, cos)),
        float(wp.where(quadrant >= 2, -sin, sin)),
    )


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
