"""How well does a robot run in Hardcore after some minutes on a GPU? Several seeds side by side.

    nvidia-cuda-mps-control -d
    python benchmarks/gpu_hardcore.py --first-seed 0 --seeds 6 --seconds 390
    echo quit | nvidia-cuda-mps-control

Each seed is a process of its own and trains from nothing, in the three stages of the presets, each
for its share of the seconds. One training leaves most of a GPU idle. With NVIDIA's Multi-Process
Service, which the first line starts, the work of all processes runs at the same time; without it
they take turns. Each final model plays 1,000 fresh episodes.

Results are in results/gpu-hardcore.json, one seed after another as they end, and the models are in
runs/gpu-hardcore. `--dry-run` does all of it in small on the CPU.
"""

from __future__ import annotations

import argparse
import multiprocessing
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import torch
from machine import describe_machine
from timed_training import Report, best_model, score, train_for

from bipedal.engines.warp import quiet_warp
from bipedal.presets import HARDCORE, HARDCORE_CAREFUL, HARDCORE_POLISH

_MANY: dict[str, Any] = {
    "total_timesteps": 2_000_000_000,
    "num_envs": 4096,
    "rollout_steps": 32,
    "minibatch_size": 16_384,
    "epochs": 5,
    "hidden_sizes": (128, 128),
    "best_by": "training",
    "best_window": 2000,
    "evaluation_interval": 0,
    "final_episodes": 0,
    "device": "cuda",
}
BOLD = replace(HARDCORE, **_MANY, policy_learning_rate=7e-4, critic_learning_rate=7e-4)
STAGES = (
    (BOLD, 0.2),
    (replace(HARDCORE_CAREFUL, **_MANY), 0.4),
    (replace(HARDCORE_POLISH, **_MANY), 0.4),
)
"""The presets of Hardcore with the batches of a GPU, where wider networks cost nothing, and their
shares of the time. Which model is the best is a matter of training returns, because evaluations
take time; so there is no gain."""
ANNEALED = 0.985
"""Share of the last stage until its annealing ends; a stage also has to start."""
TOY: dict[str, Any] = {
    "num_envs": 4, "rollout_steps": 16, "minibatch_size": 32, "epochs": 1, "hidden_sizes": (16,),
    "checkpoint_interval": 1, "device": "cpu",
}  # fmt: skip


class Task(NamedTuple):
    """One seed's training."""

    seed: int
    seconds: float
    episodes: int
    """Of its score."""
    folder: Path
    """For its runs."""
    change: dict[str, Any]
    """What the stages have instead of their values."""


def train_seed(task: Task) -> dict[str, Any]:
    """Train in stages, each from the model before, and score the last.

    The last stage anneals over the timesteps that the stage before would have taken in its time.
    """
    torch.set_num_threads(1)
    quiet_warp()
    rows: list[dict[str, Any]] = []
    model: Path | None = None
    speed = 1.0
    for stage, share in STAGES:
        seconds, run = share * task.seconds, task.folder / str(task.seed) / stage.preset
        anneals = stage.learning_rate_schedule == "linear"
        config = replace(
            stage,
            **task.change,
            seed=task.seed,
            init_from=None if model is None else str(model),
            anneal_timesteps=(
                max(1, round(speed * seconds * ANNEALED)) if anneals else stage.total_timesteps
            ),
        )
        trained = train_for(config, run, seconds)
        speed = trained.outcome.timesteps / trained.seconds
        model = best_model(run)
        figures = {
            "stage": stage.preset,
            "seconds": round(trained.seconds, 2),
            "timesteps": trained.outcome.timesteps,
            "curve": trained.curve,
        }
        rows.append(figures)
    assert model is not None
    result = score(model, config.env_id, task.episodes, config.device)
    return {"seed": task.seed, "model": str(model), "stages": rows, "score": result}


def train_seeds(tasks: list[Task]) -> Iterator[dict[str, Any]]:
    """Train all of them at once; yields what came of each as it ends."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(len(tasks), mp_context=context) as pool:
        for done in as_completed([pool.submit(train_seed, task) for task in tasks]):
            yield done.result()


def main() -> None:
    """Train and score."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--dry-run", action="store_true", help="in small, on the CPU")
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--seeds", type=int, default=6)
    parser.add_argument("--seconds", type=float, default=390.0, help="of each training")
    parser.add_argument("--out", type=Path, default=Path("results/gpu-hardcore.json"))
    parser.add_argument("--models", type=Path, default=Path("runs/gpu-hardcore"))
    options = parser.parse_args()
    if not (options.dry_run or torch.cuda.is_available()):
        parser.error("there is no CUDA device that PyTorch can use: --dry-run needs none")
    seconds, episodes = (0.3, 2) if options.dry_run else (options.seconds, 1000)
    report = Report(options.out, describe_machine())
    if not options.dry_run:
        report.contents["device"] = torch.cuda.get_device_name()
    report.contents["seconds"] = seconds
    change = TOY if options.dry_run else {}
    seeds = range(options.first_seed, options.first_seed + options.seeds)
    tasks = [Task(seed, seconds, episodes, options.models, change) for seed in seeds]
    for row in train_seeds(tasks):
        report.add("seeds", row)


if __name__ == "__main__":
    main()
