"""What does each lever of the Hardcore recipe give? One taken away at a time.

    python benchmarks/seeds.py --preset hardcore hardcore-careful hardcore-polish --seeds 1010 ...
    python benchmarks/hardcore_levers.py --seeds 1010 1011 1012

Goes on from the runs that the first command leaves in runs/seeds/. An arm is the preset of one
stage with one lever taken away, with the same seeds, cut to the timesteps of the preset's first
numbered checkpoint; arms of `hardcore-careful` start from the same models as the preset did. That
checkpoint of the arm and of the preset then play fresh episodes of Gymnasium's own environment.
Each run has a process and a core of its own; runs go to runs/levers/ and are never repeated or
dropped. Writes results/hardcore-levers.csv.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue

from bipedal.config import DEFAULT, get_preset
from bipedal.evaluate import FINAL_SEED
from bipedal.tables import write_table

SEEDS, LEVERS = Path("runs/seeds"), Path("runs/levers")
RECIPE = "the preset"


@dataclasses.dataclass(frozen=True)
class Arm:
    """A preset with one lever taken away."""

    preset: str
    lever: str
    options: tuple[str, ...]

    @property
    def folder(self) -> str:
        """Name for its runs, without the seed."""
        return f"{self.preset}-{self.lever}".replace(" ", "-")


ARMS = (
    Arm("hardcore-careful", "the course has an end", ("--no-endless-course",)),
    Arm("hardcore", "noise left to itself", ("--std-min", str(DEFAULT.std_min))),
    Arm("hardcore", "falls cost 100", ("--reward-floor", str(DEFAULT.reward_floor))),
)


def call(core: int | None, log: Path, *arguments: str) -> str:
    """Run a `bipedal` command on a core; returns what it printed."""
    command = [sys.executable, "-m", "bipedal.cli", *arguments]
    if core is not None:
        command = ["taskset", "-c", str(core), *command]
    with open(log, "a") as errors:
        return subprocess.run(
            command, check=True, stdout=subprocess.PIPE, stderr=errors, text=True
        ).stdout


def play(
    preset: str, seed: int, episodes: int, arm: Arm | None, cores: SimpleQueue[int | None]
) -> dict[str, object]:
    """Train an arm, or take the preset's own run, and score its first numbered checkpoint."""
    config = get_preset(preset)
    timesteps = config.checkpoint_interval * config.batch_size
    run_dir = SEEDS / f"{preset}-{seed}" if arm is None else LEVERS / f"{arm.folder}-{seed}"
    row: dict[str, object] = {
        "preset": preset,
        "without": RECIPE if arm is None else arm.lever,
        "seed": seed,
        "timesteps": timesteps,
    }
    core = cores.get()
    try:
        log = LEVERS / f"{run_dir.name}.log"
        if arm is not None:
            start = []
            if config.init_from is not None:
                start = ["--init-from", str(SEEDS / f"hardcore-{seed}")]
            resume = ["--resume"] if (run_dir / "config.json").exists() else []
            new = ["--seed", str(seed), "--total-timesteps", str(timesteps)]
            new += ["--final-episodes", "0", "--run-dir", str(run_dir)]
            call(core, log, "train", "--preset", preset, *new, *start, *arm.options, *resume)
        model = run_dir / "saved_models" / f"checkpoint_{config.checkpoint_interval}.pth"
        many = ["--episodes", str(episodes), "--seed", str(FINAL_SEED), "--json"]
        score = json.loads(call(core, log, "evaluate", str(model), *many))
    except subprocess.CalledProcessError as error:
        return {**row, "status": f"failed: {error}"}
    finally:
        cores.put(core)
    return {
        **row,
        "status": "done",
        "mean_return": round(score["mean_return"], 2),
        "fall_rate": score["fall_rate"],
        "mean_speed": round(score["mean_speed"], 3),
    }


def play_all(seeds: Sequence[int], episodes: int) -> list[dict[str, object]]:
    """All arms with all seeds, arm by arm, and the presets as they are."""
    cores: SimpleQueue[int | None] = SimpleQueue()
    usable = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else [None]
    for core in usable:
        cores.put(core)
    plan = [(arm.preset, arm, seed) for arm in ARMS for seed in seeds]
    plan += [
        (preset, None, seed) for preset in dict.fromkeys(a.preset for a in ARMS) for seed in seeds
    ]
    with ThreadPoolExecutor(len(usable)) as pool:
        return list(pool.map(lambda job: play(job[0], job[2], episodes, job[1], cores), plan))


def main() -> None:
    """Run all arms and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[1010, 1011, 1012])
    parser.add_argument("--episodes", type=int, default=100)
    parser.add_argument("--out", type=Path, default=Path("results/hardcore-levers.csv"))
    args = parser.parse_args()
    missing = [s for s in args.seeds if not (SEEDS / f"hardcore-careful-{s}").exists()]
    if missing:
        parser.error(f"no runs of seeds {missing} in {SEEDS}: run benchmarks/seeds.py first")
    LEVERS.mkdir(parents=True, exist_ok=True)
    rows = sorted(play_all(args.seeds, args.episodes), key=lambda row: str(row["preset"]))
    write_table(args.out, rows)
    print(args.out.read_text(), end="")


if __name__ == "__main__":
    main()
