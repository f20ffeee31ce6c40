"""Where does a step's time go? The parts of the engine's kernel, each launched by itself.

    python benchmarks/engine_profile.py [--hardcore]      (a minute; one core)

Prints microseconds an environment and step, while the pretrained walker walks.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
import warp as wp

from bipedal.checkpoint import load_model
from bipedal.engines.warp import WarpEngine
from bipedal.physics.blocks import (
    OPTIONS,
    begin_block,
    end_block,
    iterate_positions,
    iterate_velocities,
    move_block,
    set_up_block,
)
from bipedal.physics.rules import Outcome, Rules
from bipedal.physics.state import Ground, Robot, Walkers
from bipedal.physics.step import Scratch
from bipedal.physics.workspace import Floats, Vectors
from bipedal.walker import ENV_IDS

BLOCK = 128
"""Environments of one thread."""
wp.set_module_options(OPTIONS)


@wp.kernel
def begin_kernel(
    robot: Robot,
    ground: Ground,
    walkers: Walkers,
    difficulty: wp.array2d(dtype=float),
    rules: Rules,
    scratch: Scratch,
):
    """Find out what touches what."""
    first = wp.tid() * BLOCK
    begin_block(robot, ground, walkers, difficulty, rules, scratch, first, first + BLOCK, False)


@wp.kernel
def set_up_kernel(
    robot: Robot,
    walkers: Walkers,
    rules: Rules,
    scratch: Scratch,
    floats: Floats,
    actions: wp.array2d(dtype=float),
):
    """Write the velocity constraints."""
    first = wp.tid() * BLOCK
    set_up_block(robot, walkers, rules, scratch, floats, actions, first, BLOCK, False)


@wp.kernel
def velocity_kernel(
    robot: Robot, walkers: Walkers, scratch: Scratch, vectors: Vectors, floats: Floats
):
    """The velocity iterations."""
    iterate_velocities(robot, walkers, scratch, vectors, floats, wp.tid() * BLOCK, BLOCK)


@wp.kernel
def move_kernel(robot: Robot, walkers: Walkers, scratch: Scratch, floats: Floats):
    """Integrate, and write the position constraints."""
    move_block(robot, walkers, scratch, floats, wp.tid() * BLOCK, BLOCK)


@wp.kernel
def position_kernel(
    robot: Robot, walkers: Walkers, scratch: Scratch, vectors: Vectors, floats: Floats
):
    """The position iterations."""
    iterate_positions(robot, walkers, scratch, vectors, floats, wp.tid() * BLOCK, BLOCK)


@wp.kernel
def end_kernel(
    robot: Robot,
    ground: Ground,
    walkers: Walkers,
    rules: Rules,
    scratch: Scratch,
    floats: Floats,
    actions: wp.array2d(dtype=float),
    outcome: Outcome,
):
    """Sleep, broad phase, time of impact, lidar, observation, reward."""
    first = wp.tid() * BLOCK
    end_block(robot, ground, walkers, rules, scratch, floats, actions, outcome, first, BLOCK, False)


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
    iterating = [e._robot, e.walkers, e._scratch, e._vectors, e._floats]
    parts: dict[str, tuple[Any, list[Any]]] = {
        "collisions": (
            begin_kernel,
            [e._robot, e.ground, e.walkers, e._difficulty, e._rules, e._scratch],
        ),
        "setting up": (
            set_up_kernel, [e._robot, e.walkers, e._rules, e._scratch, e._floats, e._actions],
        ),
        "velocity iterations": (velocity_kernel, iterating),
        "integration": (move_kernel, [e._robot, e.walkers, e._scratch, e._floats]),
        "position iterations": (position_kernel, iterating),
        "impacts, lidar, observation": (
            end_kernel,
            [
                e._robot, e.ground, e.walkers, e._rules, e._scratch, e._floats, e._actions,
                e._outcome,
            ],
        ),
    }  # fmt: skip
    launches: dict[str, Callable[[], None]] = {
        name: wp.launch(kernel, size // BLOCK, inputs, device="cpu", record_cmd=True).launch
        for name, (kernel, inputs) in parts.items()
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
