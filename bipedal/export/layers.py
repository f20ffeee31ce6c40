"""What a greedy policy computes, as arrays and in order: what every file format writes down."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from torch import Tensor, nn

from bipedal.errors import UserError
from bipedal.policy import Policy

Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Linear:
    """x -> weight x + bias, in float64."""

    weight: Doubles
    """(out, in)."""
    bias: Doubles
    """(out,)."""


@dataclass(frozen=True)
class LayerNorm:
    """x -> (x - mean) / sqrt(variance + epsilon) * weight + bias, in float64."""

    weight: Doubles
    """(width,)."""
    bias: Doubles
    """(width,)."""
    epsilon: float


@dataclass(frozen=True)
class Activation:
    """x -> max(x, 0) or tanh(x)."""

    kind: Literal["relu", "tanh"]


Layer = Linear | LayerNorm | Activation


@dataclass(frozen=True)
class GreedyPolicy:
    """From a raw observation (24,) to a greedy action (4,).

    The observation is normalised in float64, clipped to ±`clip` and rounded to float32; the layers
    follow in float64, the last of them a tanh; and the action is rounded to float32.
    """

    mean: Doubles
    """(24,), subtracted from the observation."""
    std: Doubles
    """(24,), what the difference is divided by."""
    clip: float
    layers: Sequence[Layer]

    @property
    def statistics_sha256(self) -> str:
        """SHA-256 of `mean` and `std`, as little-endian float64."""
        data = np.concatenate([self.mean, self.std]).astype("<f8").tobytes()
        return hashlib.sha256(data).hexdigest()


def greedy_policy(policy: Policy) -> GreedyPolicy:
    """Take a policy apart; `UserError` if it is shown earlier observations as well."""
    if policy.frame_stack.frames > 1:
        raise UserError(
            f"this policy is shown {policy.frame_stack.frames} observations at once, and an "
            "exported file has no memory: export one that was trained with --frames 1"
        )
    layers: list[Layer] = [_layer(module) for module in policy.actor.net]
    last = layers[-1]
    assert isinstance(last, Linear), "an actor ends in a linear layer"
    layers[-1] = Linear(policy.gain * last.weight, policy.gain * last.bias)
    normalizer = policy.normalizer
    return GreedyPolicy(
        mean=normalizer.mean.cpu().numpy(),
        std=np.sqrt(normalizer.var.cpu().numpy() + normalizer.epsilon),
        clip=normalizer.clip,
        layers=[*layers, Activation("tanh")],
    )


def _layer(module: nn.Module) -> Layer:
    if isinstance(module, nn.Linear):
        return Linear(_doubles(module.weight), _doubles(module.bias))
    if isinstance(module, nn.LayerNorm):
        return LayerNorm(_doubles(module.weight), _doubles(module.bias), module.eps)
    return Activation("relu" if isinstance(module, nn.ReLU) else "tanh")


def _doubles(parameter: Tensor) -> Doubles:
    array: Doubles = parameter.detach().cpu().double().numpy()
    return array
