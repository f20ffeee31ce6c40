"""The ten lidar rays: from the hull's origin straight down, and up to nearly level ahead."""

from __future__ import annotations

import math

import warp as wp

from bipedal.physics.broadphase import column_of
from bipedal.physics.constants import (
    LIDAR_RANGE,
    LIDAR_RAYS,
    TERRAIN_LENGTH,
)
from bipedal.physics.contacts import edge_start
from bipedal.physics.geometry import cross
from bipedal.physics.state import Ground

wp.set_module_options({"enable_backward": False, "max_unroll": 1})

_Rays = wp.types.vector(length=LIDAR_RAYS, dtype=wp.float32)
_DX = wp.constant(_Rays(*(math.sin(1.5 * i / 10.0) * LIDAR_RANGE for i in range(LIDAR_RAYS))))
_DY = wp.constant(_Rays(*(-math.cos(1.5 * i / 10.0) * LIDAR_RANGE for i in range(LIDAR_RAYS))))


@wp.func
def ray_edge(origin: wp.vec2, ray: wp.vec2, a: wp.vec2, b: wp.vec2) -> float:
    """Fraction of a ray at which it meets an edge, from either side; 1 if it does not."""
    edge = b - a
    to_edge = a - origin
    denominator = cross(ray, edge)
    fraction = float(1.0)
    if denominator != 0.0:
        t = cross(to_edge, edge) / denominator
        s = cross(to_edge, ray) / denominator
        if t >= 0.0 and t <= 1.0 and s >= 0.0 and s <= 1.0:
            fraction = t
    return fraction


@wp.func
def ray_box(origin: wp.vec2, ray: wp.vec2, box: wp.vec4) -> float:
    """Fraction of a ray at which it enters a box; 1 if it does not, or starts inside it."""
    enter = float(0.0)
    leave = float(1.0)
    enters = bool(False)
    for axis in range(2):
        low = box[axis] - origin[axis]
        high = box[axis + 2] - origin[axis]
        if ray[axis] == 0.0:
            if low > 0.0 or high < 0.0:
                return 1.0
        else:
            near = wp.min(low / ray[axis], high / ray[axis])
            far = wp.max(low / ray[axis], high / ray[axis])
            if near > enter:
                enter = near
                enters = bool(True)
            leave = wp.min(leave, far)
    return wp.where(enters and enter <= leave, enter, 1.0)


@wp.func
def cast_ray(ground: Ground, env: int, origin: wp.vec2, number: int) -> float:
    """Reading of one ray: distance of the nearest hit as a fraction of LIDAR_RANGE, else 1."""
    ray = wp.vec2(_DX[number], _DY[number])
    first = column_of(origin[0])
    last = column_of(origin[0] + ray[0])
    fraction = float(1.0)
    # x grows along the ray, so the first edge that it hits is the nearest one.
    edge = first
    while edge <= last:
        fraction = ray_edge(
            origin, ray, edge_start(ground, env, edge), edge_start(ground, env, edge + 1)
        )
        edge = wp.where(fraction < 1.0, TERRAIN_LENGTH, edge + 1)
    for piece in range(ground.first_box[env, first], ground.box_count[env]):
        if ground.box[env, piece][0] > origin[0] + ray[0]:
            break
        fraction = wp.min(fraction, ray_box(origin, ray, ground.box[env, piece]))
    return fraction
