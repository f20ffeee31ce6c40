"""Broad phase: which bodies come near which pieces of ground.

Box2D keeps a fat box around every body: its bounding box, 0.1 m wider and stretched in the
direction of motion. A body that leaves its fat box gets a new one, and only then does Box2D look
for new pairs. The ground has fat boxes with the same margin. Pairs are made in the order of Box2D's
proxies: first the ground (boxes, then edges), then the bodies in the order of their creation.
"""

from __future__ import annotations

import warp as wp

from bipedal.physics.constants import (
    FAT_MARGIN,
    FAT_MULTIPLIER,
    MAX_BOXES,
    MODULE_OPTIONS,
    NUM_BODIES,
    POLYGON_RADIUS,
    TERRAIN_LENGTH,
    TERRAIN_STEP,
)
from bipedal.physics.contacts import (
    add_contact,
    body_pose,
    edge_start,
    end_contact,
    remove_contact,
    update_contact,
)
from bipedal.physics.geometry import Pose, pose_at, to_world
from bipedal.physics.state import Ground, Robot, Walkers, is_in

wp.set_module_options(MODULE_OPTIONS)


@wp.func
def union(a: wp.vec4, b: wp.vec4) -> wp.vec4:
    """Smallest box (left, bottom, right, top) around two boxes."""
    return wp.vec4(wp.min(a[0], b[0]), wp.min(a[1], b[1]), wp.max(a[2], b[2]), wp.max(a[3], b[3]))


@wp.func
def wider(a: wp.vec4, margin: float) -> wp.vec4:
    """A box with a margin all around."""
    return wp.vec4(a[0] - margin, a[1] - margin, a[2] + margin, a[3] + margin)


@wp.func
def overlap(a: wp.vec4, b: wp.vec4) -> bool:
    """b2TestOverlap of two boxes."""
    return a[0] <= b[2] and b[0] <= a[2] and a[1] <= b[3] and b[1] <= a[3]


@wp.func
def inside(inner: wp.vec4, outer: wp.vec4) -> bool:
    """b2AABB::Contains."""
    return (
        outer[0] <= inner[0]
        and outer[1] <= inner[1]
        and inner[2] <= outer[2]
        and inner[3] <= outer[3]
    )


@wp.func
def bounding_box(robot: Robot, body: int, pose: Pose) -> wp.vec4:
    """Box around a body, its skin of POLYGON_RADIUS included."""
    v = to_world(pose, robot.vertices[body, 0])
    bounds = wp.vec4(v[0], v[1], v[0], v[1])
    for i in range(1, robot.vertex_count[body]):
        v = to_world(pose, robot.vertices[body, i])
        bounds = union(bounds, wp.vec4(v[0], v[1], v[0], v[1]))
    return wider(bounds, POLYGON_RADIUS)


@wp.func
def ground_bounds(ground: Ground, env: int, piece: int) -> wp.vec4:
    """Box around a piece of ground, without its skin."""
    if piece < MAX_BOXES:
        bounds = ground.box[env, piece]
    else:
        a = edge_start(ground, env, piece - MAX_BOXES)
        b = edge_start(ground, env, piece - MAX_BOXES + 1)
        bounds = wp.vec4(a[0], wp.min(a[1], b[1]), b[0], wp.max(a[1], b[1]))
    return bounds


@wp.func
def ground_fat_box(ground: Ground, env: int, piece: int) -> wp.vec4:
    """Fat box of a piece of ground."""
    return wider(wider(ground_bounds(ground, env, piece), POLYGON_RADIUS), FAT_MARGIN)


@wp.func
def column_of(x: float) -> int:
    """Number of the edge of the ground line under x, or of the nearest one."""
    return wp.clamp(int(wp.floor(x / TERRAIN_STEP)), 0, TERRAIN_LENGTH - 2)


@wp.struct
class Sweep:
    """A body's motion from some time to the end of the step: a straight line at constant spin."""

    start_center: wp.vec2
    end_center: wp.vec2
    start_angle: wp.float32
    end_angle: wp.float32
    start_rotation: wp.vec2
    time: wp.float32
    """Share of the step that has passed at the start of the sweep."""
    bounds: wp.vec4
    """Box around the body at both ends, its skin included."""


@wp.func
def sweep_of(walkers: Walkers, sweeps: wp.array2d(dtype=Sweep), env: int, body: int) -> Sweep:
    """A body's sweep, which ends where the body is now."""
    sweep = sweeps[env, body]
    sweep.end_center = walkers.body[env, body].center
    sweep.end_angle = walkers.body[env, body].angle
    return sweep


@wp.func
def refatten(
    robot: Robot, walkers: Walkers, sweeps: wp.array2d(dtype=Sweep), env: int, body: int
) -> bool:
    """Renew a body's fat box if its sweep left it. Returns whether it did."""
    sweep = sweep_of(walkers, sweeps, env, body)
    before = pose_at(sweep.start_center, sweep.start_rotation, robot.local_center[body])
    now = body_pose(robot, walkers, env, body)
    bounds = union(bounding_box(robot, body, before), bounding_box(robot, body, now))
    sweep.bounds = bounds
    sweeps[env, body] = sweep
    if inside(bounds, walkers.body[env, body].fat_box):
        return False
    move = FAT_MULTIPLIER * (now.origin - before.origin)
    fat = wider(bounds, FAT_MARGIN)
    walkers.body[env, body].fat_box = wp.vec4(
        fat[0] + wp.min(move[0], 0.0),
        fat[1] + wp.min(move[1], 0.0),
        fat[2] + wp.max(move[0], 0.0),
        fat[3] + wp.max(move[1], 0.0),
    )
    return True


@wp.func
def first_fat_box(robot: Robot, walkers: Walkers, env: int, body: int):
    """Set the fat box of a body that was just created."""
    pose = body_pose(robot, walkers, env, body)
    walkers.body[env, body].fat_box = wider(bounding_box(robot, body, pose), FAT_MARGIN)


@wp.func
def find_new_contacts(ground: Ground, walkers: Walkers, env: int, moved: int) -> int:
    """Add the pairs of the bodies in the bit set `moved` (b2BroadPhase::UpdatePairs).

    Returns the set of the bodies that have a new one.
    """
    left = float(1.0e30)
    right = float(-1.0e30)
    for body in range(NUM_BODIES):
        if is_in(moved, body):
            fat = walkers.body[env, body].fat_box
            left = wp.min(left, fat[0])
            right = wp.max(right, fat[2])
    margin = 2.0 * FAT_MARGIN  # more than need be, as every pair is tested by itself
    first = column_of(left - margin)
    last = column_of(right + margin)
    found = int(0)
    for piece in range(ground.first_box[env, first], ground.box_count[env]):
        if ground.box[env, piece][0] - margin > right:
            break
        found = found | pair_with(ground, walkers, env, moved, piece)
    for edge in range(first, last + 1):
        found = found | pair_with(ground, walkers, env, moved, MAX_BOXES + edge)
    return found


@wp.func
def pair_with(ground: Ground, walkers: Walkers, env: int, moved: int, piece: int) -> int:
    """Add the pairs of one piece of ground with the bodies in the bit set `moved`."""
    bounds = ground_fat_box(ground, env, piece)
    found = int(0)
    for body in range(NUM_BODIES):
        near = is_in(moved, body) and overlap(walkers.body[env, body].fat_box, bounds)
        if near and add_contact(walkers, env, body, piece):
            found = found | (1 << body)
    return found


@wp.func
def collide(robot: Robot, ground: Ground, walkers: Walkers, env: int):
    """Drop pairs that came apart, evaluate the others, newest first (b2ContactManager::Collide)."""
    i = walkers.contact_count[env] - 1
    while i >= 0:
        body = walkers.contact[env, i].body
        bounds = ground_fat_box(ground, env, walkers.contact[env, i].ground)
        if overlap(bounds, walkers.body[env, body].fat_box):
            update_contact(robot, ground, walkers, env, i, body_pose(robot, walkers, env, body))
        else:
            if walkers.contact[env, i].touching == 1:
                end_contact(walkers, env, body)
            remove_contact(walkers, env, i)
        i -= 1
