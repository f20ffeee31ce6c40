"""How long a newcomer waits: the share of seeds whose run is over, against seconds.

    bipedal study seeds --arms default --first-seed 1700 --seeds 8 --jobs 1 --cores 2 \\
        --out runs/default-seeds
    cp runs/default-seeds/trials.csv results/default-seeds.csv
    python benchmarks/solved_share.py

Draws docs/default-seeds.png from results/default-seeds.csv and prints percentiles of the seconds
from launch to exit. Run the study on a quiet machine: it times one run after another.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from bipedal.style import BLUE, GRID, MUTED, label, panels
from bipedal.tables import read_table

ROOT = Path(__file__).parents[1]
PERCENTILES = (5, 25, 50, 75, 95)


def main() -> None:
    """Draw and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--table", type=Path, default=ROOT / "results" / "default-seeds.csv")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "default-seeds.png")
    args = parser.parse_args()
    rows = [row for row in read_table(args.table) if row["wall_seconds"] is not None]
    seconds = np.sort([float(row["wall_seconds"]) for row in rows])
    for percentile in PERCENTILES:
        print(f"{percentile:3d} %  {np.percentile(seconds, percentile):6.1f} s")
    draw(seconds, args.out)


def draw(seconds: np.ndarray, out: Path) -> None:
    """The share of the sorted `seconds` (N,) that is over, as a step for each run."""
    figure, (axis,) = panels((7.0, 2.8))
    share = 100.0 * np.arange(1, len(seconds) + 1) / len(seconds)
    axis.step([0.0, *seconds], [0.0, *share], where="post", color=BLUE, lw=1.8)
    median = float(np.median(seconds))
    axis.axvline(median, color=GRID, lw=1.2)
    axis.annotate(
        f"median {median:.0f} s", (median, 4.0), xytext=(4, 0), textcoords="offset points",
        color=MUTED, fontsize=8,
    )  # fmt: skip
    axis.set_ylim(0.0, 103.0)
    axis.set_xlim(left=0.0)
    label(
        axis, f"runs that are over, % of {len(seconds)} fresh seeds", "seconds from launch to exit"
    )
    figure.savefig(out, dpi=130, facecolor="white")


if __name__ == "__main__":
    main()
