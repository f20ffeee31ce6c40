"""All gradient steps of an update on a CPU, in one native call for each network.

PyTorch takes eighty operations for a step. Each takes the whole minibatch, and leaves its result in
memory that no fast cache holds, for the next one to read. `steps.cpp` takes 64 samples at a time
through all of it. The mathematics is that of `ppo.py`, which does the same with PyTorch on a GPU,
and for networks that `supports` does not describe.
"""

from __future__ import annotations

import ctypes
import itertools
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, cast

import torch
import warp as wp
from torch import Tensor, nn

from bipedal.adam import Adam
from bipedal.fused.kernel import steps_kernel
from bipedal.networks import Actor, Critic
from bipedal.physics.kernels import load_kernels

LANES, BLOCK, MAX_LAYERS, MAX_ACTIONS = 8, 64, 16, 64
"""As in steps.cpp: numbers in a vector, samples that go through the layers together, limits."""
MAX_WIDTH = 256
"""The weights of wider layers leave no room in the cache."""
_HIDDEN = (nn.Linear, nn.LayerNorm, nn.ReLU)


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


def supports(module: Actor | Critic) -> bool:
    """Whether the steps of a network can be taken here.

    It is on a CPU, and each hidden layer has LayerNorm, ReLU and a multiple of 8 units, at most
    256.
    """
    hidden, last = list(module.net.children())[:-1], cast(nn.Linear, module.net[-1])
    return (
        last.weight.device.type == "cpu"
        and last.out_features <= MAX_ACTIONS
        and len(hidden) <= len(_HIDDEN) * (MAX_LAYERS - 1)
        and all(map(isinstance, hidden, itertools.cycle(_HIDDEN)))
        and all(
            layer.out_features % LANES == 0 and layer.out_features <= MAX_WIDTH
            for layer in cast(list[nn.Linear], hidden[:: len(_HIDDEN)])
        )
    )


class FusedSteps:
    """Gradient steps of one network on batches of B samples that always lie in the same memory."""

    def __init__(
        self, module: Actor | Critic, optimizer: Adam, *, max_grad_norm: float, **plan: Any
    ) -> None:
        """Prepare; see `fused_policy_steps` and `fused_value_steps`."""
        load_kernels([steps_kernel], "cpu")
        self._module = module
        self._kept: list[Any] = []
        layers = _layers(module)
        width = [layers[0][0].shape[1], *(len(bias) for _, bias, *_ in layers)]
        gradients = [[cast(Tensor, one.grad) for one in layer] for layer in layers]
        mean, square, steps, rate = optimizer.memory()
        self._plan = _Plan(
            layers=len(layers),
            size=len(optimizer.parameter),
            max_grad_norm=max_grad_norm,
            adam_epsilon=optimizer.epsilon,
            parameters=self._keep(optimizer.parameter),
            gradient=self._keep(optimizer.gradient),
            mean=self._keep(mean),
            square=self._keep(square),
            steps=self._keep(steps),
            rate=self._keep(rate),
            width=self._keep_numbers(width),
            layer=self._keep_addresses(layers),
            layer_gradient=self._keep_addresses(gradients),
            room=self._keep(torch.empty(room(width))),
            **{
                name: self._keep(value) if isinstance(value, Tensor) else value
                for name, value in plan.items()
            },
        )
        where = ctypes.addressof(self._plan)
        self._launch = wp.launch(steps_kernel, 1, [where], device="cpu", record_cmd=True)

    def __call__(self, minibatches: Sequence[Tensor]) -> Steps:
        """Take a step for each minibatch: the indices of its samples, int64."""
        index = torch.cat(list(minibatches))
        sizes = torch.tensor([len(one) for one in minibatches])
        count = len(minibatches)
        done = Steps(*(torch.empty(size) for size in (count, count, count, len(index))))
        plan = self._plan
        if isinstance(self._module, Actor):
            plan.learns_log_std = int(not self._module.std_is_fixed)
        plan.minibatches = count
        plan.sizes = sizes.data_ptr()
        plan.index = index.data_ptr()
        plan.losses, plan.entropies, plan.norms, plan.log_ratios = (one.data_ptr() for one in done)
        self._launch.launch()
        return done

    def _keep(self, tensor: Tensor) -> int:
        """Address of a tensor that stays where it is."""
        assert tensor.is_contiguous()
        self._kept.append(tensor)
        return tensor.data_ptr()

    def _keep_numbers(self, numbers: Iterable[int]) -> int:
        return self._keep(torch.tensor(list(numbers)))

    def _keep_addresses(self, layers: list[list[Tensor]]) -> int:
        """Four a layer; the last one has no LayerNorm."""
        return self._keep_numbers(
            address for layer in layers for address in [*map(self._keep, layer), 0, 0][:4]
        )


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
        *((name, ctypes.c_int64) for name in ("minibatches", "layers", "actions")),
        *(
            (name, ctypes.c_void_p)
            for name in (
                "sizes", "index", "observations", "targets", "old_log_probs", "advantages",
            )
        ),
        *(
            (name, ctypes.c_float)
            for name in ("clip_range", "entropy_coefficient", "max_grad_norm", "adam_epsilon")
        ),
        *((name, ctypes.c_void_p) for name in ("losses", "entropies", "norms", "log_ratios")),
        ("learns_log_std", ctypes.c_int64),
        *((name, ctypes.c_void_p) for name in ("log_std_bounds", "log_std", "log_std_gradient")),
        ("size", ctypes.c_int64),
        *(
            (name, ctypes.c_void_p)
            for name in (
                "parameters", "gradient", "mean", "square", "steps", "rate", "width", "layer",
                "layer_gradient", "room",
            )
        ),
    ]  # fmt: skip


def _layers(module: Actor | Critic) -> list[list[Tensor]]:
    """Weight and bias of each layer, and scale and shift of the LayerNorm after it."""
    layers: list[list[Tensor]] = []
    for layer in module.net:
        if isinstance(layer, nn.Linear):
            layers.append([])
        layers[-1].extend(layer.parameters())
    return layers


def room(width: Sequence[int]) -> int:
    """How many numbers steps.cpp needs room for, with these widths from input to output."""

    def padded(count: int) -> int:
        return -(-count // LANES) * LANES

    sizes = list(map(padded, width[1:]))
    layers = sum(
        2 * fan_in * size + 4 * size + 2 * BLOCK * size + BLOCK
        for fan_in, size in zip(width, sizes, strict=False)
    )
    return layers + BLOCK * width[0] + 2 * BLOCK * max(sizes)
