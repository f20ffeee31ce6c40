"""An engine as numpy arrays, which many tests are shorter with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from bipedal.walker import Step


class NumpyEngine:
    """Everything of an engine, with numpy arrays where it takes or returns tensors."""

    def __init__(self, engine: Any) -> None:
        self.engine = engine

    def __getattr__(self, name: str) -> Any:
        return getattr(self.engine, name)

    def reset(self, *arguments: Any) -> Any:
        return self.engine.reset(*arguments).numpy()

    def begin_episodes(self, rows: Any) -> Any:
        return self.engine.begin_episodes(rows).numpy()

    def step(self, actions: Any) -> Step:
        step = self.engine.step(torch.from_numpy(np.asarray(actions)))
        return Step(*(tensor.numpy() for tensor in step))

    def state(self) -> dict[str, Any]:
        return as_arrays(self.engine.state())

    def restore(self, state: Mapping[str, Any]) -> Any:
        return self.engine.restore(as_tensors(state)).numpy()

    def snapshot(self, rows: Any) -> dict[str, Any]:
        return as_arrays(self.engine.snapshot(rows))

    def restore_rows(self, rows: Any, snapshot: Mapping[str, Any]) -> None:
        self.engine.restore_rows(rows, as_tensors(snapshot))


def as_arrays(state: Mapping[str, torch.Tensor]) -> dict[str, Any]:
    return {name: tensor.numpy() for name, tensor in state.items()}


def as_tensors(state: Mapping[str, Any]) -> dict[str, torch.Tensor]:
    return {name: torch.from_numpy(np.ascontiguousarray(a)) for name, a in state.items()}
