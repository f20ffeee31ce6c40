"""Terrains on which the robot fell, played again.

After Jiang, Grefenstette & Rocktäschel 2021, "Prioritized level replay": a robot that falls in one
episode of a hundred learns little from the other 99. So a share of the episodes of training begins
where an earlier one began that ended in a fall.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch

from bipedal.physics.seeding import GENERATOR, generator_of, row_of

if TYPE_CHECKING:
    from bipedal.engines.warp import WarpEngine
    from bipedal.rollout import EpisodeStatistics

REMEMBERED = 128
"""Falls, the latest ones."""
Generators = npt.NDArray[np.void]
"""(n,) states of random generators, each of which stands for the episode that it draws."""


class FallReplay:
    """Decides what terrains an engine's environments play: their own, or one of a fall.

    An environment draws an episode with its generator when the one before ends, so what is decided
    here takes effect one episode later. Its own stream of terrains waits meanwhile.
    """

    def __init__(self, engine: WarpEngine, share: float, generator: torch.Generator) -> None:
        """Remember no falls yet; the engine has begun its first episodes.

        `share` of the episodes are replays, as soon as there are falls; `generator` decides which.
        """
        self._engine = engine
        self._share = share
        self._generator = generator
        num_envs = engine.num_envs
        self._next = self._read(range(num_envs))
        """What draws each environment's next episode."""
        self._own = self._next.copy()
        """What draws the next one of its own stream."""
        self._replays = np.zeros(num_envs, dtype=np.bool_)
        """Whether the next episode is a replay."""
        self._current = np.zeros(num_envs, dtype=GENERATOR)
        """What drew the episode that it plays ..."""
        self._known = np.zeros(num_envs, dtype=np.bool_)
        """... where that is known: not of the first one, nor after two ends in one rollout."""
        self._falls = np.zeros(0, dtype=GENERATOR)

    def learn(self, episodes: Sequence[EpisodeStatistics]) -> None:
        """Remember the falls among episodes that ended in a rollout, and choose what is next."""
        ends = Counter(episode.env for episode in episodes)
        rows = sorted(ends)
        for row, drawn_next in zip(rows, self._read(rows), strict=True):
            if not self._replays[row]:
                self._own[row] = drawn_next
        fell = [e.env for e in episodes if e.fell and ends[e.env] == 1 and self._known[e.env]]
        self._falls = np.concatenate([self._falls, self._current[fell]])[-REMEMBERED:]
        self._current[rows] = self._next[rows]
        self._known[rows] = [ends[row] == 1 for row in rows]
        draws = torch.rand(
            len(rows), 2, generator=self._generator, device=self._generator.device
        ).tolist()
        for row, (chance, place) in zip(rows, draws, strict=True):
            self._choose(row, chance, place)
        self._engine.set_generators(rows, [generator_of(state) for state in self._next[rows]])

    def _choose(self, row: int, chance: float, place: float) -> None:
        """Decide what an environment plays after the episode that it has just begun.

        `chance` and `place`, in [0, 1), decide whether it is a replay, and of which fall.
        """
        replay = len(self._falls) > 0 and chance < self._share
        self._replays[row] = replay
        self._next[row] = self._falls[int(place * len(self._falls))] if replay else self._own[row]

    def _read(self, rows: Sequence[int]) -> Generators:
        """What the engine will draw next, in some environments."""
        states = [row_of(generator) for generator in self._engine.generators(rows)]
        return np.array(states, dtype=GENERATOR)

    def state(self) -> dict[str, Any]:
        """What an exact resume needs beside the engine and the generator."""
        return {
            "next": _to_tensor(self._next),
            "own": _to_tensor(self._own),
            "current": _to_tensor(self._current),
            "replays": torch.from_numpy(self._replays.copy()),
            "known": torch.from_numpy(self._known.copy()),
            "falls": _to_tensor(self._falls),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go back to a saved state."""
        self._next, self._own, self._current, self._falls = (
            _from_tensor(state[name]) for name in ("next", "own", "current", "falls")
        )
        self._replays, self._known = (state[name].numpy().copy() for name in ("replays", "known"))


def _to_tensor(states: Generators) -> torch.Tensor:
    """Generators (n,) as bytes (n, 40)."""
    return torch.from_numpy(states.view(np.uint8).reshape(-1, GENERATOR.itemsize).copy())


def _from_tensor(data: torch.Tensor) -> Generators:
    """Undo `_to_tensor`; ValueError for anything else."""
    if data.dtype != torch.uint8 or data.shape[1:] != (GENERATOR.itemsize,):
        raise ValueError("not the states of generators")
    return data.numpy().copy().view(GENERATOR)[:, 0]
