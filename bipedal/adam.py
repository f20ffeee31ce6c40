"""Adam for a network whose parameters are one vector.

PyTorch's own does the same and more. For networks this small what it does around the arithmetic
takes longer than the arithmetic, and its first step imports the compiler, which takes a second.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

BETA_MEAN, BETA_SQUARE = 0.9, 0.999
"""Decay rates β₁ and β₂, as in the paper."""


class Adam:
    """Kingma & Ba 2015, "Adam: a method for stochastic optimization", algorithm 1.

    A step looks at nothing on the host, so it can be recorded in a CUDA graph (`capture.py`).
    """

    def __init__(self, parameter: nn.Parameter, rate: float, epsilon: float) -> None:
        """Begin with no moments.

        `parameter` (P,) float32 is what `networks.flatten_parameters` returns: its `grad` stays in
        place. `rate` is the step size α, which may be set anew, and `epsilon` is ε.
        """
        device = parameter.device
        self.parameter = parameter
        self.epsilon = epsilon
        self._rate = torch.tensor(rate, dtype=torch.float64, device=device)
        self._steps = torch.zeros((), dtype=torch.float64, device=device)
        self._mean = torch.zeros_like(parameter.detach())
        self._square = torch.zeros_like(parameter.detach())

    @property
    def gradient(self) -> Tensor:
        """(P,) where `backward` adds."""
        gradient = self.parameter.grad
        if gradient is None:
            raise ValueError("the parameter has no gradient: see flatten_parameters")
        return gradient

    def set_rate(self, rate: float) -> None:
        """Take other steps from now on."""
        self._rate.fill_(rate)

    def memory(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Where it keeps the moments, (P,) each, the number of steps and the rate, float64."""
        return self._mean, self._square, self._steps, self._rate

    @torch.no_grad()
    def step(self) -> None:
        """Take a step along `gradient`."""
        self._steps += 1
        self._mean.lerp_(self.gradient, 1.0 - BETA_MEAN)
        self._square.mul_(BETA_SQUARE).addcmul_(
            self.gradient, self.gradient, value=1.0 - BETA_SQUARE
        )
        mean = self._mean * (self._rate / (1.0 - BETA_MEAN**self._steps))
        deviation = (self._square / (1.0 - BETA_SQUARE**self._steps)).sqrt_().add_(self.epsilon)
        self.parameter.sub_(mean.div_(deviation))

    def state(self) -> dict[str, Any]:
        """What an exact resume needs."""
        return {
            "rate": float(self._rate),
            "steps": float(self._steps),
            "mean": self._mean.clone(),
            "square": self._square.clone(),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go back to a saved state. Raises `ValueError` for an impossible one."""
        if not (0.0 <= state["rate"] <= 1.0 and 0.0 <= state["steps"] < 2.0**53):
            raise ValueError("not a state of Adam")
        self._rate.fill_(state["rate"])
        self._steps.fill_(state["steps"])
        self._mean.copy_(state["mean"])
        self._square.copy_(state["square"])
