"""The ten lidar rays: from the hull's origin straight down, and up to nearly level ahead."""

from __future__ import annotations

import math

import warp as wp

from bipedal.physics.broadphase import column_of
from bipedal.physics.constants import (
    LIDAR_RANGE,
    LIDAR_RAYS,
    MODULE_OPTIONS,
)
from bipedal.physics.contacts import edge_start
from bipedal.physics.geometry import right_normal, unit
from bipedal.physics.manifold import box_corner, box_normal
from bipedal.physics.state import Ground

wp.set_module_options(MODULE_OPTIONS)

_Rays = wp.types.vector(length=LIDAR_RAYS, dtype=wp.float64)
_ANGLES = [1.5 * i / 10.0 for i in range(LIDAR_RAYS)]
_DX = wp.constant(_Rays(*(math.sin(angle) * LIDAR_RANGE for angle in _ANGLES)))
_DY = wp.constant(_Rays(*(math.cos(angle) * LIDAR_RANGE for angle in _ANGLES)))
_SLACK = wp.constant(0.01)
"""m, to look beyond the ends of a ray: at a vertex, rounding decides which edge it meets."""


@wp.func
def ray_edge(origin: wp.vec2, ray: wp.vec2, a: wp.vec2, b: wp.vec2) -> float:
    """Fraction of a ray at which it meets an edge, from either side; 1 if it does not.

    This is b2EdgeShape::RayCast.
    """
    edge = b - a
    normal = unit(right_normal(edge))
    denominator = wp.dot(normal, ray)
    fraction = float(1.0)
    if denominator != 0.0:
        t = wp.dot(normal, a - origin) / denominator
        if t >= 0.0 and t <= 1.0:
            hit = origin + t * ray
            s = wp.dot(hit - a, edge) / wp.dot(edge, edge)
            if s >= 0.0 and s <= 1.0:
                fraction = t
    return fraction


@wp.func
def ray_box(origin: wp.vec2, ray: wp.vec2, box: wp.vec4) -> float:
    """Fraction of a ray at which it enters a box; 1 if it does not, or starts inside it.

    This is b2PolygonShape::RayCast.
    """
    enter = float(0.0)
    leave = float(1.0)
    enters = bool(False)
    for side in range(4):
        normal = box_normal(box, side)
        numerator = wp.dot(normal, box_corner(box, side) - origin)
        denominator = wp.dot(normal, ray)
        if denominator == 0.0:
            if numerator < 0.0:
                return 1.0
        elif denominator < 0.0 and numerator < enter * denominator:
            enter = numerator / denominator
            enters = bool(True)
        elif denominator > 0.0 and numerator < leave * denominator:
            leave = numerator / denominator
        if leave < enter:
            return 1.0
    return wp.where(enters, enter, 1.0)


@wp.func
def cast_ray(ground: Ground, env: int, origin: wp.vec2, number: int) -> float:
    """Reading of one ray: distance of the nearest hit as a fraction of LIDAR_RANGE, else 1."""
    end = wp.vec2(
        float(wp.float64(origin[0]) + _DX[number]), float(wp.float64(origin[1]) - _DY[number])
    )
    ray = end - origin
    first = column_of(origin[0] - _SLACK)
    last = column_of(end[0] + _SLACK)
    fraction = float(1.0)
    # x grows along the ray, so the first edge that it hits is the nearest, or the one behind it if
    # the ray meets both in the vertex between them.
    edge = first
    while edge <= last:
        hit = ray_edge(
            origin, ray, edge_start(ground, env, edge), edge_start(ground, env, edge + 1)
        )
        if fraction < 1.0:
            last = edge
        fraction = wp.min(fraction, hit)
        edge += 1
    for piece in range(ground.first_box[env, first], ground.box_count[env]):
        box = ground.box[env, piece]
        if box[0] > end[0] + _SLACK:
            break
        if box[3] > end[1] - _SLACK and box[1] < origin[1] + _SLACK:
            fraction = wp.min(fraction, ray_box(origin, ray, box))
    return fraction
