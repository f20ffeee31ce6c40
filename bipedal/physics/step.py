"""One step of the world in Box2D 2.3.0's order, and Gymnasium's rules on top of it.

    begin        a new episode where one is due; contacts that ended are dropped, the others
                 evaluated
    set_up       gravity, motors, joints and contacts become velocity constraints
    ...          180 velocity iterations (`velocity.py`)
    move         the bodies move, and contacts become position constraints
    ...          up to 60 position iterations push bodies out of the ground and pull joints together
                 (`position.py`)
    end          bodies at rest fall asleep; pairs that came near are noted for the next step; times
                 of impact; observation, reward, end of the episode

`blocks.py` does this for many environments. An environment is reset in the same step in which its
episode ends, unless `Rules.autoreset` is 0. A reset takes a step of its own, because Gymnasium's
`reset` ends with a step without torque: that is the second phase of a launch.
"""

from __future__ import annotations

import warp as wp

from bipedal.physics.broadphase import Sweep, collide, find_new_contacts, refatten
from bipedal.physics.constants import HULL, MODULE_OPTIONS, NUM_BODIES
from bipedal.physics.constraints import write_velocity_constraints
from bipedal.physics.contacts import body_pose
from bipedal.physics.impact import solve_impacts
from bipedal.physics.rules import Outcome, Rules, answer, clean_action, reset, shaping
from bipedal.physics.sleep import fall_asleep
from bipedal.physics.state import Ground, Robot, Walkers
from bipedal.physics.workspace import Floats

wp.set_module_options(MODULE_OPTIONS)

_ALL_BODIES = wp.constant((1 << NUM_BODIES) - 1)


@wp.struct
class Scratch:
    """What a step remembers of each environment until it is done."""

    sweep: wp.array2d(dtype=Sweep)
    """(N, 5)"""
    before: wp.array(dtype=wp.float64)
    """(N,) Gymnasium's potential before the step."""
    active: wp.array(dtype=wp.int32)
    """(N,) 1 if the next episode is to begin in the second phase."""
    row_of: wp.array(dtype=wp.int32)
    """(N,) the environment that is in a column of the workspace."""
    order: wp.array(dtype=wp.int32)
    """(N,) the environments of a block, those with alike constraints side by side."""
    likeness: wp.array(dtype=wp.int32)
    """(N,) a number that environments with alike constraints share, in `order`."""


@wp.func
def begin(
    robot: Robot,
    ground: Ground,
    walkers: Walkers,
    difficulty: wp.array2d(dtype=float),
    rules: Rules,
    scratch: Scratch,
    env: int,
    resetting: bool,
):
    """Begin an episode if one is due, and find out what touches what."""
    if resetting:
        reset(robot, ground, walkers, difficulty, env, rules)
    x = body_pose(robot, walkers, env, HULL).origin[0]
    scratch.before[env] = shaping(x, walkers.body[env, HULL].angle)
    collide(robot, ground, walkers, env)


@wp.func
def set_up(
    robot: Robot,
    walkers: Walkers,
    rules: Rules,
    scratch: Scratch,
    workspace: Floats,
    actions: wp.array2d(dtype=float),
    env: int,
    column: int,
    resetting: bool,
):
    """Write an environment's velocity constraints into a column."""
    action = clean_action(actions, env, resetting)
    write_velocity_constraints(robot, walkers, workspace, scratch.sweep, env, column, action, rules)


@wp.func
def end(
    robot: Robot,
    ground: Ground,
    walkers: Walkers,
    rules: Rules,
    scratch: Scratch,
    workspace: Floats,
    actions: wp.array2d(dtype=float),
    outcome: Outcome,
    env: int,
    resetting: bool,
) -> bool:
    """Do everything that follows the iterations. Returns whether the next episode begins now."""
    awake = int(_ALL_BODIES)
    if fall_asleep(walkers, env, walkers.solved[env] == 1):
        awake = int(0)
    moved = int(0)
    for body in range(NUM_BODIES):
        if refatten(robot, walkers, scratch.sweep, env, body):
            moved = moved | (1 << body)
    if moved != 0:
        awake = awake | find_new_contacts(ground, walkers, env, moved)  # which wakes a body
    if awake != 0:
        solve_impacts(robot, ground, walkers, workspace, scratch.sweep, env, awake)
    action = clean_action(actions, env, resetting)
    over = answer(robot, ground, walkers, outcome, env, action, scratch.before[env], rules)
    return over and rules.autoreset == 1
