"""Search the `default` preset's hyperparameters for the shortest time to solved.

    python benchmarks/search.py --minutes 60

One worker a core, each pinned to its own, so that trials do not disturb each other. A trial trains
the tuning seeds one after another until they are solved; its value is their mean CPU time (user and
system, all threads). A seed that is not solved within the limit counts one and a half times the
limit and more the further its best evaluation is from 300: a setting that solves every seed comes
before one that is fast on some. A trial whose first seeds are worse than the median of earlier
trials is pruned (Optuna's TPE and median pruner). All trials are kept in runs/search.log and go on
from there; every one of them is written to results/search.csv, the failures too.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import optuna

from bipedal.config import TrainConfig
from bipedal.presets import DEFAULT
from bipedal.tables import write_table
from bipedal.train import train

STORAGE = Path("runs/search.log")
TABLE = Path("results/search.csv")
SEEDS = (0, 1, 2, 3)
LIMIT_SECONDS = 110.0
"""CPU time a seed may take."""


def suggest(trial: optuna.Trial) -> TrainConfig:
    """Draw a configuration from the space; what is not drawn is as in the preset."""
    learning_rate = trial.suggest_float("learning_rate", 4e-4, 1.5e-3, log=True)
    return dataclasses.replace(
        DEFAULT,
        minibatch_size=trial.suggest_categorical("minibatch_size", [1024, 2048, 4096]),
        epochs=trial.suggest_int("epochs", 5, 12),
        policy_learning_rate=learning_rate,
        critic_learning_rate=learning_rate,
        anneal_timesteps=trial.suggest_int("anneal_timesteps", 1_000_000, 2_500_000, step=250_000),
        final_gamma=1.0 - trial.suggest_float("one_minus_final_gamma", 0.001, 0.005, log=True),
        gae_lambda=trial.suggest_float("gae_lambda", 0.92, 0.98),
        clip_range=trial.suggest_float("clip_range", 0.15, 0.3),
        final_std_max=trial.suggest_float("final_std_max", 0.06, 0.2, log=True),
        restart_std_max=trial.suggest_float("restart_std_max", 0.2, 0.6, log=True),
        checkpoint_interval=100_000,
        final_episodes=0,
    )


def time_to_solve(config: TrainConfig, seed: int, run_dir: Path) -> tuple[bool, float, int, float]:
    """Train one seed; returns whether it was solved, CPU seconds and timesteps."""
    shutil.rmtree(run_dir, ignore_errors=True)
    began = time.process_time()
    best: list[float] = []
    outcome = train(
        dataclasses.replace(config, seed=seed),
        run_dir,
        on_iteration=lambda progress: best.append(progress.best_return),
        should_stop=lambda: time.process_time() - began > LIMIT_SECONDS,
    )
    shutil.rmtree(run_dir)
    seconds = time.process_time() - began
    cost = seconds if outcome.solved else LIMIT_SECONDS * (1.5 + (300.0 - max(best)) / 100.0)
    return outcome.solved, seconds, outcome.timesteps, cost


def objective(trial: optuna.Trial) -> float:
    """Mean CPU time to solved over the tuning seeds."""
    config = suggest(trial)
    costs = []
    for index, seed in enumerate(SEEDS):
        solved, seconds, timesteps, cost = time_to_solve(
            config, seed, Path(f"runs/search/{trial.number}-{seed}")
        )
        trial.set_user_attr(f"seed{seed}_solved", solved)
        trial.set_user_attr(f"seed{seed}_cpu_seconds", round(seconds, 1))
        trial.set_user_attr(f"seed{seed}_timesteps", timesteps)
        costs.append(cost)
        mean = sum(costs) / len(costs)
        trial.report(mean, index)
        if index + 1 < len(SEEDS) and trial.should_prune():
            raise optuna.TrialPruned
    return mean


def work(minutes: float) -> None:
    """Run trials in this process until time is up."""
    study = _study()
    study.optimize(objective, timeout=60 * minutes, catch=(Exception,))


def _study() -> optuna.Study:
    storage = optuna.storages.JournalStorage(
        optuna.storages.journal.JournalFileBackend(str(STORAGE))
    )
    return optuna.create_study(
        study_name="default",
        storage=storage,
        load_if_exists=True,
        sampler=optuna.samplers.TPESampler(multivariate=True, group=True, constant_liar=True),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=4),
    )


START: dict[str, Any] = {
    "minibatch_size": DEFAULT.minibatch_size,
    "epochs": DEFAULT.epochs,
    "learning_rate": DEFAULT.policy_learning_rate,
    "anneal_timesteps": DEFAULT.anneal_timesteps,
    "one_minus_final_gamma": round(1.0 - DEFAULT.final_gamma, 6),
    "gae_lambda": DEFAULT.gae_lambda,
    "clip_range": DEFAULT.clip_range,
    "final_std_max": DEFAULT.final_std_max,
    "restart_std_max": 0.6,
}
"""Where to begin: the preset as it is."""


def main() -> None:
    """Run the workers, then write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--worker", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.worker is not None:
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, {args.worker})
        work(args.minutes)
        return
    STORAGE.parent.mkdir(exist_ok=True)
    study = _study()
    if not study.trials:
        study.enqueue_trial(START)
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else [0]
    command = [sys.executable, __file__, "--minutes", str(args.minutes), "--worker"]
    for worker in [subprocess.Popen([*command, str(core)]) for core in cores]:
        worker.wait()
    rows = [
        {"trial": t.number, "state": t.state.name, "value": t.value, **t.params, **t.user_attrs}
        for t in study.get_trials()
    ]
    write_table(TABLE, rows)


if __name__ == "__main__":
    main()
