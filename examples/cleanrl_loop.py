"""The rollouts of a CleanRL script on the batched engine: `cleanrl_loop.py [ITERATIONS]`."""

import sys

import gymnasium as gym
import torch

import bipedal  # noqa: F401, tells Gymnasium of its environments

iterations = int(sys.argv[1]) if len(sys.argv) > 1 else 10
num_envs, num_steps = 64, 128
envs = gym.make_vec("bipedal/BipedalWalker-v3", num_envs=num_envs, autoreset_mode="SameStep")
envs = gym.wrappers.vector.RecordEpisodeStatistics(envs)
agent = torch.nn.Sequential(torch.nn.Linear(24, 64), torch.nn.Tanh(), torch.nn.Linear(64, 4))
obs, actions = torch.zeros(num_steps, num_envs, 24), torch.zeros(num_steps, num_envs, 4)
rewards, dones = torch.zeros(2, num_steps, num_envs)
next_obs, next_done = torch.from_numpy(envs.reset(seed=0)[0]), torch.zeros(num_envs)
for iteration in range(iterations):
    for step in range(num_steps):
        obs[step], dones[step] = next_obs, next_done
        with torch.no_grad():
            actions[step] = torch.distributions.Normal(agent(next_obs), 0.5).sample()
        seen, reward, terminated, truncated, infos = envs.step(actions[step].numpy())
        next_obs, next_done = torch.from_numpy(seen), torch.from_numpy(terminated | truncated)
        rewards[step] = torch.from_numpy(reward)
        for env in (terminated | truncated).nonzero()[0]:
            print(f"iteration {iteration}: return {infos['episode']['r'][env]:.1f}")
    # Here the script computes advantages and updates its agent with what was collected.
envs.close()
