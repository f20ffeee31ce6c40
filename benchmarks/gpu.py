"""Does the engine give the same bits on a GPU as on the CPU, and how fast is it there?

    python benchmarks/gpu.py            (a few minutes; needs a CUDA device and CUDA's PyTorch)

First both play whole episodes with the same seeds and actions, and every bit of every answer is
compared. Then random actions and a pretrained policy drive more and more environments. Each figure
is written to results/gpu.json as soon as it is known, so a run that is cut short counts too.
`--dry-run` does all of it in small on the CPU.
"""

from __future__ import annotations

import argparse
import itertools
import json
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import torch
import warp as wp
from machine import describe_machine
from tally import Tally
from torch import Tensor

from bipedal.checkpoint import load_model
from bipedal.conformance.answer import Answer, answers_of, first_difference
from bipedal.engines.warp import WarpEngine, quiet_warp
from bipedal.files import atomic_write
from bipedal.walker import ACTION_DIM, ENV_IDS, HARDCORE_ID, WALKER_ID

POLICIES = {WALKER_ID: "pretrained:walker", HARDCORE_ID: "pretrained:hardcore"}
HELD = 20
"""Steps for which a random action is held."""
CPU_ENVS = 4096
"""Environments of the CPU, on all its cores, that the GPU's speed is compared with."""
WARM_UP = 50
"""Steps before the clock starts."""
SHOWN_DIFFERENCES = 20
SEED = 5_000_000

Act = Callable[[Tensor], Tensor]
"""Observations (N, 24) to actions (N, 4), on the device of the observations."""


class Sizes(NamedTuple):
    """How much is done."""

    device: str
    episodes: int
    """Compared in each environment with each kind of action."""
    num_envs: tuple[int, ...]
    cpu_envs: int
    seconds: float
    """Of each measurement of speed."""


FULL = Sizes("cuda:0", 500, (1024, 4096, 16_384, 65_536, 262_144), CPU_ENVS, 3.0)
DRY = Sizes("cpu", 2, (16, 32), 16, 0.05)


class Report:
    """The file, written anew with every figure."""

    def __init__(self, path: Path, facts: dict[str, Any]) -> None:
        """Begin with what is known of the machine."""
        self.path, self.contents = path, facts

    def add(self, part: str, figures: dict[str, Any]) -> None:
        """Add a row to a part of the report."""
        self.contents.setdefault(part, []).append(figures)
        self.write()
        print(part, json.dumps(figures), flush=True)

    def write(self) -> None:
        """Write what there is."""
        atomic_write((self.path, (json.dumps(self.contents, indent=1) + "\n").encode()))


def held_actions(num_envs: int, device: str) -> Act:
    """Random actions, new every `HELD` steps."""
    generator = torch.Generator(device).manual_seed(0)
    steps = itertools.count()
    actions = torch.zeros((num_envs, ACTION_DIM), device=device)

    def act(observations: Tensor) -> Tensor:
        if next(steps) % HELD == 0:
            actions.uniform_(-1, 1, generator=generator)
        return actions

    return act


def policy_actions(env_id: str, device: str) -> Act:
    """The pretrained policy of an environment."""
    policy = load_model(POLICIES[env_id]).to(device)
    return policy.act_batch


def make_act(kind: str, env_id: str, num_envs: int, device: str) -> Act:
    """Random actions ("held") or those of the pretrained policy ("policy")."""
    return held_actions(num_envs, device) if kind == "held" else policy_actions(env_id, device)


# The same bits -----------------------------------------------------------------------------------


def compare(env_id: str, kind: str, episodes: int, device: str) -> Tally:
    """Play episodes on the CPU and on the device, with the actions of the CPU's observations."""
    tally = Tally()
    act = make_act(kind, env_id, episodes, "cpu")
    seeds = range(SEED, SEED + episodes)
    with (
        closing(WarpEngine(env_id, episodes, seeds)) as cpu,
        closing(WarpEngine(env_id, episodes, seeds, device=device)) as other,
    ):
        observations = cpu.reset()
        expected = [Answer(observation) for observation in observations.numpy().copy()]
        given = [Answer(observation) for observation in other.reset().numpy(force=True)]
        running = set(range(episodes))
        for steps in itertools.count():
            for row in sorted(running):
                difference = first_difference(given[row], expected[row])
                if difference or expected[row].terminated or expected[row].truncated:
                    tally.count(seeds[row], steps, difference)
                    running.remove(row)
            if not running:
                other.check_overflow()
                return tally
            actions = act(observations)
            step = cpu.step(actions)
            observations, expected = step.observation, answers_of(step)
            given = answers_of(other.step(actions))
    raise AssertionError("every episode ends")


def compare_all(report: Report, sizes: Sizes) -> None:
    """Compare both environments with both kinds of actions."""
    for kind, env_id in itertools.product(("held", "policy"), ENV_IDS):
        started = time.perf_counter()
        counts = asdict(compare(env_id, kind, sizes.episodes, sizes.device))
        del counts["first_differences"][SHOWN_DIFFERENCES:]
        seconds = round(time.perf_counter() - started, 2)
        report.add("same_bits", {"env_id": env_id, "actions": kind, "seconds": seconds, **counts})


# Speed -------------------------------------------------------------------------------------------


def measure(env_id: str, kind: str, num_envs: int, device: str, seconds: float) -> dict[str, Any]:
    """Timesteps a second with the time that the actions take; and what the engine needs."""
    free = free_memory(device)
    started = time.perf_counter()
    with closing(WarpEngine(env_id, num_envs, SEED, device=device)) as engine:
        observations = engine.reset()
        act = make_act(kind, env_id, num_envs, device)

        def step_for(count: int) -> float:
            nonlocal observations
            begun = time.perf_counter()
            for _ in range(count):
                observations = engine.step(act(observations)).observation
            wp.synchronize_device(device)
            return time.perf_counter() - begun

        wp.synchronize_device(device)
        setup = time.perf_counter() - started
        spent = step_for(WARM_UP)
        count = max(1, round(seconds / spent * WARM_UP))
        spent = step_for(count)
        engine.check_overflow()
        used = free - free_memory(device)
    return {
        "device": device,
        "env_id": env_id,
        "actions": kind,
        "num_envs": num_envs,
        "steps_per_second": round(num_envs * count / spent),
        "seconds": round(spent, 3),
        "setup_seconds": round(setup, 3),
        "memory_bytes": used,
    }


def free_memory(device: str) -> int:
    """Bytes that a GPU has left; 0 for the CPU, where nobody asks."""
    if device == "cpu":
        return 0
    torch.cuda.empty_cache()
    return torch.cuda.mem_get_info(device)[0]


def measure_all(report: Report, sizes: Sizes) -> None:
    """Measure the CPU once and the device in every size; where it fails, say how, and go on."""
    cases = [("cpu", sizes.cpu_envs), *((sizes.device, count) for count in sizes.num_envs)]
    for (device, num_envs), env_id, kind in itertools.product(cases, ENV_IDS, ("held", "policy")):
        try:
            figures = measure(env_id, kind, num_envs, device, sizes.seconds)
        except RuntimeError as error:  # memory is short
            figures = {"device": device, "env_id": env_id, "actions": kind, "num_envs": num_envs}
            figures["error"] = str(error)
        report.add("speed", figures)


def describe_device(device: str) -> dict[str, Any]:
    """The GPU, and how long it takes to compile the kernels and start a first engine."""
    quiet_warp()
    facts: dict[str, Any] = {"name": wp.get_device(device).name}
    if device != "cpu":
        facts["memory_bytes"] = torch.cuda.mem_get_info(device)[1]
        facts["architecture"] = wp.get_device(device).arch
        facts["cuda_driver"] = wp.get_cuda_driver_version()
        facts["cuda_toolkit"] = wp.get_cuda_toolkit_version()
        facts["torch_cuda"] = torch.version.cuda
    started = time.perf_counter()
    with closing(WarpEngine(WALKER_ID, 1, 0, device=device)) as engine:
        engine.reset()
    facts["first_engine_seconds"] = round(time.perf_counter() - started, 2)
    return facts


def main() -> None:
    """Compare and measure."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--dry-run", action="store_true", help="in small, on the CPU")
    parser.add_argument("--out", type=Path, default=Path("results/gpu.json"))
    options = parser.parse_args()
    if not (options.dry_run or torch.cuda.is_available()):
        parser.error("there is no CUDA device that PyTorch can use: --dry-run needs none")
    sizes = DRY if options.dry_run else FULL
    torch.set_num_threads(1)
    facts = {"command": "python benchmarks/gpu.py", **describe_machine(), "finished": False}
    report = Report(options.out, facts)
    report.write()
    report.contents["device"] = describe_device(sizes.device)
    report.write()
    compare_all(report, sizes)
    measure_all(report, sizes)
    report.contents["finished"] = True
    report.write()


if __name__ == "__main__":
    main()
