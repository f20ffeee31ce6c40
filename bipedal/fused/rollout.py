"""A whole rollout on a CPU without a return to Python: threads act and step on their own.

Between two steps of a few dozen environments there is little to compute: what to write down, and
one forward pass. PyTorch takes twenty operations for it, in one thread, while the others wait.
"""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from typing import Any

from bipedal.engines.warp import WarpEngine
from bipedal.fused.kernel import between_kernel
from bipedal.fused.network import Call, Network, Normaliser
from bipedal.networks import Actor
from bipedal.normalizer import ObservationNormalizer


class FusedRollout:
    """Plays T timesteps of N environments in the same memory each time."""

    def __init__(
        self,
        engine: WarpEngine,
        actor: Actor,
        normalizer: ObservationNormalizer,
        *,
        steps: int,
        memory: Mapping[str, Any],
    ) -> None:
        """Prepare; `memory` are those fields of `Plan` in between.cpp that are the caller's."""
        self._engine = engine
        self.observation = engine.observation
        """(N, O) what was observed last."""
        action, answer = engine.memory
        self._calls = [
            Call(
                between_kernel,
                _Plan,
                actor,
                normalizer,
                steps=steps,
                environments=engine.num_envs,
                first=part.start,
                end=part.stop,
                observation=answer.observation,
                final_observation=answer.final_observation,
                reward=answer.reward,
                distance=answer.distance,
                terminated=answer.terminated,
                truncated=answer.truncated,
                action=action,
                **memory,
            )
            for part in engine.parts
        ]
        self._steps = steps

    def __call__(self) -> None:
        """Play them; where actions will be there is noise."""
        for call in self._calls:
            call.plan.step = 0
        self._engine.play(self._steps, [call.launch for call in self._calls])


class _Plan(ctypes.Structure):
    """`Plan` of between.cpp."""

    _fields_ = [
        ("network", Network),
        ("normaliser", Normaliser),
        ("step", ctypes.c_int64),
        ("steps", ctypes.c_int64),
        ("environments", ctypes.c_int64),
        ("first", ctypes.c_int64),
        ("end", ctypes.c_int64),
        *(
            (name, ctypes.c_void_p)
            for name in (
                "observation", "final_observation", "reward", "distance", "terminated", "truncated",
                "action",
                "episode_return", "episode_length",
                "raw_observations", "observations", "means", "actions", "final_observations",
                "rewards", "returns", "distances", "lengths", "terminations", "ends",
            )
        ),
    ]  # fmt: skip
