"""Time of impact: a body that would fly through the ground within a step is stopped at its surface.

Box2D first moves every body freely. For each pair of a body and a piece of ground it then finds the
time within the step at which they first touch (conservative advancement along separating axes,
b2TimeOfImpact). The body with the earliest impact is taken back to that time. There only its
contacts are solved, not its joints, and it moves on for the rest of the step. This can begin a
contact, and so a fall.

Most pairs never come close. `stays_clear` finds that out from the corners of the body alone. It
never skips a pair that Box2D would have stopped.
"""

from __future__ import annotations

import warp as wp

from bipedal.physics.broadphase import (
    Sweep,
    find_new_contacts,
    ground_bounds,
    overlap,
    refatten,
    wider,
)
from bipedal.physics.constants import (
    DT,
    IMPACT_BAUMGARTE,
    IMPACT_POSITION_ITERATIONS,
    IMPACT_TARGET,
    IMPACT_TOLERANCE,
    MAX_BOXES,
    MAX_IMPACT_ITERATIONS,
    MAX_PUSH_BACKS,
    MAX_ROOT_ITERATIONS,
    MAX_SUB_STEPS,
    MAX_TOUCHING,
    MODULE_OPTIONS,
    NO_IMPACT,
    TWO_PI,
    VELOCITY_ITERATIONS,
    WORST_IMPACT_SEPARATION,
)
from bipedal.physics.contacts import body_pose, edge_start, update_contact
from bipedal.physics.distance import (
    Simplex,
    body_support,
    closest,
    ground_corner,
    ground_support,
    simplex_distance,
)
from bipedal.physics.geometry import (
    Pose,
    pose_at,
    right_normal,
    rotate,
    rotate_back,
    to_body,
    to_world,
    unit,
)
from bipedal.physics.position import Motion, integrate, prepare_push, push_contact
from bipedal.physics.state import Ground, Overflow, Robot, Walkers, is_in, note_overflow
from bipedal.physics.trigonometry import rotation_of
from bipedal.physics.velocity import pairs_in, prepare_contact, solve_contact
from bipedal.physics.workspace import (
    C,
    Floats,
    column_start,
    contact_offset,
    get,
    put,
    set_velocity,
    velocity_of,
)

wp.set_module_options(MODULE_OPTIONS)


_CLEAR = wp.constant(IMPACT_TARGET + IMPACT_TOLERANCE + 1.0e-4)
"""m, distance beyond which Box2D finds no impact, and a little for its errors of rounding."""
_Corners = wp.types.matrix(shape=(4, 2), dtype=wp.float32)


@wp.func
def advance(sweep: Sweep, time: float) -> Sweep:
    """Move the start of a sweep to a later time (b2Sweep::Advance)."""
    beta = (time - sweep.time) / (1.0 - sweep.time)
    sweep.start_center = (1.0 - beta) * sweep.start_center + beta * sweep.end_center
    sweep.start_angle = (1.0 - beta) * sweep.start_angle + beta * sweep.end_angle
    sweep.start_rotation = rotation_of(sweep.start_angle)
    sweep.time = time
    return sweep


@wp.func
def pose_in(robot: Robot, body: int, sweep: Sweep, beta: float) -> Pose:
    """Pose at a share of the sweep."""
    center = (1.0 - beta) * sweep.start_center + beta * sweep.end_center
    angle = (1.0 - beta) * sweep.start_angle + beta * sweep.end_angle
    return pose_at(center, rotation_of(angle), robot.local_center[body])


@wp.func
def stays_clear(
    robot: Robot, ground: Ground, env: int, piece: int, body: int, sweep: Sweep, end: Pose
) -> bool:
    """Whether a body stays out of reach of a piece of ground during its whole sweep.

    Then Box2D finds no impact either, and need not be imitated. Two shapes stay apart if both ends
    of the sweep show them apart along the normal of the same side, by more than a corner can stray
    in between from the straight line between its two ends. `end` is the pose at the end.
    """
    return in_front_of_ground(
        robot, ground, env, piece, body, sweep, end
    ) or ground_in_front_of_sides(robot, ground, env, piece, body, sweep, end)


@wp.func
def in_front_of_ground(
    robot: Robot, ground: Ground, env: int, piece: int, body: int, sweep: Sweep, end: Pose
) -> bool:
    """Whether the body stays in front of one side of the ground.

    A corner at distance r from the centre strays by at most r (1 - cos(turn / 2)) <= r turn^2 / 8.
    The bounds of the sweep contain a skin thicker than the distance at which Box2D stops a body.
    """
    turn = sweep.end_angle - sweep.start_angle
    bulge = robot.reach[body] * turn * turn * 0.125
    if not overlap(wider(sweep.bounds, bulge), ground_bounds(ground, env, piece)):
        return True
    if piece < MAX_BOXES:
        return False
    clear = _CLEAR + bulge
    start = pose_at(sweep.start_center, sweep.start_rotation, robot.local_center[body])
    a = edge_start(ground, env, piece - MAX_BOXES)
    b = edge_start(ground, env, piece - MAX_BOXES + 1)
    line_normal = -right_normal(unit(b - a))
    for i in range(robot.vertex_count[body]):
        v = robot.vertices[body, i]
        if wp.dot(line_normal, to_world(start, v) - a) <= clear:
            return False
        if wp.dot(line_normal, to_world(end, v) - a) <= clear:
            return False
    return True


@wp.func
def ground_in_front_of_sides(
    robot: Robot, ground: Ground, env: int, piece: int, body: int, sweep: Sweep, end: Pose
) -> bool:
    """Whether the ground stays in front of one side of the body, as beside the tip of a foot.

    A corner p of the ground is n(t) (p - c(t)) away, where the normal n turns and the centre c
    moves evenly. The second derivative is at most turn^2 |p - c| + 2 |turn| |move|, so this strays
    by at most an eighth of that.
    """
    turn = wp.abs(sweep.end_angle - sweep.start_angle)
    start = pose_at(sweep.start_center, sweep.start_rotation, robot.local_center[body])
    corners = wp.where(piece < MAX_BOXES, 4, 2)
    at_start = _Corners()
    at_end = _Corners()
    farthest = float(0.0)
    for i in range(corners):
        corner = ground_corner(ground, env, piece, i)
        first = to_body(start, corner)
        last = to_body(end, corner)
        at_start[i, 0] = first[0]
        at_start[i, 1] = first[1]
        at_end[i, 0] = last[0]
        at_end[i, 1] = last[1]
        farthest = wp.max(farthest, wp.length(corner - sweep.start_center))
        farthest = wp.max(farthest, wp.length(corner - sweep.end_center))
    move = wp.length(sweep.end_center - sweep.start_center)
    clear = _CLEAR + 0.125 * turn * (turn * farthest + 2.0 * move)
    for side in range(robot.vertex_count[body]):
        normal = robot.normals[body, side]
        offset = wp.dot(normal, robot.vertices[body, side]) + clear
        nearest = float(1.0e30)
        for i in range(corners):
            nearest = wp.min(nearest, normal[0] * at_start[i, 0] + normal[1] * at_start[i, 1])
            nearest = wp.min(nearest, normal[0] * at_end[i, 0] + normal[1] * at_end[i, 1])
        if nearest > offset:
            return True
    return False


@wp.struct
class Axis:
    """A direction in which ground and body are apart (b2SeparationFunction)."""

    kind: wp.int32
    """0: between two corners; 1: normal of a side of the ground; 2: of a side of the body."""
    direction: wp.vec2
    """In the coordinates of the side's owner."""
    point: wp.vec2
    """A point of the side."""


@wp.func
def axis_of(
    robot: Robot, ground: Ground, env: int, piece: int, body: int, pose: Pose, simplex: Simplex
) -> Axis:
    """The axis through the closest features."""
    axis = Axis()
    if simplex.count == 1:
        axis.kind = 0
        axis.direction = unit(
            to_world(pose, robot.vertices[body, simplex.first.body_index])
            - ground_corner(ground, env, piece, simplex.first.ground_index)
        )
    elif simplex.first.ground_index == simplex.second.ground_index:
        axis.kind = 2
        b1 = robot.vertices[body, simplex.first.body_index]
        b2 = robot.vertices[body, simplex.second.body_index]
        axis.direction = unit(right_normal(b2 - b1))
        axis.point = 0.5 * (b1 + b2)
        other = ground_corner(ground, env, piece, simplex.first.ground_index)
        if wp.dot(other - to_world(pose, axis.point), rotate(pose.rotation, axis.direction)) < 0.0:
            axis.direction = -axis.direction
    else:
        axis.kind = 1
        a1 = ground_corner(ground, env, piece, simplex.first.ground_index)
        a2 = ground_corner(ground, env, piece, simplex.second.ground_index)
        axis.direction = unit(right_normal(a2 - a1))
        axis.point = 0.5 * (a1 + a2)
        other = to_world(pose, robot.vertices[body, simplex.first.body_index])
        if wp.dot(other - axis.point, axis.direction) < 0.0:
            axis.direction = -axis.direction
    return axis


@wp.func
def deepest_corners(
    robot: Robot, ground: Ground, env: int, piece: int, body: int, pose: Pose, axis: Axis
) -> wp.vec2i:
    """Indices (ground, body) of the corners that are closest along an axis."""
    ground_index = int(0)
    body_index = int(0)
    if axis.kind == 2:
        ground_index = ground_support(ground, env, piece, -rotate(pose.rotation, axis.direction))
    else:
        body_index = body_support(robot, body, rotate_back(pose.rotation, -axis.direction))
        if axis.kind == 0:
            ground_index = ground_support(ground, env, piece, axis.direction)
    return wp.vec2i(ground_index, body_index)


@wp.func
def separation_along(
    robot: Robot,
    ground: Ground,
    env: int,
    piece: int,
    body: int,
    pose: Pose,
    axis: Axis,
    corners: wp.vec2i,
) -> float:
    """Distance of two corners, or of a corner and a side, along an axis."""
    if axis.kind == 2:
        corner = ground_corner(ground, env, piece, corners[0])
        gap = wp.dot(corner - to_world(pose, axis.point), rotate(pose.rotation, axis.direction))
    else:
        corner = to_world(pose, robot.vertices[body, corners[1]])
        origin = axis.point
        if axis.kind == 0:
            origin = ground_corner(ground, env, piece, corners[0])
        gap = wp.dot(corner - origin, axis.direction)
    return gap


@wp.func
def time_of_impact(
    robot: Robot, ground: Ground, env: int, piece: int, body: int, whole: Sweep
) -> float:
    """Share of the sweep after which a body touches a piece of ground, 1 if it does not."""
    # Angles near 0 keep their precision.
    sweep = whole
    turns = TWO_PI * wp.floor(sweep.start_angle / TWO_PI)
    sweep.start_angle = sweep.start_angle - turns
    sweep.end_angle = sweep.end_angle - turns

    # Move t1 forward until the shapes touch at t1 or are apart at the end of the sweep.
    result = float(1.0)
    t1 = float(0.0)
    simplex = Simplex()
    iteration = int(0)
    done = bool(False)
    while not done:
        pose = pose_in(robot, body, sweep, t1)
        simplex = closest(robot, ground, env, piece, body, pose, simplex)
        distance = simplex_distance(simplex)
        if distance <= 0.0:
            done = True  # They overlap: Box2D gives up.
        elif distance < IMPACT_TARGET + IMPACT_TOLERANCE:
            result = t1
            done = bool(True)
        else:
            # Find the latest time t2 up to which this axis keeps the shapes apart.
            axis = axis_of(robot, ground, env, piece, body, pose, simplex)
            t2 = float(1.0)
            push_backs = int(0)
            searching = bool(True)
            while searching:
                end_pose = pose_in(robot, body, sweep, t2)
                corners = deepest_corners(robot, ground, env, piece, body, end_pose, axis)
                s2 = separation_along(robot, ground, env, piece, body, end_pose, axis, corners)
                if s2 > IMPACT_TARGET + IMPACT_TOLERANCE:
                    searching = False  # They are apart at the end.
                    done = bool(True)
                elif s2 > IMPACT_TARGET - IMPACT_TOLERANCE:
                    searching = False  # They touch along this axis at t2: look for the next axis.
                    t1 = t2
                else:
                    s1 = separation_along(robot, ground, env, piece, body, pose, axis, corners)
                    if s1 < IMPACT_TARGET - IMPACT_TOLERANCE:
                        searching = False  # They overlap from the start: Box2D gives up.
                        done = bool(True)
                    elif s1 <= IMPACT_TARGET + IMPACT_TOLERANCE:
                        searching = bool(False)
                        done = bool(True)
                        result = t1
                    else:
                        # Find where the separation is the target between t1 and t2, by bisection
                        # and the secant method in turn.
                        a1 = t1
                        a2 = t2
                        root = int(0)
                        found = bool(False)
                        while root < MAX_ROOT_ITERATIONS and not found:
                            if (root & 1) == 1:
                                t = a1 + (IMPACT_TARGET - s1) * (a2 - a1) / (s2 - s1)
                            else:
                                t = 0.5 * (a1 + a2)
                            root += 1
                            at = pose_in(robot, body, sweep, t)
                            s = separation_along(robot, ground, env, piece, body, at, axis, corners)
                            if wp.abs(s - IMPACT_TARGET) < IMPACT_TOLERANCE:
                                t2 = t
                                found = bool(True)
                            elif s > IMPACT_TARGET:
                                a1 = t
                                s1 = s
                            else:
                                a2 = t
                                s2 = s
                        push_backs += 1
                        if push_backs == MAX_PUSH_BACKS:
                            searching = bool(False)
            iteration += 1
            if iteration == MAX_IMPACT_ITERATIONS:
                done = True  # It makes no progress: Box2D gives up.
    return result


@wp.func
def set_ground_time(walkers: Walkers, env: int, piece: int, time: float):
    """Note the time to which the sweep of a piece of ground has been advanced."""
    for i in range(walkers.contact_count[env]):
        if walkers.contact[env, i].ground == piece:
            walkers.contact[env, i].ground_time = time


@wp.func
def place(walkers: Walkers, env: int, body: int, center: wp.vec2, angle: float):
    """Set a body's centre of mass and angle."""
    walkers.body[env, body].center = center
    walkers.body[env, body].angle = angle
    walkers.body[env, body].rotation = rotation_of(angle)


@wp.func
def any_may_hit(
    robot: Robot,
    ground: Ground,
    walkers: Walkers,
    sweeps: wp.array2d(dtype=Sweep),
    env: int,
    awake: int,
) -> bool:
    """Whether any pair comes so close within the step that its time of impact is needed."""
    for i in range(walkers.contact_count[env]):
        body = walkers.contact[env, i].body
        if is_in(awake, body):
            end = body_pose(robot, walkers, env, body)
            piece = walkers.contact[env, i].ground
            if not stays_clear(robot, ground, env, piece, body, sweeps[env, body], end):
                return True
    return False


@wp.func
def next_impact(
    robot: Robot,
    ground: Ground,
    walkers: Walkers,
    sweeps: wp.array2d(dtype=Sweep),
    env: int,
    awake: int,
) -> int:
    """Index of the contact with the earliest impact, the newest of several; -1 if there is none."""
    first = int(-1)
    earliest = float(1.0)
    i = walkers.contact_count[env] - 1
    while i >= 0:
        contact = walkers.contact[env, i]
        candidate = contact.enabled == 1 and contact.impact_count <= MAX_SUB_STEPS
        if candidate and (contact.impact_known == 1 or is_in(awake, contact.body)):
            if contact.impact_known == 0:
                body = contact.body
                sweep = sweeps[env, body]
                if contact.ground_time < sweep.time:
                    set_ground_time(walkers, env, contact.ground, sweep.time)
                    contact.ground_time = sweep.time
                elif sweep.time < contact.ground_time:
                    sweep = advance(sweep, contact.ground_time)
                    sweeps[env, body] = sweep
                contact.impact_time = 1.0
                end = body_pose(robot, walkers, env, body)
                if not stays_clear(robot, ground, env, contact.ground, body, sweep, end):
                    beta = time_of_impact(robot, ground, env, contact.ground, body, sweep)
                    if beta < 1.0:
                        contact.impact_time = wp.min(sweep.time + (1.0 - sweep.time) * beta, 1.0)
                contact.impact_known = 1
                walkers.contact[env, i] = contact
            if contact.impact_time < earliest:
                earliest = contact.impact_time
                first = i
        i -= 1
    if earliest > NO_IMPACT:
        first = int(-1)
    return first


@wp.func
def note_impulses(workspace: Floats, column: int, body: int, slots: int):
    """Note the impulses of a body's contacts."""
    for slot in range(slots):
        at = contact_offset(body, slot)
        for field in range(4):
            impulse = get(workspace, column, at + int(C.NORMAL_0) + field)
            put(workspace, column, at + int(C.BEFORE_NORMAL_0) + field, impulse)


@wp.func
def impulses_as_noted(workspace: Floats, column: int, body: int, slots: int) -> bool:
    """Whether the impulses of a body's contacts are those that were noted."""
    for slot in range(slots):
        at = contact_offset(body, slot)
        for field in range(4):
            impulse = get(workspace, column, at + int(C.NORMAL_0) + field)
            if impulse != get(workspace, column, at + int(C.BEFORE_NORMAL_0) + field):
                return False
    return True


@wp.func
def solve_alone(robot: Robot, workspace: Floats, column: int, body: int, slots: int):
    """Do all velocity iterations of one body's contacts; returns its velocity and spin.

    Rounding soon makes the iterations repeat themselves, exactly and mostly at once. Then whole
    periods can be left out (Brent's algorithm: compare with the state at the last power of two).
    """
    vx, vy, w = velocity_of(workspace, column, body)
    pairs = pairs_in(workspace, column, body, slots)
    kept_vx = vx
    kept_vy = vy
    kept_w = w
    note_impulses(workspace, column, body, slots)
    period = int(0)
    longest = int(1)
    left = int(VELOCITY_ITERATIONS)
    while left > 0:
        for slot in range(slots):
            vx, vy, w = solve_contact(
                workspace, column, contact_offset(body, slot), is_in(pairs, slot), vx, vy, w,
                robot.inverse_mass[body], robot.inverse_inertia[body], robot.friction[body],
            )  # fmt: skip
        left -= 1
        period += 1
        same = vx == kept_vx and vy == kept_vy and w == kept_w
        if same and impulses_as_noted(workspace, column, body, slots):
            left = left % period
        if period == longest:
            note_impulses(workspace, column, body, slots)
            kept_vx = vx
            kept_vy = vy
            kept_w = w
            longest = 2 * longest
            period = int(0)
    return vx, vy, w


@wp.func
def solve_impact(
    robot: Robot,
    ground: Ground,
    walkers: Walkers,
    workspace: Floats,
    sweeps: wp.array2d(dtype=Sweep),
    env: int,
    first: int,
) -> int:
    """Take the body of contact `first` back to its impact, solve it there and let it move on.

    Returns the set of the bodies that have a new contact.
    """
    # Take the body to the time of impact and evaluate the contact there.
    column = column_start(env)
    contact = walkers.contact[env, first]
    body = contact.body
    time = contact.impact_time
    whole = sweeps[env, body]
    ground_time = contact.ground_time
    sweep = advance(whole, time)
    set_ground_time(walkers, env, contact.ground, time)
    place(walkers, env, body, sweep.start_center, sweep.start_angle)
    pose = body_pose(robot, walkers, env, body)
    update_contact(robot, ground, walkers, env, first, pose)
    contact = walkers.contact[env, first]
    contact.enabled = 1
    contact.impact_known = 0
    contact.impact_count += 1
    contact.ground_time = time
    if contact.touching == 0:
        # They do not touch after all: undo that and ignore the contact for the rest of the step.
        contact.enabled = 0
        walkers.contact[env, first] = contact
        set_ground_time(walkers, env, contact.ground, ground_time)
        place(walkers, env, body, whole.end_center, whole.end_angle)
        return 0
    walkers.contact[env, first] = contact

    # The island is the body with everything that it touches at this time, this contact first.
    prepare_push(robot, workspace, column, body, 0, contact.manifold)
    slots = int(1)
    i = walkers.contact_count[env] - 1
    while i >= 0:
        if i != first and walkers.contact[env, i].body == body:
            update_contact(robot, ground, walkers, env, i, pose)
            walkers.contact[env, i].enabled = 1
            if walkers.contact[env, i].touching == 1:
                set_ground_time(walkers, env, walkers.contact[env, i].ground, time)
                if slots < MAX_TOUCHING:
                    manifold = walkers.contact[env, i].manifold
                    prepare_push(robot, workspace, column, body, slots, manifold)
                    slots += 1
                else:
                    note_overflow(walkers.overflow, env, int(Overflow.TOUCHING))
        i -= 1

    # Position iterations push the body out of the ground.
    x = sweep.start_center[0]
    y = sweep.start_center[1]
    angle = sweep.start_angle
    iteration = int(0)
    solved = bool(False)
    while iteration < IMPACT_POSITION_ITERATIONS and not solved:
        deepest = float(0.0)
        for slot in range(slots):
            x, y, angle, separation = push_contact(
                workspace, column, contact_offset(body, slot), x, y, angle, 1.0,
                robot.local_center[body], robot.inverse_mass[body], robot.inverse_inertia[body],
                IMPACT_BAUMGARTE,
            )  # fmt: skip
            deepest = wp.min(deepest, separation)
        solved = deepest >= WORST_IMPACT_SEPARATION
        iteration += 1
    center = wp.vec2(x, y)
    sweep.start_center = center
    sweep.start_angle = angle
    sweep.start_rotation = rotation_of(angle)
    place(walkers, env, body, center, angle)
    pose = body_pose(robot, walkers, env, body)

    # Velocity iterations, without a warm start. Their impulses are not kept.
    motion = Motion()
    motion.center = center
    motion.angle = angle
    motion.velocity = walkers.body[env, body].velocity
    motion.spin = walkers.body[env, body].spin
    set_velocity(workspace, column, body, motion.velocity[0], motion.velocity[1], motion.spin)
    prepare_contact(robot, workspace, column, 0, contact, center, pose, 0.0)
    slots = int(1)
    i = walkers.contact_count[env] - 1
    while i >= 0:
        other = walkers.contact[env, i]
        if i != first and other.body == body and other.touching == 1 and slots < MAX_TOUCHING:
            prepare_contact(robot, workspace, column, slots, other, center, pose, 0.0)
            slots += 1
        i -= 1
    vx, vy, w = solve_alone(robot, workspace, column, body, slots)

    # The body moves on for the rest of the step.
    motion.velocity = wp.vec2(vx, vy)
    motion.spin = w
    motion = integrate(motion, (1.0 - time) * DT)
    walkers.body[env, body].velocity = motion.velocity
    walkers.body[env, body].spin = motion.spin
    place(walkers, env, body, motion.center, motion.angle)
    sweeps[env, body] = sweep

    # Its other impacts have to be found again, and it may have come near more ground.
    for i in range(walkers.contact_count[env]):
        if walkers.contact[env, i].body == body:
            walkers.contact[env, i].impact_known = 0
    found = int(0)
    if refatten(robot, walkers, sweeps, env, body):
        found = find_new_contacts(ground, walkers, env, 1 << body)
    return found


@wp.func
def solve_impacts(
    robot: Robot,
    ground: Ground,
    walkers: Walkers,
    workspace: Floats,
    sweeps: wp.array2d(dtype=Sweep),
    env: int,
    awake: int,
):
    """Solve impacts, the earliest first, until none is left (b2World::SolveTOI).

    Only bodies in the set `awake` can have one.
    """
    if not any_may_hit(robot, ground, walkers, sweeps, env, awake):
        return
    for i in range(walkers.contact_count[env]):
        walkers.contact[env, i].enabled = 1
        walkers.contact[env, i].impact_known = 0
        walkers.contact[env, i].impact_count = 0
        walkers.contact[env, i].ground_time = 0.0
    woken = awake
    first = next_impact(robot, ground, walkers, sweeps, env, woken)
    while first >= 0:
        woken = woken | solve_impact(robot, ground, walkers, workspace, sweeps, env, first)
        first = next_impact(robot, ground, walkers, sweeps, env, woken)
