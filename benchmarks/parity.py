"""Is the batched engine true? Gymnasium and ours, side by side, in three proofs.

    python benchmarks/parity.py            (about 25 minutes on two cores; `make parity`)

`one-step`: along Gymnasium episodes of several behaviours each state is read into the engine,
then both take the same step. Contact is chaotic, so only one step at a time can be compared.
`returns`: policies play the same terrains, pushes and all, in both. `terrains`: the engine's
own terrains against Gymnasium's. Writes results/parity.json and results/parity-worst.csv.
"""

from __future__ import annotations

import argparse
import functools
import json
import multiprocessing
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from gymnasium.envs.box2d.bipedal_walker import BipedalWalkerHeuristics
from scipy import stats

from bipedal.checkpoint import load_model
from bipedal.engines.reference import make_env
from bipedal.engines.synchronise import read_terrain, reset_overheard, synchronise
from bipedal.engines.warp import WarpEngine
from bipedal.evaluation.episode import run_episode
from bipedal.physics.constants import MAX_BOXES, TERRAIN_STEP
from bipedal.physics.state import fields
from bipedal.policy import Policy
from bipedal.processes import usable_cores
from bipedal.tables import write_table
from bipedal.walker import ENV_IDS

LANES = 16
"""Environments side by side in the one-step proof."""
EPISODE_SEED = 3_000_000
Behaviour = Callable[[Any, np.ndarray], np.ndarray]


@functools.cache
def scaled_walker(factor: float) -> Policy:
    """The pretrained walker with weaker torques: at 0.3 it shuffles, at 0.4 it often falls."""
    policy = load_model("pretrained:walker")
    policy.gain *= factor
    return policy


# One step ----------------------------------------------------------------------


def behaviours(rng: np.random.Generator) -> dict[str, Callable[[int], Behaviour]]:
    """Policies by name; each is made anew for every environment, as some remember."""

    def heuristic(_: int) -> Behaviour:
        brain: Any = BipedalWalkerHeuristics()  # it has no types
        return lambda env, observation: np.clip(brain.step_heuristic(observation), -1, 1)

    def walking(_: int, factor: float = 1.0, noise: float = 0.0) -> Behaviour:
        policy = scaled_walker(factor).share()
        return lambda env, o: np.clip(policy.act(o) + rng.normal(0, noise, 4), -1, 1)

    return {
        "random": lambda _: lambda env, o: rng.uniform(-1, 1, 4),
        "heuristic": heuristic,
        "shuffling": functools.partial(walking, factor=0.3),
        "walking": walking,
        "stumbling": functools.partial(walking, noise=0.5),
    }


def box_kinds(boxes: np.ndarray) -> list[str]:
    """What each of Gymnasium's boxes belongs to, by its proportions."""
    size = np.round((boxes[:, 2:] - boxes[:, :2]) / TERRAIN_STEP).astype(int)
    names = {(1, 4): "pit", (4, 1): "stairs"}
    return [names.get((width, height), "stump") for width, height in size.tolist()]


class Side:
    """Gymnasium's environments and the engine's rows, kept in the same state."""

    def __init__(self, env_id: str, make_policy: Callable[[int], Behaviour], seed: int) -> None:
        """Begin episodes from `seed` on."""
        self.env_id, self.make_policy, self.seed = env_id, make_policy, seed
        self.engine = WarpEngine(env_id, LANES, 0, threads=1)
        self.walkers = {name: a.numpy() for name, a in fields(self.engine.walkers).items()}
        self.envs: list[Any] = [None] * LANES
        self.kinds: list[list[str]] = [[]] * LANES
        self.policies: list[Behaviour] = [lambda env, o: o] * LANES
        self.observations = np.zeros((LANES, 24), dtype=np.float32)
        for row in range(LANES):
            self.begin(row)

    def begin(self, row: int) -> None:
        """A fresh episode on both sides."""
        self.envs[row] = make_env(self.env_id)
        self.observations[row], force = reset_overheard(self.envs[row], self.seed)
        self.seed += 1
        heights, boxes = read_terrain(self.envs[row])
        self.kinds[row] = box_kinds(boxes)
        self.policies[row] = self.make_policy(row)
        self.engine.set_start(row, heights, boxes, force)
        self.engine.begin_episodes([row])

    def places(self) -> np.ndarray:
        """Gymnasium's centres and angles (LANES, 5, 3)."""
        return np.array(
            [
                [
                    (*body.worldCenter, body.angle)
                    for body in (env.unwrapped.hull, *env.unwrapped.legs)
                ]
                for env in self.envs
            ]
        )


def one_step(env_id: str, name: str, states: int, worst: list[dict[str, Any]]) -> dict[str, Any]:
    """Compare `states` single steps of one behaviour."""
    rng = np.random.default_rng(0)
    side = Side(env_id, behaviours(rng)[name], EPISODE_SEED)
    engine, walkers = side.engine, side.walkers
    errors: list[np.ndarray] = []
    rewards, poses, ended, flags = [], [], [], []
    seen = {"falls": 0, "at a limit": 0, "impact": 0, "stump": 0, "stairs": 0, "pit": 0}
    while len(errors) * LANES < states:
        for row, env in enumerate(side.envs):
            synchronise(env, row, walkers)
        snapshot = engine.snapshot(range(LANES))
        before = walkers["contact_count"].copy(), walkers["contact"].copy()
        actions = np.array(
            [
                policy(env, observation)
                for policy, env, observation in zip(
                    side.policies, side.envs, side.observations, strict=True
                )
            ],
            dtype=np.float32,
        )
        step = engine.step(torch.from_numpy(actions))
        final_observation, reward = step.final_observation.numpy(), step.reward.numpy()
        ours = engine.poses()
        truth = [env.step(action) for env, action in zip(side.envs, actions, strict=True)]
        side.observations[:] = [answer[0] for answer in truth]
        error = np.abs(final_observation - side.observations)
        errors.append(error)
        rewards.append(np.abs(reward - [answer[1] for answer in truth]))
        terminated = np.array([answer[2] for answer in truth])
        ended.append(np.stack([step.terminated.numpy(), terminated]))
        flags.append(error[:, [8, 13]] == 0)
        # The pose of a finished row is already the next episode's.
        over = step.done.numpy()
        poses.append(np.where(over, 0, np.abs(ours - side.places()).max(axis=(1, 2))))
        for row in range(LANES):
            touched = before[1][row][: before[0][row]]
            touched = touched[touched["touching"] == 1]
            seen["at a limit"] += bool((walkers["joint"]["at_limit"][row] != 0).any())
            seen["impact"] += bool(len(touched) == 0 and final_observation[row, [8, 13]].any())
            for kind in {side.kinds[row][g] for g in touched["ground"] if g < MAX_BOXES}:
                seen[kind] += 1
            if error[row].max() > 1e-4:
                worst.append(
                    {
                        "env_id": env_id,
                        "behaviour": name,
                        "error": float(error[row].max()),
                        "observation": int(error[row].argmax()),
                        "joints_at_limit": int((walkers["joint"]["at_limit"][row] != 0).sum()),
                        "pieces_touched": len(touched),
                        "boxes_touched": int((touched["ground"] < MAX_BOXES).sum()),
                        "snapshot": {key: rows[[row]] for key, rows in snapshot.items()},
                        "action": actions[row],
                    }
                )
        worst.sort(key=lambda case: -case["error"])
        del worst[20:]
        seen["falls"] += int(sum(answer[1] == -100 for answer in truth))
        for finished in np.flatnonzero(terminated | [answer[3] for answer in truth]):
            side.begin(int(finished))
        for finished in np.flatnonzero(over & ~terminated):  # ended on our side only
            side.begin(int(finished))
    engine.close()
    largest = np.concatenate(errors).max(axis=1)
    pose, difference = np.concatenate(poses), np.concatenate(rewards)
    agreement = np.concatenate(ended, axis=1)
    quantiles = (0.5, 0.9, 0.99, 0.999, 1.0)
    return {
        "env_id": env_id,
        "behaviour": name,
        "states": len(largest),
        "within_1e-4": float((largest < 1e-4).mean()),
        "within_1e-3": float((largest < 1e-3).mean()),
        "terminated_agrees": float((agreement[0] == agreement[1]).mean()),
        "foot_flags_agree": float(np.concatenate(flags).all(axis=1).mean()),
        "quantiles": list(quantiles),
        "observation_error": np.quantile(largest, quantiles).tolist(),
        "each_observation_error_0.999": np.quantile(np.concatenate(errors), 0.999, axis=0).tolist(),
        "reward_error": np.quantile(difference, quantiles).tolist(),
        "pose_error": np.quantile(pose, quantiles).tolist(),
        "seen": seen,
    }


def sensitivity(case: dict[str, Any]) -> float:
    """How far the engine's own answer moves when the state is shaken in its last bit or two."""
    engine = WarpEngine(case["env_id"], 64, 0, threads=1)
    engine.restore({key: row.repeat(64, 1) for key, row in case["snapshot"].items()})
    body = engine.walkers.body.numpy()
    rng = np.random.default_rng(0)
    for name in ("center", "angle", "velocity", "spin"):
        shaken = body[name][1:64]
        shaken *= (1 + rng.choice([-1.2e-7, 0, 1.2e-7], shaken.shape)).astype(np.float32)
    observation = engine.step(torch.from_numpy(case["action"]).repeat(64, 1)).final_observation
    moved = float((observation - observation[0]).abs().max())
    engine.close()
    return moved


def together(rows: list[dict[str, Any]], env_id: str) -> dict[str, Any]:
    """All behaviours of an environment in one row."""
    mine = [row for row in rows if row["env_id"] == env_id]
    states = [row["states"] for row in mine]
    keys = ("within_1e-4", "within_1e-3", "terminated_agrees", "foot_flags_agree")
    shares = {key: float(np.average([row[key] for row in mine], weights=states)) for key in keys}
    return {"env_id": env_id, "states": sum(states), **shares}


def write_worst(path: Path, worst: list[dict[str, Any]]) -> None:
    """The twenty largest errors, each with how far its last bits reach."""
    names = (
        "env_id", "behaviour", "error", "observation", "joints_at_limit", "pieces_touched",
        "boxes_touched",
    )  # fmt: skip
    rows = [
        {name: case[name] for name in names} | {"moved_by_shaking_the_last_bits": sensitivity(case)}
        for case in worst
    ]
    write_table(path, rows)


# Same ground, same returns ----------------------------------------------------------------------


POLICIES = {
    "walker": ("BipedalWalker-v3", 1.0),
    "poor": ("BipedalWalker-v3", 0.4),
    "walker on Hardcore": ("BipedalWalkerHardcore-v3", 1.0),
}


def _gymnasium_episode(job: tuple[str, float, int]) -> tuple[float, int, bool, Any]:
    """Play one episode in Gymnasium; returns what it came to, and how it began."""
    env_id, factor, seed = job
    torch.set_num_threads(1)
    episode = run_episode(scaled_walker(factor), env_id, seed, keep_trajectory=False)
    env = make_env(env_id)
    _, force = reset_overheard(env, seed)
    return episode.episodic_return, episode.length, episode.fell, (*read_terrain(env), force)


def same_returns(name: str, episodes: int, pool: ProcessPoolExecutor) -> dict[str, Any]:
    """Play the same episodes in both engines."""
    env_id, factor = POLICIES[name]
    jobs = [(env_id, factor, EPISODE_SEED + i) for i in range(episodes)]
    gym = list(pool.map(_gymnasium_episode, jobs, chunksize=10))
    engine = WarpEngine(env_id, episodes, 0)
    for row, (*_, start) in enumerate(gym):
        engine.set_start(row, *start)
    policy = scaled_walker(factor).share()
    observation = engine.reset()
    returns = torch.zeros(episodes, dtype=torch.float64)
    lengths = torch.zeros(episodes, dtype=torch.int64)
    fell, running = torch.zeros(episodes, dtype=torch.bool), torch.ones(episodes, dtype=torch.bool)
    while running.any():
        step = engine.step(policy.act_batch(observation))
        returns += torch.where(running, step.reward, 0.0)
        lengths += running
        fell |= running & step.fell
        running &= ~step.done
        observation = step.observation
    engine.close()
    theirs = [np.array(values, dtype=float) for values in list(zip(*gym, strict=True))[:3]]
    report: dict[str, Any] = {"policy": name, "env_id": env_id, "episodes": episodes}
    for key, ours, other in zip(
        ("return", "length", "fall_rate"), (returns, lengths, fell), theirs, strict=True
    ):
        difference = ours.numpy().astype(float) - other
        half = 1.96 * difference.std(ddof=1) / np.sqrt(episodes)
        report[key] = {
            "gymnasium": float(other.mean()),
            "ours": float(ours.double().mean()),
            "difference": float(difference.mean()),
            "interval_95": [float(difference.mean() - half), float(difference.mean() + half)],
        }
    return report


# Terrains ----------------------------------------------------------------------


def terrain_statistics(height: np.ndarray, boxes: np.ndarray) -> dict[str, float]:
    """What two laws of terrain are compared by."""
    kinds = box_kinds(boxes)
    return {
        "mean height": float(height.mean()),
        "last height": float(height[-1]),
        "range": float(np.ptp(height)),
        "roughness": float(np.abs(np.diff(height, 2)).mean()),
        "stumps": kinds.count("stump"),
        "stairs": kinds.count("stairs"),
        "pit walls": kinds.count("pit"),
        "first obstacle": float(boxes[0, 0]) if len(boxes) else 0.0,
        "highest box": float(boxes[:, 3].max()) if len(boxes) else 0.0,
    }


def _gymnasium_terrains(job: tuple[str, Sequence[int]]) -> list[dict[str, float]]:
    env_id, seeds = job
    result = []
    for seed in map(int, seeds):
        env = make_env(env_id)
        env.reset(seed=seed)
        result.append(terrain_statistics(*read_terrain(env)))
    return result


def same_terrains(env_id: str, terrains: int, pool: ProcessPoolExecutor) -> dict[str, Any]:
    """Two-sample Kolmogorov-Smirnov tests of the terrains' statistics."""
    seeds = np.array_split(np.arange(EPISODE_SEED, EPISODE_SEED + terrains), terrains // 50)
    gym = [
        row for rows in pool.map(_gymnasium_terrains, [(env_id, s) for s in seeds]) for row in rows
    ]
    engine = WarpEngine(env_id, terrains, 1000)
    engine.reset()
    ground = {name: array.numpy() for name, array in fields(engine.ground).items()}
    ours = [
        terrain_statistics(ground["height"][row], ground["box"][row, : ground["box_count"][row]])
        for row in range(terrains)
    ]
    engine.close()
    report: dict[str, Any] = {"env_id": env_id, "terrains": terrains}
    for key in gym[0]:
        # Rounded: heights that are equal must not differ by their last bits.
        a, b = (np.round([row[key] for row in rows], 4) for rows in (gym, ours))
        test = stats.ks_2samp(a, b)
        report[key] = {
            "gymnasium": float(a.mean()),
            "ours": float(b.mean()),
            "ks": float(test.statistic),
            "p": float(test.pvalue),
        }
    return report


PARTS = ("one-step", "returns", "terrains")
PACKAGES = ("gymnasium", "box2d", "warp-lang", "numpy", "torch")
"""Their versions stand beside the results."""


def main() -> None:
    """Run the proofs asked for and write the results down, beside those that are there."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--states", type=int, default=5_000, help="per environment and behaviour")
    parser.add_argument("--episodes", type=int, default=1_000, help="per policy")
    parser.add_argument("--terrains", type=int, default=10_000, help="per environment")
    parser.add_argument("--out", type=Path, default=Path("results"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    path = options.out / "parity.json"
    report: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    report["command"] = "python benchmarks/parity.py"
    report["versions"] = {package: version(package) for package in PACKAGES}

    def keep(part: str, rows: list[dict[str, Any]]) -> None:
        print(json.dumps(rows[-1]), flush=True)
        report[part] = rows
        path.write_text(json.dumps(report, indent=1) + "\n")

    if "one-step" in options.parts:
        worst: list[dict[str, Any]] = []
        rows: list[dict[str, Any]] = []
        for env_id in ENV_IDS:
            for name in behaviours(np.random.default_rng(0)):
                rows.append(one_step(env_id, name, options.states, worst))
                keep("one-step", rows)
        keep("one-step together", [together(rows, env_id) for env_id in ENV_IDS])
        write_worst(options.out / "parity-worst.csv", worst)
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(usable_cores(), mp_context=context) as pool:
        if "returns" in options.parts:
            rows = []
            for name in POLICIES:
                rows.append(same_returns(name, options.episodes, pool))
                keep("returns", rows)
        if "terrains" in options.parts:
            rows = []
            for env_id in ENV_IDS:
                rows.append(same_terrains(env_id, options.terrains, pool))
                keep("terrains", rows)


if __name__ == "__main__":
    main()
