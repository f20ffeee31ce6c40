"""The engine as a `gymnasium.vector.VectorEnv`, for any other library.

    import gymnasium
    envs = gymnasium.make_vec("bipedal.engines:bipedal/BipedalWalker-v3", num_envs=1024)

The part before the colon is what Gymnasium imports to learn of the two environments.
"""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
import numpy.typing as npt
import torch
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from bipedal.engines.warp import WarpEngine
from bipedal.walker import FloatArray

Info = dict[str, Any]


class WalkerVectorEnv(VectorEnv[FloatArray, FloatArray, Any]):
    """N walkers; a finished one is reset in the same step (AutoresetMode.SAME_STEP).

    The observation that really followed the last action is `info["final_obs"]`, with the mask
    `info["_final_obs"]`. `engine` has the rest: snapshots, poses, contacts, terrains.
    """

    metadata = {"render_modes": [], "autoreset_mode": AutoresetMode.SAME_STEP}  # noqa: RUF012

    def __init__(
        self,
        num_envs: int = 1,
        *,
        env_id: str = "BipedalWalker-v3",
        render_mode: None = None,
        **engine_options: Any,
    ) -> None:
        """Make them; `engine_options` are those of `WarpEngine`: device, threads."""
        self.num_envs = num_envs
        self.engine = WarpEngine(env_id, num_envs, 0, **engine_options)
        single = gymnasium.make(env_id)
        self.single_observation_space = single.observation_space
        self.single_action_space = single.action_space
        single.close()
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)

    def reset(
        self, *, seed: int | list[int | None] | None = None, options: Info | None = None
    ) -> tuple[FloatArray, Info]:
        """Begin new episodes: with a seed the first ones of that seed, without the next ones.

        Raises `TypeError` for a list of seeds: one seed decides all environments' terrains.
        """
        if isinstance(seed, list):
            raise TypeError("these environments take one seed for all, not a list")
        if seed is not None or not self.engine.started:
            if seed is None:
                seed = int(np.random.default_rng().integers(2**31))
            return _own(self.engine.reset(seed)), {}
        return _own(self.engine.begin_episodes(range(self.num_envs))), {}

    def step(
        self, actions: FloatArray
    ) -> tuple[
        FloatArray, npt.NDArray[np.float64], npt.NDArray[np.bool_], npt.NDArray[np.bool_], Info
    ]:
        """Apply actions (N, 4); the arrays returned are the caller's."""
        step = self.engine.step(torch.from_numpy(np.array(actions, dtype=np.float32)))
        info: Info = {}
        if step.done.any():
            info = {"final_obs": _own(step.final_observation), "_final_obs": _own(step.done)}
        return (
            _own(step.observation),
            _own(step.reward),
            _own(step.terminated),
            _own(step.truncated),
            info,
        )

    def close_extras(self, **kwargs: Any) -> None:
        """End the engine's threads."""
        self.engine.close()


def _own(tensor: torch.Tensor) -> npt.NDArray[Any]:
    """A copy that the next step does not overwrite."""
    return tensor.cpu().numpy().copy()
