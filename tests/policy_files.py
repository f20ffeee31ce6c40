"""Small policies as other libraries save them, written without these libraries."""

from __future__ import annotations

import io
import itertools
import json
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from bipedal.loading.evolved import PARAMETERS
from bipedal.walker import FloatArray

VEC_NORMALIZE = Path(__file__).parent / "golden" / "vecnormalize.pkl"
"""Written by Stable-Baselines3 2.9: clip 5, epsilon 1e-6."""
COMMON = "stable_baselines3.common.policies"
Floats = npt.NDArray[np.float64]
State = dict[str, torch.Tensor]


def observations(count: int = 40) -> FloatArray:
    """Random observations (count, 24)."""
    return np.random.default_rng(1).normal(0.0, 2.0, (count, 24)).astype(np.float32)


def linear(names: Sequence[str], sizes: Sequence[int]) -> State:
    """Random weights of layers with these names, of these widths."""
    generator = torch.Generator().manual_seed(len(names))
    state = {}
    for name, (fan_in, fan_out) in zip(names, itertools.pairwise(sizes), strict=True):
        state[f"{name}.weight"] = torch.randn(fan_out, fan_in, generator=generator) / 3
        state[f"{name}.bias"] = torch.randn(fan_out, generator=generator)
    return state


def through(state: State, names: Sequence[str], activation: Any, observed: Floats) -> Floats:
    """What these layers make of observations (N, 24), in numpy: (N, 4), not bounded."""
    values = observed
    for name in names:
        matrix, bias = (state[f"{name}.{part}"].double().numpy() for part in ("weight", "bias"))
        values = values @ matrix.T + bias
        if name != names[-1]:
            values = activation(values)
    return values


def relu(values: Floats) -> Floats:
    return np.maximum(values, 0.0)


PPO_NAMES = ("mlp_extractor.policy_net.0", "mlp_extractor.policy_net.2", "action_net")


def ppo_state(inputs: int = 24) -> State:
    return {**linear(PPO_NAMES, (inputs, 6, 5, 4)), "log_std": torch.zeros(4)}


def torch_bytes(contents: object) -> bytes:
    buffer = io.BytesIO()
    torch.save(contents, buffer)
    return buffer.getvalue()


def facts(module: str = COMMON, *, normalized: bool = False, **options: object) -> dict[str, Any]:
    """What the `data` of a zip says of a policy of this module."""
    pickled = {":type:": "<class 'numpy.ndarray'>", ":serialized:": "gASVLg=="}
    return {
        "policy_class": {":type:": "<class 'abc.ABCMeta'>", "__module__": module},
        "policy_kwargs": {":type:": "<class 'dict'>", **options},
        "_last_original_obs": pickled if normalized else None,
    }


def write_zip(path: Path, state: object, data: Mapping[str, Any] | bytes) -> Path:
    """Write a policy as Stable-Baselines3 does."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("data", data if isinstance(data, bytes) else json.dumps(data))
        archive.writestr("policy.pth", torch_bytes(state))
        archive.writestr("_stable_baselines3_version", "2.9.2")
    return path


def evolved_numbers() -> list[float]:
    return list(np.random.default_rng(0).normal(0.0, 0.3, PARAMETERS))


def write_evolved(path: Path) -> Path:
    path.write_text(json.dumps([evolved_numbers(), 0.1]))
    return path
