"""Where a Hardcore walker falls, and doing what: which lever is missing?

    python benchmarks/falls.py MODEL --episodes 1000

Plays fresh episodes and sorts obstacles by kind and size (a stump is
one or two terrain steps high, a pit three or four wide, stairs go up or down): how many were met,
how many crossed, how many of those that were not ended in a fall and how many in the time limit.
Of each fall: before, over or behind the obstacle's middle, nose or back first, and how fast the
robot was half a second earlier. Writes results/falls-NAME.csv.

It looks at one model that is there already: nothing trains, there are no seeds to compare and no
claim to judge, so it is no study.
"""

from __future__ import annotations

import argparse
from collections import Counter, defaultdict
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

from bipedal.checkpoint import load_model
from bipedal.engines.warp import WarpEngine
from bipedal.evaluation.episode import Episode, begin, play_episodes
from bipedal.evaluation.obstacles import Floats, Kind, Obstacle, find_obstacles, met_obstacles
from bipedal.evaluation.score import MAX_ROWS
from bipedal.evaluation.trajectory import Trajectory
from bipedal.networks import one_thread_an_operation
from bipedal.physics.constants import TERRAIN_STEP, TIMESTEP
from bipedal.policy import Policy
from bipedal.progress import track_items
from bipedal.seeds import FINAL_SEED
from bipedal.tables import write_table
from bipedal.walker import HARDCORE_ID

FREE_GROUND = "free ground"
BEFORE = round(0.5 / TIMESTEP)
"""Timesteps before its end at which a fall is looked at: half a second."""
SLOW, LEANING = 1.0, 0.5
"""m/s and rad: slower than the one a robot is stuck, beyond the other it tips over."""


class Met(NamedTuple):
    """An obstacle that a robot came within reach of, or the free ground that it fell on."""

    what: str
    crossed: bool
    fell: bool
    doing: tuple[str, ...]
    """Words for how it fell."""


def name_obstacle(obstacle: Obstacle, boxes: Floats) -> str:
    """Kind and size, of the boxes (B, 4) that it consists of."""
    inside = (boxes[:, 0] > obstacle.left - 1e-3) & (boxes[:, 2] < obstacle.right + 1e-3)
    own = boxes[inside][boxes[inside][:, 0].argsort()]
    if obstacle.kind is Kind.STUMP:
        return f"stump, {round(float(own[0, 3] - own[0, 1]) / TERRAIN_STEP)} high"
    if obstacle.kind is Kind.PIT:
        return f"pit, {round((obstacle.right - obstacle.left) / TERRAIN_STEP) - 1} wide"
    return "stairs up" if own[-1, 3] > own[0, 3] else "stairs down"


def describe_fall(trajectory: Trajectory, obstacle: Obstacle | None) -> tuple[str, ...]:
    """Words for where and how it fell."""
    end, angle = trajectory.hull_position[-1, 0], trajectory.hull_angle[-1]
    speed = float(trajectory.hull_velocity[-BEFORE:, 0][0])
    words = ["slow" if speed < SLOW else "running"]
    words.append("nose first" if angle < -LEANING else "back first" if angle > LEANING else "level")
    if obstacle is not None:
        middle = (obstacle.left + obstacle.right) / 2
        at = "before" if end < obstacle.left else "behind" if end > obstacle.right else "over"
        words.append(at if at != "over" else "over, first half" if end < middle else "over, second")
    return tuple(words)


def describe(episode: Episode) -> list[Met]:
    """Every obstacle that an episode met, and a fall on free ground."""
    trajectory = episode.trajectory
    assert trajectory is not None
    end = float(trajectory.hull_position[-1, 0])
    met = []
    for obstacle, crossed in met_obstacles(find_obstacles(trajectory.boxes), end):
        fell = trajectory.fell and not crossed
        doing = describe_fall(trajectory, obstacle) if fell else ()
        met.append(Met(name_obstacle(obstacle, trajectory.boxes), crossed, fell, doing))
    if trajectory.fell and all(obstacle.crossed for obstacle in met):
        met.append(Met(FREE_GROUND, False, True, describe_fall(trajectory, None)))
    return met


def analyse(model: Policy, episodes: int) -> list[dict[str, object]]:
    """Play and count; a row a kind of obstacle, the one with most falls first."""
    rows = range(min(episodes, MAX_ROWS))
    seeds = range(FINAL_SEED, FINAL_SEED + episodes)
    by_name: defaultdict[str, list[Met]] = defaultdict(list)
    engine = WarpEngine(HARDCORE_ID, len(rows), FINAL_SEED, autoreset=False)
    with one_thread_an_operation(), closing(engine):
        stream = play_episodes(begin(model), engine, seeds, recorded=rows, keep_trajectories=True)
        for _, episode in track_items("playing", stream, episodes):
            for met in describe(episode):
                by_name[met.what].append(met)
    table = [make_row(name, items, episodes) for name, items in by_name.items()]
    return sorted(table, key=lambda row: row["falls"], reverse=True)


def make_row(name: str, items: Sequence[Met], episodes: int) -> dict[str, Any]:
    """Count the obstacles of one name, or the falls on free ground."""
    falls = [item for item in items if item.fell]
    words = Counter(word for item in falls for word in item.doing)
    crossed = sum(item.crossed for item in items)
    row = {
        "obstacle": name,
        "met": len(items),
        "crossed": crossed,
        "falls": len(falls),
        "falls_per_100_episodes": round(100 * len(falls) / episodes, 2),
        "stuck": len(items) - crossed - len(falls),
        "doing": "; ".join(f"{word} {count}" for word, count in words.most_common()),
    }
    if name == FREE_GROUND:  # nothing to be met
        row |= dict.fromkeys(("met", "crossed", "stuck"))
    return row


def main() -> None:
    """Play, print and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("--episodes", type=int, default=1000)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    rows = analyse(load_model(args.model), args.episodes)
    out = args.out or Path("results") / f"falls-{Path(args.model.split(':')[-1]).stem}.csv"
    write_table(out, rows)
    print(out.read_text(), end="")


if __name__ == "__main__":
    main()
