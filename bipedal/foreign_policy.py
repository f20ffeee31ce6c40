"""A policy that another library trained: it can be played, scored and filmed, not trained on."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from bipedal.normalizer import EpisodeNormalizer, ObservationNormalizer
from bipedal.policy import Statistics, check_observations, forward_row_by_row
from bipedal.walker import OBSERVATION_DIM, FloatArray


class ForeignPolicy:
    """A network from observations to actions, and the statistics that its observations need.

    Like `Policy` it computes in float64 and rounds an action once, so an action does not depend on
    how many episodes are played side by side. It lives on the CPU.
    """

    def __init__(
        self,
        net: nn.Sequential,
        normalizer: ObservationNormalizer | None,
        *,
        source: str,
        env_id: str,
    ) -> None:
        """Put the parts together; nothing is copied.

        `net` maps what is shown (N, 24) to greedy actions (N, 4) in [−1, 1]: its last layer is the
        one that bounds them. Without `normalizer` raw observations are shown. `source` names the
        library that trained it.
        """
        self.net = net
        self.normalizer = normalizer
        self.source = source
        self.env_id = env_id

    def act(self, observation: FloatArray) -> FloatArray:
        """Greedy action (4,) for one raw observation (24,), both float32; see `Policy.act`."""
        return cast(FloatArray, self.act_batch(torch.from_numpy(observation)[None])[0].numpy())

    @torch.no_grad()
    def act_batch(self, observations: Tensor, begun: Tensor | None = None) -> Tensor:
        """Greedy actions (N, 4) for raw observations (N, 24), both float32.

        `begun` (N,) bool says where an observation is an episode's first; only fresh statistics
        look at it. Raises `ValueError` for another shape.
        """
        check_observations(observations)
        shown = observations
        if self.normalizer is not None:
            if isinstance(self.normalizer, EpisodeNormalizer):
                self.normalizer.take_in(observations, begun)
            shown = self.normalizer(observations[:, None])[:, 0]
        return forward_row_by_row(self.net, shown).float()

    def restart(self) -> None:
        """Forget the episode that was played: what comes next is the first of another."""
        if isinstance(self.normalizer, EpisodeNormalizer):
            self.normalizer.restart()

    def with_statistics(self, statistics: Statistics) -> ForeignPolicy:
        """The same network through its own statistics, none, or ones estimated on the way."""
        normalizer = {
            "saved": self.normalizer,
            "none": None,
            "fresh": EpisodeNormalizer(OBSERVATION_DIM),
        }[statistics]
        return ForeignPolicy(self.net, normalizer, source=self.source, env_id=self.env_id)
