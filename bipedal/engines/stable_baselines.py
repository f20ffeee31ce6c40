"""What Stable-Baselines3 asks of a vector environment, and nobody here needs twice."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from stable_baselines3.common.vec_env import VecEnv

from bipedal.walker import BoolArray


class PlainVecEnv(VecEnv):  # type: ignore[misc]
    """A `VecEnv` without attributes and wrappers; a subclass resets, steps and closes."""

    def step_async(self, actions: npt.NDArray[Any]) -> None:
        """Remember the actions for `step_wait`."""
        self.actions = actions

    def tell_ends(
        self, terminated: BoolArray, truncated: BoolArray, final: npt.NDArray[Any]
    ) -> list[dict[str, Any]]:
        """`infos` of a step: where an episode ended its last observation, and how it ended.

        `terminated`, `truncated` (N,), `final` (N, O), of which only those rows are read.
        """
        infos: list[dict[str, Any]] = [{} for _ in range(self.num_envs)]
        for env in np.flatnonzero(terminated | truncated):
            infos[env] = {
                "terminal_observation": final[env].copy(),
                "TimeLimit.truncated": bool(truncated[env] and not terminated[env]),
            }
        return infos

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        """There are none."""
        return [None] * self.num_envs

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        """There are none."""

    def env_method(self, method_name: str, *args: Any, **kwargs: Any) -> list[Any]:
        """There are none."""
        return []

    def env_is_wrapped(self, wrapper_class: Any, indices: Any = None) -> list[bool]:
        """None is."""
        return [False] * self.num_envs
