"""The list of contacts and the events that Gymnasium listens to.

Gymnasium sets a lower leg's `ground_contact` when any of its contacts begins and clears it when
any ends. So the flag is 0 when a foot has slid off one edge, even if it stands on the next.
Policies learn from that flag, so `foot_flag` has the same bug. `Contact.touching` says whether a
body really touches the ground.
"""

from __future__ import annotations

import warp as wp

from bipedal.physics.constants import (
    HULL,
    LOWER_0,
    LOWER_1,
    MAX_BOXES,
    MAX_CONTACTS,
    MODULE_OPTIONS,
    TERRAIN_STEP,
)
from bipedal.physics.geometry import Pose, pose_at
from bipedal.physics.manifold import collide_box, collide_edge
from bipedal.physics.state import (
    Contact,
    Ground,
    Manifold,
    Overflow,
    Robot,
    Walkers,
    note_overflow,
)

wp.set_module_options(MODULE_OPTIONS)

_TERRAIN_STEP = wp.constant(wp.float64(TERRAIN_STEP))


@wp.func
def edge_start(ground: Ground, env: int, edge: int) -> wp.vec2:
    """Left end of an edge of the ground line, rounded once, as Box2D gets it from Gymnasium."""
    x = wp.float64(edge) * _TERRAIN_STEP
    return wp.vec2(float(x), float(ground.height[env, edge]))


@wp.func
def body_pose(robot: Robot, walkers: Walkers, env: int, body: int) -> Pose:
    """Where a body is now."""
    return pose_at(
        walkers.body[env, body].center, walkers.body[env, body].rotation, robot.local_center[body]
    )


@wp.func
def evaluate(robot: Robot, ground: Ground, env: int, piece: int, body: int, pose: Pose) -> Manifold:
    """Manifold of a body and a piece of ground."""
    if piece < MAX_BOXES:
        manifold = collide_box(robot, body, pose, ground.box[env, piece])
    else:
        edge = piece - MAX_BOXES
        manifold = collide_edge(
            robot, body, pose, edge_start(ground, env, edge), edge_start(ground, env, edge + 1)
        )
    return manifold


@wp.func
def begin_contact(walkers: Walkers, env: int, body: int):
    """ContactDetector.BeginContact."""
    if body == HULL:
        walkers.hull_down[env] = 1
    if body == LOWER_0:
        walkers.foot_flag[env, 0] = 1
    if body == LOWER_1:
        walkers.foot_flag[env, 1] = 1


@wp.func
def end_contact(walkers: Walkers, env: int, body: int):
    """ContactDetector.EndContact."""
    if body == LOWER_0:
        walkers.foot_flag[env, 0] = 0
    if body == LOWER_1:
        walkers.foot_flag[env, 1] = 0


@wp.func
def matched_impulse(contact: Contact, point_id: int) -> wp.vec2:
    """Impulse that the point with this id had in the last step; 0 if the point is new."""
    impulse = wp.vec2(0.0, 0.0)
    if contact.manifold.count > 1 and contact.manifold.id_1 == point_id:
        impulse = contact.impulse_1
    if contact.manifold.count > 0 and contact.manifold.id_0 == point_id:
        impulse = contact.impulse_0
    return impulse


@wp.func
def update_contact(
    robot: Robot, ground: Ground, walkers: Walkers, env: int, index: int, pose: Pose
):
    """Evaluate a contact again, carry its impulses over and fire its events (b2Contact::Update)."""
    body = walkers.contact[env, index].body
    before = walkers.contact[env, index].touching
    manifold = evaluate(robot, ground, env, walkers.contact[env, index].ground, body, pose)
    touching = int(manifold.count > 0)
    if touching == 0 and before == 0:
        return
    contact = walkers.contact[env, index]
    impulse_0 = wp.vec2(0.0, 0.0)
    impulse_1 = wp.vec2(0.0, 0.0)
    if manifold.count > 0:
        impulse_0 = matched_impulse(contact, manifold.id_0)
    if manifold.count > 1:
        impulse_1 = matched_impulse(contact, manifold.id_1)
    if touching > before:
        begin_contact(walkers, env, body)
    if touching < before:
        end_contact(walkers, env, body)
    contact.manifold = manifold
    contact.impulse_0 = impulse_0
    contact.impulse_1 = impulse_1
    contact.touching = touching
    walkers.contact[env, index] = contact


@wp.func
def add_contact(walkers: Walkers, env: int, body: int, piece: int) -> bool:
    """Append a pair to the list unless it is there already. Returns whether it is new."""
    count = walkers.contact_count[env]
    fresh = Contact()
    fresh.body = body
    fresh.ground = piece
    fresh.enabled = 1
    for i in range(count):
        other_ground = walkers.contact[env, i].ground
        if other_ground == piece:
            fresh.ground_time = walkers.contact[env, i].ground_time
            if walkers.contact[env, i].body == body:
                return False
    if count < MAX_CONTACTS:
        walkers.contact[env, count] = fresh
        walkers.contact_count[env] = count + 1
    else:
        note_overflow(walkers.overflow, env, int(Overflow.CONTACTS))
    return True


@wp.func
def remove_contact(walkers: Walkers, env: int, index: int):
    """Remove a pair from the list."""
    count = walkers.contact_count[env] - 1
    for i in range(index, count):
        walkers.contact[env, i] = walkers.contact[env, i + 1]
    walkers.contact_count[env] = count
