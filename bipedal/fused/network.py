"""Networks that compiled code can work with, and how it is told of them."""

from __future__ import annotations

import ctypes
import itertools
from collections.abc import Sequence
from typing import Any, cast

import torch
import warp as wp
from torch import Tensor, nn

from bipedal.fused.kernel import load
from bipedal.networks import Actor, Critic
from bipedal.normalizer import ObservationNormalizer

LANES, BLOCK, MAX_LAYERS, MAX_ACTIONS = 8, 64, 16, 64
"""As in network.cpp: numbers in a vector, rows that go through the layers together, limits."""
MAX_WIDTH = 256
"""The weights of wider layers leave no room in the cache."""
_HIDDEN = (nn.Linear, nn.LayerNorm, nn.ReLU)


def supports(module: Actor | Critic) -> bool:
    """Whether compiled code can work with a network.

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


class Network(ctypes.Structure):
    """`Network` of network.cpp."""

    _fields_ = [
        ("layers", ctypes.c_int64),
        ("width", ctypes.c_void_p),
        ("layer", ctypes.c_void_p),
        ("gradient", ctypes.c_void_p),
        ("room", ctypes.c_void_p),
    ]


class Normaliser(ctypes.Structure):
    """`Normaliser` of normaliser.cpp."""

    _fields_ = [
        ("epsilon", ctypes.c_double),
        ("clip", ctypes.c_double),
        ("mean", ctypes.c_void_p),
        ("variance", ctypes.c_void_p),
    ]


class Call:
    """A recorded launch of a kernel, with the plan that it reads and all memory that this names."""

    def __init__(
        self,
        kernel: Any,
        plan: type[ctypes.Structure],
        module: Actor | Critic,
        normalizer: ObservationNormalizer | None = None,
        more_room: int = 0,
        **values: Any,
    ) -> None:
        """Prepare.

        `plan` is a structure that begins with a `network` and, with a `normalizer`, goes on with a
        `normaliser`; `values` are others of its fields. `more_room` counts the numbers that the
        kernel needs room for beside the forward pass. Tensors must be contiguous and stay where
        they are, parameters and their gradients too.
        """
        load()
        self._kept: list[Any] = []
        layers = parameters_by_layer(module)
        gradients = [[one.grad for one in layer] for layer in layers]
        width = widths(module)
        network = Network(
            layers=len(layers),
            width=self._keep(torch.tensor(width)),
            layer=self._keep_addresses(layers),
            gradient=self._keep_addresses(gradients),
            room=self._keep(torch.empty(room(width) + more_room)),
        )
        self.plan: Any = plan(network=network)
        if normalizer is not None:
            self.plan.normaliser = Normaliser(
                epsilon=normalizer.epsilon,
                clip=normalizer.clip,
                mean=self._keep(normalizer.mean),
                variance=self._keep(normalizer.var),
            )
        for name, value in values.items():
            setattr(self.plan, name, self._keep(value) if isinstance(value, Tensor) else value)
        where = ctypes.addressof(self.plan)
        self.launch = wp.launch(kernel, 1, [where], device="cpu", record_cmd=True).launch

    def _keep(self, tensor: Tensor | None) -> int:
        """Address of a tensor."""
        if tensor is None:
            return 0
        assert tensor.is_contiguous()
        self._kept.append(tensor)
        return tensor.data_ptr()

    def _keep_addresses(self, layers: Sequence[Sequence[Tensor | None]]) -> int:
        """Four a layer; the last one has no LayerNorm."""
        addresses = [address for layer in layers for address in [*map(self._keep, layer), 0, 0][:4]]
        return self._keep(torch.tensor(addresses))


def parameters_by_layer(module: Actor | Critic) -> list[list[Tensor]]:
    """Weight and bias of each layer, and scale and shift of the LayerNorm after it."""
    layers: list[list[Tensor]] = []
    for layer in module.net:
        if isinstance(layer, nn.Linear):
            layers.append([])
        layers[-1].extend(layer.parameters())
    return layers


def widths(module: Actor | Critic) -> list[int]:
    """Of the input, and of what each layer gives."""
    layers = parameters_by_layer(module)
    return [layers[0][0].shape[1], *(len(bias) for _, bias, *_ in layers)]


def padded(count: int) -> int:
    """Numbers in whole vectors."""
    return -(-count // LANES) * LANES


def room(width: Sequence[int]) -> int:
    """How many numbers network.cpp needs room for, with these widths from input to output."""
    layers = zip(width, map(padded, width[1:]), strict=False)
    return BLOCK * width[0] + sum(
        fan_in * size + size + 2 * BLOCK * size + BLOCK for fan_in, size in layers
    )
