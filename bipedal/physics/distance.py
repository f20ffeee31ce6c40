"""Distance between a piece of ground and the polygon of a body (Box2D's GJK, b2Distance).

This is Gilbert, Johnson and Keerthi's algorithm with Ericson's Voronoi regions. It ignores the
skins of the shapes. The last simplex is kept, because it names the closest features and starts the
next query.
"""

from __future__ import annotations

import warp as wp

from bipedal.physics.constants import (
    FLOAT_EPSILON,
    MAX_BOXES,
    MAX_DISTANCE_ITERATIONS,
    MODULE_OPTIONS,
)
from bipedal.physics.contacts import edge_start
from bipedal.physics.geometry import Pose, cross, right_normal, rotate_back, to_world
from bipedal.physics.manifold import box_corner
from bipedal.physics.state import Ground, Robot

wp.set_module_options(MODULE_OPTIONS)


@wp.struct
class Corner:
    """A corner of the Minkowski difference body - ground."""

    ground: wp.vec2
    body: wp.vec2
    difference: wp.vec2
    weight: wp.float32
    ground_index: wp.int32
    body_index: wp.int32


@wp.struct
class Simplex:
    """Up to three corners, around the point of the difference that is closest to the origin."""

    count: wp.int32
    first: Corner
    second: Corner
    third: Corner
    metric: wp.float32
    """`metric_of` the simplex when it was kept."""


@wp.func
def ground_corner(ground: Ground, env: int, piece: int, i: int) -> wp.vec2:
    """Corner i of a piece of ground: an end of an edge or a corner of a box."""
    if piece < MAX_BOXES:
        corner = box_corner(ground.box[env, piece], i)
    else:
        corner = edge_start(ground, env, piece - MAX_BOXES + i)
    return corner


@wp.func
def ground_support(ground: Ground, env: int, piece: int, direction: wp.vec2) -> int:
    """Index of the corner of a piece of ground that lies farthest in a direction."""
    best = int(0)
    most = wp.dot(ground_corner(ground, env, piece, 0), direction)
    for i in range(1, wp.where(piece < MAX_BOXES, 4, 2)):
        along = wp.dot(ground_corner(ground, env, piece, i), direction)
        if along > most:
            most = along
            best = i
    return best


@wp.func
def body_support(robot: Robot, body: int, direction: wp.vec2) -> int:
    """Index of the corner of a body that lies farthest in a direction in its coordinates."""
    best = int(0)
    most = wp.dot(robot.vertices[body, 0], direction)
    for i in range(1, robot.vertex_count[body]):
        along = wp.dot(robot.vertices[body, i], direction)
        if along > most:
            most = along
            best = i
    return best


@wp.func
def corner_at(
    robot: Robot,
    ground: Ground,
    env: int,
    piece: int,
    body: int,
    pose: Pose,
    ground_index: int,
    body_index: int,
) -> Corner:
    """The corner of the difference that belongs to a corner of the ground and one of the body."""
    corner = Corner()
    corner.ground_index = ground_index
    corner.body_index = body_index
    corner.ground = ground_corner(ground, env, piece, ground_index)
    corner.body = to_world(pose, robot.vertices[body, body_index])
    corner.difference = corner.body - corner.ground
    return corner


@wp.func
def metric_of(simplex: Simplex) -> float:
    """0 for one corner, the length between two, twice the area of three."""
    metric = float(0.0)
    if simplex.count == 2:
        metric = wp.length(simplex.second.difference - simplex.first.difference)
    if simplex.count == 3:
        metric = cross(
            simplex.second.difference - simplex.first.difference,
            simplex.third.difference - simplex.first.difference,
        )
    return metric


@wp.func
def solve_segment(simplex: Simplex) -> Simplex:
    """Reduce two corners to the feature closest to the origin (b2Simplex::Solve2)."""
    w1 = simplex.first.difference
    w2 = simplex.second.difference
    e12 = w2 - w1
    to_2 = -wp.dot(w1, e12)
    to_1 = wp.dot(w2, e12)
    if to_2 <= 0.0:
        simplex.first.weight = 1.0
        simplex.count = 1
    elif to_1 <= 0.0:
        simplex.first = simplex.second
        simplex.first.weight = 1.0
        simplex.count = 1
    else:
        inverse = 1.0 / (to_1 + to_2)
        simplex.first.weight = to_1 * inverse
        simplex.second.weight = to_2 * inverse
        simplex.count = 2
    return simplex


@wp.func
def solve_triangle(simplex: Simplex) -> Simplex:
    """Reduce three corners to the feature closest to the origin (b2Simplex::Solve3)."""
    w1 = simplex.first.difference
    w2 = simplex.second.difference
    w3 = simplex.third.difference
    e12 = w2 - w1
    e13 = w3 - w1
    e23 = w3 - w2
    d12_1 = wp.dot(w2, e12)
    d12_2 = -wp.dot(w1, e12)
    d13_1 = wp.dot(w3, e13)
    d13_2 = -wp.dot(w1, e13)
    d23_1 = wp.dot(w3, e23)
    d23_2 = -wp.dot(w2, e23)
    n123 = cross(e12, e13)
    d123_1 = n123 * cross(w2, w3)
    d123_2 = n123 * cross(w3, w1)
    d123_3 = n123 * cross(w1, w2)
    if d12_2 <= 0.0 and d13_2 <= 0.0:
        simplex.first.weight = 1.0
        simplex.count = 1
    elif d12_1 > 0.0 and d12_2 > 0.0 and d123_3 <= 0.0:
        inverse = 1.0 / (d12_1 + d12_2)
        simplex.first.weight = d12_1 * inverse
        simplex.second.weight = d12_2 * inverse
        simplex.count = 2
    elif d13_1 > 0.0 and d13_2 > 0.0 and d123_2 <= 0.0:
        inverse = 1.0 / (d13_1 + d13_2)
        simplex.second = simplex.third
        simplex.first.weight = d13_1 * inverse
        simplex.second.weight = d13_2 * inverse
        simplex.count = 2
    elif d12_1 <= 0.0 and d23_2 <= 0.0:
        simplex.first = simplex.second
        simplex.first.weight = 1.0
        simplex.count = 1
    elif d13_1 <= 0.0 and d23_1 <= 0.0:
        simplex.first = simplex.third
        simplex.first.weight = 1.0
        simplex.count = 1
    elif d23_1 > 0.0 and d23_2 > 0.0 and d123_1 <= 0.0:
        inverse = 1.0 / (d23_1 + d23_2)
        simplex.first = simplex.third
        simplex.first.weight = d23_2 * inverse
        simplex.second.weight = d23_1 * inverse
        simplex.count = 2
    else:
        inverse = 1.0 / (d123_1 + d123_2 + d123_3)
        simplex.first.weight = d123_1 * inverse
        simplex.second.weight = d123_2 * inverse
        simplex.third.weight = d123_3 * inverse
        simplex.count = 3
    return simplex


@wp.func
def same_corner(a: Corner, b: Corner) -> bool:
    """Whether two corners belong to the same corners of ground and body."""
    return a.ground_index == b.ground_index and a.body_index == b.body_index


@wp.func
def start_simplex(
    robot: Robot, ground: Ground, env: int, piece: int, body: int, pose: Pose, kept: Simplex
) -> Simplex:
    """The simplex that a search starts from.

    These are the kept corners at their new places, or a single corner if the metric changed by a
    factor of more than two.
    """
    simplex = Simplex()
    simplex.count = kept.count
    if kept.count > 0:
        simplex.first = corner_at(
            robot, ground, env, piece, body, pose, kept.first.ground_index, kept.first.body_index
        )
    if kept.count > 1:
        simplex.second = corner_at(
            robot, ground, env, piece, body, pose, kept.second.ground_index, kept.second.body_index
        )
    if kept.count > 2:
        simplex.third = corner_at(
            robot, ground, env, piece, body, pose, kept.third.ground_index, kept.third.body_index
        )
    if kept.count > 1:
        metric = metric_of(simplex)
        if metric < 0.5 * kept.metric or 2.0 * kept.metric < metric or metric < FLOAT_EPSILON:
            simplex.count = 0
    if simplex.count == 0:
        simplex.first = corner_at(robot, ground, env, piece, body, pose, 0, 0)
        simplex.first.weight = 1.0
        simplex.count = 1
    return simplex


@wp.func
def closest(
    robot: Robot, ground: Ground, env: int, piece: int, body: int, pose: Pose, kept: Simplex
) -> Simplex:
    """The simplex closest to the origin (b2Distance); `simplex_distance` gives its distance."""
    simplex = start_simplex(robot, ground, env, piece, body, pose, kept)
    iteration = int(0)
    searching = bool(True)
    while searching and iteration < MAX_DISTANCE_ITERATIONS:
        old = simplex
        if simplex.count == 2:
            simplex = solve_segment(simplex)
        elif simplex.count == 3:
            simplex = solve_triangle(simplex)
        if simplex.count == 3:
            searching = bool(False)
        else:
            direction = -simplex.first.difference
            if simplex.count == 2:
                e12 = simplex.second.difference - simplex.first.difference
                if cross(e12, -simplex.first.difference) > 0.0:
                    direction = -right_normal(e12)
                else:
                    direction = right_normal(e12)
            if wp.dot(direction, direction) < FLOAT_EPSILON * FLOAT_EPSILON:
                searching = bool(False)
            else:
                corner = corner_at(
                    robot,
                    ground,
                    env,
                    piece,
                    body,
                    pose,
                    ground_support(ground, env, piece, -direction),
                    body_support(robot, body, rotate_back(pose.rotation, direction)),
                )
                iteration += 1
                known = same_corner(corner, old.first)
                known = known or (old.count > 1 and same_corner(corner, old.second))
                known = known or (old.count > 2 and same_corner(corner, old.third))
                if known:
                    searching = bool(False)
                elif simplex.count == 1:
                    simplex.second = corner
                    simplex.count = 2
                else:
                    simplex.third = corner
                    simplex.count = 3
    simplex.metric = metric_of(simplex)
    return simplex


@wp.func
def simplex_distance(simplex: Simplex) -> float:
    """Distance between the closest points of ground and body; 0 if they overlap."""
    distance = float(0.0)
    if simplex.count == 1:
        distance = wp.length(simplex.first.ground - simplex.first.body)
    if simplex.count == 2:
        a = simplex.first.weight
        b = simplex.second.weight
        on_ground = a * simplex.first.ground + b * simplex.second.ground
        on_body = a * simplex.first.body + b * simplex.second.body
        distance = wp.length(on_ground - on_body)
    return distance
