"""Score a walker from its files alone: `independent_score.py X.pth [EPISODES [SEED]]`."""

import pickle
import sys

import gymnasium as gym
import numpy as np
import torch
from torch import nn

path = sys.argv[1]
episodes = int(sys.argv[2]) if len(sys.argv) > 2 else 100
first = int(sys.argv[3]) if len(sys.argv) > 3 else 0
contents = torch.load(path, weights_only=True)
env_id = contents.get("env_id", "BipedalWalker-v3")
frames, stride = contents.get("memory", (1, 1))
weights, activation = contents["policy"], contents.get("activation", "relu")
with open(path.removesuffix(".pth") + "_stats.pkl", "rb") as file:
    stats = pickle.load(file)  # your own file: a stranger's pickle may run code

last = max(int(key.split(".")[1]) for key in weights if key.startswith("net."))
layers: list[nn.Module] = []
for index in range(last + 1):  # Linear, LayerNorm, activation, ..., Linear
    weight = weights.get(f"net.{index}.weight")
    if weight is None:
        layers.append(nn.Tanh() if activation == "tanh" else nn.ReLU())
    else:
        layers.append((nn.Linear if weight.dim() == 2 else nn.LayerNorm)(*reversed(weight.shape)))
net = nn.Sequential(*layers).double()  # rounded to float32, the order of sums does not show
net.load_state_dict({k.removeprefix("net."): v for k, v in weights.items() if k != "log_std"})
returns = []
for seed in range(first, first + episodes):
    env = gym.make(env_id)
    past = [env.reset(seed=seed)[0]]
    total, done = 0.0, False
    while not done:
        shown = np.array([past[max(0, len(past) - 1 - age * stride)] for age in range(frames)])
        scaled = np.clip((shown - stats.mean) / np.sqrt(stats.var + 1e-8), -10, 10)
        with torch.no_grad():
            action = torch.tanh(net(torch.from_numpy(scaled.astype(np.float32)).flatten().double()))
        obs, reward, terminated, truncated, _ = env.step(action.float().numpy())
        past.append(obs)
        total, done = total + float(reward), terminated or truncated
    returns.append(total)
print(f"{np.mean(returns):.9f}")
