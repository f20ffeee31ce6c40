"""Velocities: set the constraints up, then do up to 180 iterations of sequential impulses.

Box2D solves one constraint after another, joints first, and applies the impulse that each one lacks
(projected Gauss-Seidel). The functions here do the same arithmetic. Whatever does not change during
the iterations, such as effective masses and lever arms, is computed beforehand. The order is that
of Box2D's island, which always starts at the body created last: lower leg 1, upper leg 1, hull,
upper leg 0, lower leg 0.

In Box2D a joint's limit and pin are one 3 x 3 system. Where the limit would have to pull, a 2 x 2
system of the pin takes its place. Both amount to the same elimination: first compute and clamp the
impulse of the limit, then compute the impulse of the pin from the remaining error.
"""

from __future__ import annotations

from typing import Any

import warp as wp

from bipedal.physics.constants import (
    DT,
    HULL,
    LOWER_0,
    LOWER_1,
    MAX_CONDITION_NUMBER,
    MOTOR_TORQUE,
    POLYGON_RADIUS,
    UPPER_0,
    UPPER_1,
)
from bipedal.physics.geometry import Pose, cross, right_normal, rotate, to_world
from bipedal.physics.lanes import choose, largest, mul
from bipedal.physics.state import Contact, Robot, Walkers
from bipedal.physics.workspace import (
    B,
    C,
    Floats,
    J,
    body_field,
    contact_offset,
    get,
    joint_offset,
    put,
    set_velocity,
    velocity_of,
)

wp.set_module_options({"enable_backward": False, "max_unroll": 1})

_ = mul  # Warp looks the lane-wise product up by this name.
_UNBOUNDED = wp.constant(1.0e30)


# Setting up ---------------------------------------------------------------------------------------


@wp.func
def prepare_joint(
    robot: Robot,
    walkers: Walkers,
    workspace: Floats,
    env: int,
    column: int,
    joint: int,
    action: float,
    dt_ratio: float,
):
    """Write a joint's velocity constraint and apply its warm start.

    This is b2RevoluteJoint::InitVelocityConstraints. The sign of `action` is the direction of the
    motor and its size the share of the largest torque.
    """
    a = robot.body_a[joint]
    b = robot.body_b[joint]
    at = joint_offset(joint)
    mass_a = robot.inverse_mass[a]
    mass_b = robot.inverse_mass[b]
    inertia_a = robot.inverse_inertia[a]
    inertia_b = robot.inverse_inertia[b]
    arm_a = rotate(walkers.body[env, a].rotation, robot.anchor_a[joint])
    arm_b = rotate(walkers.body[env, b].rotation, robot.anchor_b[joint])

    # K is the change of velocity per impulse: rows x and y of the pin, row z of the limit.
    k_xx = mass_a + mass_b + arm_a[1] * arm_a[1] * inertia_a + arm_b[1] * arm_b[1] * inertia_b
    k_xy = -arm_a[1] * arm_a[0] * inertia_a - arm_b[1] * arm_b[0] * inertia_b
    k_yy = mass_a + mass_b + arm_a[0] * arm_a[0] * inertia_a + arm_b[0] * arm_b[0] * inertia_b
    k_xz = -arm_a[1] * inertia_a - arm_b[1] * inertia_b
    k_yz = arm_a[0] * inertia_a + arm_b[0] * inertia_b
    k_zz = inertia_a + inertia_b
    inverse = 1.0 / (k_xx * k_yy - k_xy * k_xy)
    pin_xx = inverse * k_yy
    pin_xy = -inverse * k_xy
    pin_yy = inverse * k_xx
    # Row z of the inverse of K, by its Schur complement.
    to_z_x = pin_xx * k_xz + pin_xy * k_yz
    to_z_y = pin_xy * k_xz + pin_yy * k_yz
    limit_zz = 1.0 / (k_zz - k_xz * to_z_x - k_yz * to_z_y)
    put(workspace, column, at + int(J.AX), arm_a[0])
    put(workspace, column, at + int(J.AY), arm_a[1])
    put(workspace, column, at + int(J.BX), arm_b[0])
    put(workspace, column, at + int(J.BY), arm_b[1])
    put(workspace, column, at + int(J.PIN_XX), pin_xx)
    put(workspace, column, at + int(J.PIN_XY), pin_xy)
    put(workspace, column, at + int(J.PIN_YY), pin_yy)
    put(workspace, column, at + int(J.COUPLING_X), k_xz)
    put(workspace, column, at + int(J.COUPLING_Y), k_yz)
    put(workspace, column, at + int(J.LIMIT_X), -limit_zz * to_z_x)
    put(workspace, column, at + int(J.LIMIT_Y), -limit_zz * to_z_y)
    put(workspace, column, at + int(J.LIMIT_Z), limit_zz)

    # A limit only pushes back, so its impulse has one sign. The clamp below drops an old impulse of
    # the other limit.
    impulse = walkers.joint[env, joint].impulse
    angle = walkers.body[env, b].angle - walkers.body[env, a].angle - robot.reference_angle[joint]
    limit_min = float(0.0)
    limit_max = float(0.0)
    at_limit = int(0)
    if angle <= robot.lower_limit[joint]:
        limit_max = _UNBOUNDED
        at_limit = int(-1)
    elif angle >= robot.upper_limit[joint]:
        limit_min = -_UNBOUNDED
        at_limit = int(1)
    walkers.joint[env, joint].at_limit = at_limit
    impulse = wp.vec3(
        dt_ratio * impulse[0],
        dt_ratio * impulse[1],
        dt_ratio * wp.clamp(impulse[2], limit_min, limit_max),
    )
    motor = dt_ratio * walkers.joint[env, joint].motor_impulse
    put(workspace, column, at + int(J.LIMIT_MIN), limit_min)
    put(workspace, column, at + int(J.LIMIT_MAX), limit_max)

    # Motor.
    speed = robot.motor_speed[joint] * (
        wp.where(action > 0.0, 1.0, 0.0) - wp.where(action < 0.0, 1.0, 0.0)
    )
    put(workspace, column, at + int(J.MOTOR_SPEED), speed)
    put(workspace, column, at + int(J.MOTOR_MAX), DT * (MOTOR_TORQUE * wp.min(wp.abs(action), 1.0)))
    put(workspace, column, at + int(J.IMPULSE_X), impulse[0])
    put(workspace, column, at + int(J.IMPULSE_Y), impulse[1])
    put(workspace, column, at + int(J.IMPULSE_Z), impulse[2])
    put(workspace, column, at + int(J.IMPULSE_MOTOR), motor)

    # Warm start: both bodies get the impulses of the last step.
    pin = wp.vec2(impulse[0], impulse[1])
    twist = motor + impulse[2]
    push(workspace, column, a, -mass_a * pin, -inertia_a * (cross(arm_a, pin) + twist))
    push(workspace, column, b, mass_b * pin, inertia_b * (cross(arm_b, pin) + twist))


@wp.func
def push(workspace: Floats, column: int, body: int, velocity: wp.vec2, spin: float):
    """Add to a body's velocity."""
    vx, vy, w = velocity_of(workspace, column, body)
    set_velocity(workspace, column, body, vx + velocity[0], vy + velocity[1], w + spin)


@wp.struct
class WorldManifold:
    """The points of a contact in world coordinates, and its normal from the ground to the body."""

    normal: wp.vec2
    point_0: wp.vec2
    point_1: wp.vec2


@wp.func
def between_surfaces(point: wp.vec2, face_normal: wp.vec2, plane: wp.vec2) -> wp.vec2:
    """Half way between a face and the other shape's point, skins included."""
    to_face = POLYGON_RADIUS - wp.dot(point - plane, face_normal)
    return point + 0.5 * (to_face - POLYGON_RADIUS) * face_normal


@wp.func
def world_manifold(contact: Contact, pose: Pose) -> WorldManifold:
    """b2WorldManifold::Initialize."""
    manifold = contact.manifold
    world = WorldManifold()
    if manifold.on_ground == 1:
        world.normal = manifold.normal
        world.point_0 = between_surfaces(
            to_world(pose, manifold.point_0), manifold.normal, manifold.plane
        )
        world.point_1 = between_surfaces(
            to_world(pose, manifold.point_1), manifold.normal, manifold.plane
        )
    else:
        face_normal = rotate(pose.rotation, manifold.normal)
        plane = to_world(pose, manifold.plane)
        world.normal = -face_normal
        world.point_0 = between_surfaces(manifold.point_0, face_normal, plane)
        world.point_1 = between_surfaces(manifold.point_1, face_normal, plane)
    return world


@wp.func
def prepare_contact(
    robot: Robot,
    workspace: Floats,
    column: int,
    slot: int,
    contact: Contact,
    center: wp.vec2,
    pose: Pose,
    dt_ratio: float,
):
    """Write a contact's velocity constraint and apply its warm start.

    This is b2ContactSolver::InitializeVelocityConstraints for one contact.
    """
    # Lever arms of both points, and K: the change of their normal velocities per normal impulse.
    body = contact.body
    at = contact_offset(body, slot)
    mass = robot.inverse_mass[body]
    inertia = robot.inverse_inertia[body]
    world = world_manifold(contact, pose)
    tangent = right_normal(world.normal)
    arm_0 = world.point_0 - center
    arm_1 = world.point_1 - center
    lever_0 = cross(arm_0, world.normal)
    lever_1 = cross(arm_1, world.normal)
    tangent_lever_0 = cross(arm_0, tangent)
    tangent_lever_1 = cross(arm_1, tangent)
    k_00 = mass + inertia * lever_0 * lever_0
    k_11 = mass + inertia * lever_1 * lever_1
    k_01 = mass + inertia * lever_0 * lever_1
    determinant = k_00 * k_11 - k_01 * k_01

    # Drop the second point if the two constraints are so alike that K cannot be inverted well.
    second = contact.manifold.count == 2 and k_00 * k_00 < MAX_CONDITION_NUMBER * determinant
    normal_0 = dt_ratio * contact.impulse_0[0]
    tangent_0 = dt_ratio * contact.impulse_0[1]
    normal_1 = float(0.0)
    tangent_1 = float(0.0)

    # Write the constraint. The fields of a missing second point are 0.
    put(workspace, column, at + int(C.NX), world.normal[0])
    put(workspace, column, at + int(C.NY), world.normal[1])
    put(workspace, column, at + int(C.LEVER_0), lever_0)
    put(workspace, column, at + int(C.TANGENT_LEVER_0), tangent_lever_0)
    put(
        workspace,
        column,
        at + int(C.TANGENT_MASS_0),
        1.0 / (mass + inertia * tangent_lever_0 * tangent_lever_0),
    )
    put(workspace, column, at + int(C.K_00), k_00)
    put(workspace, column, at + int(C.MASS_0), 1.0 / k_00)
    if second:
        normal_1 = dt_ratio * contact.impulse_1[0]
        tangent_1 = dt_ratio * contact.impulse_1[1]
        put(workspace, column, at + int(C.SECOND), 1.0)
        put(workspace, column, at + int(C.LEVER_1), lever_1)
        put(workspace, column, at + int(C.TANGENT_LEVER_1), tangent_lever_1)
        put(
            workspace,
            column,
            at + int(C.TANGENT_MASS_1),
            1.0 / (mass + inertia * tangent_lever_1 * tangent_lever_1),
        )
        put(workspace, column, at + int(C.K_01), k_01)
        put(workspace, column, at + int(C.K_11), k_11)
        put(workspace, column, at + int(C.MASS_1), 1.0 / k_11)
        put(workspace, column, at + int(C.INVERSE_00), k_11 / determinant)
        put(workspace, column, at + int(C.INVERSE_01), -k_01 / determinant)
        put(workspace, column, at + int(C.INVERSE_11), k_00 / determinant)
    else:
        put(workspace, column, at + int(C.LEVER_1), 0.0)
        put(workspace, column, at + int(C.TANGENT_LEVER_1), 0.0)
        put(workspace, column, at + int(C.TANGENT_MASS_1), 0.0)
        put(workspace, column, at + int(C.SECOND), 0.0)
        put(workspace, column, at + int(C.K_01), 0.0)
        put(workspace, column, at + int(C.K_11), 0.0)
        put(workspace, column, at + int(C.MASS_1), 0.0)
        put(workspace, column, at + int(C.INVERSE_00), 1.0 / k_00)
        put(workspace, column, at + int(C.INVERSE_01), 0.0)
        put(workspace, column, at + int(C.INVERSE_11), 0.0)
    put(workspace, column, at + int(C.NORMAL_0), normal_0)
    put(workspace, column, at + int(C.NORMAL_1), normal_1)
    put(workspace, column, at + int(C.TANGENT_0), tangent_0)
    put(workspace, column, at + int(C.TANGENT_1), tangent_1)

    # Warm start: the body gets the impulses of the last step.
    impulse = (normal_0 + normal_1) * world.normal + (tangent_0 + tangent_1) * tangent
    spin = (
        lever_0 * normal_0
        + lever_1 * normal_1
        + tangent_lever_0 * tangent_0
        + tangent_lever_1 * tangent_1
    )
    push(workspace, column, body, mass * impulse, inertia * spin)


# Iterating ----------------------------------------------------------------------------------------


@wp.func
def solve_joint(
    workspace: Any,
    unit: int,
    at: int,
    vax: Any,
    vay: Any,
    wa: Any,
    vbx: Any,
    vby: Any,
    wb: Any,
    mass_a: float,
    inertia_a: float,
    mass_b: float,
    inertia_b: float,
):
    """b2RevoluteJoint::SolveVelocityConstraints: motor, then limit and pin."""
    # Motor.
    motor = get(workspace, unit, at + int(J.IMPULSE_MOTOR))
    motor_max = get(workspace, unit, at + int(J.MOTOR_MAX))
    error = wb - wa - get(workspace, unit, at + int(J.MOTOR_SPEED))
    new_motor = wp.min(
        wp.max(motor - error * (1.0 / (inertia_a + inertia_b)), -motor_max), motor_max
    )
    put(workspace, unit, at + int(J.IMPULSE_MOTOR), new_motor)
    change = new_motor - motor
    wa = wa - inertia_a * change
    wb = wb + inertia_b * change

    # Limit.
    ax = get(workspace, unit, at + int(J.AX))
    ay = get(workspace, unit, at + int(J.AY))
    bx = get(workspace, unit, at + int(J.BX))
    by = get(workspace, unit, at + int(J.BY))
    error_x = vbx - wb * by - vax + wa * ay
    error_y = vby + wb * bx - vay - wa * ax
    limit = get(workspace, unit, at + int(J.IMPULSE_Z))
    new_limit = wp.min(
        wp.max(
            limit
            - get(workspace, unit, at + int(J.LIMIT_X)) * error_x
            - get(workspace, unit, at + int(J.LIMIT_Y)) * error_y
            - get(workspace, unit, at + int(J.LIMIT_Z)) * (wb - wa),
            get(workspace, unit, at + int(J.LIMIT_MIN)),
        ),
        get(workspace, unit, at + int(J.LIMIT_MAX)),
    )
    put(workspace, unit, at + int(J.IMPULSE_Z), new_limit)
    twist = new_limit - limit

    # Pin.
    error_x = error_x + get(workspace, unit, at + int(J.COUPLING_X)) * twist
    error_y = error_y + get(workspace, unit, at + int(J.COUPLING_Y)) * twist
    pin_xy = get(workspace, unit, at + int(J.PIN_XY))
    px = -(get(workspace, unit, at + int(J.PIN_XX)) * error_x + pin_xy * error_y)
    py = -(pin_xy * error_x + get(workspace, unit, at + int(J.PIN_YY)) * error_y)
    put(workspace, unit, at + int(J.IMPULSE_X), get(workspace, unit, at + int(J.IMPULSE_X)) + px)
    put(workspace, unit, at + int(J.IMPULSE_Y), get(workspace, unit, at + int(J.IMPULSE_Y)) + py)
    vax = vax - mass_a * px
    vay = vay - mass_a * py
    wa = wa - inertia_a * (ax * py - ay * px + twist)
    vbx = vbx + mass_b * px
    vby = vby + mass_b * py
    wb = wb + inertia_b * (bx * py - by * px + twist)
    return vax, vay, wa, vbx, vby, wb


@wp.func
def solve_contact(
    workspace: Any,
    unit: int,
    at: int,
    vx: Any,
    vy: Any,
    w: Any,
    mass: float,
    inertia: float,
    friction: float,
):
    """b2ContactSolver::SolveVelocityConstraints for one contact: friction, then the normals."""
    nx = get(workspace, unit, at + int(C.NX))
    ny = get(workspace, unit, at + int(C.NY))
    normal_0 = get(workspace, unit, at + int(C.NORMAL_0))
    normal_1 = get(workspace, unit, at + int(C.NORMAL_1))
    lever_0 = get(workspace, unit, at + int(C.LEVER_0))
    lever_1 = get(workspace, unit, at + int(C.LEVER_1))

    # Friction at point 0.
    lever = get(workspace, unit, at + int(C.TANGENT_LEVER_0))
    tangent = get(workspace, unit, at + int(C.TANGENT_0))
    bound = friction * normal_0
    speed = ny * vx - nx * vy + lever * w
    new_tangent = wp.min(
        wp.max(tangent - get(workspace, unit, at + int(C.TANGENT_MASS_0)) * speed, -bound), bound
    )
    put(workspace, unit, at + int(C.TANGENT_0), new_tangent)
    change = new_tangent - tangent
    vx = vx + mass * (change * ny)
    vy = vy - mass * (change * nx)
    w = w + inertia * (change * lever)

    # Friction at point 1.
    lever = get(workspace, unit, at + int(C.TANGENT_LEVER_1))
    tangent = get(workspace, unit, at + int(C.TANGENT_1))
    bound = friction * normal_1
    speed = ny * vx - nx * vy + lever * w
    new_tangent = wp.min(
        wp.max(tangent - get(workspace, unit, at + int(C.TANGENT_MASS_1)) * speed, -bound), bound
    )
    put(workspace, unit, at + int(C.TANGENT_1), new_tangent)
    change = new_tangent - tangent
    vx = vx + mass * (change * ny)
    vy = vy - mass * (change * nx)
    w = w + inertia * (change * lever)

    # Both normals at once: each point pushes or not. Box2D takes the first of these four cases that
    # fits (Murty's enumeration): both, only point 0, only point 1, none.
    k_01 = get(workspace, unit, at + int(C.K_01))
    approach = nx * vx + ny * vy
    b_0 = (
        approach + lever_0 * w - get(workspace, unit, at + int(C.K_00)) * normal_0 - k_01 * normal_1
    )
    b_1 = (
        get(workspace, unit, at + int(C.SECOND)) * (approach + lever_1 * w)
        - k_01 * normal_0
        - get(workspace, unit, at + int(C.K_11)) * normal_1
    )
    inverse_01 = get(workspace, unit, at + int(C.INVERSE_01))
    both_0 = -(get(workspace, unit, at + int(C.INVERSE_00)) * b_0 + inverse_01 * b_1)
    both_1 = -(inverse_01 * b_0 + get(workspace, unit, at + int(C.INVERSE_11)) * b_1)
    only_0 = -(get(workspace, unit, at + int(C.MASS_0)) * b_0)
    only_1 = -(get(workspace, unit, at + int(C.MASS_1)) * b_1)
    both_fit = wp.min(both_0, both_1)
    only_0_fits = wp.min(only_0, k_01 * only_0 + b_1)
    only_1_fits = wp.min(only_1, k_01 * only_1 + b_0)
    none_fits = wp.min(b_0, b_1)
    zero = nx - nx
    new_0 = choose(none_fits, zero, normal_0)
    new_1 = choose(none_fits, zero, normal_1)
    new_0 = choose(only_1_fits, zero, new_0)
    new_1 = choose(only_1_fits, only_1, new_1)
    new_0 = choose(only_0_fits, only_0, new_0)
    new_1 = choose(only_0_fits, zero, new_1)
    new_0 = choose(both_fit, both_0, new_0)
    new_1 = choose(both_fit, both_1, new_1)
    put(workspace, unit, at + int(C.NORMAL_0), new_0)
    put(workspace, unit, at + int(C.NORMAL_1), new_1)
    change_0 = new_0 - normal_0
    change_1 = new_1 - normal_1
    total = mass * (change_0 + change_1)
    vx = vx + total * nx
    vy = vy + total * ny
    w = w + inertia * (lever_0 * change_0 + lever_1 * change_1)
    return vx, vy, w


@wp.func
def solve_velocities(robot: Robot, workspace: Any, unit: int, iterations: int):
    """Do some velocity iterations of one unit.

    `B.UNFINISHED` becomes the largest change of a velocity in the last one.
    """
    # Local variables hold what changes in the loop, so that it stays in registers.
    hull_x, hull_y, hull_w = velocity_of(workspace, unit, HULL)
    upper_0_x, upper_0_y, upper_0_w = velocity_of(workspace, unit, UPPER_0)
    lower_0_x, lower_0_y, lower_0_w = velocity_of(workspace, unit, LOWER_0)
    upper_1_x, upper_1_y, upper_1_w = velocity_of(workspace, unit, UPPER_1)
    lower_1_x, lower_1_y, lower_1_w = velocity_of(workspace, unit, LOWER_1)
    hull_contacts = int(largest(get(workspace, unit, body_field(HULL, int(B.CONTACTS)))))
    upper_0_contacts = int(largest(get(workspace, unit, body_field(UPPER_0, int(B.CONTACTS)))))
    lower_0_contacts = int(largest(get(workspace, unit, body_field(LOWER_0, int(B.CONTACTS)))))
    upper_1_contacts = int(largest(get(workspace, unit, body_field(UPPER_1, int(B.CONTACTS)))))
    lower_1_contacts = int(largest(get(workspace, unit, body_field(LOWER_1, int(B.CONTACTS)))))
    hull_m = robot.inverse_mass[HULL]
    hull_i = robot.inverse_inertia[HULL]
    upper_m = robot.inverse_mass[UPPER_0]
    upper_i = robot.inverse_inertia[UPPER_0]
    lower_m = robot.inverse_mass[LOWER_0]
    lower_i = robot.inverse_inertia[LOWER_0]
    hull_friction = robot.friction[HULL]
    leg_friction = robot.friction[LOWER_0]

    # The velocities before the last iteration.
    hull_x_old = hull_x
    hull_y_old = hull_y
    hull_w_old = hull_w
    upper_0_x_old = upper_0_x
    upper_0_y_old = upper_0_y
    upper_0_w_old = upper_0_w
    lower_0_x_old = lower_0_x
    lower_0_y_old = lower_0_y
    lower_0_w_old = lower_0_w
    upper_1_x_old = upper_1_x
    upper_1_y_old = upper_1_y
    upper_1_w_old = upper_1_w
    lower_1_x_old = lower_1_x
    lower_1_y_old = lower_1_y
    lower_1_w_old = lower_1_w

    # First all iterations but the last, then the last one.
    for last in range(2):
        if last == 1:
            hull_x_old = hull_x
            hull_y_old = hull_y
            hull_w_old = hull_w
            upper_0_x_old = upper_0_x
            upper_0_y_old = upper_0_y
            upper_0_w_old = upper_0_w
            lower_0_x_old = lower_0_x
            lower_0_y_old = lower_0_y
            lower_0_w_old = lower_0_w
            upper_1_x_old = upper_1_x
            upper_1_y_old = upper_1_y
            upper_1_w_old = upper_1_w
            lower_1_x_old = lower_1_x
            lower_1_y_old = lower_1_y
            lower_1_w_old = lower_1_w
        for _iteration in range(wp.where(last == 1, 1, iterations - 1)):
            # Joints.
            upper_1_x, upper_1_y, upper_1_w, lower_1_x, lower_1_y, lower_1_w = solve_joint(
                workspace, unit, joint_offset(3),
                upper_1_x, upper_1_y, upper_1_w, lower_1_x, lower_1_y, lower_1_w,
                upper_m, upper_i, lower_m, lower_i,
            )  # fmt: skip
            hull_x, hull_y, hull_w, upper_1_x, upper_1_y, upper_1_w = solve_joint(
                workspace, unit, joint_offset(2),
                hull_x, hull_y, hull_w, upper_1_x, upper_1_y, upper_1_w,
                hull_m, hull_i, upper_m, upper_i,
            )  # fmt: skip
            hull_x, hull_y, hull_w, upper_0_x, upper_0_y, upper_0_w = solve_joint(
                workspace, unit, joint_offset(0),
                hull_x, hull_y, hull_w, upper_0_x, upper_0_y, upper_0_w,
                hull_m, hull_i, upper_m, upper_i,
            )  # fmt: skip
            upper_0_x, upper_0_y, upper_0_w, lower_0_x, lower_0_y, lower_0_w = solve_joint(
                workspace, unit, joint_offset(1),
                upper_0_x, upper_0_y, upper_0_w, lower_0_x, lower_0_y, lower_0_w,
                upper_m, upper_i, lower_m, lower_i,
            )  # fmt: skip
            # Contacts.
            for slot in range(lower_1_contacts):
                lower_1_x, lower_1_y, lower_1_w = solve_contact(
                    workspace, unit, contact_offset(LOWER_1, slot),
                    lower_1_x, lower_1_y, lower_1_w, lower_m, lower_i, leg_friction,
                )  # fmt: skip
            for slot in range(upper_1_contacts):
                upper_1_x, upper_1_y, upper_1_w = solve_contact(
                    workspace, unit, contact_offset(UPPER_1, slot),
                    upper_1_x, upper_1_y, upper_1_w, upper_m, upper_i, leg_friction,
                )  # fmt: skip
            for slot in range(hull_contacts):
                hull_x, hull_y, hull_w = solve_contact(
                    workspace, unit, contact_offset(HULL, slot),
                    hull_x, hull_y, hull_w, hull_m, hull_i, hull_friction,
                )  # fmt: skip
            for slot in range(upper_0_contacts):
                upper_0_x, upper_0_y, upper_0_w = solve_contact(
                    workspace, unit, contact_offset(UPPER_0, slot),
                    upper_0_x, upper_0_y, upper_0_w, upper_m, upper_i, leg_friction,
                )  # fmt: skip
            for slot in range(lower_0_contacts):
                lower_0_x, lower_0_y, lower_0_w = solve_contact(
                    workspace, unit, contact_offset(LOWER_0, slot),
                    lower_0_x, lower_0_y, lower_0_w, lower_m, lower_i, leg_friction,
                )  # fmt: skip

    # The largest change in the last iteration.
    change = wp.abs(hull_x - hull_x_old)
    change = wp.max(change, wp.abs(hull_y - hull_y_old))
    change = wp.max(change, wp.abs(hull_w - hull_w_old))
    change = wp.max(change, wp.abs(upper_0_x - upper_0_x_old))
    change = wp.max(change, wp.abs(upper_0_y - upper_0_y_old))
    change = wp.max(change, wp.abs(upper_0_w - upper_0_w_old))
    change = wp.max(change, wp.abs(lower_0_x - lower_0_x_old))
    change = wp.max(change, wp.abs(lower_0_y - lower_0_y_old))
    change = wp.max(change, wp.abs(lower_0_w - lower_0_w_old))
    change = wp.max(change, wp.abs(upper_1_x - upper_1_x_old))
    change = wp.max(change, wp.abs(upper_1_y - upper_1_y_old))
    change = wp.max(change, wp.abs(upper_1_w - upper_1_w_old))
    change = wp.max(change, wp.abs(lower_1_x - lower_1_x_old))
    change = wp.max(change, wp.abs(lower_1_y - lower_1_y_old))
    change = wp.max(change, wp.abs(lower_1_w - lower_1_w_old))
    put(workspace, unit, int(B.UNFINISHED), change)
    set_velocity(workspace, unit, HULL, hull_x, hull_y, hull_w)
    set_velocity(workspace, unit, UPPER_0, upper_0_x, upper_0_y, upper_0_w)
    set_velocity(workspace, unit, LOWER_0, lower_0_x, lower_0_y, lower_0_w)
    set_velocity(workspace, unit, UPPER_1, upper_1_x, upper_1_y, upper_1_w)
    set_velocity(workspace, unit, LOWER_1, lower_1_x, lower_1_y, lower_1_w)
