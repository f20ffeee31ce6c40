"""How fast is the engine? Gymnasium, EnvPool and ours in turn, on the same cores.

    python benchmarks/engine.py            (about 5 minutes; EnvPool: pip install -e '.[peers]')

Everybody is played by the pretrained walker, so episodes are long, and on the flat also by
random actions, which fall at once. Only the time inside `step` counts, not the policy's. One
core means one thread and, for all of them, affinity to one core. Writes results/engine.csv; where
EnvPool is not installed, the table goes without it.
The engines take turns, and the median of the rounds counts: other work on the machine slows all.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from bipedal.checkpoint import load_model
from bipedal.engines.gymnasium import GymnasiumEngine
from bipedal.engines.warp import WarpEngine
from bipedal.processes import usable_cores
from bipedal.tables import write_table
from bipedal.walker import ACTION_DIM, HARDCORE_ID, WALKER_ID

Act = Callable[[Tensor], Tensor]
Stepper = tuple[Callable[[], Tensor], Callable[[Tensor], Tensor], Callable[[], None]]
"""Three calls: reset -> observations (N, 24), step(actions (N, 4)) -> observations, close."""

WARM_UP = 100
"""Steps before the clock starts: the robots have landed and walk, or fall one after another."""
PEER_ENVS = 64
"""Environments of Gymnasium and EnvPool."""


class Case(NamedTuple):
    """What is measured together."""

    env_id: str
    policy: str
    cores: int
    engine: str
    num_envs: int


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
    return (
        lambda: torch.from_numpy(envs.reset()[0]),
        lambda actions: torch.from_numpy(envs.step(actions.numpy())[0]),
        envs.close,
    )


def warp_stepper(env_id: str, num_envs: int, cores: int) -> Stepper:
    """Ours, one thread a core."""
    engine = WarpEngine(env_id, num_envs, 0, threads=cores)
    return engine.reset, lambda actions: engine.step(actions).observation, engine.close


STEPPERS = {"gymnasium": gymnasium_stepper, "envpool": envpool_stepper, "ours": warp_stepper}


def random_actions() -> Act:
    """Uniform noise."""
    generator = torch.Generator().manual_seed(0)
    return lambda o: 2 * torch.rand((len(o), ACTION_DIM), generator=generator) - 1


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


def make_cases(sizes: list[int]) -> list[Case]:
    """Every engine that is installed in both worlds, on one core and on all; ours in all sizes."""
    peers = ["gymnasium", *(["envpool"] if importlib.util.find_spec("envpool") else [])]
    cases: list[Case] = []
    for env_id, policy in ((WALKER_ID, "walker"), (HARDCORE_ID, "walker"), (WALKER_ID, "random")):
        for cores in dict.fromkeys((1, usable_cores())):
            cases.extend(Case(env_id, policy, cores, peer, PEER_ENVS) for peer in peers)
            played = sizes if policy == "walker" else sizes[:2]
            cases.extend(Case(env_id, policy, cores, "ours", size) for size in played)
    return cases


def make_row(case: Case, speeds: dict[Case, float], machine: str) -> dict[str, Any]:
    """A row of the table: timesteps a second, and how many times those of the peers."""
    row = {**case._asdict(), "steps_per_second": round(speeds[case])}
    for peer in ("gymnasium", "envpool"):
        other = speeds.get(case._replace(engine=peer, num_envs=PEER_ENVS))
        row[f"over_{peer}"] = None if other is None else round(speeds[case] / other, 2)
    return {**row, "machine": machine}


def main() -> None:
    """Measure all and write the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=2.0, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--num-envs", type=int, nargs="+", default=[64, 256, 1024, 8192])
    parser.add_argument("--out", type=Path, default=Path("results/engine.csv"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    walker = load_model("pretrained:walker")
    cores = sorted(os.sched_getaffinity(0))
    measured: dict[Case, list[float]] = {case: [] for case in make_cases(options.num_envs)}
    for _ in range(options.rounds):
        for case, speeds in measured.items():
            os.sched_setaffinity(0, cores[: case.cores])
            act = walker.share().act_batch if case.policy == "walker" else random_actions()
            stepper = STEPPERS[case.engine](case.env_id, case.num_envs, case.cores)
            speeds.append(measure(stepper, act, options.seconds))
    os.sched_setaffinity(0, cores)
    medians = {case: statistics.median(speeds) for case, speeds in measured.items()}
    machine = f"{platform.machine()}, {len(cores)} cores"
    rows = [make_row(case, medians, machine) for case in medians]
    write_table(options.out, rows)
    print(options.out.read_text(), end="")


if __name__ == "__main__":
    main()
