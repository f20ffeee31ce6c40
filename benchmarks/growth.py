"""What more environments, cores and timesteps cost.

    python benchmarks/growth.py throughput     # results/growth-throughput.csv
    python benchmarks/growth.py long           # results/growth-long.csv, runs/long

`throughput`: timesteps a second of the `default` preset's learner for 64 to 16,384 environments on
one core and on all: collecting alone (engine, policy, storage), and collecting with the update.
The batch is as large as the environments ask for, at least the preset's; minibatches are the
preset's.

`long`: 20 million timesteps, annealed over all of them, to the end even when solved; a row every
million timesteps with the clock, the resident memory and the best evaluation so far. It asks
whether a long run slows down or takes more and more memory, which one seed can tell; how well
presets learn is asked over seeds by `bipedal study seeds`.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psutil

from bipedal.presets import get_preset
from bipedal.tables import write_table
from bipedal.trainer import Progress, Trainer
from bipedal.training_loop import train

SIZES = (64, 256, 1024, 4096, 16384)
LONG_TIMESTEPS = 20_000_000


def measure_throughput(num_envs: int, cores: list[int], seconds: float) -> dict[str, Any]:
    """Timesteps a second, after a warm-up of one iteration."""
    os.sched_setaffinity(0, cores)
    preset = get_preset("default")
    config = dataclasses.replace(
        preset, num_envs=num_envs, rollout_steps=max(16, preset.batch_size // num_envs)
    )
    with TemporaryDirectory() as folder:
        trainer = Trainer(config, Path(folder))
        collecting = learning = 0.0
        rounds = 0
        while collecting + learning < seconds or rounds < 2:
            began = time.perf_counter()
            trainer.learner.collector.collect()
            collected = time.perf_counter()
            trainer.learner.improve()
            learned = time.perf_counter()
            if rounds == 0:
                collecting = learning = 0.0
            else:
                collecting += collected - began
                learning += learned - collected
            rounds += 1
        memory = psutil.Process().memory_info().rss >> 20
        trainer.close()
    timesteps = (rounds - 1) * config.batch_size
    return {
        "num_envs": num_envs,
        "cores": len(cores),
        "batch_size": config.batch_size,
        "collect_steps_per_second": round(timesteps / collecting),
        "train_steps_per_second": round(timesteps / (collecting + learning)),
        "memory_mb": memory,
    }


def run_long(seed: int) -> list[dict[str, Any]]:
    """Train for long and watch the clock and the memory."""
    config = dataclasses.replace(
        get_preset("default"),
        seed=seed,
        total_timesteps=LONG_TIMESTEPS,
        anneal_timesteps=LONG_TIMESTEPS,
        restart_timesteps=0,
        stop_when_solved=False,
        evaluation_interval=40,
    )
    process = psutil.Process()
    rows: list[dict[str, Any]] = []

    def note(progress: Progress) -> None:
        if progress.timesteps // 1_000_000 > len(rows) - 1:
            rows.append(
                {
                    "timesteps": progress.timesteps,
                    "seconds": round(progress.elapsed, 1),
                    "memory_mb": process.memory_info().rss >> 20,
                    "best_evaluation": round(progress.best_return, 2),
                }
            )
            print(rows[-1], flush=True)

    train(config, Path("runs/long"), on_iteration=note)
    return rows


def main() -> None:
    """Measure what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("throughput", "long"))
    parser.add_argument("--seed", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=4.0)
    args = parser.parse_args()
    if args.what == "long":
        write_table(Path("results/growth-long.csv"), run_long(args.seed))
        return
    cores = sorted(os.sched_getaffinity(0))
    rows = []
    for used in dict.fromkeys((1, len(cores))):
        for num_envs in SIZES:
            rows.append(measure_throughput(num_envs, cores[:used], args.seconds))
            print(rows[-1], flush=True)
    write_table(Path("results/growth-throughput.csv"), rows)


if __name__ == "__main__":
    main()
