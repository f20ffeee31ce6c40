"""Where does a step's time go? The parts of the engine's kernel, each launched by itself.

    python benchmarks/engine_profile.py [--hardcore]      (a minute; one core)

Prints microseconds an environment and step, while the pretrained walker walks.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import torch
import warp as wp

from bipedal.checkpoint import load_model
from bipedal.engines.warp import WarpEngine
from bipedal.physics.broadphase import Sweep
from bipedal.physics.state import Ground, Robot, Walkers
from bipedal.physics.step import (
    OPTIONS,
    Outcome,
    Rules,
    answer,
    begin,
    finish,
    iterate_positions,
    iterate_velocities,
    move,
)
from bipedal.physics.workspace import Floats, Vectors, column_start
from bipedal.walker import ENV_IDS

BLOCK = 128
wp.set_module_options(OPTIONS)


@wp.kernel
def begin_kernel(
    robot: Robot,
    ground: Ground,
    walkers: Walkers,
    difficulty: wp.array2d(dtype=float),
    rules: Rules,
    floats: Floats,
    env_of: wp.array(dtype=int),
    sweeps: wp.array2d(dtype=Sweep),
    before: wp.array(dtype=wp.float64),
    actions: wp.array2d(dtype=float),
):
    """Collide, and set the velocity constraints up."""
    env = wp.tid()
    env_of[env] = env
    begin(
        robot, ground, walkers, difficulty, rules, floats, sweeps, before, actions,
        env, column_start(env), False,
    )  # fmt: skip


@wp.kernel
def velocity_kernel(
    robot: Robot, walkers: Walkers, vectors: Vectors, floats: Floats, env_of: wp.array(dtype=int)
):
    """The velocity iterations."""
    iterate_velocities(robot, walkers, vectors, floats, env_of, wp.tid() * BLOCK, BLOCK)


@wp.kernel
def move_kernel(robot: Robot, walkers: Walkers, floats: Floats, env_of: wp.array(dtype=int)):
    """Integrate, and set the position constraints up."""
    env = wp.tid()
    env_of[env] = env
    move(robot, walkers, floats, env, column_start(env))


@wp.kernel
def position_kernel(
    robot: Robot, walkers: Walkers, vectors: Vectors, floats: Floats, env_of: wp.array(dtype=int)
):
    """The position iterations."""
    iterate_positions(robot, walkers, vectors, floats, env_of, wp.tid() * BLOCK, BLOCK)


@wp.kernel
def finish_kernel(
    robot: Robot,
    ground: Ground,
    walkers: Walkers,
    floats: Floats,
    sweeps: wp.array2d(dtype=Sweep),
):
    """Sleep, broad phase, time of impact."""
    finish(robot, ground, walkers, floats, sweeps, wp.tid())


@wp.kernel
def answer_kernel(
    robot: Robot,
    ground: Ground,
    walkers: Walkers,
    outcome: Outcome,
    before: wp.array(dtype=wp.float64),
    rules: Rules,
):
    """Lidar, observation, reward."""
    env = wp.tid()
    action = wp.vec4(0.0, 0.0, 0.0, 0.0)
    answer(robot, ground, walkers, outcome, env, action, before[env], rules)


def main() -> None:
    """Alternate whole steps with steps taken part by part."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--hardcore", action="store_true")
    parser.add_argument("--num-envs", type=int, default=1024)
    parser.add_argument("--steps", type=int, default=400)
    options = parser.parse_args()
    torch.set_num_threads(1)
    size = options.num_envs
    e = WarpEngine(ENV_IDS[options.hardcore], size, 0, threads=1)
    common = [e._robot, e.ground, e.walkers]
    iterating = [e._robot, e.walkers, e._vectors, e._floats, e._env_of]
    parts = {
        "collide, prepare": (
            begin_kernel,
            size,
            [
                *common, e._difficulty, e._rules, e._floats, e._env_of, e._sweeps, e._before,
                e._actions,
            ],
        ),
        "velocity iterations": (velocity_kernel, size // BLOCK, iterating),
        "integrate": (move_kernel, size, [e._robot, e.walkers, e._floats, e._env_of]),
        "position iterations": (position_kernel, size // BLOCK, iterating),
        "broad phase, time of impact": (finish_kernel, size, [*common, e._floats, e._sweeps]),
        "lidar, observe": (answer_kernel, size, [*common, e._outcome, e._before, e._rules]),
    }  # fmt: skip
    launches: dict[str, Callable[[], None]] = {
        name: wp.launch(kernel, dim, inputs, device="cpu", record_cmd=True).launch
        for name, (kernel, dim, inputs) in parts.items()
    }
    walker = load_model("pretrained:walker")
    observation = e.reset()
    times: dict[str, list[float]] = {name: [] for name in ("whole step", *parts)}
    for count in range(options.steps):
        actions = walker.act_batch(observation)
        if count % 2:
            started = time.perf_counter()
            e.step(actions)
            times["whole step"].append(time.perf_counter() - started)
        else:
            e._action.copy_(actions)
            for name, launch in launches.items():
                started = time.perf_counter()
                launch()
                times[name].append(time.perf_counter() - started)
        observation = e.observation
    for name, values in times.items():
        print(f"{name:28s} {statistics.median(values) / size * 1e6:6.2f} us")


if __name__ == "__main__":
    main()
