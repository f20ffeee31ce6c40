"""Train a preset with several seeds and score each: is it robust, or was it luck?

    python benchmarks/seeds.py --preset default --seeds 1000 1001 1002 1003 1004
    python benchmarks/seeds.py --one-by-one --seeds $(seq 1000 1009)

Each seed trains in a process of its own, pinned to one core, or with `--one-by-one` alone on all
cores, which is how to time it: `wall_seconds` are from launch to exit, imports included. Runs go to
runs/seeds/ and are never repeated or dropped: one that was cut off is resumed, one that failed has
a row that says so. Best and final model are scored apart, each over 100 fresh episodes (or
`--episodes`) of Gymnasium's own environment; a run that stopped because it was solved ends with its
best. Writes results/seeds-PRESET.csv. Other options are passed on to `bipedal train`.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue

from bipedal.checkpoint import load_state
from bipedal.evaluate import FINAL_SEED
from bipedal.tables import write_table

BIPEDAL = [sys.executable, "-m", "bipedal.cli"]


def train_one(
    preset: str, seed: int, episodes: int, cores: SimpleQueue[int | None], extra: Sequence[str]
) -> dict[str, object]:
    """Train and score one seed on the next free core; returns its row."""
    core = cores.get()
    run_dir = Path("runs/seeds") / f"{preset}-{seed}"
    try:
        with open(run_dir.parent / f"{run_dir.name}.log", "a") as log:

            def call(*arguments: str) -> str:
                command = [*BIPEDAL, *arguments]
                if core is not None and hasattr(os, "sched_setaffinity"):
                    command = ["taskset", "-c", str(core), *command]
                return subprocess.run(
                    command, check=True, stdout=subprocess.PIPE, stderr=log, text=True
                ).stdout

            new = ["--preset", preset, "--seed", str(seed), "--final-episodes", "0", *extra]
            resume = ["--resume"] if (run_dir / "config.json").exists() else []
            launched = time.monotonic()
            call("train", "--run-dir", str(run_dir), *new, *resume)
            wall_seconds = time.monotonic() - launched
            solved = load_state(run_dir / "saved_models" / "resume.pt")["solved"]
            last = max(
                (run_dir / "saved_models").glob("checkpoint_*.pth"),
                key=lambda path: int(path.stem.split("_")[1]),
            )
            scores = {}
            for name, model in (("best", run_dir), ("final", last)):
                if name == "final" and solved:
                    scores["final"] = scores["best"]
                    continue
                many = ["--episodes", str(episodes), "--seed", str(FINAL_SEED)]
                answer = call("evaluate", str(model), *many, "--json")
                scores[name] = json.loads(answer)
    except Exception as error:
        return {"preset": preset, "seed": seed, "status": f"failed: {error}"}
    finally:
        cores.put(core)
    with open(run_dir / "metrics.csv", newline="") as file:
        metrics = list(csv.DictReader(file))[-1]
    best = scores["best"]
    config = json.loads((run_dir / "config.json").read_text())["config"]
    whole = solved or int(metrics["timesteps"]) >= config["total_timesteps"]
    return {
        "preset": preset,
        "seed": seed,
        "status": "done" if whole else "stopped",
        "timesteps": int(metrics["timesteps"]),
        "stopped_as_solved": solved,
        "wall_seconds": round(wall_seconds, 1),
        "cores": 1 if core is not None else len(os.sched_getaffinity(0)),
        "best_mean_return": round(best["mean_return"], 2),
        "best_std_return": round(best["std_return"], 2),
        "best_iqm_return": round(best["iqm_return"], 2),
        "best_share_solved": best["share_solved"],
        "best_fall_rate": best["fall_rate"],
        "best_mean_speed": round(best["mean_speed"], 3),
        "best_gait": best["gait"]["class"],
        "final_mean_return": round(scores["final"]["mean_return"], 2),
        "final_fall_rate": scores["final"]["fall_rate"],
    }


def main() -> None:
    """Run all seeds and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--preset", default="default")
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(1000, 1005)))
    parser.add_argument("--episodes", type=int, default=100)
    parser.add_argument("--one-by-one", action="store_true")
    parser.add_argument("--out", type=Path)
    args, extra = parser.parse_known_args()
    out = args.out or Path("results") / f"seeds-{args.preset}.csv"
    Path("runs/seeds").mkdir(parents=True, exist_ok=True)
    cores: SimpleQueue[int | None] = SimpleQueue()
    usable: list[int | None] = [None]
    if hasattr(os, "sched_getaffinity") and not args.one_by_one:
        usable = [*sorted(os.sched_getaffinity(0))]
    for core in usable:
        cores.put(core)
    with ThreadPoolExecutor(len(usable)) as pool:

        def run(seed: int) -> dict[str, object]:
            return train_one(args.preset, seed, args.episodes, cores, extra)

        rows = list(pool.map(run, args.seeds))
    write_table(out, rows)
    print(out.read_text(), end="")


if __name__ == "__main__":
    main()
