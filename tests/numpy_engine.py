"""An engine as numpy arrays, which many tests are shorter with, and how tests play it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from bipedal.walker import BoolArray, FloatArray, Step

Arrays = Mapping[str, npt.NDArray[Any]]


class ArrayStep(NamedTuple):
    """A `Step` as arrays, which share its memory."""

    observation: FloatArray
    reward: npt.NDArray[np.float64]
    terminated: BoolArray
    truncated: BoolArray
    final_observation: FloatArray
    distance: npt.NDArray[np.float64]

    def copy(self) -> ArrayStep:
        """One that the next step does not overwrite."""
        return ArrayStep._make(array.copy() for array in self)


class NumpyEngine:
    """Everything of an engine, with numpy arrays where it takes or returns tensors."""

    def __init__(self, engine: Any) -> None:
        self.engine = engine

    def __getattr__(self, name: str) -> Any:
        return getattr(self.engine, name)

    def reset(self, *arguments: int | Sequence[int]) -> FloatArray:
        return as_array(self.engine.reset(*arguments))

    def begin_episodes(self, rows: Iterable[int], *seeds: Sequence[int]) -> FloatArray:
        return as_array(self.engine.begin_episodes(rows, *seeds))

    def step(self, actions: npt.ArrayLike) -> ArrayStep:
        step: Step = self.engine.step(torch.from_numpy(np.asarray(actions)))
        return ArrayStep._make(map(as_array, step))

    def state(self) -> Arrays:
        return as_arrays(self.engine.state())

    def restore(self, state: Arrays) -> FloatArray:
        return as_array(self.engine.restore(as_tensors(state)))

    def snapshot(self, rows: Iterable[int]) -> Arrays:
        return as_arrays(self.engine.snapshot(rows))

    def restore_rows(self, rows: Iterable[int], snapshot: Arrays) -> None:
        self.engine.restore_rows(rows, as_tensors(snapshot))


def random_actions(steps: int, num_envs: int, seed: int = 0) -> FloatArray:
    rng = np.random.default_rng(seed)
    return rng.uniform(-1, 1, (steps, num_envs, 4)).astype(np.float32)


def play(engine: NumpyEngine, actions: FloatArray) -> list[ArrayStep]:
    return [engine.step(action).copy() for action in actions]


def assert_same(first: list[ArrayStep], second: list[ArrayStep]) -> None:
    for one, other in zip(first, second, strict=True):
        for name in ArrayStep._fields:
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name), name)


def assert_types(step: ArrayStep, num_envs: int) -> None:
    """Shapes and types are those that every engine promises."""
    for name, shape, dtype in (
        ("observation", (num_envs, 24), np.float32),
        ("final_observation", (num_envs, 24), np.float32),
        ("reward", (num_envs,), np.float64),
        ("terminated", (num_envs,), np.bool_),
        ("truncated", (num_envs,), np.bool_),
        ("distance", (num_envs,), np.float64),
    ):
        array = getattr(step, name)
        assert (array.shape, array.dtype) == (shape, dtype), name


def as_array(tensor: torch.Tensor) -> npt.NDArray[Any]:
    array: npt.NDArray[Any] = tensor.numpy()
    return array


def as_arrays(state: Mapping[str, torch.Tensor]) -> Arrays:
    return {name: as_array(tensor) for name, tensor in state.items()}


def as_tensors(state: Arrays) -> dict[str, torch.Tensor]:
    return {name: torch.from_numpy(np.ascontiguousarray(a)) for name, a in state.items()}
