"""Velocities: set the constraints up, then do 180 iterations of sequential impulses.

Box2D solves one constraint after another, joints first, and applies the impulse that each one lacks
(projected Gauss-Seidel). The functions here do the same arithmetic. Whatever does not change during
the iterations, such as effective masses and lever arms, is computed beforehand. The order is that
of Box2D's island, which always starts at the body created last: lower leg 1, upper leg 1, hull,
upper leg 0, lower leg 0.

Every operation has Box2D's order and precision, so that the results have the same bits. A vector of
lanes takes all branches that some lane needs and chooses afterwards.
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
    MODULE_OPTIONS,
    MOTOR_TORQUE,
    NUM_JOINTS,
    POLYGON_RADIUS,
    UPPER_0,
    UPPER_1,
    VELOCITY_ITERATIONS,
)
from bipedal.physics.geometry import Pose, cross, right_normal, rotate, to_world
from bipedal.physics.lanes import add, choose, largest, mul, sub
from bipedal.physics.state import Contact, Robot, Walkers, is_in
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

wp.set_module_options(MODULE_OPTIONS)

_ = add, sub, mul  # Warp looks the lane-wise operators up by these names.


# Setting up ---------------------------------------------------------------------------------------


@wp.func
def limit_of(robot: Robot, walkers: Walkers, env: int, joint: int) -> int:
    """-1 or 1 if a joint is at its lower or upper limit, else 0."""
    a = robot.body_a[joint]
    b = robot.body_b[joint]
    angle = walkers.body[env, b].angle - walkers.body[env, a].angle - robot.reference_angle[joint]
    limit = int(0)
    if angle <= robot.lower_limit[joint]:
        limit = int(-1)
    elif angle >= robot.upper_limit[joint]:
        limit = int(1)
    return limit


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
    cross_x = k_yy * k_zz - k_yz * k_yz
    cross_y = k_yz * k_xz - k_xy * k_zz
    cross_z = k_xy * k_yz - k_yy * k_xz
    put(workspace, column, at + int(J.AX), arm_a[0])
    put(workspace, column, at + int(J.AY), arm_a[1])
    put(workspace, column, at + int(J.BX), arm_b[0])
    put(workspace, column, at + int(J.BY), arm_b[1])
    put(workspace, column, at + int(J.K_XX), k_xx)
    put(workspace, column, at + int(J.K_XY), k_xy)
    put(workspace, column, at + int(J.K_YY), k_yy)
    put(workspace, column, at + int(J.K_XZ), k_xz)
    put(workspace, column, at + int(J.K_YZ), k_yz)
    put(workspace, column, at + int(J.K_ZZ), k_zz)
    put(workspace, column, at + int(J.INVERSE_2), 1.0 / (k_xx * k_yy - k_xy * k_xy))
    put(
        workspace,
        column,
        at + int(J.INVERSE_3),
        1.0 / (k_xx * cross_x + k_xy * cross_y + k_xz * cross_z),
    )
    put(workspace, column, at + int(J.CROSS_X), cross_x)
    put(workspace, column, at + int(J.CROSS_Y), cross_y)
    put(workspace, column, at + int(J.CROSS_Z), cross_z)

    # Limit: its impulse is carried over as long as the joint stays at the same one.
    at_limit = limit_of(robot, walkers, env, joint)
    kept = at_limit != 0 and at_limit == walkers.joint[env, joint].at_limit
    walkers.joint[env, joint].at_limit = at_limit
    put(workspace, column, at + int(J.AT_LIMIT), float(at_limit))

    # Motor.
    speed = robot.motor_speed[joint] * (
        wp.where(action > 0.0, 1.0, 0.0) - wp.where(action < 0.0, 1.0, 0.0)
    )
    put(workspace, column, at + int(J.MOTOR_SPEED), speed)
    put(workspace, column, at + int(J.MOTOR_MAX), DT * (MOTOR_TORQUE * wp.min(wp.abs(action), 1.0)))

    # Warm start: both bodies get the impulses of the last step.
    impulse = walkers.joint[env, joint].impulse
    pin = wp.vec2(impulse[0] * dt_ratio, impulse[1] * dt_ratio)
    limit = wp.where(kept, impulse[2], 0.0) * dt_ratio
    motor = walkers.joint[env, joint].motor_impulse * dt_ratio
    put(workspace, column, at + int(J.IMPULSE_X), pin[0])
    put(workspace, column, at + int(J.IMPULSE_Y), pin[1])
    put(workspace, column, at + int(J.IMPULSE_Z), limit)
    put(workspace, column, at + int(J.IMPULSE_MOTOR), motor)
    push(workspace, column, a, -mass_a, pin, -inertia_a * (cross(arm_a, pin) + motor + limit))
    push(workspace, column, b, mass_b, pin, inertia_b * (cross(arm_b, pin) + motor + limit))


@wp.func
def push(workspace: Floats, column: int, body: int, mass: float, impulse: wp.vec2, spin: float):
    """Add an impulse times an inverse mass, and a spin, to a body's velocity."""
    vx, vy, w = velocity_of(workspace, column, body)
    set_velocity(workspace, column, body, vx + mass * impulse[0], vy + mass * impulse[1], w + spin)


@wp.struct
class WorldManifold:
    """The points of a contact in world coordinates, and its normal from the ground to the body."""

    normal: wp.vec2
    point_0: wp.vec2
    point_1: wp.vec2


@wp.func
def between_surfaces(point: wp.vec2, face_normal: wp.vec2, plane: wp.vec2) -> wp.vec2:
    """Half way between a face and the other shape's point, skins included."""
    on_face = point + (POLYGON_RADIUS - wp.dot(point - plane, face_normal)) * face_normal
    on_other = point - POLYGON_RADIUS * face_normal
    return 0.5 * (on_face + on_other)


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
    if not second:
        arm_1 = wp.vec2(0.0, 0.0)

    # Write the constraint. The fields of a missing second point are 0.
    there = wp.where(second, 1.0, 0.0)
    inverse = wp.where(second, 1.0 / determinant, 0.0)
    normal_0 = dt_ratio * contact.impulse_0[0]
    tangent_0 = dt_ratio * contact.impulse_0[1]
    normal_1 = wp.where(second, dt_ratio * contact.impulse_1[0], 0.0)
    tangent_1 = wp.where(second, dt_ratio * contact.impulse_1[1], 0.0)
    tangent_k_0 = mass + inertia * tangent_lever_0 * tangent_lever_0
    tangent_k_1 = mass + inertia * tangent_lever_1 * tangent_lever_1
    put(workspace, column, at + int(C.NX), world.normal[0])
    put(workspace, column, at + int(C.NY), world.normal[1])
    put(workspace, column, at + int(C.X_0), arm_0[0])
    put(workspace, column, at + int(C.Y_0), arm_0[1])
    put(workspace, column, at + int(C.X_1), arm_1[0])
    put(workspace, column, at + int(C.Y_1), arm_1[1])
    put(workspace, column, at + int(C.TANGENT_MASS_0), 1.0 / tangent_k_0)
    put(workspace, column, at + int(C.TANGENT_MASS_1), there * (1.0 / tangent_k_1))
    put(workspace, column, at + int(C.SECOND), there)
    put(workspace, column, at + int(C.K_00), k_00)
    put(workspace, column, at + int(C.K_01), there * k_01)
    put(workspace, column, at + int(C.K_11), there * k_11)
    put(workspace, column, at + int(C.MASS_0), 1.0 / k_00)
    put(workspace, column, at + int(C.MASS_1), there * (1.0 / k_11))
    put(workspace, column, at + int(C.INVERSE_00), inverse * k_11)
    put(workspace, column, at + int(C.INVERSE_01), -inverse * k_01)
    put(workspace, column, at + int(C.INVERSE_11), inverse * k_00)
    put(workspace, column, at + int(C.NORMAL_0), normal_0)
    put(workspace, column, at + int(C.NORMAL_1), normal_1)
    put(workspace, column, at + int(C.TANGENT_0), tangent_0)
    put(workspace, column, at + int(C.TANGENT_1), tangent_1)

    # Warm start: the body gets the impulses of the last step, a point at a time.
    impulse = normal_0 * world.normal + tangent_0 * tangent
    push(workspace, column, body, mass, impulse, inertia * cross(arm_0, impulse))
    if second:
        impulse = normal_1 * world.normal + tangent_1 * tangent
        push(workspace, column, body, mass, impulse, inertia * cross(arm_1, impulse))


# Iterating ----------------------------------------------------------------------------------------


@wp.func
def solve_joint(
    workspace: Any,
    unit: int,
    at: int,
    limited: bool,
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
    motor_mass: float,
):
    """b2RevoluteJoint::SolveVelocityConstraints: motor, then limit and pin.

    `limited` is false if no lane is at a limit of this joint.
    """
    # Motor.
    motor = get(workspace, unit, at + int(J.IMPULSE_MOTOR))
    motor_max = get(workspace, unit, at + int(J.MOTOR_MAX))
    error = wb - wa - get(workspace, unit, at + int(J.MOTOR_SPEED))
    new_motor = wp.max(-motor_max, wp.min(motor - motor_mass * error, motor_max))
    put(workspace, unit, at + int(J.IMPULSE_MOTOR), new_motor)
    change = new_motor - motor
    wa = wa - inertia_a * change
    wb = wb + inertia_b * change

    # Pin alone: the 2 x 2 system.
    ax = get(workspace, unit, at + int(J.AX))
    ay = get(workspace, unit, at + int(J.AY))
    bx = get(workspace, unit, at + int(J.BX))
    by = get(workspace, unit, at + int(J.BY))
    error_x = vbx - wb * by - vax + wa * ay
    error_y = vby + wb * bx - vay - wa * ax
    k_xx = get(workspace, unit, at + int(J.K_XX))
    k_xy = get(workspace, unit, at + int(J.K_XY))
    k_yy = get(workspace, unit, at + int(J.K_YY))
    inverse_2 = get(workspace, unit, at + int(J.INVERSE_2))
    px = inverse_2 * (k_xy * error_y - k_yy * error_x)
    py = inverse_2 * (k_xy * error_x - k_xx * error_y)

    # Limit and pin together: the 3 x 3 system, if its impulse pushes in the limit's direction.
    # Otherwise the limit lets go, and the 2 x 2 system makes up for it.
    if limited:
        limit = get(workspace, unit, at + int(J.IMPULSE_Z))
        k_xz = get(workspace, unit, at + int(J.K_XZ))
        k_yz = get(workspace, unit, at + int(J.K_YZ))
        goal_x = limit * k_xz - error_x
        goal_y = limit * k_yz - error_y
        px = inverse_2 * (k_yy * goal_x - k_xy * goal_y)
        py = inverse_2 * (k_xx * goal_y - k_xy * goal_x)
        error_z = wb - wa
        k_zz = get(workspace, unit, at + int(J.K_ZZ))
        at_limit = get(workspace, unit, at + int(J.AT_LIMIT))
        inverse_3 = -get(workspace, unit, at + int(J.INVERSE_3))
        full_x = inverse_3 * (
            error_x * get(workspace, unit, at + int(J.CROSS_X))
            + error_y * get(workspace, unit, at + int(J.CROSS_Y))
            + error_z * get(workspace, unit, at + int(J.CROSS_Z))
        )
        full_y = inverse_3 * (
            k_xx * (error_y * k_zz - error_z * k_yz)
            + k_xy * (error_z * k_xz - error_x * k_zz)
            + k_xz * (error_x * k_yz - error_y * k_xz)
        )
        full_z = inverse_3 * (
            k_xx * (k_yy * error_z - k_yz * error_y)
            + k_xy * (k_yz * error_x - k_xy * error_z)
            + k_xz * (k_xy * error_y - k_yy * error_x)
        )
        new_limit = limit + full_z
        holds = choose(-(new_limit * at_limit), at_limit * at_limit - 0.5, at_limit - 2.0)
        px = choose(holds, full_x, px)
        py = choose(holds, full_y, py)
        twist = choose(holds, full_z, -limit)
        put(workspace, unit, at + int(J.IMPULSE_Z), choose(holds, new_limit, limit * 0.0))
        wa = wa - inertia_a * (ax * py - ay * px + twist)
        wb = wb + inertia_b * (bx * py - by * px + twist)
    else:
        wa = wa - inertia_a * (ax * py - ay * px)
        wb = wb + inertia_b * (bx * py - by * px)
    put(workspace, unit, at + int(J.IMPULSE_X), get(workspace, unit, at + int(J.IMPULSE_X)) + px)
    put(workspace, unit, at + int(J.IMPULSE_Y), get(workspace, unit, at + int(J.IMPULSE_Y)) + py)
    vax = vax - mass_a * px
    vay = vay - mass_a * py
    vbx = vbx + mass_b * px
    vby = vby + mass_b * py
    return vax, vay, wa, vbx, vby, wb


@wp.func
def rub(
    workspace: Any,
    unit: int,
    at: int,
    point: int,
    nx: Any,
    ny: Any,
    vx: Any,
    vy: Any,
    w: Any,
    mass: float,
    inertia: float,
    friction: float,
):
    """Friction at one point of a contact."""
    x = get(workspace, unit, at + int(C.X_0) + 2 * point)
    y = get(workspace, unit, at + int(C.Y_0) + 2 * point)
    tangent = get(workspace, unit, at + int(C.TANGENT_0) + point)
    bound = friction * get(workspace, unit, at + int(C.NORMAL_0) + point)
    speed = (vx - w * y) * ny - (vy + w * x) * nx
    share = get(workspace, unit, at + int(C.TANGENT_MASS_0) + point)
    new_tangent = wp.max(-bound, wp.min(tangent - share * speed, bound))
    put(workspace, unit, at + int(C.TANGENT_0) + point, new_tangent)
    change = new_tangent - tangent
    px = change * ny
    py = -(change * nx)
    return vx + mass * px, vy + mass * py, w + inertia * (x * py - y * px)


@wp.func
def solve_contact(
    workspace: Any,
    unit: int,
    at: int,
    paired: bool,
    vx: Any,
    vy: Any,
    w: Any,
    mass: float,
    inertia: float,
    friction: float,
):
    """b2ContactSolver::SolveVelocityConstraints for one contact: friction, then the normals.

    `paired` is false if no lane has a second point.
    """
    nx = get(workspace, unit, at + int(C.NX))
    ny = get(workspace, unit, at + int(C.NY))
    vx, vy, w = rub(workspace, unit, at, 0, nx, ny, vx, vy, w, mass, inertia, friction)
    if paired:
        vx, vy, w = rub(workspace, unit, at, 1, nx, ny, vx, vy, w, mass, inertia, friction)

    # One point: push as much as the approach asks for, but do not pull.
    normal_0 = get(workspace, unit, at + int(C.NORMAL_0))
    mass_0 = get(workspace, unit, at + int(C.MASS_0))
    x_0 = get(workspace, unit, at + int(C.X_0))
    y_0 = get(workspace, unit, at + int(C.Y_0))
    speed_0 = (vx - w * y_0) * nx + (vy + w * x_0) * ny
    zero = nx * 0.0
    new_0 = wp.max(normal_0 - mass_0 * speed_0, zero)
    if paired:
        # Both normals at once: each point pushes or not. Box2D takes the first of these four cases
        # that fits (Murty's enumeration): both, only point 0, only point 1, none.
        normal_1 = get(workspace, unit, at + int(C.NORMAL_1))
        second = get(workspace, unit, at + int(C.SECOND)) - 0.5
        x_1 = get(workspace, unit, at + int(C.X_1))
        y_1 = get(workspace, unit, at + int(C.Y_1))
        speed_1 = (vx - w * y_1) * nx + (vy + w * x_1) * ny
        k_01 = get(workspace, unit, at + int(C.K_01))
        b_0 = speed_0 - (get(workspace, unit, at + int(C.K_00)) * normal_0 + k_01 * normal_1)
        b_1 = speed_1 - (k_01 * normal_0 + get(workspace, unit, at + int(C.K_11)) * normal_1)
        inverse_01 = get(workspace, unit, at + int(C.INVERSE_01))
        both_0 = -(get(workspace, unit, at + int(C.INVERSE_00)) * b_0 + inverse_01 * b_1)
        both_1 = -(inverse_01 * b_0 + get(workspace, unit, at + int(C.INVERSE_11)) * b_1)
        only_0 = -(mass_0 * b_0)
        only_1 = -(get(workspace, unit, at + int(C.MASS_1)) * b_1)
        both_fit = wp.min(both_0, both_1)
        only_0_fits = wp.min(only_0, k_01 * only_0 + b_1)
        only_1_fits = wp.min(only_1, k_01 * only_1 + b_0)
        none_fits = wp.min(b_0, b_1)
        pair_0 = choose(none_fits, zero, normal_0)
        pair_1 = choose(none_fits, zero, normal_1)
        pair_0 = choose(only_1_fits, zero, pair_0)
        pair_1 = choose(only_1_fits, only_1, pair_1)
        pair_0 = choose(only_0_fits, only_0, pair_0)
        pair_1 = choose(only_0_fits, zero, pair_1)
        new_0 = choose(second, choose(both_fit, both_0, pair_0), new_0)
        new_1 = choose(second, choose(both_fit, both_1, pair_1), zero)
        put(workspace, unit, at + int(C.NORMAL_1), new_1)
        change_0 = new_0 - normal_0
        change_1 = new_1 - normal_1
        p0x = change_0 * nx
        p0y = change_0 * ny
        p1x = change_1 * nx
        p1y = change_1 * ny
        vx = vx + mass * (p0x + p1x)
        vy = vy + mass * (p0y + p1y)
        w = w + inertia * ((x_0 * p0y - y_0 * p0x) + (x_1 * p1y - y_1 * p1x))
    else:
        change = new_0 - normal_0
        px = change * nx
        py = change * ny
        vx = vx + mass * px
        vy = vy + mass * py
        w = w + inertia * (x_0 * py - y_0 * px)
    put(workspace, unit, at + int(C.NORMAL_0), new_0)
    return vx, vy, w


@wp.func
def limits_in(workspace: Any, unit: int) -> int:
    """Set of the joints that are at a limit in some lane, as bits."""
    found = int(0)
    for joint in range(NUM_JOINTS):
        at_limit = get(workspace, unit, joint_offset(joint) + int(J.AT_LIMIT))
        if largest(at_limit * at_limit) > 0.0:
            found = found | (1 << joint)
    return found


@wp.func
def pairs_in(workspace: Any, unit: int, body: int, slots: int) -> int:
    """Set of the contacts of a body that have two points in some lane, as bits."""
    found = int(0)
    for slot in range(slots):
        if largest(get(workspace, unit, contact_offset(body, slot) + int(C.SECOND))) > 0.0:
            found = found | (1 << slot)
    return found


@wp.func
def slots_of(workspace: Any, unit: int, body: int) -> int:
    """Number of contacts of a body, of the lane with the most."""
    return int(largest(get(workspace, unit, body_field(body, int(B.CONTACTS)))))


@wp.func
def solve_velocities(robot: Robot, workspace: Any, unit: int):
    """Do all velocity iterations of one unit."""
    # Local variables hold what changes in the loop, so that it stays in registers.
    hull_x, hull_y, hull_w = velocity_of(workspace, unit, HULL)
    upper_0_x, upper_0_y, upper_0_w = velocity_of(workspace, unit, UPPER_0)
    lower_0_x, lower_0_y, lower_0_w = velocity_of(workspace, unit, LOWER_0)
    upper_1_x, upper_1_y, upper_1_w = velocity_of(workspace, unit, UPPER_1)
    lower_1_x, lower_1_y, lower_1_w = velocity_of(workspace, unit, LOWER_1)
    hull_contacts = slots_of(workspace, unit, HULL)
    upper_0_contacts = slots_of(workspace, unit, UPPER_0)
    lower_0_contacts = slots_of(workspace, unit, LOWER_0)
    upper_1_contacts = slots_of(workspace, unit, UPPER_1)
    lower_1_contacts = slots_of(workspace, unit, LOWER_1)
    hull_pairs = pairs_in(workspace, unit, HULL, hull_contacts)
    upper_0_pairs = pairs_in(workspace, unit, UPPER_0, upper_0_contacts)
    lower_0_pairs = pairs_in(workspace, unit, LOWER_0, lower_0_contacts)
    upper_1_pairs = pairs_in(workspace, unit, UPPER_1, upper_1_contacts)
    lower_1_pairs = pairs_in(workspace, unit, LOWER_1, lower_1_contacts)
    limits = limits_in(workspace, unit)
    hull_m = robot.inverse_mass[HULL]
    hull_i = robot.inverse_inertia[HULL]
    upper_m = robot.inverse_mass[UPPER_0]
    upper_i = robot.inverse_inertia[UPPER_0]
    lower_m = robot.inverse_mass[LOWER_0]
    lower_i = robot.inverse_inertia[LOWER_0]
    hip_mass = robot.motor_mass[0]
    knee_mass = robot.motor_mass[1]
    hull_friction = robot.friction[HULL]
    leg_friction = robot.friction[LOWER_0]

    for _iteration in range(VELOCITY_ITERATIONS):
        # Joints.
        upper_1_x, upper_1_y, upper_1_w, lower_1_x, lower_1_y, lower_1_w = solve_joint(
            workspace, unit, joint_offset(3), is_in(limits, 3),
            upper_1_x, upper_1_y, upper_1_w, lower_1_x, lower_1_y, lower_1_w,
            upper_m, upper_i, lower_m, lower_i, knee_mass,
        )  # fmt: skip
        hull_x, hull_y, hull_w, upper_1_x, upper_1_y, upper_1_w = solve_joint(
            workspace, unit, joint_offset(2), is_in(limits, 2),
            hull_x, hull_y, hull_w, upper_1_x, upper_1_y, upper_1_w,
            hull_m, hull_i, upper_m, upper_i, hip_mass,
        )  # fmt: skip
        hull_x, hull_y, hull_w, upper_0_x, upper_0_y, upper_0_w = solve_joint(
            workspace, unit, joint_offset(0), is_in(limits, 0),
            hull_x, hull_y, hull_w, upper_0_x, upper_0_y, upper_0_w,
            hull_m, hull_i, upper_m, upper_i, hip_mass,
        )  # fmt: skip
        upper_0_x, upper_0_y, upper_0_w, lower_0_x, lower_0_y, lower_0_w = solve_joint(
            workspace, unit, joint_offset(1), is_in(limits, 1),
            upper_0_x, upper_0_y, upper_0_w, lower_0_x, lower_0_y, lower_0_w,
            upper_m, upper_i, lower_m, lower_i, knee_mass,
        )  # fmt: skip
        # Contacts.
        for slot in range(lower_1_contacts):
            lower_1_x, lower_1_y, lower_1_w = solve_contact(
                workspace, unit, contact_offset(LOWER_1, slot), is_in(lower_1_pairs, slot),
                lower_1_x, lower_1_y, lower_1_w, lower_m, lower_i, leg_friction,
            )  # fmt: skip
        for slot in range(upper_1_contacts):
            upper_1_x, upper_1_y, upper_1_w = solve_contact(
                workspace, unit, contact_offset(UPPER_1, slot), is_in(upper_1_pairs, slot),
                upper_1_x, upper_1_y, upper_1_w, upper_m, upper_i, leg_friction,
            )  # fmt: skip
        for slot in range(hull_contacts):
            hull_x, hull_y, hull_w = solve_contact(
                workspace, unit, contact_offset(HULL, slot), is_in(hull_pairs, slot),
                hull_x, hull_y, hull_w, hull_m, hull_i, hull_friction,
            )  # fmt: skip
        for slot in range(upper_0_contacts):
            upper_0_x, upper_0_y, upper_0_w = solve_contact(
                workspace, unit, contact_offset(UPPER_0, slot), is_in(upper_0_pairs, slot),
                upper_0_x, upper_0_y, upper_0_w, upper_m, upper_i, leg_friction,
            )  # fmt: skip
        for slot in range(lower_0_contacts):
            lower_0_x, lower_0_y, lower_0_w = solve_contact(
                workspace, unit, contact_offset(LOWER_0, slot), is_in(lower_0_pairs, slot),
                lower_0_x, lower_0_y, lower_0_w, lower_m, lower_i, leg_friction,
            )  # fmt: skip

    set_velocity(workspace, unit, HULL, hull_x, hull_y, hull_w)
    set_velocity(workspace, unit, UPPER_0, upper_0_x, upper_0_y, upper_0_w)
    set_velocity(workspace, unit, LOWER_0, lower_0_x, lower_0_y, lower_0_w)
    set_velocity(workspace, unit, UPPER_1, upper_1_x, upper_1_y, upper_1_w)
    set_velocity(workspace, unit, LOWER_1, lower_1_x, lower_1_y, lower_1_w)
