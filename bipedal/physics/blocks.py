"""How environments are shared out among threads and lanes.

A CPU thread takes a *block* of environments through a step together. It puts them side by side
into the columns of the workspace, `LANES` columns to a group, and a group goes through the
iterations in vectors. Every lane takes the branches that one of them needs, so environments with
alike constraints are put side by side.

On a GPU a thread takes one environment, whose column is its own.
"""

from __future__ import annotations

import warp as wp

from bipedal.physics.constants import (
    LOWER_0,
    LOWER_1,
    MODULE_OPTIONS,
    NUM_JOINTS,
    POSITION_ITERATIONS,
    POSITION_STAGES,
)
from bipedal.physics.constraints import keep_places, keep_velocities, move
from bipedal.physics.lanes import LANES
from bipedal.physics.position import solve_positions
from bipedal.physics.rules import Outcome, Rules
from bipedal.physics.state import Ground, Robot, Walkers
from bipedal.physics.step import Scratch, begin, end, set_up
from bipedal.physics.velocity import limit_of, solve_velocities
from bipedal.physics.workspace import (
    B,
    Floats,
    Vectors,
    clear_column,
    column_start,
    copy_column,
    get,
    group_start,
    level_lanes,
)

# These flags let the CPU use whole vectors. They also inline everything into one function, because
# a call would pass each vector through memory. Warp's default flags would keep LLVM from using
# vectors.
OPTIONS = {
    **MODULE_OPTIONS,
    "cpu_compiler_flags": "-march=native -mprefer-vector-width=512 -mllvm=-inline-threshold=9000",
}

_NUM_STAGES = wp.constant(len(POSITION_STAGES))
_Stages = wp.types.vector(length=len(POSITION_STAGES), dtype=wp.int32)
_POSITION_STAGES = wp.constant(_Stages(*POSITION_STAGES))


@wp.func
def likeness(robot: Robot, walkers: Walkers, env: int) -> int:
    """A number that environments share whose joints and contacts need the same branches."""
    key = int(0)
    for joint in range(NUM_JOINTS):
        if limit_of(robot, walkers, env, joint) != 0:
            key = key | (1 << joint)
    for i in range(walkers.contact_count[env]):
        if walkers.contact[env, i].touching == 1:
            body = walkers.contact[env, i].body
            if body == LOWER_0:
                key += 16
            elif body == LOWER_1:
                key += 16 * 8
            else:
                key += 16 * 64
    return key


@wp.func
def insert(scratch: Scratch, first: int, count: int, env: int, key: int):
    """Insert an environment into the `count` sorted ones of a block."""
    at = first + count
    while at > first and scratch.likeness[at - 1] > key:
        scratch.likeness[at] = scratch.likeness[at - 1]
        scratch.order[at] = scratch.order[at - 1]
        at -= 1
    scratch.likeness[at] = key
    scratch.order[at] = env


@wp.func
def fill_up(floats: Floats, first: int, filled: int):
    """Clear the lanes that are left over in the last group."""
    over = filled % LANES
    if over > 0:
        for column in range(first + filled, first + filled + LANES - over):
            clear_column(floats, column)


@wp.func
def move_column(floats: Floats, scratch: Scratch, source: int, target: int):
    """Move an environment to an earlier column."""
    if source != target:
        copy_column(floats, source, target)
        scratch.row_of[target] = scratch.row_of[source]


@wp.func
def iterate_velocities(
    robot: Robot,
    walkers: Walkers,
    scratch: Scratch,
    vectors: Vectors,
    floats: Floats,
    first: int,
    filled: int,
):
    """Do the velocity iterations of the columns from `first` to `first + filled`."""
    fill_up(floats, first, filled)
    for group in range((filled + LANES - 1) // LANES):
        level_lanes(floats, first // LANES + group)
        solve_velocities(robot, vectors, group_start(first // LANES + group))
    for column in range(first, first + filled):
        keep_velocities(walkers, floats, scratch.row_of[column], column_start(column))


@wp.func
def iterate_positions(
    robot: Robot,
    walkers: Walkers,
    scratch: Scratch,
    vectors: Vectors,
    floats: Floats,
    first: int,
    filled: int,
):
    """Do the position iterations of the columns from `first` to `first + filled`.

    After each stage the environments leave whose errors are small, and the rest move up.
    """
    left = filled
    for stage in range(_NUM_STAGES):
        fill_up(floats, first, left)
        for group in range((left + LANES - 1) // LANES):
            level_lanes(floats, first // LANES + group)
            solve_positions(
                robot, vectors, group_start(first // LANES + group), _POSITION_STAGES[stage]
            )
        kept = int(0)
        for column in range(first, first + left):
            at = column_start(column)
            if stage == _NUM_STAGES - 1 or get(floats, at, int(B.UNFINISHED)) == 0.0:
                keep_places(walkers, floats, scratch.row_of[column], at)
            else:
                move_column(floats, scratch, column, first + kept)
                kept += 1
        left = kept


@wp.func
def takes_part(rules: Rules, scratch: Scratch, outcome: Outcome, env: int, resetting: bool) -> bool:
    """Whether an environment is stepped, or with `resetting` begins an episode."""
    if resetting:
        return scratch.active[env] == 1
    return rules.rest == 0 or not (outcome.terminated[env] or outcome.truncated[env])


@wp.func
def begin_block(
    robot: Robot,
    ground: Ground,
    walkers: Walkers,
    difficulty: wp.array2d(dtype=float),
    rules: Rules,
    scratch: Scratch,
    outcome: Outcome,
    first: int,
    stop: int,
    resetting: bool,
) -> int:
    """`begin` for the environments that take part, and sort them; returns their number."""
    filled = int(0)
    for env in range(first, stop):
        if takes_part(rules, scratch, outcome, env, resetting):
            begin(robot, ground, walkers, difficulty, rules, scratch, env, resetting)
            insert(scratch, first, filled, env, likeness(robot, walkers, env))
            filled += 1
    return filled


@wp.func
def set_up_block(
    robot: Robot,
    walkers: Walkers,
    rules: Rules,
    scratch: Scratch,
    floats: Floats,
    actions: wp.array2d(dtype=float),
    first: int,
    filled: int,
    resetting: bool,
):
    """`set_up` for the environments of a block, each in a column of its own."""
    for column in range(first, first + filled):
        env = scratch.order[column]
        scratch.row_of[column] = env
        unit = column_start(column)
        set_up(robot, walkers, rules, scratch, floats, actions, env, unit, resetting)


@wp.func
def move_block(
    robot: Robot, walkers: Walkers, scratch: Scratch, floats: Floats, first: int, filled: int
):
    """`move` for the environments of a block, in the same columns."""
    for column in range(first, first + filled):
        move(robot, walkers, floats, scratch.row_of[column], column_start(column))


@wp.func
def end_block(
    robot: Robot,
    ground: Ground,
    walkers: Walkers,
    rules: Rules,
    scratch: Scratch,
    floats: Floats,
    actions: wp.array2d(dtype=float),
    outcome: Outcome,
    first: int,
    filled: int,
    resetting: bool,
) -> int:
    """`end` for the environments of a block; returns how many begin another episode."""
    again = int(0)
    for column in range(first, first + filled):
        env = scratch.order[column]
        over = end(
            robot, ground, walkers, rules, scratch, floats, actions, outcome, env, resetting
        )  # fmt: skip
        scratch.active[env] = int(over)
        again += int(over)
    return again


@wp.kernel(module="unique", module_options=OPTIONS)
def step_blocks(
    robot: Robot,
    ground: Ground,
    walkers: Walkers,
    difficulty: wp.array2d(dtype=float),
    rules: Rules,
    scratch: Scratch,
    vectors: Vectors,
    floats: Floats,
    actions: wp.array2d(dtype=float),
    outcome: Outcome,
    num_envs: int,
    first_block: int,
    block_size: int,
    resetting: int,
):
    """Step `block_size` environments in each thread; for CPUs.

    With `resetting` 1 it begins a new episode where `scratch.active` is 1, instead of stepping
    everywhere.
    """
    # Phase 0 steps every environment. Phase 1 begins the next episode where one has ended.
    first = (first_block + wp.tid()) * block_size
    stop = wp.min(first + block_size, num_envs)
    for phase in range(resetting, 2):
        filled = begin_block(
            robot, ground, walkers, difficulty, rules, scratch, outcome, first, stop, phase == 1
        )
        set_up_block(robot, walkers, rules, scratch, floats, actions, first, filled, phase == 1)
        iterate_velocities(robot, walkers, scratch, vectors, floats, first, filled)
        move_block(robot, walkers, scratch, floats, first, filled)
        iterate_positions(robot, walkers, scratch, vectors, floats, first, filled)
        again = end_block(
            robot, ground, walkers, rules, scratch, floats, actions, outcome,
            first, filled, phase == 1,
        )  # fmt: skip
        if again == 0:
            break


@wp.kernel(module="unique", module_options=OPTIONS, grid_stride=False)
def step_each(
    robot: Robot,
    ground: Ground,
    walkers: Walkers,
    difficulty: wp.array2d(dtype=float),
    rules: Rules,
    scratch: Scratch,
    floats: Floats,
    actions: wp.array2d(dtype=float),
    outcome: Outcome,
    resetting: int,
):
    """Do the same as `step_blocks` with one environment in each thread; for GPUs."""
    env = wp.tid()
    column = column_start(env)
    for phase in range(resetting, 2):
        if takes_part(rules, scratch, outcome, env, phase == 1):
            begin(robot, ground, walkers, difficulty, rules, scratch, env, phase == 1)
            set_up(robot, walkers, rules, scratch, floats, actions, env, column, phase == 1)
            solve_velocities(robot, floats, column)
            keep_velocities(walkers, floats, env, column)
            move(robot, walkers, floats, env, column)
            solve_positions(robot, floats, column, POSITION_ITERATIONS)
            keep_places(walkers, floats, env, column)
            over = end(
                robot, ground, walkers, rules, scratch, floats, actions, outcome,
                env, phase == 1,
            )  # fmt: skip
            scratch.active[env] = int(over)
