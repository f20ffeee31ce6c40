"""The two networks: an actor that chooses torques and a critic that predicts returns.

They share nothing (a decoupled actor-critic), so each has its own features, optimiser and
learning rate, and the critic's large early errors cannot disturb the policy.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Literal, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import layer_norm, linear

from bipedal.layer_norm import LayerNorm

Activation = Literal["relu", "tanh"]

LOG_SQRT_2PI = 0.5 * math.log(2.0 * math.pi)


def make_mlp(
    sizes: Sequence[int],
    *,
    activation: Activation,
    layer_norm: bool,
    output_gain: float,
    generator: torch.Generator | None = None,
) -> nn.Sequential:
    """Make a perceptron: Linear, [LayerNorm,] activation, ..., Linear.

    `sizes` are the widths from input to output. Weights are orthogonal with gain √2 in hidden
    layers and `output_gain` in the last, biases zero (Saxe et al. 2014; Andrychowicz et al.
    2021, section 3.2, on the small last layer). LayerNorm (Ba et al. 2016) stands before the
    activation.
    """
    layers: list[nn.Module] = []
    for index, (fan_in, fan_out) in enumerate(itertools.pairwise(sizes)):
        linear = nn.Linear(fan_in, fan_out)
        last = index == len(sizes) - 2
        nn.init.orthogonal_(
            linear.weight, gain=output_gain if last else math.sqrt(2.0), generator=generator
        )
        nn.init.zeros_(linear.bias)
        layers.append(linear)
        if not last:
            if layer_norm:
                layers.append(LayerNorm(fan_out))
            layers.append(nn.ReLU() if activation == "relu" else nn.Tanh())
    return nn.Sequential(*layers)


class Actor(nn.Module):
    """Gaussian policy: state-dependent mean in (−1, 1), state-independent standard deviation.

    The environment clips actions to ±1; the mean is bounded by tanh so that it can never drift
    to where clipping hides its effect. `log_std` is one learned number per action.
    """

    log_std_bounds: Tensor
    """(2,) smallest and largest `log_std`."""

    def __init__(
        self,
        observation_dim: int,
        action_dim: int,
        *,
        hidden_sizes: Sequence[int] = (64, 64),
        activation: Activation = "relu",
        layer_norm: bool = True,
        initial_log_std: float = 0.0,
        std_min: float = 1e-3,
        std_max: float = 1.0,
        generator: torch.Generator | None = None,
    ) -> None:
        """Make the network; `std_min` and `std_max` bound the standard deviation."""
        super().__init__()
        self.net = make_mlp(
            [observation_dim, *hidden_sizes, action_dim],
            activation=activation,
            layer_norm=layer_norm,
            output_gain=0.01,
            generator=generator,
        )
        self.log_std = nn.Parameter(torch.full((action_dim,), float(initial_log_std)))
        self.hidden_sizes = tuple(hidden_sizes)
        self.activation = activation
        self.layer_norm = layer_norm
        self.register_buffer("log_std_bounds", torch.empty(2), persistent=False)
        self.std_bounds = (std_min, std_max)

    @property
    def std_bounds(self) -> tuple[float, float]:
        """Smallest and largest standard deviation of an action; they may be set anew."""
        return self._std_bounds

    @std_bounds.setter
    def std_bounds(self, bounds: tuple[float, float]) -> None:
        self._std_bounds = bounds
        self.log_std_bounds.copy_(torch.tensor([math.log(bound) for bound in bounds]))

    @property
    def std_is_fixed(self) -> bool:
        """Whether the bounds leave the standard deviation no room."""
        return self._std_bounds[0] == self._std_bounds[1]

    def forward(self, observation: Tensor) -> Tensor:
        """Mean action, (..., observation_dim) -> (..., action_dim) in (−1, 1)."""
        return torch.tanh(self.net(observation))

    @torch.no_grad()
    def scale_output(self, gain: float) -> None:
        """Multiply the last layer, so that the mean becomes tanh(gain · network)."""
        last = cast(nn.Linear, self.net[-1])
        last.weight.mul_(gain)
        last.bias.mul_(gain)

    def bounded_log_std(self) -> Tensor:
        """Logarithm of the standard deviation of each action, (action_dim,), within its bounds.

        Between equal bounds it is a constant, and takes no part in the gradient's norm.
        """
        log_std = self.log_std.detach() if self.std_is_fixed else self.log_std
        return log_std.clamp(*self.log_std_bounds)

    def mean_std(self) -> float:
        """Mean of the actions' standard deviations."""
        return float(self.bounded_log_std().detach().exp().mean())

    @torch.no_grad()
    def project_log_std(self) -> None:
        """Move `log_std` back within its bounds.

        Called after an optimiser step: a clamped parameter that has left its range receives no
        gradient and could never come back.
        """
        self.log_std.clamp_(*self.log_std_bounds)


class Critic(nn.Module):
    """State value V(s): (..., observation_dim) -> (...)."""

    def __init__(
        self,
        observation_dim: int,
        *,
        hidden_sizes: Sequence[int] = (64, 64),
        activation: Activation = "relu",
        layer_norm: bool = True,
        generator: torch.Generator | None = None,
    ) -> None:
        """Make the network."""
        super().__init__()
        self.net = make_mlp(
            [observation_dim, *hidden_sizes, 1],
            activation=activation,
            layer_norm=layer_norm,
            output_gain=1.0,
            generator=generator,
        )

    def forward(self, observation: Tensor) -> Tensor:
        """Predicted discounted sum of scaled rewards from this observation on."""
        value: Tensor = self.net(observation).squeeze(-1)
        return value


@torch.no_grad()
def forward_in_float64(net: nn.Sequential, x: Tensor) -> Tensor:
    """What a perceptron of float32 gives for `x` (..., in) when computed in float64: (..., out).

    Its parameters are converted on the way, so that they may change from one call to the next.
    """
    x = x.double()
    for layer in net:
        if isinstance(layer, nn.Linear):
            x = linear(x, layer.weight.double(), layer.bias.double())
        elif isinstance(layer, nn.LayerNorm):
            shape = layer.normalized_shape
            x = layer_norm(x, shape, layer.weight.double(), layer.bias.double(), layer.eps)
        else:
            x = layer(x)
    return x


MAX_FLOAT32 = 1e37
MAX_SQUARED = 1e18
"""LayerNorm squares what it is given."""


@torch.no_grad()
def may_overflow(net: nn.Sequential, largest_input: float) -> bool:
    """Whether a perceptron that is shown numbers of up to ±`largest_input` may leave float32.

    Bounds what each layer gives by its weights, whatever the numbers are. Where infinities meet,
    an action would be NaN.
    """
    bound = torch.tensor([largest_input], dtype=torch.float64)
    for layer in net:
        if isinstance(layer, nn.Linear):
            weight, bias = layer.weight.double().abs(), layer.bias.double().abs()
            bound = weight @ bound.expand(weight.shape[1]) + bias
        elif isinstance(layer, nn.LayerNorm):
            if not bound.max() < MAX_SQUARED:
                return True
            deviations = math.sqrt(len(bound))  # no number lies further from the mean of all
            bound = deviations * layer.weight.double().abs() + layer.bias.double().abs()
        elif isinstance(layer, nn.Tanh):
            bound = bound.clamp(max=1.0)
        if not bound.max() < MAX_FLOAT32:
            return True
    return False


@contextmanager
def one_thread_an_operation() -> Iterator[None]:
    """Let torch compute each operation in one thread, for a while.

    For networks this small a second one costs more in waiting than it gives. Actor and critic learn
    side by side, and the engine has threads of its own.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def flatten_parameters(module: nn.Module) -> nn.Parameter:
    """Move a module's parameters and gradients into one vector each; they become views of it.

    Returns the vector of parameters, P long, its `grad` in place: an optimiser that is given this
    one parameter steps the whole network with one operation instead of one a layer. Call it when
    the module is on its device; `load_state_dict` still works, and keeps the views.
    """
    parameters = list(module.parameters())
    flat = nn.Parameter(torch.cat([parameter.detach().flatten() for parameter in parameters]))
    flat.grad = torch.zeros_like(flat)
    start = 0
    for parameter in parameters:
        part = slice(start, start + parameter.numel())
        parameter.data = flat.data[part].view_as(parameter)
        parameter.grad = flat.grad[part].view_as(parameter)
        start = part.stop
    return flat


def gaussian_log_prob(mean: Tensor, log_std: Tensor, action: Tensor) -> Tensor:
    """Log-density of independent Gaussians, summed over the last dimension.

    `mean` and `action` (..., A), `log_std` (A,); returns (...) in nats:
    log N(a; μ, σ) = −½ ((a − μ)/σ)² − log σ − ½ log 2π.
    """
    z = (action - mean) * torch.exp(-log_std)
    return (-0.5 * z.square() - log_std - LOG_SQRT_2PI).sum(-1)


def gaussian_entropy(log_std: Tensor) -> Tensor:
    """Entropy in nats of independent Gaussians, summed over actions: Σ log σ + ½ log 2πe.

    `log_std` (A,); returns a scalar.
    """
    return (log_std + 0.5 + LOG_SQRT_2PI).sum(-1)
