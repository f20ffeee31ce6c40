"""The policy that the engine's benchmarks play with."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from bipedal.policy import Policy


def batched(model: Policy) -> Callable[[np.ndarray], np.ndarray]:
    """Greedy policy of many observations at once, clipped to what the environment takes.

    (N, 24) raw observations -> (N, 4) actions; the observations are copied, never kept.
    """

    def act(observations: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            raw = torch.from_numpy(np.array(observations, dtype=np.float32))
            actions: np.ndarray = np.clip(model.act_batch(raw).numpy(), -1, 1)
        return actions

    return act
