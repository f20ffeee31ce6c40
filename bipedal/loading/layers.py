"""Build the network that a state_dict of another library describes, checking all of it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from torch import Tensor, nn

from bipedal.checkpoint import check_weights
from bipedal.config import MAX_HIDDEN_LAYERS, MAX_WIDTH
from bipedal.errors import UserError
from bipedal.networks import may_overflow
from bipedal.walker import ACTION_DIM, OBSERVATION_DIM

Weights = Mapping[str, Tensor]
Layer = tuple[Tensor, Tensor]
"""A matrix (out, in) and its biases (out,)."""
LARGEST_SHOWN = 1e12
"""No number that a policy is shown is larger, normalised or not."""
CLIPPED: tuple[nn.Module, ...] = (nn.Hardtanh(),)
"""Last layer of actions that are cut off at ±1."""
SQUASHED: tuple[nn.Module, ...] = (nn.Tanh(),)
"""Last layer of actions that go through tanh."""


def float_weights(state: object, path: Path, prefix: str = "") -> dict[str, Tensor]:
    """The tensors of a state_dict below a prefix, by the rest of their names; no counters.

    Raises `UserError` if `state` is no state_dict, or one of these is no tensor of floats.
    """
    try:
        if not isinstance(state, Mapping) or not all(isinstance(name, str) for name in state):
            raise ValueError("no state_dict")
        named = {
            name.removeprefix(prefix): tensor
            for name, tensor in state.items()
            if name.startswith(prefix) and not name.endswith(".steps")
        }
        return check_weights(named)
    except (ValueError, TypeError, RuntimeError):
        raise UserError(f"{path} does not hold the weights of a policy") from None


def numbered(weights: Weights, prefix: str, part: str = "weight") -> list[str]:
    """Names of the layers `prefix.N` that have a `part`, in the order of N."""
    pattern = re.compile(rf"{re.escape(prefix)}\.([0-9]{{1,4}})\.{part}")
    numbers = sorted(int(match[1]) for name in weights if (match := pattern.fullmatch(name)))
    return [f"{prefix}.{number}" for number in numbers]


def make_linear(matrix: Tensor, bias: Tensor) -> nn.Linear:
    """A layer of these weights, (out, in) and (out,); draws no random numbers."""
    layer = nn.Linear(matrix.shape[1], matrix.shape[0], device="meta")
    layer.weight = nn.Parameter(matrix, requires_grad=False)
    layer.bias = nn.Parameter(bias, requires_grad=False)
    return layer


def make_net(
    path: Path,
    layers: Sequence[Layer],
    activation: type[nn.Module],
    bounds: Sequence[nn.Module],
) -> nn.Sequential:
    """Put matrices and biases together: an activation after each but the last, then `bounds`.

    Raises `UserError` if they do not make a network from this robot's observation to its action,
    or are not finite.
    """
    widths = _widths(path, layers)
    if (widths[0], widths[-1]) != (OBSERVATION_DIM, ACTION_DIM):
        raise UserError(
            f"{path} has a policy from {widths[0]} to {widths[-1]} numbers; this robot has "
            f"{OBSERVATION_DIM} observations, not stacked, and {ACTION_DIM} torques"
        )
    if len(widths) > MAX_HIDDEN_LAYERS + 2 or not all(0 < width <= MAX_WIDTH for width in widths):
        raise UserError(f"{path} has a larger network than any that is taken")
    if not all(bool(tensor.isfinite().all()) for layer in layers for tensor in layer):
        raise UserError(f"{path} holds weights that are not finite")
    modules: list[nn.Module] = []
    for matrix, bias in layers:
        modules += [make_linear(matrix, bias), activation()]
    net = nn.Sequential(*modules[:-1], *bounds)
    if may_overflow(net, LARGEST_SHOWN):
        raise UserError(f"{path} holds weights that are too large to compute with")
    return net


def _widths(path: Path, layers: Sequence[Layer]) -> list[int]:
    """Numbers that go in, and that each layer gives; `UserError` if one does not fit the next."""
    widths: list[int] = []
    for matrix, bias in layers:
        fits = matrix.dim() == 2 and bias.shape == matrix.shape[:1]
        if not fits or (widths and matrix.shape[1] != widths[-1]):
            raise UserError(f"the layers in {path} do not fit one another")
        widths += [matrix.shape[0]] if widths else [matrix.shape[1], matrix.shape[0]]
    if not widths:
        raise UserError(f"{path} holds no layers of a policy")
    return widths


def linear_layers(path: Path, weights: Weights, names: Sequence[str]) -> list[Layer]:
    """Matrix and bias of layers by their names; `UserError` if one is missing."""
    try:
        return [(weights[f"{name}.weight"], weights[f"{name}.bias"]) for name in names]
    except KeyError as missing:
        raise UserError(f"{path} lacks {missing} of its policy's weights") from None
