"""Evolution strategy on the weights of the greedy policy: the mathematics.

Salimans et al. 2017, "Evolution strategies as a scalable alternative to reinforcement learning",
algorithm 1 with mirrored sampling. A generation plays one episode with each of N actors θ ± σ ε,
and the returns tell where the expected return rises:

    ∇θ E[R(θ + σ ε)] ≈ 1 / (N σ) Σ R(θ + σ ε) ε

It looks at whole episodes without noise in the actions, so it improves the very number that is
scored. PPO improves the return of a noisy policy, discounted.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import layer_norm


def perturbations(pairs: int, parameters: int, generator: torch.Generator) -> Tensor:
    """Standard normal directions ε (pairs, P) float32; each is tried forwards and backwards."""
    return torch.randn(pairs, parameters, generator=generator)


def population(parameters: Tensor, directions: Tensor, deviation: float) -> Tensor:
    """Weights θ + σ ε, then θ − σ ε: (P,) and (pairs, P) -> (2 * pairs, P)."""
    return torch.cat([parameters + deviation * directions, parameters - deviation * directions])


def fitness(returns: Tensor, worst: float) -> Tensor:
    """Standardised returns (N,) -> (N,): mean 0, deviation 1, all 0 where all are equal.

    A return counts as at most `worst` below the median: one fall in a hundred would drown what all
    the others say.
    """
    bounded = returns.clamp(min=float(returns.median()) - worst)
    deviation = bounded.std()
    return (bounded - bounded.mean()) / torch.where(deviation > 0, deviation, 1.0)


def ascent(directions: Tensor, fitness: Tensor, deviation: float) -> Tensor:
    """Estimate of the gradient of the mean fitness, (P,); directions (pairs, P), fitness (N,)."""
    forwards, backwards = fitness.chunk(2)
    return (forwards - backwards) @ directions / (len(fitness) * deviation)


@torch.no_grad()
def forward_each(net: nn.Sequential, parameters: Tensor, x: Tensor) -> Tensor:
    """What N perceptrons of one shape give for an input each: (N, P) and (N, in) -> (N, out).

    Row i of `parameters` are the i-th one's weights, in the order of `net.parameters()`.
    """
    x = x[:, None]
    start = 0

    def take(like: Tensor) -> Tensor:
        nonlocal start
        part = parameters[:, start : start + like.numel()]
        start += like.numel()
        return part.view(-1, *like.shape)

    for layer in net:
        if isinstance(layer, nn.Linear):
            weight, bias = take(layer.weight), take(layer.bias)
            x = torch.baddbmm(bias[:, None], x, weight.transpose(1, 2))
        elif isinstance(layer, nn.LayerNorm):
            weight, bias = take(layer.weight), take(layer.bias)
            normalised = layer_norm(x, layer.normalized_shape, eps=layer.eps)
            x = torch.addcmul(bias[:, None], normalised, weight[:, None])
        else:
            x = layer(x)
    return x[:, 0]
