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
import subprocess
from collections.abc import Sequence
from pathlib import Path

from pinned import Core, bipedal, map_on_cores, score

from bipedal.presets import DEFAULT, get_preset
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


def play(preset: str, arm: Arm | None, seed: int, episodes: int, core: Core) -> dict[str, object]:
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
    log = LEVERS / f"{run_dir.name}.log"
    try:
        if arm is not None:
            start = []
            if config.init_from is not None:
                start = ["--init-from", str(SEEDS / f"hardcore-{seed}")]
            resume = ["--resume"] if (run_dir / "config.json").exists() else []
            new = ["--seed", str(seed), "--total-timesteps", str(timesteps)]
            new += ["--final-episodes", "0", "--run-dir", str(run_dir)]
            bipedal(core, log, "train", "--preset", preset, *new, *start, *arm.options, *resume)
        model = run_dir / "saved_models" / f"checkpoint_{config.checkpoint_interval}.pth"
        played = score(core, log, model, episodes)
    except subprocess.CalledProcessError as error:
        return {**row, "status": f"failed: {error}"}
    return {
        **row,
        "status": "done",
        "mean_return": round(played["mean_return"], 2),
        "fall_rate": played["fall_rate"],
        "mean_speed": round(played["mean_speed"], 3),
    }


def play_all(seeds: Sequence[int], episodes: int) -> list[dict[str, object]]:
    """All arms with all seeds, arm by arm, and the presets as they are."""
    stages = dict.fromkeys(arm.preset for arm in ARMS)
    plan: list[tuple[str, Arm | None, int]]
    plan = [(arm.preset, arm, seed) for arm in ARMS for seed in seeds]
    plan += [(preset, None, seed) for preset in stages for seed in seeds]
    return map_on_cores(lambda job, core: play(*job, episodes, core), plan)


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
