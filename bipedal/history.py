"""Earlier observations shown to the policy beside the latest (frame stacking).

A walker's ten lidar beams look ahead. What lies under the hind leg was seen a second ago; so where
there is something to step over, earlier observations tell what the latest one does not (Mnih et al.
2015 stack frames for the same reason).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class FrameStack(NamedTuple):
    """Which observations a policy is shown at once."""

    frames: int = 1
    """How many, the latest included."""
    stride: int = 1
    """Timesteps from each of them to the one before."""

    @property
    def span(self) -> int:
        """Timesteps from the latest to the earliest, both included."""
        return (self.frames - 1) * self.stride + 1


LATEST = FrameStack()
"""The latest observation and no other."""


class History:
    """The recent observations of N environments, raw.

    Where an episode is younger than the stack is long, its first observation stands in for those
    that never were.
    """

    def __init__(self, stack: FrameStack, first: Tensor) -> None:
        """Begin an episode in every environment with the observations `first` (N, O)."""
        ages = torch.arange(stack.frames, device=first.device) * stack.stride
        # Row p: the places of the frames when the latest observation stands at p.
        places = torch.arange(stack.span, device=first.device)[:, None] - ages
        self._places = places % stack.span
        self._ring = first.expand(stack.span, *first.shape).clone()
        self._latest = len(self._ring) - 1

    def push(self, observation: Tensor, begun: Tensor) -> None:
        """Take in what followed, (N, O); `begun` (N,) bool says where it is an episode's first."""
        self._latest = (self._latest + 1) % len(self._ring)
        self._ring[self._latest] = observation
        if len(self._ring) > 1:
            self._ring.copy_(torch.where(begun[:, None], self._ring[self._latest], self._ring))

    def frames(self) -> Tensor:
        """What the policy is shown, (N, F, O), the latest first."""
        if len(self._ring) == 1:
            return self._ring.transpose(0, 1)
        return self._ring[self._places[self._latest]].transpose(0, 1)

    def frames_after(self, observation: Tensor) -> Tensor:
        """What it would be shown if `observation` (N, O) came next: (N, F, O). Changes nothing."""
        if len(self._ring) == 1:
            return observation[:, None]
        shown = self._ring[self._places[(self._latest + 1) % len(self._ring)]]
        shown[0] = observation
        return shown.transpose(0, 1)

    def align(self) -> None:
        """Put the latest observation in the last place; nothing that is shown changes.

        A recorded rollout (`capture.py`) has to begin and end with the same places.
        """
        if self._latest != len(self._ring) - 1:
            self.restore(self.state())

    def state(self) -> Tensor:
        """All of it, the earliest first, (span, N, O)."""
        return self._ring.roll(-(self._latest + 1), dims=0)

    def restore(self, state: Tensor) -> None:
        """Go back to a saved state."""
        self._ring.copy_(state)
        self._latest = len(self._ring) - 1
