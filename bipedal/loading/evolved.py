"""Read the walkers published with *Evolving Stable Strategies* (D. Ha, 2017)."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import torch
from torch import nn

from bipedal.errors import UserError
from bipedal.files import read_file
from bipedal.loading.layers import SQUASHED, make_net
from bipedal.walker import ACTION_DIM, OBSERVATION_DIM

SIZES = (OBSERVATION_DIM, 40, 40, ACTION_DIM)
PARAMETERS = sum((inputs + 1) * outputs for inputs, outputs in itertools.pairwise(SIZES))
MAX_BYTES = 1 << 20
"""A file takes 24 kB."""


def load_evolved(path: Path, _: bool) -> tuple[nn.Sequential, None]:
    """Read a network with two hidden layers of 40 and tanh after every layer; no statistics.

    The file is a JSON list. Its first element lists 2,804 numbers: of each layer the matrix
    (inputs, outputs) row by row, then the biases. Raises `UserError` for anything else.
    """
    data = read_file(path, MAX_BYTES)
    try:
        numbers = json.loads(data)[0]
        if not isinstance(numbers, list) or len(numbers) != PARAMETERS:
            raise ValueError("another network")
        if not all(type(number) in (int, float) for number in numbers):
            raise ValueError("not numbers")
        weights = torch.tensor(numbers, dtype=torch.float64)
    except (ValueError, TypeError, LookupError, RecursionError, OverflowError):
        raise UserError(
            f"{path} does not hold the {PARAMETERS:,} weights of a 40-40 walker of Evolving Stable "
            "Strategies"
        ) from None
    layers = []
    for inputs, outputs in itertools.pairwise(SIZES):
        matrix, bias, weights = weights.split(
            [inputs * outputs, outputs, len(weights) - (inputs + 1) * outputs]
        )
        layers.append((matrix.reshape(inputs, outputs).T.contiguous(), bias))
    return make_net(path, layers, nn.Tanh, SQUASHED), None
