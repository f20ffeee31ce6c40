"""Summarise how runs developed, phase by phase: return, entropy, deviation, gait.

    python benchmarks/dynamics.py runs/seeds/seed-1000 runs/seeds/seed-1001 \
        --out results/dynamics-seed.csv

A phase is a fifth of a run. Returns are those of its training episodes (stochastic policy, raw
reward); gait is the class of the mean metrics of each greedy evaluation in that phase.
"""

from __future__ import annotations

import argparse
import dataclasses
import itertools
from collections import Counter
from pathlib import Path

import numpy as np

from bipedal.gait import Gait, classify
from bipedal.tables import write_table
from bipedal.viewer.data import Table, read_table

PHASES = 5


def gait_class(evaluations: Table, row: int) -> str:
    """Classify the mean metrics of one evaluation."""
    names = [field.name for field in dataclasses.fields(Gait) if field.name != "fell"]
    metrics = {name: float(evaluations[f"gait/{name}"][row]) for name in names}
    return str(classify(Gait(fell=bool(evaluations["fall_rate"][row] > 0.5), **metrics)))


def summarise(run_dir: Path) -> list[dict[str, object]]:
    """Rows of one run, a phase each."""
    metrics = read_table(run_dir / "metrics.csv")
    evaluations = read_table(run_dir / "evaluations.csv")
    edges = np.linspace(0, metrics["timesteps"][-1], PHASES + 1)
    rows: list[dict[str, object]] = []
    for first, last in itertools.pairwise(edges):
        inside = (metrics["timesteps"] > first) & (metrics["timesteps"] <= last)
        tested = (evaluations["timesteps"] > first) & (evaluations["timesteps"] <= last)
        gaits = Counter(gait_class(evaluations, row) for row in np.flatnonzero(tested))
        rows.append(
            {
                "run": run_dir.name,
                "timesteps": f"{first / 1e6:.2f}-{last / 1e6:.2f}M",
                "training_return": round(np.nanmean(metrics["charts/episodic_return"][inside]), 1),
                "training_fall_rate": round(np.nanmean(metrics["charts/fall_rate"][inside]), 2),
                "entropy": round(np.nanmean(metrics["losses/entropy"][inside]), 2),
                "std": round(np.nanmean(metrics["charts/std"][inside]), 3),
                "greedy_return": round(np.nanmean(evaluations["mean_return"][tested]), 1),
                "greedy_speed": round(np.nanmean(evaluations["mean_speed"][tested]), 2),
                "gait": " ".join(f"{name}:{count}" for name, count in gaits.most_common()),
            }
        )
    return rows


def main() -> None:
    """Write and show the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", type=Path, nargs="+")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    rows = [row for run_dir in args.runs for row in summarise(run_dir)]
    write_table(args.out, rows)
    print(args.out.read_text(), end="")


if __name__ == "__main__":
    main()
