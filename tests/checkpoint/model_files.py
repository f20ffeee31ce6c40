"""What the tests of model files share: how to compare, write and refuse them."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from gymnasium.wrappers.utils import RunningMeanStd

from bipedal.checkpoint import load_model, save_model, statistics_path
from bipedal.errors import UserError
from bipedal.policy import Policy
from bipedal.walker import FloatArray

Contents = dict[str, Any]
ModelMaker = Callable[..., Policy]


def observations(count: int, seed: int = 0) -> FloatArray:
    """Random observations (count, 24)."""
    return np.random.default_rng(seed).normal(0.5, 3.0, (count, 24)).astype(np.float32)


def tensors(model: Policy) -> list[tuple[str, torch.Tensor]]:
    """Every saved tensor of a model, with its name."""
    modules = (model.actor, model.critic, model.normalizer)
    return [item for module in modules for item in module.state_dict().items()]


def same_model(one: Policy, other: Policy) -> bool:
    """Whether two models of the same layers hold the same bits."""
    pairs = zip(tensors(one), tensors(other), strict=True)
    return one.info == other.info and all(
        name == name2 and a.dtype == b.dtype and torch.equal(a, b)
        for (name, a), (name2, b) in pairs
    )


def assert_comes_back(path: Path, model: Policy) -> None:
    """What is saved at a path and loaded from there is the model, bit for bit."""
    save_model(path, model)
    loaded = load_model(path)
    assert same_model(loaded, model)
    assert loaded.actor.std_bounds == model.actor.std_bounds
    # Without hidden layers there is neither activation nor LayerNorm to come back.
    assert loaded.actor.activation == model.actor.activation
    np.testing.assert_array_equal(loaded.act(observations(1)[0]), model.act(observations(1)[0]))


def contents_of(model: Policy) -> Contents:
    """The least that a file of this model must hold."""
    return {
        "policy": dict(model.actor.state_dict()),
        "critic": dict(model.critic.state_dict()),
        "env_id": "BipedalWalker-v3",
    }


def perceptron(*sizes: int) -> dict[str, Any]:
    """Weights of a perceptron without LayerNorm: all ones."""
    weights = {}
    for index, (fan_in, fan_out) in enumerate(itertools.pairwise(sizes)):
        weights[f"net.{2 * index}.weight"] = torch.ones(fan_out, fan_in)
        weights[f"net.{2 * index}.bias"] = torch.ones(fan_out)
    return weights


def with_log_std(weights: dict[str, Any], size: int = 4) -> Contents:
    """The weights of a policy: those of its layers, and `log_std`."""
    return {**weights, "log_std": torch.zeros(size)}


GOOD: Contents = {"policy": with_log_std(perceptron(24, 8, 4)), "critic": perceptron(24, 8, 1)}
"""Contents of a sound model of 8 hidden units, for tests to spoil."""


def notebook_statistics(dtype: npt.DTypeLike = np.float64) -> Any:
    """Statistics as the notebook gathers them, in Gymnasium's class (which has no types)."""
    untyped: Any = RunningMeanStd
    statistics = untyped(shape=(24,), dtype=dtype)
    for seed in range(3):
        statistics.update((observations(50, seed) * np.arange(1, 25)).astype(dtype))
    return statistics


def write_files(path: Path, contents: object, statistics: bytes | None = None) -> Path:
    """Write anything as a torch archive, and statistics beside it unless they are to stay."""
    torch.save(contents, path)
    if statistics is not None:
        statistics_path(path).write_bytes(statistics)
    return path


def assert_refused(path: Path, match: str | None = None) -> str:
    """The file is refused without a warning, in one sentence that names it: the sentence."""
    with warnings.catch_warnings(action="error"), pytest.raises(UserError, match=match) as caught:
        load_model(path)
    message = str(caught.value)
    assert path.stem in message
    assert "\n" not in message
    return message
