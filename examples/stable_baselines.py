"""PPO of Stable-Baselines3 on the batched engine: `stable_baselines.py [TIMESTEPS]`."""

import sys

from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import VecMonitor, VecNormalize

from bipedal.engines.stable_baselines import WalkerVecEnv

timesteps = int(sys.argv[1]) if len(sys.argv) > 1 else 5_000_000
envs = VecNormalize(VecMonitor(WalkerVecEnv(32)), gamma=0.999)
model = PPO(
    "MlpPolicy",
    envs,
    n_steps=512,
    batch_size=1024,
    gamma=0.999,
    seed=0,
    device="cpu",
    verbose=1,
)
model.learn(timesteps)
envs.close()
