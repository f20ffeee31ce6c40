"""Plain gradient descent in the place of Adam, so that a step can be computed by hand."""

from __future__ import annotations

import torch
from torch import nn

from bipedal.adam import Adam
from bipedal.networks import flatten_parameters


class Descent(Adam):
    """Steps along the gradient, times `rate`."""

    def __init__(self, module: nn.Module, rate: float) -> None:
        super().__init__(flatten_parameters(module), rate, epsilon=0.0)

    @torch.no_grad()
    def step(self) -> None:
        self.parameter.sub_(self._rate * self.gradient)
