"""The batched engine as a vector environment of Stable-Baselines3.

from stable_baselines3 import PPO

PPO("MlpPolicy", WalkerVecEnv(16), device="cpu").learn(1_000_000)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from gymnasium.vector import AutoresetMode
from stable_baselines3.common.vec_env import VecEnv

from bipedal.engines.vector_env import WalkerVectorEnv
from bipedal.rendering.canvas import Frame
from bipedal.walker import BoolArray, FloatArray


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


class WalkerVecEnv(PlainVecEnv):
    """N walkers. Environment i plays `seed + i` after `seed(seed)`, which every learner calls.

    Where an episode ends, `infos` have "terminal_observation" and "TimeLimit.truncated".
    """

    def __init__(self, num_envs: int, **options: Any) -> None:
        """Make them; `options` are those of `WalkerVectorEnv`, such as hardcore."""
        self.envs = WalkerVectorEnv(num_envs, autoreset_mode=AutoresetMode.SAME_STEP, **options)
        super().__init__(
            num_envs, self.envs.single_observation_space, self.envs.single_action_space
        )

    def reset(self) -> FloatArray:
        """Begin an episode everywhere: the first of a new seed, else the next; (N, 24)."""
        observation, _ = self.envs.reset(seed=self._seeds)
        self._reset_seeds()
        return observation

    def step_wait(self) -> tuple[FloatArray, FloatArray, BoolArray, list[dict[str, Any]]]:
        """Observations (N, 24), after an end the next episode's; rewards, ends (N,) and infos."""
        observation, reward, terminated, truncated, info = self.envs.step(self.actions)
        infos = self.tell_ends(terminated, truncated, info.get("final_obs", observation))
        return observation, reward.astype(np.float32), terminated | truncated, infos

    def get_images(self) -> Sequence[Frame]:
        """A frame (400, 600, 3) of each, with `render_mode="rgb_array"`."""
        return self.envs.render() or ()

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        """An attribute of `WalkerVectorEnv`, once for each environment asked for."""
        return [getattr(self.envs, attr_name) for _ in self._get_indices(indices)]

    def close(self) -> None:
        """End the engine's threads."""
        self.envs.close()
