"""Every public policy that we know of, scored over the same fresh episodes.

    python benchmarks/public_policies.py FOLDER    play them (ten minutes), write results/public.csv
    python benchmarks/public_policies.py --table   print the tables of docs/results.md from it

FOLDER holds the policies of others, in any form that `bipedal evaluate` takes; the pretrained ones
are added. The torque cost is counted from the actions themselves, by Gymnasium's reward.

Nothing trains here, and there are no seeds of training to compare: a study tests claims over those,
so this is a script.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from bipedal.engines.warp import WarpEngine
from bipedal.evaluation.episode import ActBatch, Episode, begin, play_episodes
from bipedal.evaluation.score import MAX_ROWS, Evaluation, mean_interval
from bipedal.foreign_policy import ForeignPolicy
from bipedal.loading.load import READERS, load_policy
from bipedal.networks import one_thread_an_operation
from bipedal.policy import Policy
from bipedal.seeds import FINAL_SEED
from bipedal.shaping import torque_cost
from bipedal.tables import read_table, write_table
from bipedal.walker import ENV_IDS, HARDCORE_ID, WALKER_ID

OUT = Path("results/public.csv")
EPISODES = 1000
OURS = ("pretrained:walker", "pretrained:hardcore")
HA = 'Ha 2017, "Evolving stable strategies"'


class Published(NamedTuple):
    """Who made some policies, and the figure that they published."""

    who: str
    figure: str
    where: str


PUBLISHED: Mapping[tuple[str, str], Published] = {
    ("bipedal", WALKER_ID): Published("this project", "", ""),
    ("bipedal", HARDCORE_ID): Published("this project", "", ""),
    ("Evolving Stable Strategies", WALKER_ID): Published("D. Ha", "345 ± 1.3, ten seeds", HA),
    ("Evolving Stable Strategies", HARDCORE_ID): Published("D. Ha", "300 ± 12, ten seeds", HA),
}
"""By source and environment."""
UNPUBLISHED = Published("", "", "")


class TorqueMeter:
    """Asks a policy for actions, and adds up what Gymnasium's reward charges for their torques."""

    def __init__(self, act: ActBatch, num_envs: int) -> None:
        """Nothing has been charged yet."""
        self._act = act
        self.cost = torch.zeros(num_envs, dtype=torch.float64)
        """(N,), since the start."""

    def __call__(self, observations: Tensor, begun: Tensor) -> Tensor:
        """The policy's actions (N, 4)."""
        actions = self._act(observations, begun)
        self.cost += torque_cost(actions.double())
        return actions


def play(policy: Policy | ForeignPolicy, seeds: range) -> Iterator[tuple[Episode, float]]:
    """Play the episodes of these seeds; yields each with its torque cost.

    There is an environment for every episode, so an episode's number is that of its environment.
    """
    rows = range(len(seeds))
    meter = TorqueMeter(begin(policy), len(seeds))
    engine = WarpEngine(policy.env_id, len(seeds), seeds.start, autoreset=False)
    with one_thread_an_operation(), closing(engine):
        for number, episode in play_episodes(meter, engine, seeds, recorded=rows):
            yield episode, float(meter.cost[number])


def score(name: str, policy: Policy | ForeignPolicy, episodes: int) -> dict[str, Any]:
    """Play a policy's episodes and make its row."""
    seeds = range(FINAL_SEED, FINAL_SEED + episodes)
    parts = [seeds[start : start + MAX_ROWS] for start in range(0, episodes, MAX_ROWS)]
    played = [pair for part in parts for pair in play(policy, part)]
    played.sort(key=lambda pair: pair[0].seed)
    evaluation = Evaluation(policy.env_id, FINAL_SEED, [episode for episode, _ in played])
    summary, gait = evaluation.summary(), evaluation.gait()
    low, high = mean_interval(evaluation.returns) or (None, None)
    source = policy.source if isinstance(policy, ForeignPolicy) else "bipedal"
    who, figure, where = PUBLISHED.get((source, policy.env_id), UNPUBLISHED)
    numbers = {
        "mean_return": summary["mean_return"],
        "low": low,
        "high": high,
        "fall_rate": summary["fall_rate"],
        "torque_cost": sum(cost for _, cost in played) / episodes,
        "mean_length": summary["mean_length"],
        "mean_speed": summary["mean_speed"],
        "hull_height": gait["hull_height"],
        "lying_share": gait["lying_share"],
    }
    return {
        "policy": name,
        "who": who,
        "source": source,
        "published": figure,
        "published_in": where,
        "env_id": policy.env_id,
        "episodes": episodes,
        "first_seed": FINAL_SEED,
        **{key: None if value is None else round(value, 4) for key, value in numbers.items()},
        "posture": gait["posture"],
        "legwork": gait["legwork"],
    }


def find_policies(folder: Path) -> dict[str, str | Path]:
    """Policies by their names: ours, then those in a folder."""
    files = sorted(path for path in folder.iterdir() if path.suffix in READERS)
    return {**{name: name for name in OURS}, **{path.stem: path for path in files}}


def run(folder: Path, episodes: int, out: Path) -> None:
    """Play ours, and all that the table does not have with as many episodes.

    It is written after each. Ours are other models now and then, by the same names.
    """
    policies = find_policies(folder)
    rows = {row["policy"]: row for row in read_table(out)} if out.exists() else {}
    for name, spec in policies.items():
        if name in OURS or name not in rows or rows[name]["episodes"] < episodes:
            rows[name] = score(name, load_policy(spec), episodes)
            write_table(out, [rows[name] for name in policies if name in rows])
            print(rows[name], flush=True)


# The tables of the documentation ------------------------------------------------------------------

HEADINGS = (
    "policy",
    "published",
    "episodes",
    "return",
    "falls",
    "torque cost",
    "timesteps",
    "speed, m/s",
    "posture",
    "legwork",
    "hull, m",
    "lying",
)


def make_table(rows: Sequence[Mapping[str, Any]], env_id: str) -> str:
    """The Markdown table of an environment's rows, the highest return first."""
    shown = [row for row in rows if row["env_id"] == env_id]
    shown.sort(key=lambda row: row["mean_return"], reverse=True)
    lines = [HEADINGS, ["---"] * len(HEADINGS), *map(_cells, shown)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _cells(row: Mapping[str, Any]) -> list[str]:
    return [
        f"`{row['policy']}`",
        str(row["published"] or ""),
        f"{row['episodes']:,}",
        f"{row['mean_return']:.1f} [{row['low']:.1f}, {row['high']:.1f}]",
        f"{100 * row['fall_rate']:.1f} %",
        f"{row['torque_cost']:.1f}",
        f"{row['mean_length']:.0f}",
        f"{row['mean_speed']:.2f}",
        row["posture"],
        row["legwork"],
        f"{row['hull_height']:.2f}",
        f"{100 * row['lying_share']:.1f} %",
    ]


def main() -> None:
    """Play, or print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--episodes", type=int, default=EPISODES)
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--table", action="store_true")
    options = parser.parse_args()
    if options.folder:
        run(options.folder, options.episodes, options.out)
    if options.table:
        print("\n\n".join(make_table(read_table(options.out), env_id) for env_id in ENV_IDS))
    if not (options.folder or options.table):
        parser.error("give FOLDER, or --table")


if __name__ == "__main__":
    main()
