"""One step of the world in Box2D 2.3.0's order, and Gymnasium's rules on top of it.

    collide            drop contacts that ended and evaluate the others
    prepare            turn gravity, motors, joints and contacts into velocity constraints
    solve_velocities   up to 180 iterations; `LANES` environments at once on a CPU
    move               integrate the positions of the bodies
    solve_positions    up to 60 iterations push bodies out of the ground and pull joints together
    fall_asleep        stop bodies after half a second at rest; the next step wakes them
    find_new_contacts  find pairs that came near, for the next step
    solve_impacts      time of impact
    answer             24 observations, reward, end of the episode

An environment is reset in the same step in which its episode ends. A reset takes a step of its own,
because Gymnasium's `reset` ends with a step without torque. So a launch goes through all of this a
second time for the environments that ended.
"""

from __future__ import annotations

import numpy as np
import warp as wp

from bipedal.physics.broadphase import (
    Sweep,
    collide,
    find_new_contacts,
    first_fat_box,
    refatten,
)
from bipedal.physics.constants import (
    ANGULAR_SLEEP_TOLERANCE_SQUARED,
    DT,
    FALL_REWARD,
    FAR_END,
    FPS,
    GRAVITY,
    HIP_SPEED,
    HULL,
    KNEE_SPEED,
    LEG_DOWN,
    LEG_HEIGHT,
    LIDAR_RAYS,
    LINEAR_SLEEP_TOLERANCE_SQUARED,
    LOWER_0,
    LOWER_1,
    MAX_TOUCHING,
    NUM_BODIES,
    NUM_JOINTS,
    POSITION_ITERATIONS,
    POSITION_STAGES,
    SCALE,
    START_X,
    START_Y,
    TIME_TO_SLEEP,
    UPPER_0,
    UPPER_1,
    VELOCITY_ITERATIONS,
    VELOCITY_STAGES,
    VIEWPORT_HEIGHT,
    VIEWPORT_WIDTH,
)
from bipedal.physics.contacts import body_pose
from bipedal.physics.geometry import rotate, rotation_of
from bipedal.physics.impact import place, solve_impacts
from bipedal.physics.lanes import LANES
from bipedal.physics.lidar import cast_ray
from bipedal.physics.position import Motion, integrate, prepare_push, solve_positions
from bipedal.physics.state import Ground, Overflow, Robot, Walkers, note_overflow
from bipedal.physics.terrain import draw_push, generate, skip_clouds
from bipedal.physics.velocity import prepare_contact, prepare_joint, solve_velocities
from bipedal.physics.workspace import (
    B,
    C,
    Floats,
    J,
    Vectors,
    body_field,
    clear_column,
    column_start,
    contact_offset,
    copy_column,
    get,
    group_start,
    joint_offset,
    level_lanes,
    place_of,
    put,
    set_place,
    set_velocity,
    velocity_of,
)

# These flags let the CPU use whole vectors. They also inline everything into one function, because
# a call would pass each vector through memory. Warp's default flags would keep LLVM from using
# vectors.
OPTIONS = {
    "enable_backward": False,
    "fuse_fp": False,
    "max_unroll": 1,
    "cpu_compiler_flags": "-march=native -mprefer-vector-width=512 -mllvm=-inline-threshold=9000",
}

_BodyCounts = wp.types.vector(length=NUM_BODIES, dtype=wp.int32)
_Joints = wp.types.vector(length=NUM_JOINTS, dtype=wp.int32)
_NUM_STAGES = wp.constant(len(VELOCITY_STAGES))
_Stages = wp.types.vector(length=len(VELOCITY_STAGES), dtype=wp.int32)
_VELOCITY_STAGES = wp.constant(_Stages(*VELOCITY_STAGES))
_POSITION_STAGES = wp.constant(_Stages(*POSITION_STAGES))
OBSERVATIONS = wp.constant(14 + LIDAR_RAYS)
ALL_BODIES = wp.constant((1 << NUM_BODIES) - 1)
_SPEED_X = wp.constant(wp.float64(VIEWPORT_WIDTH / SCALE))
_SPEED_Y = wp.constant(wp.float64(VIEWPORT_HEIGHT / SCALE))
_ISLAND = wp.constant(_Joints(3, 2, 0, 1))
"""Joints in the order in which Box2D finds them, beginning at the body created last."""
_MOTOR_COST = wp.constant(float(np.float32(0.00035 * 80)))


@wp.struct
class Outcome:
    """Results of a step of N environments; see `bipedal.walker.Step`."""

    observation: wp.array2d(dtype=wp.float32)
    final_observation: wp.array2d(dtype=wp.float32)
    reward: wp.array(dtype=wp.float64)
    terminated: wp.array(dtype=wp.bool)
    truncated: wp.array(dtype=wp.bool)
    distance: wp.array(dtype=wp.float64)


@wp.struct
class Rules:
    """What an episode depends on, besides the actions and the difficulty."""

    time_limit: wp.int32
    generate_ground: wp.int32
    """1: make a new terrain for every episode; 0: keep the one that was given."""
    dt_ratio: wp.float32
    """Factor of the last step's impulses in a warm start (b2TimeStep::dtRatio)."""


# Before the velocities ----------------------------------------------------------------------------


@wp.func
def prepare(
    robot: Robot,
    ground: Ground,
    walkers: Walkers,
    workspace: Floats,
    sweeps: wp.array2d(dtype=Sweep),
    env: int,
    column: int,
    action: wp.vec4,
    rules: Rules,
):
    """Do everything before the velocity iterations."""
    # Contacts first, then gravity and the start of every body's sweep.
    collide(robot, ground, walkers, env)

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


# After the velocities -----------------------------------------------------------------------------


@wp.func
def repeat(value: float, change: float, times: int) -> float:
    """Add `change` to `value` a number of times, with as many roundings."""
    for _time in range(times):
        sum = value + change
        if sum == value:
            break
        value = sum
    return value


@wp.func
def keep_impulses(walkers: Walkers, workspace: Floats, env: int, column: int, left: int):
    """Store the impulses that warm-start the next step.

    `left` is the number of iterations that were spared because they would change nothing but the
    sums of the pins' impulses, each by the same amount.
    """
    for joint in range(NUM_JOINTS):
        at = joint_offset(joint)
        walkers.joint[env, joint].impulse = wp.vec3(
            repeat(
                get(workspace, column, at + int(J.IMPULSE_X)),
                get(workspace, column, at + int(J.CHANGE_X)),
                left,
            ),
            repeat(
                get(workspace, column, at + int(J.IMPULSE_Y)),
                get(workspace, column, at + int(J.CHANGE_Y)),
                left,
            ),
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
def keep_velocities(walkers: Walkers, workspace: Floats, env: int, column: int, left: int):
    """Copy the result of the velocity iterations from a column."""
    for body in range(NUM_BODIES):
        vx, vy, w = velocity_of(workspace, column, body)
        walkers.body[env, body].velocity = wp.vec2(vx, vy)
        walkers.body[env, body].spin = w
    keep_impulses(walkers, workspace, env, column, left)


@wp.func
def move(robot: Robot, walkers: Walkers, workspace: Floats, env: int, column: int):
    """Integrate the positions and write the position constraints."""
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
    for joint in range(NUM_JOINTS):
        at_limit = float(walkers.joint[env, joint].at_limit)
        put(workspace, column, joint_offset(joint) + int(J.AT_LIMIT), at_limit)
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


@wp.func
def fall_asleep(walkers: Walkers, env: int, solved: bool) -> bool:
    """Count the time at rest and stop all bodies after half a second. Returns whether it did."""
    shortest = float(1.0e30)
    for body in range(NUM_BODIES):
        velocity = walkers.body[env, body].velocity
        spin = walkers.body[env, body].spin
        if (
            spin * spin > ANGULAR_SLEEP_TOLERANCE_SQUARED
            or wp.dot(velocity, velocity) > LINEAR_SLEEP_TOLERANCE_SQUARED
        ):
            walkers.body[env, body].sleep_time = 0.0
            shortest = float(0.0)
        else:
            walkers.body[env, body].sleep_time = walkers.body[env, body].sleep_time + DT
            shortest = wp.min(shortest, walkers.body[env, body].sleep_time)
    asleep = shortest >= TIME_TO_SLEEP and solved
    if asleep:
        for body in range(NUM_BODIES):
            walkers.body[env, body].sleep_time = 0.0
            walkers.body[env, body].velocity = wp.vec2(0.0, 0.0)
            walkers.body[env, body].spin = 0.0
    return asleep


@wp.func
def finish(
    robot: Robot,
    ground: Ground,
    walkers: Walkers,
    workspace: Floats,
    sweeps: wp.array2d(dtype=Sweep),
    env: int,
):
    """Do everything that follows the position iterations."""
    asleep = fall_asleep(walkers, env, walkers.solved[env] == 1)
    awake = wp.where(asleep, 0, ALL_BODIES)
    moved = int(0)
    for body in range(NUM_BODIES):
        if refatten(robot, walkers, sweeps, env, body):
            moved = moved | (1 << body)
    if moved != 0:
        awake = awake | find_new_contacts(ground, walkers, env, moved)  # which wakes a body
    if awake != 0:
        solve_impacts(robot, ground, walkers, workspace, sweeps, env, awake)


# Gymnasium's rules --------------------------------------------------------------------------------


@wp.func
def observe_joint(
    robot: Robot,
    walkers: Walkers,
    env: int,
    joint: int,
    row: wp.array(dtype=float),
    at: int,
    offset: float,
    speed: float,
):
    """Write the scaled angle and speed of a joint into two elements of an observation."""
    a = robot.body_a[joint]
    b = robot.body_b[joint]
    angle = walkers.body[env, b].angle - walkers.body[env, a].angle - robot.reference_angle[joint]
    row[at] = angle + offset
    row[at + 1] = (walkers.body[env, b].spin - walkers.body[env, a].spin) / speed


@wp.func
def observe(robot: Robot, ground: Ground, walkers: Walkers, env: int, row: wp.array(dtype=float)):
    """Write the 24 elements of an observation."""
    velocity = walkers.body[env, HULL].velocity
    row[0] = walkers.body[env, HULL].angle
    row[1] = 2.0 * walkers.body[env, HULL].spin / float(FPS)
    fps = wp.float64(FPS)
    row[2] = float(wp.float64(0.3) * wp.float64(velocity[0]) * _SPEED_X / fps)
    row[3] = float(wp.float64(0.3) * wp.float64(velocity[1]) * _SPEED_Y / fps)
    observe_joint(robot, walkers, env, 0, row, 4, 0.0, HIP_SPEED)
    observe_joint(robot, walkers, env, 1, row, 6, 1.0, KNEE_SPEED)
    row[8] = float(walkers.foot_flag[env, 0])
    observe_joint(robot, walkers, env, 2, row, 9, 0.0, HIP_SPEED)
    observe_joint(robot, walkers, env, 3, row, 11, 1.0, KNEE_SPEED)
    row[13] = float(walkers.foot_flag[env, 1])
    origin = body_pose(robot, walkers, env, HULL).origin
    for ray in range(LIDAR_RAYS):
        row[14 + ray] = cast_ray(ground, env, origin, ray)


@wp.func
def shaping(x: float, angle: float) -> wp.float64:
    """Gymnasium's potential: how far and how upright the hull is. Its growth is the reward."""
    return wp.float64(130.0) * wp.float64(x) / wp.float64(SCALE) - wp.float64(5.0) * wp.float64(
        wp.abs(angle)
    )


@wp.func
def reward_of(progress: wp.float64, action: wp.vec4) -> float:
    """Growth of the potential less what the motors' torques cost.

    With actions of type float32, numpy makes float32 of everything here.
    """
    reward = float(progress)
    for joint in range(NUM_JOINTS):
        reward -= _MOTOR_COST * wp.min(wp.abs(action[joint]), 1.0)
    return reward


@wp.func
def create_body(robot: Robot, walkers: Walkers, env: int, body: int, y: float, angle: float):
    """Create a body at rest where Gymnasium does."""
    origin = wp.vec2(START_X, y)
    rotation = rotation_of(angle)
    center = origin + rotate(rotation, robot.local_center[body])
    place(walkers, env, body, center, angle)
    walkers.body[env, body].velocity = wp.vec2(0.0, 0.0)
    walkers.body[env, body].spin = 0.0
    walkers.body[env, body].sleep_time = 0.0
    first_fat_box(robot, walkers, env, body)


@wp.func
def reset(
    robot: Robot,
    ground: Ground,
    walkers: Walkers,
    difficulty: wp.array2d(dtype=float),
    env: int,
    rules: Rules,
):
    """Begin the next episode, up to its first step."""
    if rules.generate_ground == 1:
        generate(ground, walkers.overflow, env, difficulty, walkers.generator)
        skip_clouds(walkers.generator, env)
        walkers.start_force[env] = draw_push(walkers.generator, env)
    create_body(robot, walkers, env, HULL, START_Y, 0.0)
    upper = START_Y - LEG_HEIGHT / 2.0 - LEG_DOWN
    lower = START_Y - LEG_HEIGHT * 3.0 / 2.0 - LEG_DOWN
    create_body(robot, walkers, env, UPPER_0, upper, -0.05)
    create_body(robot, walkers, env, LOWER_0, lower, -0.05)
    create_body(robot, walkers, env, UPPER_1, upper, 0.05)
    create_body(robot, walkers, env, LOWER_1, lower, 0.05)
    for joint in range(NUM_JOINTS):
        walkers.joint[env, joint].impulse = wp.vec3(0.0, 0.0, 0.0)
        walkers.joint[env, joint].motor_impulse = 0.0
        walkers.joint[env, joint].at_limit = 0
    walkers.contact_count[env] = 0
    walkers.foot_flag[env, 0] = 0
    walkers.foot_flag[env, 1] = 0
    walkers.hull_down[env] = 0
    walkers.steps[env] = -1
    find_new_contacts(ground, walkers, env, (1 << NUM_BODIES) - 1)


@wp.func
def answer(
    robot: Robot,
    ground: Ground,
    walkers: Walkers,
    outcome: Outcome,
    env: int,
    action: wp.vec4,
    before: wp.float64,
    rules: Rules,
) -> bool:
    """Write an environment's row of the outcome. Returns whether its episode is over."""
    x = body_pose(robot, walkers, env, HULL).origin[0]
    steps = walkers.steps[env] + 1
    walkers.steps[env] = steps
    if steps == 0:
        walkers.start_x[env] = x
        observe(robot, ground, walkers, env, outcome.observation[env])
        return False
    observe(robot, ground, walkers, env, outcome.final_observation[env])
    for i in range(OBSERVATIONS):
        outcome.observation[env, i] = outcome.final_observation[env, i]
    reward = reward_of(shaping(x, walkers.body[env, HULL].angle) - before, action)
    fell = walkers.hull_down[env] == 1 or x < 0.0
    terminated = fell or x > FAR_END
    truncated = steps >= rules.time_limit
    outcome.reward[env] = wp.float64(wp.where(fell, FALL_REWARD, reward))
    outcome.terminated[env] = terminated
    outcome.truncated[env] = truncated
    outcome.distance[env] = wp.float64(x) - wp.float64(walkers.start_x[env])
    return terminated or truncated


# The kernel ---------------------------------------------------------------------------------------


@wp.func
def clean_action(actions: wp.array2d(dtype=float), env: int, starting: bool) -> wp.vec4:
    """The environment's action; zeros in an episode's first step."""
    action = wp.vec4(0.0, 0.0, 0.0, 0.0)
    if not starting:
        action = wp.vec4(actions[env, 0], actions[env, 1], actions[env, 2], actions[env, 3])
    return action


@wp.func
def begin(
    robot: Robot,
    ground: Ground,
    walkers: Walkers,
    difficulty: wp.array2d(dtype=float),
    rules: Rules,
    workspace: Floats,
    sweeps: wp.array2d(dtype=Sweep),
    before: wp.array(dtype=wp.float64),
    actions: wp.array2d(dtype=float),
    env: int,
    column: int,
    resetting: bool,
):
    """Do an environment's part before the iterations."""
    if resetting:
        reset(robot, ground, walkers, difficulty, env, rules)
    x = body_pose(robot, walkers, env, HULL).origin[0]
    before[env] = shaping(x, walkers.body[env, HULL].angle)
    action = clean_action(actions, env, resetting)
    prepare(robot, ground, walkers, workspace, sweeps, env, column, action, rules)


@wp.func
def end(
    robot: Robot,
    ground: Ground,
    walkers: Walkers,
    rules: Rules,
    workspace: Floats,
    sweeps: wp.array2d(dtype=Sweep),
    before: wp.array(dtype=wp.float64),
    actions: wp.array2d(dtype=float),
    outcome: Outcome,
    env: int,
    resetting: bool,
) -> bool:
    """Do an environment's part after the iterations. Returns whether its episode is over."""
    finish(robot, ground, walkers, workspace, sweeps, env)
    action = clean_action(actions, env, resetting)
    return answer(robot, ground, walkers, outcome, env, action, before[env], rules)


@wp.func
def iterate_velocities(
    robot: Robot,
    walkers: Walkers,
    vectors: Vectors,
    floats: Floats,
    env_of: wp.array(dtype=wp.int32),
    first: int,
    filled: int,
):
    """Do all velocity iterations of the columns from `first` to `first + filled`.

    After each stage the environments that converged leave, and the rest move up.
    """
    left = filled
    iterations = int(VELOCITY_ITERATIONS)
    for stage in range(_NUM_STAGES):
        iterations -= _VELOCITY_STAGES[stage]
        fill_up(floats, first, left)
        for group in range((left + LANES - 1) // LANES):
            level_lanes(floats, first // LANES + group)
            solve_velocities(
                robot, vectors, group_start(first // LANES + group), _VELOCITY_STAGES[stage]
            )
        last = stage == _NUM_STAGES - 1
        kept = int(0)
        for column in range(first, first + left):
            at = column_start(column)
            if last or get(floats, at, int(B.UNFINISHED)) == 0.0:
                keep_velocities(walkers, floats, env_of[column], at, iterations)
            else:
                move_column(floats, env_of, column, first + kept)
                kept += 1
        left = kept


@wp.func
def iterate_positions(
    robot: Robot,
    walkers: Walkers,
    vectors: Vectors,
    floats: Floats,
    env_of: wp.array(dtype=wp.int32),
    first: int,
    filled: int,
):
    """Do all position iterations in the same way."""
    left = filled
    for stage in range(_NUM_STAGES):
        fill_up(floats, first, left)
        for group in range((left + LANES - 1) // LANES):
            level_lanes(floats, first // LANES + group)
            solve_positions(
                robot, vectors, group_start(first // LANES + group), _POSITION_STAGES[stage]
            )
        last = stage == _NUM_STAGES - 1
        kept = int(0)
        for column in range(first, first + left):
            if last or get(floats, column_start(column), int(B.UNFINISHED)) == 0.0:
                keep_places(walkers, floats, env_of[column], column_start(column))
            else:
                move_column(floats, env_of, column, first + kept)
                kept += 1
        left = kept


@wp.func
def fill_up(floats: Floats, first: int, filled: int):
    """Clear the lanes that are left over in the last group."""
    over = filled % LANES
    if over > 0:
        for column in range(first + filled, first + filled + LANES - over):
            clear_column(floats, column)


@wp.func
def move_column(floats: Floats, env_of: wp.array(dtype=wp.int32), source: int, target: int):
    """Move an environment to an earlier column."""
    if source != target:
        copy_column(floats, source, target)
        env_of[target] = env_of[source]


@wp.kernel(module="unique", module_options=OPTIONS)
def step_blocks(
    robot: Robot,
    ground: Ground,
    walkers: Walkers,
    difficulty: wp.array2d(dtype=float),
    rules: Rules,
    vectors: Vectors,
    floats: Floats,
    env_of: wp.array(dtype=wp.int32),
    sweeps: wp.array2d(dtype=Sweep),
    before: wp.array(dtype=wp.float64),
    active: wp.array(dtype=wp.int32),
    actions: wp.array2d(dtype=float),
    outcome: Outcome,
    num_envs: int,
    first_block: int,
    block_size: int,
    resetting: int,
):
    """Step `block_size` environments in each thread; for CPUs.

    With `resetting` 1 it begins a new episode where `active` is 1, instead of stepping everywhere.
    """
    # Phase 0 steps every environment. Phase 1 begins the next episode where one has ended.
    first = (first_block + wp.tid()) * block_size
    stop = wp.min(first + block_size, num_envs)
    for phase in range(resetting, 2):
        filled = int(0)
        for env in range(first, stop):
            if phase == 0 or active[env] == 1:
                column = first + filled
                env_of[column] = env
                begin(
                    robot, ground, walkers, difficulty, rules, floats, sweeps, before, actions,
                    env, column_start(column), phase == 1,
                )  # fmt: skip
                filled += 1
        iterate_velocities(robot, walkers, vectors, floats, env_of, first, filled)
        filled = int(0)
        for env in range(first, stop):
            if phase == 0 or active[env] == 1:
                column = first + filled
                env_of[column] = env
                move(robot, walkers, floats, env, column_start(column))
                filled += 1
        iterate_positions(robot, walkers, vectors, floats, env_of, first, filled)
        again = int(0)
        for env in range(first, stop):
            if phase == 0 or active[env] == 1:
                over = end(
                    robot, ground, walkers, rules, floats, sweeps, before, actions, outcome,
                    env, phase == 1,
                )  # fmt: skip
                active[env] = int(over)
                again += int(over)
        if again == 0:
            break


@wp.kernel(module="unique", module_options=OPTIONS)
def step_each(
    robot: Robot,
    ground: Ground,
    walkers: Walkers,
    difficulty: wp.array2d(dtype=float),
    rules: Rules,
    floats: Floats,
    sweeps: wp.array2d(dtype=Sweep),
    before: wp.array(dtype=wp.float64),
    active: wp.array(dtype=wp.int32),
    actions: wp.array2d(dtype=float),
    outcome: Outcome,
    resetting: int,
):
    """Do the same as `step_blocks` with one environment in each thread; for GPUs."""
    env = wp.tid()
    column = column_start(env)
    for phase in range(resetting, 2):
        if phase == 0 or active[env] == 1:
            begin(
                robot, ground, walkers, difficulty, rules, floats, sweeps, before, actions,
                env, column, phase == 1,
            )  # fmt: skip
            iterations = int(VELOCITY_ITERATIONS)
            for stage in range(_NUM_STAGES):
                solve_velocities(robot, floats, column, _VELOCITY_STAGES[stage])
                iterations -= _VELOCITY_STAGES[stage]
                if get(floats, column, int(B.UNFINISHED)) == 0.0:
                    break
            keep_velocities(walkers, floats, env, column, iterations)
            move(robot, walkers, floats, env, column)
            solve_positions(robot, floats, column, POSITION_ITERATIONS)
            keep_places(walkers, floats, env, column)
            over = end(
                robot, ground, walkers, rules, floats, sweeps, before, actions, outcome,
                env, phase == 1,
            )  # fmt: skip
            active[env] = int(over)
