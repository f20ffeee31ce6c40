"""Between the walkers and the workspace: constraints are written, results are kept."""

from __future__ import annotations

import warp as wp

from bipedal.physics.broadphase import Sweep
from bipedal.physics.constants import (
    DT,
    GRAVITY,
    HULL,
    MAX_TOUCHING,
    MODULE_OPTIONS,
    NUM_BODIES,
    NUM_JOINTS,
)
from bipedal.physics.contacts import body_pose
from bipedal.physics.impact import place
from bipedal.physics.position import Motion, integrate, prepare_push
from bipedal.physics.rules import Rules
from bipedal.physics.state import Overflow, Robot, Walkers, note_overflow
from bipedal.physics.velocity import prepare_contact, prepare_joint
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
    set_velocity,
    velocity_of,
)

wp.set_module_options(MODULE_OPTIONS)

_BodyCounts = wp.types.vector(length=NUM_BODIES, dtype=wp.int32)
_Joints = wp.types.vector(length=NUM_JOINTS, dtype=wp.int32)
_ISLAND = wp.constant(_Joints(3, 2, 0, 1))
"""Joints in the order in which Box2D finds them, beginning at the body created last."""


@wp.func
def write_velocity_constraints(
    robot: Robot,
    walkers: Walkers,
    workspace: Floats,
    sweeps: wp.array2d(dtype=Sweep),
    env: int,
    column: int,
    action: wp.vec4,
    rules: Rules,
):
    """Write a column of the workspace before the velocity iterations.

    Bodies get gravity, and contacts and joints their warm start.
    """
    # Velocities, and the start of every body's sweep.
    starting = walkers.steps[env] < 0
    dt_ratio = wp.where(starting, 0.0, rules.dt_ratio)
    for body in range(NUM_BODIES):
        force = float(0.0)
        if starting and body == HULL:
            force = walkers.start_force[env]
        velocity = walkers.body[env, body].velocity
        set_velocity(
            workspace,
            column,
            body,
            velocity[0] + DT * (robot.inverse_mass[body] * force),
            velocity[1] - DT * GRAVITY,
            walkers.body[env, body].spin,
        )
        put(workspace, column, body_field(body, int(B.CONTACTS)), 0.0)
        sweep = Sweep()
        sweep.start_center = walkers.body[env, body].center
        sweep.start_angle = walkers.body[env, body].angle
        sweep.start_rotation = walkers.body[env, body].rotation
        sweeps[env, body] = sweep

    # Constraints. Box2D's list of contacts begins with the newest.
    i = walkers.contact_count[env] - 1
    while i >= 0:
        if walkers.contact[env, i].touching == 1:
            contact = walkers.contact[env, i]
            body = contact.body
            slot = int(get(workspace, column, body_field(body, int(B.CONTACTS))))
            if slot < MAX_TOUCHING:
                prepare_contact(
                    robot,
                    workspace,
                    column,
                    slot,
                    contact,
                    walkers.body[env, body].center,
                    body_pose(robot, walkers, env, body),
                    dt_ratio,
                )
                put(workspace, column, body_field(body, int(B.CONTACTS)), float(slot + 1))
            else:
                note_overflow(walkers.overflow, env, int(Overflow.TOUCHING))
        i -= 1
    for i in range(NUM_JOINTS):
        joint = _ISLAND[i]
        prepare_joint(robot, walkers, workspace, env, column, joint, action[joint], dt_ratio)


@wp.func
def keep_impulses(walkers: Walkers, workspace: Floats, env: int, column: int):
    """Store the impulses that warm-start the next step."""
    for joint in range(NUM_JOINTS):
        at = joint_offset(joint)
        walkers.joint[env, joint].impulse = wp.vec3(
            get(workspace, column, at + int(J.IMPULSE_X)),
            get(workspace, column, at + int(J.IMPULSE_Y)),
            get(workspace, column, at + int(J.IMPULSE_Z)),
        )
        walkers.joint[env, joint].motor_impulse = get(workspace, column, at + int(J.IMPULSE_MOTOR))
    used = _BodyCounts()
    i = walkers.contact_count[env] - 1
    while i >= 0:
        if walkers.contact[env, i].touching == 1:
            body = walkers.contact[env, i].body
            slot = used[body]
            if slot < MAX_TOUCHING:
                used[body] = slot + 1
                at = contact_offset(body, slot)
                walkers.contact[env, i].impulse_0 = wp.vec2(
                    get(workspace, column, at + int(C.NORMAL_0)),
                    get(workspace, column, at + int(C.TANGENT_0)),
                )
                if get(workspace, column, at + int(C.SECOND)) > 0.0:
                    walkers.contact[env, i].impulse_1 = wp.vec2(
                        get(workspace, column, at + int(C.NORMAL_1)),
                        get(workspace, column, at + int(C.TANGENT_1)),
                    )
        i -= 1


@wp.func
def keep_velocities(walkers: Walkers, workspace: Floats, env: int, column: int):
    """Copy the result of the velocity iterations from a column."""
    for body in range(NUM_BODIES):
        vx, vy, w = velocity_of(workspace, column, body)
        walkers.body[env, body].velocity = wp.vec2(vx, vy)
        walkers.body[env, body].spin = w
    keep_impulses(walkers, workspace, env, column)


@wp.func
def move(robot: Robot, walkers: Walkers, workspace: Floats, env: int, column: int):
    """Integrate the positions and write the position constraints into the same column.

    Which limits the joints are at has stood there since the velocity constraints.
    """
    for body in range(NUM_BODIES):
        motion = Motion()
        motion.center = walkers.body[env, body].center
        motion.angle = walkers.body[env, body].angle
        motion.velocity = walkers.body[env, body].velocity
        motion.spin = walkers.body[env, body].spin
        motion = integrate(motion, DT)
        walkers.body[env, body].velocity = motion.velocity
        walkers.body[env, body].spin = motion.spin
        center = motion.center
        set_place(workspace, column, body, center[0], center[1], motion.angle)
        put(workspace, column, body_field(body, int(B.CONTACTS)), 0.0)
    i = walkers.contact_count[env] - 1
    while i >= 0:
        if walkers.contact[env, i].touching == 1:
            contact = walkers.contact[env, i]
            body = contact.body
            slot = int(get(workspace, column, body_field(body, int(B.CONTACTS))))
            if slot < MAX_TOUCHING:
                prepare_push(robot, workspace, column, body, slot, contact.manifold)
                put(workspace, column, body_field(body, int(B.CONTACTS)), float(slot + 1))
        i -= 1


@wp.func
def keep_places(walkers: Walkers, workspace: Floats, env: int, column: int):
    """Copy the result of the position iterations from a column."""
    for body in range(NUM_BODIES):
        x, y, angle = place_of(workspace, column, body)
        place(walkers, env, body, wp.vec2(x, y), angle)
    walkers.solved[env] = int(get(workspace, column, int(B.UNFINISHED)) == 0.0)
