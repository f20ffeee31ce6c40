"""How fast is the engine? Gymnasium, EnvPool and ours in turn, on the same cores.

    python benchmarks/engine.py            (about 5 minutes; EnvPool: pip install -e '.[peers]')

Everybody is played by the pretrained walker, so episodes are long, and on the flat also by
random actions, which fall at once. Only the time inside `step` counts, not the policy's. One
core means one thread and, for all of them, affinity to one core. Writes results/engine.csv.
The engines take turns, and the median of the rounds counts: other work on the machine slows all.
"""

from __future__ import annotations

import argparse
import csv
import os
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from policies import batched

from bipedal.checkpoint import load_model
from bipedal.engines.gymnasium import GymnasiumEngine
from bipedal.engines.warp import WarpEngine
from bipedal.processes import usable_cores

Act = Callable[[np.ndarray], np.ndarray]
Stepper = tuple[Callable[[], np.ndarray], Callable[[np.ndarray], np.ndarray], Callable[[], None]]
"""Three calls: reset -> observations, step(actions) -> observations, close."""


WARM_UP = 100
"""Steps before the clock starts: the robots have landed and walk, or fall one after another."""


def gymnasium_stepper(env_id: str, num_envs: int, cores: int) -> Stepper:
    """Gymnasium's environments, in this process or one a core."""
    engine = GymnasiumEngine(env_id, num_envs, 0, workers=cores)
    return engine.reset, lambda actions: engine.step(actions).observation, engine.close


def envpool_stepper(env_id: str, num_envs: int, cores: int) -> Stepper:
    """EnvPool's, one thread a core."""
    import envpool

    envs: Any = envpool.make(
        env_id, env_type="gymnasium", num_envs=num_envs, num_threads=cores, seed=0
    )
    return lambda: envs.reset()[0], lambda actions: envs.step(actions)[0], envs.close


def warp_stepper(env_id: str, num_envs: int, cores: int) -> Stepper:
    """Ours, one thread a core."""
    engine = WarpEngine(env_id, num_envs, 0, threads=cores)
    return engine.reset, lambda actions: engine.step(actions).observation, engine.close


STEPPERS = {"gymnasium": gymnasium_stepper, "envpool": envpool_stepper, "ours": warp_stepper}


def random_actions() -> Act:
    """Uniform noise."""
    rng = np.random.default_rng(0)
    return lambda o: rng.uniform(-1, 1, (len(o), 4)).astype(np.float32)


def measure(stepper: Stepper, act: Act, seconds: float) -> float:
    """Timesteps a second inside `step`, once everybody is on the way."""
    reset, step, close = stepper
    observations = reset()
    for _ in range(WARM_UP):
        observations = step(act(observations))
    spent, count = 0.0, 0
    while spent < seconds:
        actions = act(observations)
        started = time.perf_counter()
        observations = step(actions)
        spent += time.perf_counter() - started
        count += len(actions)
    close()
    return count / spent


def main() -> None:
    """Measure all and write the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=2.0, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--num-envs", type=int, nargs="+", default=[64, 256, 1024, 8192])
    parser.add_argument("--out", type=Path, default=Path("results/engine.csv"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    walker = batched(load_model("pretrained:walker"))
    cores = sorted(os.sched_getaffinity(0))
    cases: list[tuple[str, str, int, str, int]] = []
    for env_id, policy in (
        ("BipedalWalker-v3", "walker"),
        ("BipedalWalkerHardcore-v3", "walker"),
        ("BipedalWalker-v3", "random"),
    ):
        for used in dict.fromkeys((1, usable_cores())):
            cases.append((env_id, policy, used, "gymnasium", 64))
            cases.append((env_id, policy, used, "envpool", 64))
            sizes = options.num_envs if policy == "walker" else options.num_envs[:2]
            cases.extend((env_id, policy, used, "ours", size) for size in sizes)
    speeds: dict[tuple[str, str, int, str, int], list[float]] = {case: [] for case in cases}
    for _ in range(options.rounds):
        for case in cases:
            env_id, policy, used, name, num_envs = case
            os.sched_setaffinity(0, cores[:used])
            act = walker if policy == "walker" else random_actions()
            stepper = STEPPERS[name](env_id, num_envs, used)
            speeds[case].append(measure(stepper, act, options.seconds))
    os.sched_setaffinity(0, cores)
    with open(options.out, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(
            [
                "env_id",
                "policy",
                "cores",
                "engine",
                "num_envs",
                "steps_per_second",
                "over_gymnasium",
                "over_envpool",
                "machine",
            ]
        )
        for case in cases:
            env_id, policy, used, name, num_envs = case
            speed = statistics.median(speeds[case])
            ratios = [
                speed / statistics.median(speeds[(env_id, policy, used, peer, 64)])
                for peer in ("gymnasium", "envpool")
            ]
            row = [*case, round(speed), *(round(ratio, 2) for ratio in ratios)]
            writer.writerow([*row, f"{platform.machine()}, {len(cores)} cores"])
            print(*row, flush=True)


if __name__ == "__main__":
    main()
