"""Where a Gymnasium episode begins: the terrain, and the push that it shows nowhere."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt


def read_terrain(env: Any) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Terrain of a reset environment: heights (200,) and boxes (B, 4) in m."""
    walker = env.unwrapped
    shapes = [body.fixtures[0].shape for body in reversed(walker.terrain)]
    corners = [np.array(shape.vertices, dtype=np.float32) for shape in shapes]
    boxes = [[*box.min(axis=0), *box.max(axis=0)] for box in corners if len(box) == 4]
    edges = [edge for edge in corners if len(edge) == 2]
    heights = np.array([*(edge[0, 1] for edge in edges), edges[-1][1, 1]], dtype=np.float32)
    return heights, np.array(boxes, dtype=np.float32).reshape(-1, 4)


class _Overheard(np.random.Generator):
    """A generator that remembers the last number it gave."""

    last: float = 0.0

    def uniform(self, *args: Any, **kwargs: Any) -> Any:
        self.last = super().uniform(*args, **kwargs)
        return self.last


def reset_overheard(env: Any, seed: int) -> tuple[npt.NDArray[np.float32], float]:
    """What `env.reset(seed=seed)` does, with one thing more.

    Returns the first observation (24,) and the random force (N) on the hull in the first step,
    which is the last number that a reset draws and shows nowhere.
    """
    generator = _Overheard(np.random.PCG64(np.random.SeedSequence(seed)))
    env.unwrapped.np_random = generator
    observation, _ = env.reset()
    return observation, generator.last
