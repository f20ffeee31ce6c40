"""The engine with nothing but torch: evolution strategies, `torch_tensors.py [GENERATIONS]`.

Every environment plays a linear policy of its own; on CUDA (device="cuda") nothing leaves it.
"""

import sys

import torch

from bipedal.engines.warp import WarpEngine

generations = int(sys.argv[1]) if len(sys.argv) > 1 else 40
pairs, timesteps = 64, 200
engine = WarpEngine("BipedalWalker-v3", 2 * pairs, seed=0, device="cpu")
mean = torch.zeros(24, 4, device=engine.device)
for generation in range(generations):
    noise = torch.randn(pairs, 24, 4, device=engine.device)
    weights = mean + 0.1 * torch.cat([noise, -noise])
    observation = engine.reset(seed=[generation] * 2 * pairs)
    returns = torch.zeros(2 * pairs, device=engine.device)
    alive = torch.ones(2 * pairs, dtype=torch.bool, device=engine.device)
    for _ in range(timesteps):
        step = engine.step(torch.einsum("ni,nij->nj", observation, weights).tanh())
        observation = step.observation  # the next step overwrites it
        returns += step.reward.float() * alive
        alive &= ~step.done
    better = (returns[:pairs] - returns[pairs:]) / returns.std()
    mean += 0.1 * torch.einsum("n,nij->ij", better, noise) / pairs
    print(f"generation {generation}: mean return {float(returns.mean()):.1f}")
engine.close()
