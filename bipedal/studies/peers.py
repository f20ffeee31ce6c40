"""Other people's algorithms on our engine: Stable-Baselines3 and sb3-contrib (extra `studies`).

Hyperparameters are those that rl-baselines3-zoo publishes for BipedalWalker-v3 (hyperparams/*.yml),
the libraries' defaults elsewhere. The zoo has none for DQN, which needs discrete actions; it takes
those for LunarLander-v3, and torques of K values a joint, K⁴ actions.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import numpy.typing as npt
import torch

from bipedal.engines.warp import WarpEngine
from bipedal.seeds import row_seeds
from bipedal.walker import ACTION_DIM, OBSERVATION_DIM, FloatArray

OFF_POLICY = {
    "learning_rate": 7.3e-4, "buffer_size": 300_000, "batch_size": 256, "ent_coef": "auto",
    "gamma": 0.98, "tau": 0.02, "train_freq": 64, "gradient_steps": 64, "learning_starts": 10_000,
    "use_sde": True, "policy_kwargs": {"log_std_init": -3, "net_arch": [400, 300]},
}  # fmt: skip
"""hyperparams/sac.yml and tqc.yml."""
DDPG = {
    "learning_rate": 1e-3, "buffer_size": 200_000, "gamma": 0.98, "train_freq": 1,
    "gradient_steps": 1, "learning_starts": 10_000, "policy_kwargs": {"net_arch": [400, 300]},
}  # fmt: skip
"""hyperparams/ddpg.yml."""
DDPG_NOISE = 0.1
"""Its normal noise on the actions."""
TRPO = {
    "n_steps": 1024, "batch_size": 128, "gamma": 0.99, "gae_lambda": 0.95, "cg_max_steps": 25,
    "cg_damping": 0.1, "n_critic_updates": 20, "learning_rate": 1e-3, "sub_sampling_factor": 1,
}  # fmt: skip
"""hyperparams/trpo.yml; observations and rewards normalised."""
TRPO_ENVS = 2
DQN = {
    "learning_rate": 6.3e-4, "batch_size": 128, "buffer_size": 50_000, "learning_starts": 0,
    "gamma": 0.99, "target_update_interval": 250, "train_freq": 4, "gradient_steps": -1,
    "exploration_final_eps": 0.1,
    "policy_kwargs": {"net_arch": [256, 256]},
}  # fmt: skip
"""hyperparams/dqn.yml, LunarLander-v3: 100,000 timesteps, 0.12 of them explore less and less."""
DQN_EXPLORATION = 12_000


def values_of(name: str) -> dict[str, Any]:
    """All hyperparameters of a peer that are not its library's defaults, as plain values."""
    values: dict[str, dict[str, Any]] = {
        "trpo": {**TRPO, "num_envs": TRPO_ENVS},
        "ddpg": {**DDPG, "noise": DDPG_NOISE},
        "dqn": {**DQN, "exploration": DQN_EXPLORATION},
        "sac": OFF_POLICY,
        "tqc": OFF_POLICY,
    }
    return {"algorithm": name, **values[name.split("-")[0]]}


def torque_table(bins: int) -> FloatArray:
    """All combinations of `bins` torques a joint, evenly from -1 to 1: (bins⁴, 4)."""
    levels = np.linspace(-1.0, 1.0, bins, dtype=np.float32)
    return np.array(list(itertools.product(levels, repeat=ACTION_DIM)), dtype=np.float32)


def make_venv(num_envs: int, seed: int, bins: int | None = None) -> Any:
    """Our engine as a vector environment of Stable-Baselines3; discrete if `bins` are given."""
    from bipedal.engines.stable_baselines import PlainVecEnv

    table = None if bins is None else torque_table(bins)
    observations = gymnasium.spaces.Box(-np.inf, np.inf, (OBSERVATION_DIM,), np.float32)
    actions: Any = (
        gymnasium.spaces.Box(-1.0, 1.0, (ACTION_DIM,), np.float32)
        if table is None
        else gymnasium.spaces.Discrete(len(table))
    )

    class EngineVecEnv(PlainVecEnv):
        def __init__(self) -> None:
            self.engine = WarpEngine("BipedalWalker-v3", num_envs, row_seeds(seed, num_envs))
            super().__init__(num_envs, observations, actions)

        def reset(self) -> FloatArray:
            return self.engine.reset().numpy().copy()

        def step_async(self, actions: npt.NDArray[Any]) -> None:
            super().step_async(actions if table is None else table[actions])

        def step_wait(self) -> Any:
            step = self.engine.step(torch.from_numpy(self.actions))
            infos = self.tell_ends(
                step.terminated.numpy(), step.truncated.numpy(), step.final_observation.numpy()
            )
            observation = step.observation.numpy().copy()
            return observation, step.reward.float().numpy(), step.done.numpy(), infos

        def close(self) -> None:
            self.engine.close()

    return EngineVecEnv()


def make_peer(name: str, seed: int, timesteps: int) -> Any:
    """A learner that has not begun: trpo, ddpg, sac, tqc, or dqn-K with K torques a joint.

    `timesteps` are what `learn` will be given.
    """
    common: dict[str, Any] = {"seed": seed, "device": "cpu"}
    if name == "trpo":
        from sb3_contrib import trpo
        from stable_baselines3.common.vec_env import VecNormalize

        venv = VecNormalize(make_venv(TRPO_ENVS, seed), gamma=TRPO["gamma"])
        return trpo.TRPO("MlpPolicy", venv, **TRPO, **common)
    if name == "ddpg":
        from stable_baselines3 import ddpg
        from stable_baselines3.common.noise import NormalActionNoise

        noise = NormalActionNoise(np.zeros(ACTION_DIM), np.full(ACTION_DIM, DDPG_NOISE))
        return ddpg.DDPG("MlpPolicy", make_venv(1, seed), action_noise=noise, **DDPG, **common)
    if name.startswith("dqn-"):
        from stable_baselines3 import dqn

        venv = make_venv(1, seed, bins=int(name.removeprefix("dqn-")))
        explore = min(1.0, DQN_EXPLORATION / timesteps)
        return dqn.DQN("MlpPolicy", venv, exploration_fraction=explore, **DQN, **common)
    from sb3_contrib import TQC
    from stable_baselines3 import SAC

    kind = {"sac": SAC, "tqc": TQC}[name]
    return kind("MlpPolicy", make_venv(1, seed), **OFF_POLICY, **common)


def learn(model: Any, timesteps: int, seconds: float, watch: Callable[[int, float], None]) -> None:
    """Train until a budget is used up; `watch` hears of timesteps and seconds at each step."""
    import time

    from stable_baselines3.common.callbacks import BaseCallback

    began = time.monotonic()

    class Watch(BaseCallback):  # type: ignore[misc]
        def _on_step(self) -> bool:
            elapsed = time.monotonic() - began
            watch(self.num_timesteps, elapsed)
            return elapsed < seconds

    model.learn(timesteps, callback=Watch())


def save_peer(model: Any, path: Path) -> None:
    """Write the policy and, where it has some, its observation statistics beside it (.npz)."""
    model.save(path)
    normalize = model.get_vec_normalize_env()
    if normalize is not None:
        statistics = normalize.obs_rms
        np.savez(path.with_suffix(".npz"), mean=statistics.mean, var=statistics.var)


def greedy_policy(model: Any, path: Path) -> Callable[[FloatArray], FloatArray]:
    """Of a loaded model: raw observation to action, through the statistics beside `path`."""

    def act(seen: FloatArray) -> FloatArray:
        action: FloatArray = model.predict(seen, deterministic=True)[0]
        return action

    beside = path.with_suffix(".npz")
    if not beside.exists():
        return act
    statistics = np.load(beside, allow_pickle=False)
    mean, scale = statistics["mean"], 1.0 / np.sqrt(statistics["var"] + 1e-8)
    return lambda observation: act(
        np.clip((observation - mean) * scale, -10.0, 10.0).astype(np.float32)
    )


def load_peer(name: str, path: Path) -> Callable[[FloatArray], FloatArray]:
    """The greedy policy that `save_peer` wrote."""
    import sb3_contrib
    import stable_baselines3

    kinds: dict[str, Any] = {
        "trpo": sb3_contrib.TRPO,
        "tqc": sb3_contrib.TQC,
        "ddpg": stable_baselines3.DDPG,
        "sac": stable_baselines3.SAC,
        "ppo": stable_baselines3.PPO,
    }
    if not name.startswith("dqn-"):
        return greedy_policy(kinds[name].load(path, device="cpu"), path)
    choose = greedy_policy(stable_baselines3.DQN.load(path, device="cpu"), path)
    table = torque_table(int(name.removeprefix("dqn-")))
    return lambda observation: table[int(choose(observation).item())]
