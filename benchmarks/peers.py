"""Train one of the peers for a fixed time and keep snapshots of its policy.

    python benchmarks/peers.py sb3 --seed 1000 --budget 900 --every 60 --out runs/sb3-1000

Run by `benchmarks/time_to_solve.py`, in a process of its own. Hyperparameters are those that
rl-baselines3-zoo publishes for BipedalWalker-v3 (hyperparams/ppo.yml and tqc.yml), the library's
defaults elsewhere. `sb3` is Stable-Baselines3's PPO on the zoo's own kind of vector environment,
`sb3-envpool` the same on EnvPool with a thread a core, `sbx-tqc` the zoo's TQC in SBX (JAX).

A snapshot TIMESTEPS.zip (and TIMESTEPS.npz, the observation statistics, where there are some) is
written when `--every` seconds have passed since the last one.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from bipedal.studies import peers

ENV_ID = "BipedalWalker-v3"
PPO_VALUES = {
    "n_steps": 2048, "batch_size": 64, "gae_lambda": 0.95, "gamma": 0.999, "n_epochs": 10,
    "ent_coef": 0.0, "learning_rate": 3e-4, "clip_range": 0.18,
}  # fmt: skip
PPO_ENVS, PPO_TIMESTEPS = 32, 5_000_000
TQC_TIMESTEPS = 500_000


def make_envpool(num_envs: int, seed: int) -> Any:
    """EnvPool's walkers as one of Stable-Baselines3's vector environments."""
    import envpool

    from bipedal.engines.stable_baselines import PlainVecEnv
    from bipedal.processes import usable_cores

    class EnvPoolVecEnv(PlainVecEnv):
        def __init__(self) -> None:
            self.pool = envpool.make(
                ENV_ID,
                env_type="gymnasium",
                num_envs=num_envs,
                num_threads=usable_cores(),
                seed=seed,
            )
            super().__init__(num_envs, self.pool.observation_space, self.pool.action_space)

        def reset(self) -> Any:
            return self.pool.reset()[0]

        def step_wait(self) -> Any:
            seen, rewards, terminated, truncated, _ = self.pool.step(self.actions)
            done = terminated | truncated
            infos = self.tell_ends(terminated, truncated, seen)
            over = np.flatnonzero(done)
            if len(over):  # EnvPool would wait for the next step; here an episode begins at once
                seen = seen.copy()
                seen[over] = self.pool.reset(over)[0]
            return seen, rewards, done, infos

        def close(self) -> None:
            self.pool.close()

    return EnvPoolVecEnv()


def make_learner(name: str, seed: int) -> tuple[Any, int]:
    """A learner that has not begun, and the number of timesteps that the zoo gives it."""
    from stable_baselines3 import PPO
    from stable_baselines3.common.env_util import make_vec_env
    from stable_baselines3.common.vec_env import VecMonitor, VecNormalize

    if name == "sbx-tqc":
        from sbx import TQC

        venv = make_vec_env(ENV_ID, 1, seed=seed)
        return TQC("MlpPolicy", venv, seed=seed, **peers.OFF_POLICY), TQC_TIMESTEPS
    venv = (
        VecMonitor(make_envpool(PPO_ENVS, seed))
        if name == "sb3-envpool"
        else make_vec_env(ENV_ID, PPO_ENVS, seed=seed)
    )
    normalized = VecNormalize(venv, gamma=PPO_VALUES["gamma"])
    return PPO("MlpPolicy", normalized, seed=seed, device="cpu", **PPO_VALUES), PPO_TIMESTEPS


def train_peer(name: str, seed: int, budget: float, every: float, out: Path) -> None:
    """Train until the budget (seconds) or the published number of timesteps is used up."""
    out.mkdir(parents=True)
    model, timesteps = make_learner(name, seed)
    saved = 0.0

    def watch(done: int, seconds: float) -> None:
        nonlocal saved
        if seconds - saved > every:
            saved = seconds
            peers.save_peer(model, out / f"{done}.zip")

    peers.learn(model, timesteps, budget, watch)
    peers.save_peer(model, out / f"{model.num_timesteps}.zip")


def load_policy(name: str, snapshot: Path) -> Callable[[Any], Any]:
    """The greedy policy of a snapshot that `train_peer` has written: raw observation to action."""
    if name == "sbx-tqc":
        from sbx import TQC

        return peers.greedy_policy(TQC.load(snapshot), snapshot)
    return peers.load_peer("ppo", snapshot)


def main() -> None:
    """Train the peer that was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name", choices=("sb3", "sb3-envpool", "sbx-tqc"))
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--budget", type=float, required=True)
    parser.add_argument("--every", type=float, required=True)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    train_peer(args.name, args.seed, args.budget, args.every, args.out)


if __name__ == "__main__":
    main()
