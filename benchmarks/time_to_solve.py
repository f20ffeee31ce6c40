"""How long until the robot walks: ours and the peers, one after another on the same cores.

    pip install -e '.[peers]'
    python benchmarks/time_to_solve.py --contenders ours seed sb3 sb3-envpool sbx-tqc

Each contender trains in a process of its own with nothing beside it, and keeps snapshots of its
policy. The clock starts when that process is launched, imports included, and a snapshot's time is
that of its file. Afterwards each snapshot's greedy policy plays `--episodes` fresh episodes, raw
reward, on the batched engine, which has Gymnasium's bits; that time is nobody's. A level counts as
reached at the first snapshot whose mean is at or above it.

`ours` trains until it is solved, `seed` is the notebook's preset, the rest are in
benchmarks/peers.py. Budgets are seconds of training (`--budget`, for `ours` none is needed).
Results are added to what the two tables hold of other contenders and seeds:

    results/time-to-solve.csv       one row a snapshot
    results/time-to-solve.json      levels, memory, budget, versions, hardware
    docs/time-to-solve.png          the figure in the README
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import platform
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import torch

from bipedal.checkpoint import load_model
from bipedal.evaluation.episode import run_episode
from bipedal.processes import usable_cores
from bipedal.studies.figures import draw_curves
from bipedal.tables import read_table, write_table

sys.path.insert(0, str(Path(__file__).parent))
import peers
from machine import installed_versions, processor

ENV_ID = "BipedalWalker-v3"
CONTENDERS = {
    "ours": "ours, default preset",
    "seed": "ours, seed preset",
    "sb3": "Stable-Baselines3 PPO",
    "sb3-envpool": "Stable-Baselines3 PPO on EnvPool",
    "sbx-tqc": "SBX (JAX) TQC",
}
LEVELS = (200, 250, 300)
EVALUATION_SEED = 1_500_000
"""First terrain of the snapshots' episodes; no training, selection or closing score plays these."""
RUNS = Path("runs/time-to-solve")
TABLE = Path("results/time-to-solve.csv")
SUMMARY = Path("results/time-to-solve.json")
FIGURE = Path("docs/time-to-solve.png")
PACKAGES = ("torch", "gymnasium", "warp-lang", "stable-baselines3", "envpool", "sbx-rl", "jax")


def command_of(name: str, seed: int, budget: float, snapshots: int, out: Path) -> list[str]:
    """The command that trains a contender."""
    if name in ("ours", "seed"):
        preset = {"ours": "default", "seed": "seed"}[name]
        every = {"ours": 8, "seed": 25}[name]
        return [
            *(sys.executable, "-m", "bipedal", "train", "--preset", preset),
            *("--seed", str(seed), "--run-dir", str(out), "--final-episodes", "0"),
            *("--checkpoint-interval", str(every), "--video-interval", "0"),
        ]
    return [
        *(sys.executable, str(Path(peers.__file__)), name, "--seed", str(seed)),
        *("--budget", str(budget), "--every", str(budget / snapshots), "--out", str(out)),
    ]


def watch_memory(process: psutil.Process, peak: list[int]) -> None:
    """Note the largest sum of resident memory of a process and those it started."""
    while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
        total = 0
        for part in [process, *process.children(recursive=True)]:
            try:
                total += part.memory_info().rss
            except psutil.Error:
                continue
        peak[0] = max(peak[0], total)
        time.sleep(0.5)


def train(name: str, seed: int, budget: float, snapshots: int) -> dict[str, Any]:
    """Train a contender; returns its wall clock in seconds and its peak memory in MB."""
    out = RUNS / f"{name}-{seed}"
    shutil.rmtree(out, ignore_errors=True)
    out.parent.mkdir(parents=True, exist_ok=True)
    launched = time.time()
    with open(out.parent / f"{out.name}.log", "w") as log:
        process = psutil.Popen(
            command_of(name, seed, budget, snapshots, out), stdout=log, stderr=log
        )
        peak = [0]
        watcher = threading.Thread(target=watch_memory, args=(process, peak))
        watcher.start()
        try:
            code = process.wait(timeout=budget if name in ("ours", "seed") else 2.0 * budget)
        except psutil.TimeoutExpired:
            process.terminate()  # a run of ours saves and stops
            code = process.wait()
        watcher.join()
    ended = time.time()
    return {
        "launched": launched,
        "seconds": round(ended - launched, 2),
        "peak_memory_mb": peak[0] >> 20,
        "exit_code": code,
    }


def snapshots_of(name: str, seed: int) -> Iterator[tuple[int, Path]]:
    """Timesteps and file of every snapshot, in order."""
    out = RUNS / f"{name}-{seed}"
    if name in ("ours", "seed"):
        config = json.loads((out / "config.json").read_text())["config"]
        batch_size = config["num_envs"] * config["rollout_steps"]
        files = [
            (int(path.stem.split("_")[1]) * batch_size, path)
            for path in (out / "saved_models").glob("checkpoint_*.pth")
        ]
    else:
        files = [(int(path.stem), path) for path in out.glob("*.zip")]
    yield from sorted(files)


@lru_cache(maxsize=1)
def _policy(name: str, path: Path) -> Callable[[Any], Any]:
    torch.set_num_threads(1)
    if name in ("ours", "seed"):
        return load_model(path).act
    return peers.load_policy(name, path)


def _play(name: str, path: Path, seed: int) -> tuple[float, bool]:
    episode = run_episode(_policy(name, path), ENV_ID, seed, keep_trajectory=False)
    return episode.episodic_return, episode.fell


def score(
    name: str, seed: int, launched: float, episodes: int, pool: ProcessPoolExecutor
) -> list[dict[str, Any]]:
    """A row for every snapshot."""
    rows = []
    for timesteps, path in snapshots_of(name, seed):
        played = list(
            pool.map(partial(_play, name, path), range(EVALUATION_SEED, EVALUATION_SEED + episodes))
        )
        returns = np.array([episodic_return for episodic_return, _ in played])
        rows.append(
            {
                "contender": name,
                "seed": seed,
                "seconds": round(path.stat().st_mtime - launched, 2),
                "timesteps": timesteps,
                "mean_return": round(float(returns.mean()), 2),
                "std_return": round(float(returns.std()), 2),
                "fall_rate": float(np.mean([fell for _, fell in played])),
                "episodes": episodes,
            }
        )
        print(json.dumps(rows[-1]), flush=True)
    return rows


def levels_of(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Seconds and timesteps at which each level was first reached; None where it was not."""
    found: dict[str, Any] = {}
    for level in LEVELS:
        first = next((row for row in rows if row["mean_return"] >= level), None)
        found[str(level)] = first and {name: first[name] for name in ("seconds", "timesteps")}
    return found


def draw(rows: list[dict[str, Any]]) -> None:
    """Return against timesteps and against wall clock."""
    groups = {
        label: [{**row, "return": row["mean_return"]} for row in rows if row["contender"] == name]
        for name, label in CONTENDERS.items()
    }
    figure = draw_curves({label: points for label, points in groups.items() if points})
    figure.savefig(FIGURE, dpi=100, metadata={"Software": None})


def main() -> None:
    """Train, score, and write the tables and the figure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--contenders", nargs="+", choices=CONTENDERS, default=list(CONTENDERS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[1000])
    parser.add_argument("--budget", type=float, default=900.0, help="seconds of training")
    parser.add_argument("--episodes", type=int, default=20, help="episodes a snapshot")
    parser.add_argument("--snapshots", type=int, default=20, help="of each peer")
    args = parser.parse_args()
    rows: list[dict[str, Any]] = []
    if TABLE.exists():
        rows = read_table(TABLE)
    summary = json.loads(SUMMARY.read_text()) if SUMMARY.exists() else {"runs": {}}
    summary["machine"] = f"{usable_cores()} cores, {processor()}, {platform.system()}"
    with ProcessPoolExecutor(usable_cores(), multiprocessing.get_context("spawn")) as pool:
        for name in args.contenders:
            for seed in args.seeds:
                facts = train(name, seed, args.budget, args.snapshots)
                scored = score(name, seed, facts.pop("launched"), args.episodes, pool)
                rows = [r for r in rows if (r["contender"], r["seed"]) != (name, seed)] + scored
                summary["runs"][f"{name}-{seed}"] = {
                    **facts,
                    "budget_seconds": args.budget,
                    "timesteps": scored[-1]["timesteps"] if scored else 0,
                    "best": max((row["mean_return"] for row in scored), default=None),
                    "levels": levels_of(scored),
                    "versions": installed_versions(PACKAGES),
                }
                write_table(TABLE, rows)
                SUMMARY.write_text(json.dumps(summary, indent=1) + "\n")
                draw(rows)
                print(json.dumps(summary["runs"][f"{name}-{seed}"]), flush=True)


if __name__ == "__main__":
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    main()
