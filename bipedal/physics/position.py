"""Positions: integrate, then push bodies out of the ground and pull joints together.

The solver applies impulses to the positions themselves (the second half of b2Island::Solve). Up to
60 iterations go through the contacts, then the joints, until every error is within its tolerance.
Most steps need one or two iterations. A joint pressed against its limit creeps up to the tolerance
and takes all 60.

A CPU solves `LANES` environments at once, as with the velocities. A lane that is done gets no more
corrections, so its result does not depend on its neighbours.

The face of a contact belongs to the ground or to the body. Either way a contact point has one end
that is fixed to the body and one that is fixed to the ground, and its normal is fixed to one of the
two. The depth is the distance of the ends along the normal.
"""

from __future__ import annotations

from typing import Any

import warp as wp

from bipedal.physics.constants import (
    ANGULAR_SLOP,
    BAUMGARTE,
    HULL,
    LARGEST_GAP_SQUARED,
    LINEAR_SLOP,
    LOWER_0,
    LOWER_1,
    MAX_ANGULAR_CORRECTION,
    MAX_LINEAR_CORRECTION,
    MAX_ROTATION,
    MAX_ROTATION_SQUARED,
    MAX_TRANSLATION,
    MAX_TRANSLATION_SQUARED,
    MODULE_OPTIONS,
    POLYGON_RADIUS,
    UPPER_0,
    UPPER_1,
    WORST_SEPARATION,
)
from bipedal.physics.lanes import add, choose, clamp, div, largest, mul, sub
from bipedal.physics.state import Manifold, Robot
from bipedal.physics.trigonometry import cosine_of, rotation_of, sine_of
from bipedal.physics.workspace import (
    B,
    C,
    Floats,
    J,
    body_field,
    contact_offset,
    get,
    joint_offset,
    place_of,
    put,
    set_place,
)

wp.set_module_options(MODULE_OPTIONS)

_ = add, sub, mul, div  # Warp looks the lane-wise operators up by these names.


@wp.struct
class Motion:
    """Position and velocity of one body."""

    center: wp.vec2
    angle: wp.float32
    velocity: wp.vec2
    spin: wp.float32


@wp.func
def integrate(motion: Motion, dt: float) -> Motion:
    """Move for `dt` seconds, by at most 2 m and a quarter turn."""
    move = dt * motion.velocity
    if wp.dot(move, move) > MAX_TRANSLATION_SQUARED:
        motion.velocity = (MAX_TRANSLATION / wp.length(move)) * motion.velocity
    turn = dt * motion.spin
    if turn * turn > MAX_ROTATION_SQUARED:
        motion.spin = (MAX_ROTATION / wp.abs(turn)) * motion.spin
    motion.center = motion.center + dt * motion.velocity
    motion.angle = motion.angle + dt * motion.spin
    return motion


@wp.func
def prepare_push(
    robot: Robot, workspace: Floats, column: int, body: int, slot: int, manifold: Manifold
):
    """Write a contact's position constraint."""
    at = contact_offset(body, slot)
    on_ground = manifold.on_ground == 1
    body_0 = manifold.plane
    body_1 = manifold.plane
    ground_0 = manifold.point_0
    ground_1 = manifold.point_1
    normal = -manifold.normal
    if on_ground:
        body_0 = manifold.point_0
        body_1 = manifold.point_1
        ground_0 = manifold.plane
        ground_1 = manifold.plane
        normal = manifold.normal
    put(workspace, column, at + int(C.ON_GROUND), wp.where(on_ground, 1.0, -1.0))
    put(workspace, column, at + int(C.FACE_X), normal[0])
    put(workspace, column, at + int(C.FACE_Y), normal[1])
    put(workspace, column, at + int(C.POINTS_0), 1.0)
    put(workspace, column, at + int(C.POINTS_1), wp.where(manifold.count == 2, 1.0, 0.0))
    put(workspace, column, at + int(C.BODY_X0), body_0[0])
    put(workspace, column, at + int(C.BODY_Y0), body_0[1])
    put(workspace, column, at + int(C.BODY_X1), body_1[0])
    put(workspace, column, at + int(C.BODY_Y1), body_1[1])
    put(workspace, column, at + int(C.GROUND_X0), ground_0[0])
    put(workspace, column, at + int(C.GROUND_Y0), ground_0[1])
    put(workspace, column, at + int(C.GROUND_X1), ground_1[0])
    put(workspace, column, at + int(C.GROUND_Y1), ground_1[1])


@wp.func
def push_point(
    workspace: Any,
    unit: int,
    at: int,
    x: Any,
    y: Any,
    angle: Any,
    active: Any,
    center: wp.vec2,
    mass: float,
    inertia: float,
    baumgarte: float,
    point: int,
):
    """Correct a share of a point's depth; returns the body's new place and the old separation."""
    # Where the two ends of the point and the normal are.
    rotation = rotation_of(angle)
    cos = cosine_of(rotation)
    sin = sine_of(rotation)
    on_ground = get(workspace, unit, at + int(C.ON_GROUND))
    face_x = get(workspace, unit, at + int(C.FACE_X))
    face_y = get(workspace, unit, at + int(C.FACE_Y))
    nx = choose(on_ground, face_x, cos * face_x - sin * face_y)
    ny = choose(on_ground, face_y, sin * face_x + cos * face_y)
    bx = get(workspace, unit, at + int(C.BODY_X0) + 2 * point)
    by = get(workspace, unit, at + int(C.BODY_Y0) + 2 * point)
    gx = get(workspace, unit, at + int(C.GROUND_X0) + 2 * point)
    gy = get(workspace, unit, at + int(C.GROUND_Y0) + 2 * point)
    wx = cos * bx - sin * by + (x - (cos * center[0] - sin * center[1]))
    wy = sin * bx + cos * by + (y - (sin * center[0] + cos * center[1]))
    # How much to correct, and with which lever arm.
    there = get(workspace, unit, at + int(C.POINTS_0) + point)
    separation = (wx - gx) * nx + (wy - gy) * ny - POLYGON_RADIUS - POLYGON_RADIUS
    error = clamp(baumgarte * (separation + LINEAR_SLOP), -MAX_LINEAR_CORRECTION, 0.0)
    arm_x = choose(on_ground, wx, gx) - x
    arm_y = choose(on_ground, wy, gy) - y
    lever = arm_x * ny - arm_y * nx
    impulse = -(active * there * error) / (inertia * lever * lever + mass)
    px = impulse * nx
    py = impulse * ny
    x = x + mass * px
    y = y + mass * py
    angle = angle + inertia * (arm_x * py - arm_y * px)
    return x, y, angle, there * separation


@wp.func
def push_contact(
    workspace: Any,
    unit: int,
    at: int,
    x: Any,
    y: Any,
    angle: Any,
    active: Any,
    center: wp.vec2,
    mass: float,
    inertia: float,
    baumgarte: float,
):
    """Correct both points of a contact; returns the body's place and the smaller separation."""
    x, y, angle, separation_0 = push_point(
        workspace, unit, at, x, y, angle, active, center, mass, inertia, baumgarte, 0
    )
    x, y, angle, separation_1 = push_point(
        workspace, unit, at, x, y, angle, active, center, mass, inertia, baumgarte, 1
    )
    return x, y, angle, wp.min(separation_0, separation_1)


@wp.func
def pull_joint(
    robot: Robot,
    workspace: Any,
    unit: int,
    joint: int,
    a: int,
    b: int,
    ax: Any,
    ay: Any,
    angle_a: Any,
    bx: Any,
    by: Any,
    angle_b: Any,
    active: Any,
):
    """Bring a joint back within its limits and pull the ends of its pin together.

    Returns the places of both bodies and the excess, which is positive if an error was above its
    tolerance.
    """
    mass_a = robot.inverse_mass[a]
    mass_b = robot.inverse_mass[b]
    inertia_a = robot.inverse_inertia[a]
    inertia_b = robot.inverse_inertia[b]

    # Limit: `beyond` is how far the angle is outside of it, 0 if the joint is at none.
    at_limit = get(workspace, unit, joint_offset(joint) + int(J.AT_LIMIT))
    angle = angle_b - angle_a - robot.reference_angle[joint]
    beyond = choose(at_limit, angle - robot.upper_limit[joint], -angle + robot.lower_limit[joint])
    beyond = beyond * (at_limit * at_limit)
    error = at_limit * clamp(beyond - ANGULAR_SLOP, 0.0, MAX_ANGULAR_CORRECTION)
    impulse = -(active * (robot.motor_mass[joint] * error))
    angle_a = angle_a - inertia_a * impulse
    angle_b = angle_b + inertia_b * impulse

    # Pin: one impulse closes the gap between its ends.
    rotation_a = rotation_of(angle_a)
    rotation_b = rotation_of(angle_b)
    cos_a = cosine_of(rotation_a)
    sin_a = sine_of(rotation_a)
    cos_b = cosine_of(rotation_b)
    sin_b = sine_of(rotation_b)
    anchor_a = robot.anchor_a[joint]
    anchor_b = robot.anchor_b[joint]
    arm_ax = cos_a * anchor_a[0] - sin_a * anchor_a[1]
    arm_ay = sin_a * anchor_a[0] + cos_a * anchor_a[1]
    arm_bx = cos_b * anchor_b[0] - sin_b * anchor_b[1]
    arm_by = sin_b * anchor_b[0] + cos_b * anchor_b[1]
    gap_x = bx + arm_bx - ax - arm_ax
    gap_y = by + arm_by - ay - arm_ay
    masses = mass_a + mass_b
    k_xx = inertia_a * arm_ay * arm_ay + masses + inertia_b * arm_by * arm_by
    k_xy = -inertia_a * arm_ax * arm_ay - inertia_b * arm_bx * arm_by
    k_yy = inertia_a * arm_ax * arm_ax + masses + inertia_b * arm_bx * arm_bx
    share = -active / (k_xx * k_yy - k_xy * k_xy)
    px = share * (k_yy * gap_x - k_xy * gap_y)
    py = share * (k_xx * gap_y - k_xy * gap_x)
    ax = ax - mass_a * px
    ay = ay - mass_a * py
    angle_a = angle_a - inertia_a * (arm_ax * py - arm_ay * px)
    bx = bx + mass_b * px
    by = by + mass_b * py
    angle_b = angle_b + inertia_b * (arm_bx * py - arm_by * px)
    excess = wp.max(gap_x * gap_x + gap_y * gap_y - LARGEST_GAP_SQUARED, beyond - ANGULAR_SLOP)
    return ax, ay, angle_a, bx, by, angle_b, excess


@wp.func
def push_contacts(
    robot: Robot, workspace: Any, unit: int, body: int, x: Any, y: Any, angle: Any, active: Any
):
    """Push one body out of the ground; returns its place and the excess, as in `pull_joint`."""
    excess = active * 0.0 + WORST_SEPARATION
    for slot in range(int(largest(get(workspace, unit, body_field(body, int(B.CONTACTS)))))):
        x, y, angle, separation = push_contact(
            workspace, unit, contact_offset(body, slot), x, y, angle, active,
            robot.local_center[body], robot.inverse_mass[body], robot.inverse_inertia[body],
            BAUMGARTE,
        )  # fmt: skip
        excess = wp.max(excess, -separation + WORST_SEPARATION)
    return x, y, angle, excess


@wp.func
def solve_positions(robot: Robot, workspace: Any, unit: int, iterations: int):
    """Do some position iterations of one unit.

    `B.UNFINISHED` becomes 0 where all errors are within their tolerances, else 1. The order is that
    of Box2D's island; see `velocity.py`.
    """
    hull_x, hull_y, hull_a = place_of(workspace, unit, HULL)
    upper_0_x, upper_0_y, upper_0_a = place_of(workspace, unit, UPPER_0)
    lower_0_x, lower_0_y, lower_0_a = place_of(workspace, unit, LOWER_0)
    upper_1_x, upper_1_y, upper_1_a = place_of(workspace, unit, UPPER_1)
    lower_1_x, lower_1_y, lower_1_a = place_of(workspace, unit, LOWER_1)
    active = hull_x * 0.0 + 1.0
    iteration = int(0)
    while iteration < iterations and largest(active) > 0.0:
        lower_1_x, lower_1_y, lower_1_a, excess = push_contacts(
            robot, workspace, unit, LOWER_1, lower_1_x, lower_1_y, lower_1_a, active
        )
        worst = excess
        upper_1_x, upper_1_y, upper_1_a, excess = push_contacts(
            robot, workspace, unit, UPPER_1, upper_1_x, upper_1_y, upper_1_a, active
        )
        worst = wp.max(worst, excess)
        hull_x, hull_y, hull_a, excess = push_contacts(
            robot, workspace, unit, HULL, hull_x, hull_y, hull_a, active
        )
        worst = wp.max(worst, excess)
        upper_0_x, upper_0_y, upper_0_a, excess = push_contacts(
            robot, workspace, unit, UPPER_0, upper_0_x, upper_0_y, upper_0_a, active
        )
        worst = wp.max(worst, excess)
        lower_0_x, lower_0_y, lower_0_a, excess = push_contacts(
            robot, workspace, unit, LOWER_0, lower_0_x, lower_0_y, lower_0_a, active
        )
        worst = wp.max(worst, excess)
        upper_1_x, upper_1_y, upper_1_a, lower_1_x, lower_1_y, lower_1_a, excess = pull_joint(
            robot, workspace, unit, 3, UPPER_1, LOWER_1,
            upper_1_x, upper_1_y, upper_1_a, lower_1_x, lower_1_y, lower_1_a, active,
        )  # fmt: skip
        worst = wp.max(worst, excess)
        hull_x, hull_y, hull_a, upper_1_x, upper_1_y, upper_1_a, excess = pull_joint(
            robot, workspace, unit, 2, HULL, UPPER_1,
            hull_x, hull_y, hull_a, upper_1_x, upper_1_y, upper_1_a, active,
        )  # fmt: skip
        worst = wp.max(worst, excess)
        hull_x, hull_y, hull_a, upper_0_x, upper_0_y, upper_0_a, excess = pull_joint(
            robot, workspace, unit, 0, HULL, UPPER_0,
            hull_x, hull_y, hull_a, upper_0_x, upper_0_y, upper_0_a, active,
        )  # fmt: skip
        worst = wp.max(worst, excess)
        upper_0_x, upper_0_y, upper_0_a, lower_0_x, lower_0_y, lower_0_a, excess = pull_joint(
            robot, workspace, unit, 1, UPPER_0, LOWER_0,
            upper_0_x, upper_0_y, upper_0_a, lower_0_x, lower_0_y, lower_0_a, active,
        )  # fmt: skip
        worst = wp.max(worst, excess)
        active = choose(-worst, active * 0.0, active)
        iteration += 1
    set_place(workspace, unit, HULL, hull_x, hull_y, hull_a)
    set_place(workspace, unit, UPPER_0, upper_0_x, upper_0_y, upper_0_a)
    set_place(workspace, unit, LOWER_0, lower_0_x, lower_0_y, lower_0_a)
    set_place(workspace, unit, UPPER_1, upper_1_x, upper_1_y, upper_1_a)
    set_place(workspace, unit, LOWER_1, lower_1_x, lower_1_y, lower_1_a)
    put(workspace, unit, int(B.UNFINISHED), active)
