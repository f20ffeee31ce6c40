"""Gymnasium's rules: how an episode begins, what is observed, what is rewarded, when it ends."""

from __future__ import annotations

import numpy as np
import warp as wp

from bipedal.physics.broadphase import find_new_contacts, first_fat_box
from bipedal.physics.constants import (
    FALL_REWARD,
    FAR_END,
    FPS,
    HIP_SPEED,
    HULL,
    KNEE_SPEED,
    LIDAR_RAYS,
    LOWER_0,
    LOWER_1,
    LOWER_START_Y,
    MODULE_OPTIONS,
    MOTOR_COST,
    NUM_BODIES,
    NUM_JOINTS,
    SCALE,
    START_X,
    START_Y,
    UPPER_0,
    UPPER_1,
    UPPER_START_Y,
    VIEWPORT_HEIGHT,
    VIEWPORT_WIDTH,
)
from bipedal.physics.contacts import body_pose
from bipedal.physics.geometry import rotate
from bipedal.physics.impact import place
from bipedal.physics.lidar import cast_ray
from bipedal.physics.state import Ground, Robot, Walkers
from bipedal.physics.terrain import draw_push, generate, skip_clouds
from bipedal.physics.trigonometry import rotation_of

wp.set_module_options(MODULE_OPTIONS)

OBSERVATIONS = wp.constant(14 + LIDAR_RAYS)
_SPEED_X = wp.constant(wp.float64(VIEWPORT_WIDTH / SCALE))
_SPEED_Y = wp.constant(wp.float64(VIEWPORT_HEIGHT / SCALE))
_MOTOR_COST = wp.constant(float(np.float32(MOTOR_COST)))


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
    autoreset: wp.int32
    """1: an environment begins its next episode in the step in which the last one ends; 0: it goes
    on as it is until it is told to."""
    rest: wp.int32
    """1: an environment whose episode is over stands still until it is told to begin the next."""
    generate_ground: wp.int32
    """1: make a new terrain for every episode; 0: keep the one that was given."""
    dt_ratio: wp.float32
    """Factor of the last step's impulses in a warm start (b2TimeStep::dtRatio)."""


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
    create_body(robot, walkers, env, UPPER_0, UPPER_START_Y, -0.05)
    create_body(robot, walkers, env, LOWER_0, LOWER_START_Y, -0.05)
    create_body(robot, walkers, env, UPPER_1, UPPER_START_Y, 0.05)
    create_body(robot, walkers, env, LOWER_1, LOWER_START_Y, 0.05)
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
        if rules.autoreset == 0:
            outcome.terminated[env] = False
            outcome.truncated[env] = False
        return False
    observe(robot, ground, walkers, env, outcome.final_observation[env])
    for i in range(OBSERVATIONS):
        outcome.observation[env, i] = outcome.final_observation[env, i]
    reward = reward_of(shaping(x, walkers.body[env, HULL].angle) - before, action)
    fell = walkers.hull_down[env] == 1 or x < 0.0
    terminated = fell or wp.float64(x) > wp.float64(FAR_END)
    truncated = steps >= rules.time_limit
    outcome.reward[env] = wp.float64(wp.where(fell, FALL_REWARD, reward))
    outcome.terminated[env] = terminated
    outcome.truncated[env] = truncated
    outcome.distance[env] = wp.float64(x) - wp.float64(walkers.start_x[env])
    return terminated or truncated


@wp.func
def clean_action(actions: wp.array2d(dtype=float), env: int, starting: bool) -> wp.vec4:
    """The environment's action; zeros in an episode's first step."""
    action = wp.vec4(0.0, 0.0, 0.0, 0.0)
    if not starting:
        action = wp.vec4(actions[env, 0], actions[env, 1], actions[env, 2], actions[env, 3])
    return action
