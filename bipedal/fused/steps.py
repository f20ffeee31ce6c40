"""All gradient steps of an update on a CPU, in one native call for each network.

PyTorch takes eighty operations for a step. Each takes the whole minibatch, and leaves its result in
memory that no fast cache holds, for the next one to read. `steps.cpp` takes 64 samples at a time
through all of it. The mathematics is that of `ppo.py`, which does the same with PyTorch on a GPU,
and for networks that `network.supports` does not describe.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from bipedal.adam import Adam
from bipedal.fused.kernel import steps_kernel
from bipedal.fused.network import BLOCK, Call, Network, padded, widths
from bipedal.networks import Actor, Critic


class Steps(NamedTuple):
    """What each of M minibatches said before the step that it led to."""

    losses: Tensor
    """(M,) −L^CLIP without entropy, or half the mean squared error of the values."""
    entropies: Tensor
    """(M,) of the policy, in nats."""
    norms: Tensor
    """(M,) of the gradients before they were clipped; a broken one counted as zero."""
    log_ratios: Tensor
    """log π(a|s) − log π_old(a|s) of every sample of all minibatches."""


class FusedSteps:
    """Gradient steps of one network on batches of B samples that always lie in the same memory."""

    def __init__(
        self, module: Actor | Critic, optimizer: Adam, *, max_grad_norm: float, **plan: Any
    ) -> None:
        """Prepare; see `fused_policy_steps` and `fused_value_steps`."""
        self._module = module
        mean, square, steps, rate = optimizer.memory()
        self._call = Call(
            steps_kernel,
            _Plan,
            module,
            more_room=more_room(widths(module)),
            size=len(optimizer.parameter),
            max_grad_norm=max_grad_norm,
            adam_epsilon=optimizer.epsilon,
            parameters=optimizer.parameter.data,
            gradient=optimizer.gradient,
            mean=mean,
            square=square,
            steps=steps,
            rate=rate,
            **plan,
        )

    def __call__(self, minibatches: Sequence[Tensor]) -> Steps:
        """Take a step for each minibatch: the indices of its samples, int64."""
        index = torch.cat(list(minibatches))
        sizes = torch.tensor([len(one) for one in minibatches])
        count = len(minibatches)
        done = Steps(*(torch.empty(size) for size in (count, count, count, len(index))))
        plan = self._call.plan
        if isinstance(self._module, Actor):
            plan.learns_log_std = int(not self._module.std_is_fixed)
        plan.minibatches = count
        plan.sizes = sizes.data_ptr()
        plan.index = index.data_ptr()
        plan.losses, plan.entropies, plan.norms, plan.log_ratios = (one.data_ptr() for one in done)
        self._call.launch()
        return done


def fused_policy_steps(
    actor: Actor,
    optimizer: Adam,
    *,
    observations: Tensor,
    actions: Tensor,
    log_probs: Tensor,
    advantages: Tensor,
    clip_range: float,
    entropy_coefficient: float,
    max_grad_norm: float,
) -> FusedSteps:
    """Steps on −L^CLIP − c S (PPO equations 7 and 9), as `ppo.policy_step` takes them.

    Tensors are contiguous float32: (B, O), (B, A), (B,) and (B,), and are read anew in each call.
    """
    return FusedSteps(
        actor,
        optimizer,
        max_grad_norm=max_grad_norm,
        actions=actions.shape[1],
        observations=observations,
        targets=actions,
        old_log_probs=log_probs,
        advantages=advantages,
        clip_range=clip_range,
        entropy_coefficient=entropy_coefficient,
        log_std=actor.log_std.data,
        log_std_gradient=actor.log_std.grad,
        log_std_bounds=actor.log_std_bounds,
    )


def fused_value_steps(
    critic: Critic,
    optimizer: Adam,
    *,
    observations: Tensor,
    returns: Tensor,
    max_grad_norm: float,
) -> FusedSteps:
    """Steps on half the mean squared error of the values, as `ppo.value_step` takes them."""
    return FusedSteps(
        critic,
        optimizer,
        max_grad_norm=max_grad_norm,
        observations=observations,
        targets=returns,
    )


class _Plan(ctypes.Structure):
    """`Plan` of steps.cpp."""

    _fields_ = [
        ("network", Network),
        ("minibatches", ctypes.c_int64),
        ("actions", ctypes.c_int64),
        ("sizes", ctypes.c_void_p),
        ("index", ctypes.c_void_p),
        ("observations", ctypes.c_void_p),
        ("targets", ctypes.c_void_p),
        ("old_log_probs", ctypes.c_void_p),
        ("advantages", ctypes.c_void_p),
        ("clip_range", ctypes.c_float),
        ("entropy_coefficient", ctypes.c_float),
        ("max_grad_norm", ctypes.c_float),
        ("adam_epsilon", ctypes.c_float),
        ("losses", ctypes.c_void_p),
        ("entropies", ctypes.c_void_p),
        ("norms", ctypes.c_void_p),
        ("log_ratios", ctypes.c_void_p),
        ("learns_log_std", ctypes.c_int64),
        ("log_std_bounds", ctypes.c_void_p),
        ("log_std", ctypes.c_void_p),
        ("log_std_gradient", ctypes.c_void_p),
        ("size", ctypes.c_int64),
        ("parameters", ctypes.c_void_p),
        ("gradient", ctypes.c_void_p),
        ("mean", ctypes.c_void_p),
        ("square", ctypes.c_void_p),
        ("steps", ctypes.c_void_p),
        ("rate", ctypes.c_void_p),
    ]


def more_room(width: Sequence[int]) -> int:
    """How many numbers steps.cpp needs room for beside network.cpp's."""
    sizes = list(map(padded, width[1:]))
    gradients = sum(fan_in * size + 3 * size for fan_in, size in zip(width, sizes, strict=False))
    return gradients + 2 * BLOCK * max(sizes)
