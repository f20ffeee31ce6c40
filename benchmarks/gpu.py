"""Does a GPU give the CPU's bits, how fast is the engine there, and how soon does it learn to walk?

    python benchmarks/gpu.py            (four minutes; needs a GPU and CUDA's PyTorch)

In this order, each within a time of its own (`LIMITS`):

* the engine's speed, with random actions and with pretrained policies, and more and more
  environments;
* the time until BipedalWalker-v3 is solved with three tuning seeds;
* whole episodes on both, with the same seeds and actions: every bit of every answer is compared;
* the tests with the marker `cuda`;
* how long an iteration of training collects and updates, with CUDA graphs;
* how long 384 greedy episodes take on the GPU and on the CPU;
* the iteration without CUDA graphs, and the engine's speed on the CPU, with all cores.

What needs the CPU's kernels comes late: they are compiled meanwhile. Each figure is written to
results/gpu.json as soon as it is known, so a run that is cut short counts too. `--dry-run` does all
of it in small on the CPU. Hardcore has a script of its own, gpu_hardcore.py.

A plain checkout is enough: PYTHONPATH=. python benchmarks/gpu.py. PyTorch, NumPy, warp-lang,
gymnasium, tensorboard, filelock and, for the tests, pytest have to be installed.
"""

from __future__ import annotations

import argparse
import itertools
import subprocess
import sys
import tempfile
import time
import traceback
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import torch
import warp as wp
from gpu_hardcore import BOLD
from machine import describe_machine
from tally import Tally
from timed_training import Clock, Report, best_model, score, train_for
from torch import Tensor

from bipedal import capture
from bipedal.checkpoint import load_model
from bipedal.config import TrainConfig
from bipedal.conformance.answer import Answer, answers_of, first_difference
from bipedal.engines.warp import WarpEngine, quiet_warp
from bipedal.evaluation.episode import begin, play_episodes
from bipedal.initial import new_policy
from bipedal.learner import Learner
from bipedal.ppo import Update
from bipedal.presets import GPU
from bipedal.rollout import Collector
from bipedal.walker import ACTION_DIM, ENV_IDS, HARDCORE_ID, WALKER_ID

POLICIES = {WALKER_ID: "pretrained:walker", HARDCORE_ID: "pretrained:hardcore"}
PLAYED = ((WALKER_ID, "held"), (WALKER_ID, "policy"), (HARDCORE_ID, "policy"))
"""What the engine's speed is measured with. Random robots fall, and are slower to compute."""
HELD = 20
"""Steps for which a random action is held."""
CPU_ENVS = 4096
"""Environments of the CPU, on all its cores, that the GPU's speed is compared with."""
WARM_UP = 60
"""Steps before the clock starts."""
SHOWN_DIFFERENCES = 20
SEED = 5_000_000
TUNING_SEEDS = (0, 1, 2)
LIMITS = {
    "speed": 30.0,
    "solved": 20.0,
    "same_bits": 40.0,
    "tests": 35.0,
    "phases": 4.0,
    "evaluation": 4.0,
}
"""Seconds: of each part, and of each training until it is solved. What has begun is ended, so a
part may take a little longer."""
WALKER = replace(GPU, final_episodes=0)

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
    greedy_episodes: int
    scored_episodes: int
    limits: dict[str, float]
    training: dict[str, Any]
    """What trainings have instead of the values of their configuration."""


FULL = Sizes(
    "cuda:0", 100, (1024, 8192, 32_768, 65_536), CPU_ENVS, 0.6, 384, 1000, LIMITS,
    {"device": "cuda"},
)  # fmt: skip
DRY = Sizes(
    "cpu", 2, (16, 32), 16, 0.05, 2, 2,
    {**dict.fromkeys(LIMITS, 600.0), "phases": 0.5, "solved": 0.1},
    {
        "device": "cpu", "num_envs": 4, "rollout_steps": 16, "minibatch_size": 32, "epochs": 1,
        "evaluation_interval": 0, "best_by": "training", "checkpoint_interval": 1,
    },
)  # fmt: skip


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
    clock = Clock(sizes.limits["same_bits"])
    for kind, env_id in itertools.product(("held", "policy"), ENV_IDS):
        if not clock.left:
            report.add("same_bits", {"env_id": env_id, "actions": kind, "error": "no time left"})
            continue
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


def measure_cpu(report: Report, sizes: Sizes) -> None:
    """Measure the CPU, on all its cores."""
    for env_id, kind in PLAYED:
        report.add("speed", measure(env_id, kind, sizes.cpu_envs, "cpu", sizes.seconds))


def free_memory(device: str) -> int:
    """Bytes that a GPU has left; 0 for the CPU, where nobody asks."""
    if device == "cpu":
        return 0
    torch.cuda.empty_cache()
    return torch.cuda.mem_get_info(device)[0]


def measure_all(report: Report, sizes: Sizes) -> None:
    """Measure the device in every size; where it fails, say how, and go on."""
    cases = [(sizes.device, count) for count in sizes.num_envs]
    clock = Clock(sizes.limits["speed"])
    for (device, num_envs), (env_id, kind) in itertools.product(cases, PLAYED):
        figures = {"device": device, "env_id": env_id, "actions": kind, "num_envs": num_envs}
        try:
            if clock.left:
                figures = measure(env_id, kind, num_envs, device, sizes.seconds)
            else:
                figures["error"] = "no time left"
        except RuntimeError as error:  # memory is short
            figures["error"] = str(error)
        report.add("speed", figures)


# Training ----------------------------------------------------------------------------------------


@contextmanager
def timed(owner: type, name: str, seconds: defaultdict[str, float]) -> Iterator[None]:
    """Add up, by its name, how long a method takes until the GPU is done."""
    method = getattr(owner, name)

    def timed_method(*args: Any) -> Any:
        started = time.perf_counter()
        result = method(*args)
        wp.synchronize()  # type: ignore[no-untyped-call]
        seconds[owner.__name__.lower()] += time.perf_counter() - started
        return result

    with mock.patch.object(owner, name, timed_method):
        yield


def measure_phases(config: TrainConfig, device: str, seconds: float) -> dict[str, Any]:
    """Milliseconds of an iteration, once graphs are recorded, and what it spends them on."""
    spent: defaultdict[str, float] = defaultdict(float)
    policy = new_policy(config).to(device)
    learner = Learner(config, policy, torch.Generator(device).manual_seed(0))
    with (
        closing(learner),
        timed(Collector, "collect", spent),
        timed(Update, "__call__", spent),
        timed(Learner, "learn", spent),
    ):
        for iteration in range(2):
            learner.learn(iteration * config.batch_size)
        spent.clear()
        clock, iterations = Clock(seconds), 0
        while clock.left or not iterations:
            iterations += 1
            learner.learn((1 + iterations) * config.batch_size)
    milliseconds = {name: round(1e3 * value / iterations, 3) for name, value in spent.items()}
    speed = round(iterations * config.batch_size / spent["learner"])
    return {"iterations": iterations, "steps_per_second": speed, "milliseconds": milliseconds}


def measure_all_phases(report: Report, graphs: bool, sizes: Sizes) -> None:
    """An iteration of both trainings with CUDA graphs or without them."""
    with recording(graphs):
        for config in (WALKER, BOLD):
            config = replace(config, **sizes.training)
            figures = measure_phases(config, sizes.device, sizes.limits["phases"] / 4)
            facts = {"env_id": config.env_id, "num_envs": config.num_envs, "graphs": graphs}
            report.add("phases", {**facts, **figures})


@contextmanager
def recording(graphs: bool) -> Iterator[None]:
    """Let training use CUDA graphs, or not."""
    with mock.patch.object(capture, "records", capture.records if graphs else lambda device: False):
        yield


def measure_evaluation(report: Report, sizes: Sizes) -> None:
    """Greedy episodes of a pretrained policy, physics and networks on one device."""
    clock = Clock(sizes.limits["evaluation"])
    for device, env_id in itertools.product((sizes.device, "cpu"), ENV_IDS):
        if not clock.left:
            break
        policy = load_model(POLICIES[env_id]).to(device)
        seeds = range(SEED, SEED + sizes.greedy_episodes)
        with closing(
            WarpEngine(env_id, len(seeds), SEED, device=device, autoreset=False)
        ) as engine:
            started = time.perf_counter()
            played = dict(play_episodes(begin(policy), engine, seeds))
            spent = time.perf_counter() - started
        mean = sum(episode.episodic_return for episode in played.values()) / len(played)
        facts = {"device": device, "env_id": env_id, "episodes": len(played)}
        report.add("evaluation", {**facts, "seconds": round(spent, 3), "mean_return": mean})


def measure_walker(report: Report, config: TrainConfig, seconds: float, sizes: Sizes) -> None:
    """Train for so many seconds at most, and score what was solved."""
    config = replace(config, **sizes.training)
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        trained = train_for(config, run, seconds)
        figures = {
            "env_id": config.env_id,
            "seed": config.seed,
            "solved": trained.outcome.solved,
            "seconds": round(trained.seconds, 2),
            "training_seconds": round(trained.outcome.elapsed, 2),
            "timesteps": trained.outcome.timesteps,
            "curve": trained.curve,
        }
        if trained.outcome.solved:
            figures["score"] = score(
                best_model(run), config.env_id, sizes.scored_episodes, sizes.device
            )
    report.add("walker", figures)


def run_tests(report: Report, seconds: float) -> None:
    """Run the tests that need a GPU, in a process of their own."""
    root = Path(__file__).parents[1]
    stacks = f"faulthandler_timeout={seconds / 2}"  # of a test that does not end
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-m",
        "cuda",
        "tests/test_cuda.py",
        "-v",
        "-o",
        stacks,
    ]
    try:
        done = subprocess.run(
            command, cwd=root, capture_output=True, text=True, timeout=seconds, check=False
        )
        figures = {"exit_code": done.returncode, "output": done.stdout[-4000:]}
    except subprocess.TimeoutExpired as error:
        figures = {"exit_code": None, "output": (error.stdout or b"").decode()[-8000:]}
    report.add("tests", figures)


def attempt(report: Report, part: str, measure: Callable[..., None], *arguments: Any) -> None:
    """Do a part; where it fails, say how in the report, and let the others have their turn."""
    try:
        measure(report, *arguments)
    except Exception as error:
        trace = "".join(traceback.format_exception(error))
        report.add(part, {"error": str(error), "traceback": trace[-4000:]})


def describe_device(device: str) -> dict[str, Any]:
    """The GPU, and how long it takes to compile the kernels and start a first engine."""
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


def compile_for_cpu() -> subprocess.Popen[bytes]:
    """Let another process compile the kernels for the CPU."""
    code = f"from bipedal.engines.warp import WarpEngine; WarpEngine({WALKER_ID!r}, 1, 0)"
    return subprocess.Popen([sys.executable, "-c", code])


def main() -> None:
    """Test, compare, measure and train."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--dry-run", action="store_true", help="in small, on the CPU")
    parser.add_argument("--out", type=Path, default=Path("results/gpu.json"))
    options = parser.parse_args()
    if not (options.dry_run or torch.cuda.is_available()):
        parser.error("there is no CUDA device that PyTorch can use: --dry-run needs none")
    sizes = DRY if options.dry_run else FULL
    torch.set_num_threads(1)
    quiet_warp()
    facts = {"command": "python benchmarks/gpu.py", **describe_machine(), "finished": False}
    report = Report(options.out, facts)
    report.write()
    compiling = compile_for_cpu()  # meanwhile
    report.contents["device"] = describe_device(sizes.device)
    report.write()
    attempt(report, "speed", measure_all, sizes)
    for seed in TUNING_SEEDS:
        config = replace(WALKER, seed=seed)
        attempt(report, "walker", measure_walker, config, sizes.limits["solved"], sizes)
    compiling.wait()
    attempt(report, "same_bits", compare_all, sizes)
    attempt(report, "tests", run_tests, sizes.limits["tests"])
    attempt(report, "phases", measure_all_phases, True, sizes)
    attempt(report, "evaluation", measure_evaluation, sizes)
    attempt(report, "phases", measure_all_phases, False, sizes)
    attempt(report, "speed", measure_cpu, sizes)
    report.contents["finished"] = True
    report.write()


if __name__ == "__main__":
    main()
