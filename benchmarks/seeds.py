"""Train a preset with several seeds and score each: is it robust, or was it luck?

    python benchmarks/seeds.py --preset default --seeds 1000 1001 1002 1003 1004
    python benchmarks/seeds.py --one-by-one --seeds $(seq 1000 1009)
    python benchmarks/seeds.py --preset hardcore hardcore-polish --episodes 1000

Of several presets, each begins with the best model of the one before. Each seed trains in a process
of its own, pinned to one core, or with `--one-by-one` alone on all cores, which is how to time it:
`wall_seconds` are from launch to exit, imports included (of a run that was cut off and resumed,
what its log says: the training of all sittings). Runs go to runs/seeds/ and are never repeated or
dropped: one that failed has a row that says so. The best model is scored over 100 fresh episodes
(or `--episodes`) of Gymnasium's own environment, the final one over 100; a run that stopped because
it was solved ends with its best. Writes results/seeds-PRESET.csv, and with `--figure FILE` the
evaluations on the way to results/seeds-PRESET-curves.csv and drawn to FILE. Other options are
passed on to `bipedal train`.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import time
from collections.abc import Sequence
from pathlib import Path

from pinned import Core, bipedal, map_on_cores, score

from bipedal.checkpoint import load_state
from bipedal.studies.training import checkpoints
from bipedal.tables import write_table

RUNS = Path("runs/seeds")


def train_one(
    presets: Sequence[str], seed: int, episodes: int, extra: Sequence[str], core: Core
) -> dict[str, object]:
    """Train and score one seed on a core; returns its row."""
    log = RUNS / f"{presets[-1]}-{seed}.log"
    try:
        timesteps, wall_seconds = 0, 0.0
        start: list[str] = []
        for preset in presets:
            run_dir = RUNS / f"{preset}-{seed}"
            resume = ["--resume"] if (run_dir / "config.json").exists() else []
            new = ["--preset", preset, "--seed", str(seed), "--final-episodes", "0"]
            launched = time.monotonic()
            bipedal(core, log, "train", "--run-dir", str(run_dir), *new, *start, *extra, *resume)
            seconds = time.monotonic() - launched
            with open(run_dir / "metrics.csv", newline="") as file:
                last_row = list(csv.DictReader(file))[-1]
            timesteps += int(last_row["timesteps"])
            wall_seconds += float(last_row["time/elapsed"]) if resume else seconds
            start = ["--init-from", str(run_dir)]
        solved = load_state(run_dir / "saved_models" / "resume.pt")["solved"]
        best = score(core, log, run_dir, episodes)
        final = best if solved else score(core, log, checkpoints(run_dir)[-1], 100)
    except Exception as error:
        return {"preset": " ".join(presets), "seed": seed, "status": f"failed: {error}"}
    config = json.loads((run_dir / "config.json").read_text())["config"]
    whole = solved or int(last_row["timesteps"]) >= config["total_timesteps"]
    return {
        "preset": " ".join(presets),
        "seed": seed,
        "status": "done" if whole else "stopped",
        "timesteps": timesteps,
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
        "final_mean_return": round(final["mean_return"], 2),
        "final_fall_rate": final["fall_rate"],
    }


def read_curve(presets: Sequence[str], seed: int) -> list[dict[str, float]]:
    """The greedy evaluations of one seed's runs, one behind the other."""
    rows: list[dict[str, float]] = []
    for preset in presets:
        before = rows[-1]["timesteps"] if rows else 0
        path = RUNS / f"{preset}-{seed}" / "evaluations.csv"
        if not path.exists():
            break
        with open(path, newline="") as file:
            rows += [
                {
                    "seed": seed,
                    "timesteps": before + int(row["timesteps"]),
                    "mean_return": round(float(row["mean_return"]), 1),
                    "fall_rate": round(float(row["fall_rate"]), 3),
                }
                for row in csv.DictReader(file)
            ]
    return rows


def draw_curves(curves: Sequence[Sequence[dict[str, float]]], path: Path) -> None:
    """Return and falls of the greedy policy against timesteps, a line a seed."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, panels = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
    for axis, column, title in zip(
        panels, ("mean_return", "fall_rate"), ("greedy return", "falls, share"), strict=True
    ):
        for curve in curves:
            timesteps = [row["timesteps"] / 1e6 for row in curve]
            axis.plot(timesteps, [row[column] for row in curve], lw=1, label=f"{curve[0]['seed']}")
        axis.set_xlabel("timesteps, millions")
        axis.set_ylabel(title)
        axis.grid(alpha=0.25)
        axis.spines[["top", "right"]].set_visible(False)
    panels[0].axhline(300, color="0.4", lw=0.8, ls="--")
    panels[1].legend(title="seed", frameon=False, fontsize=8)
    figure.savefig(path, dpi=100, metadata={"Software": None})


def main() -> None:
    """Run all seeds and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--preset", nargs="+", default=["default"])
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(1000, 1005)))
    parser.add_argument("--episodes", type=int, default=100)
    parser.add_argument("--one-by-one", action="store_true")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--figure", type=Path)
    args, extra = parser.parse_known_args()
    out = args.out or Path("results") / f"seeds-{args.preset[-1]}.csv"
    RUNS.mkdir(parents=True, exist_ok=True)
    rows = map_on_cores(
        lambda seed, core: train_one(args.preset, seed, args.episodes, extra, core),
        args.seeds,
        one_by_one=args.one_by_one,
    )
    write_table(out, rows)
    print(out.read_text(), end="")
    if args.figure:
        curves = [curve for seed in args.seeds if (curve := read_curve(args.preset, seed))]
        write_table(out.with_name(f"{out.stem}-curves.csv"), [row for c in curves for row in c])
        draw_curves(curves, args.figure)


if __name__ == "__main__":
    main()
