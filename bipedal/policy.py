"""The policy: networks, observation statistics, history and gain in one thing.

It is the only way from an observation to an action: training, evaluation, video, benchmarks and
studies all ask a `Policy`. What a network sees is raw observations, normalised with the statistics
of training, the latest first; what the robot gets is the mean of the actor, tanh(gain * network).
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from bipedal.history import LATEST, FrameStack, History
from bipedal.networks import Actor, Critic, forward_in_float64
from bipedal.normalizer import EpisodeNormalizer, ObservationNormalizer
from bipedal.walker import OBSERVATION_DIM, WALKER_ID, FloatArray

Statistics = Literal["saved", "none", "fresh"]
"""Observation statistics: saved with the model, none at all, or estimated anew each episode."""

ROW_MULTIPLE = 16
"""Greedy actions are computed for a multiple of so many environments, padded with zeros.

A matrix product of few rows, or of a number that is no multiple of the processor's vectors, adds up
in another order.
"""


def check_observations(observations: Tensor) -> None:
    """TypeError or ValueError if these are not the observations of N environments, (N, 24)."""
    if not isinstance(observations, Tensor):
        raise TypeError(
            f"act_batch takes a torch tensor, not {type(observations).__name__}: "
            "torch.from_numpy makes one of an array"
        )
    if observations.dim() != 2 or observations.shape[1] != OBSERVATION_DIM:
        raise ValueError(
            f"act_batch takes observations (N, {OBSERVATION_DIM}), not {tuple(observations.shape)}"
        )


def forward_row_by_row(net: nn.Sequential, shown: Tensor) -> Tensor:
    """What a network makes of each row of (N, in), in float64 and whatever the other rows are."""
    padded = pad(shown, (0, 0, 0, -len(shown) % ROW_MULTIPLE))
    return forward_in_float64(net, padded)[: len(shown)]


class Policy(nn.Module):
    """All that turns observations into actions, and their value.

    A policy that looks at earlier observations has a history of the episode that it plays. So one
    policy plays one episode (`act`) or one set of environments (`act_batch`) at a time; `share`
    makes another player with the same networks and statistics.
    """

    def __init__(
        self,
        actor: Actor,
        critic: Critic,
        normalizer: ObservationNormalizer,
        frame_stack: FrameStack = LATEST,
        *,
        gain: float = 1.0,
        info: Mapping[str, Any] | None = None,
    ) -> None:
        """Put the parts together; nothing is copied.

        `gain` is the factor on the actor's last layer when it acts greedily. `info` is what a model
        file says of itself: env_id, preset, seed, iteration, timesteps ...
        """
        super().__init__()
        self.actor = actor
        self.critic = critic
        self.normalizer = normalizer
        self.frame_stack = frame_stack
        self.gain = gain
        self.info = dict(info or {})
        self._history: History | None = None

    @property
    def device(self) -> torch.device:
        """Where the networks live."""
        return self.actor.log_std.device

    @property
    def env_id(self) -> str:
        """The environment it was trained in; BipedalWalker-v3 where its file does not say."""
        return str(self.info.get("env_id", WALKER_ID))

    # Observation to action ------------------------------------------------------------------------

    def network_input(self, frames: Tensor) -> Tensor:
        """What networks are shown: raw frames (..., F, O) -> normalised (..., F * O) float32."""
        return cast(Tensor, self.normalizer(frames)).flatten(-2)

    def act(self, observation: FloatArray) -> FloatArray:
        """Greedy action (4,) for one raw observation (24,) of the episode, both float32.

        Call `restart` before an episode. It is `act_batch` of one environment, so the same bits.
        Raises `ValueError` for another shape.
        """
        if observation.shape != (OBSERVATION_DIM,):
            raise ValueError(
                f"act takes one observation ({OBSERVATION_DIM},), not {observation.shape}: "
                "act_batch takes many"
            )
        latest = torch.from_numpy(observation).to(self.device)[None]
        return cast(FloatArray, self.act_batch(latest)[0].cpu().numpy())

    @torch.no_grad()
    def act_batch(
        self,
        observations: Tensor,
        begun: Tensor | None = None,
        *,
        gain: float | Tensor | None = None,
        net: nn.Sequential | None = None,
    ) -> Tensor:
        """Greedy actions (N, 4) for N environments' raw observations (N, 24), on its own device.

        `begun` (N,) bool says where an observation is an episode's first; without it, and for the
        first call after `restart`, all of them go on or begin together. `gain` may be one number
        or (N, 1), and replaces the policy's own; `net` replaces the actor's, and that of
        `net_in_float64` gives the same actions sooner. Raises `ValueError` for another shape.

        An environment's action does not depend on the others. The last bit of an action decides
        where a robot stands a thousand timesteps later, and in float32 that bit depends on N and on
        the processor, which choose the order of the sums. So the actor is computed in float64 and
        the action rounded once: anybody who does the same, one observation at a time, finds the
        same action. (One in 3e7 lies so near the middle between two float32 that the order shows
        all the same; on one machine it does not, as sums have one order for all `ROW_MULTIPLE`s.)
        """
        check_observations(observations)
        shown = self.observe(observations, begun)
        output = forward_row_by_row(self.actor.net if net is None else net, shown)
        return torch.tanh((self.gain if gain is None else gain) * output).float()

    def net_in_float64(self) -> nn.Sequential:
        """A copy of the actor's network as it is now, converted once instead of in every step."""
        return copy.deepcopy(self.actor.net).double()

    def observe(self, observations: Tensor, begun: Tensor | None = None) -> Tensor:
        """What networks are shown now: raw observations (N, O) -> (N, F * O); see `act_batch`."""
        return self.network_input(self._frames(observations, begun))

    def _frames(self, observations: Tensor, begun: Tensor | None) -> Tensor:
        """Add observations (N, O) to the history; returns what is shown now, (N, F, O)."""
        if self.frame_stack.frames == 1:
            return observations[:, None]
        if self._history is None:
            self._history = History(self.frame_stack, observations)
        else:
            nobody = torch.zeros(len(observations), dtype=torch.bool, device=observations.device)
            self._history.push(observations, nobody if begun is None else begun)
        return self._history.frames()

    def restart(self) -> None:
        """Forget the episode that was played: what comes next is the first of another."""
        self._history = None

    # Others like it -------------------------------------------------------------------------------

    def share(self) -> Policy:
        """Another player of this policy: the same networks and statistics, its own history."""
        return Policy(
            self.actor,
            self.critic,
            self.normalizer,
            self.frame_stack,
            gain=self.gain,
            info=self.info,
        )

    def with_normalizer(self, normalizer: ObservationNormalizer) -> Policy:
        """The same networks, shown the world through other statistics."""
        policy = self.share()
        policy.normalizer = normalizer.to(self.device)
        return policy

    def with_statistics(self, statistics: Statistics) -> Policy:
        """The same networks through their own statistics, none, or ones estimated on the way."""
        if statistics == "fresh":
            return _FreshStatistics(self)
        if statistics == "none":
            return self.with_normalizer(ObservationNormalizer((OBSERVATION_DIM,)))
        return self.share()

    def with_gain_in_weights(self) -> Policy:
        """The same greedy policy with a gain of 1, as model files hold it."""
        policy = self.share()
        if self.gain != 1.0:
            policy.actor = copy.deepcopy(self.actor)
            policy.actor.scale_output(self.gain)
            policy.gain = 1.0
        return policy


class _FreshStatistics(Policy):
    """A policy that forgets the training statistics and estimates others in each episode."""

    normalizer: EpisodeNormalizer

    def __init__(self, policy: Policy) -> None:
        super().__init__(
            policy.actor,
            policy.critic,
            EpisodeNormalizer(OBSERVATION_DIM).to(policy.device),
            policy.frame_stack,
            gain=policy.gain,
            info=policy.info,
        )

    def act_batch(
        self,
        observations: Tensor,
        begun: Tensor | None = None,
        *,
        gain: float | Tensor | None = None,
        net: nn.Sequential | None = None,
    ) -> Tensor:
        self.normalizer.take_in(observations, begun)
        return super().act_batch(observations, begun, gain=gain, net=net)

    def restart(self) -> None:
        super().restart()
        self.normalizer.restart()
