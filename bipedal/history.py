"""What a policy remembers: some of the episode's earlier observations beside the latest.

A walker's ten lidar beams look ahead. What lies under the hind leg was seen a second ago; so where
there is something to step over, earlier observations tell what the latest one does not (Mnih et al.
2015 stack frames for the same reason).
"""

from __future__ import annotations

import torch
from torch import Tensor

from bipedal.config import Memory


class Recollection:
    """The recent observations of N environments, raw.

    Before an episode is as old as its memory is long, its first observation stands in for those
    that never were.
    """

    def __init__(self, memory: Memory, first: Tensor) -> None:
        """Begin an episode in every environment with the observations `first` (N, O)."""
        ages = torch.arange(memory.frames) * memory.stride
        # Row p: the places of what is shown when the latest observation stands at p.
        self._places = (torch.arange(memory.span)[:, None] - ages) % memory.span
        self._ring = first.expand(memory.span, *first.shape).clone()
        self._latest = 0

    def see(self, observation: Tensor, begun: Tensor) -> None:
        """Take in what followed, (N, O); `begun` (N,) bool says where it is an episode's first."""
        self._latest = (self._latest + 1) % len(self._ring)
        self._ring[self._latest] = observation
        if len(self._ring) > 1 and begun.any():
            self._ring[:, begun] = observation[begun]

    def recall(self) -> Tensor:
        """What the policy is shown, (N, frames, O), the latest first."""
        return self._ring[self._places[self._latest]].transpose(0, 1)

    def imagine(self, env: int, observation: Tensor) -> Tensor:
        """What it would be shown if `observation` (O,) came next: (frames, O). Changes nothing."""
        shown = self._ring[self._places[(self._latest + 1) % len(self._ring)], env]
        shown[0] = observation
        return shown

    def state(self) -> Tensor:
        """All of it, the earliest first, (span, N, O)."""
        return self._ring.roll(-(self._latest + 1), dims=0)

    def restore(self, state: Tensor) -> None:
        """Go back to a saved state."""
        self._ring.copy_(state)
        self._latest = len(self._ring) - 1
