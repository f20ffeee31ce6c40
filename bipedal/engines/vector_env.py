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
from bipedal.errors import UserError
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
        seed = int(np.random.default_rng().integers(2**62))
        self.engine = WarpEngine(env_id, num_envs, seed, **engine_options)
        single = gymnasium.make(env_id)
        self.single_observation_space = single.observation_space
        self.single_action_space = single.action_space
        single.close()
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)

    def reset(
        self, *, seed: int | list[int | None] | None = None, options: Info | None = None
    ) -> tuple[FloatArray, Info]:
        """Begin an episode everywhere: with a seed its first one, without one the next.

        Environment i has the seed `seed + i`, or the i-th of a list, where None means no seed. As
        long as an environment has had none, its episodes are any. Raises `UserError` for a list of
        another length and for a seed that is not from 0 to 2^63 - 1.
        """
        rows = range(self.num_envs)
        if isinstance(seed, list):
            if len(seed) != self.num_envs:
                raise UserError(f"{self.num_envs} environments need as many seeds, not {len(seed)}")
            seeds = {row: one for row, one in enumerate(seed) if one is not None}
        else:
            seeds = {} if seed is None else {row: seed + row for row in rows}
        self.engine.begin_episodes(seeds, list(seeds.values()))
        self.engine.begin_episodes([row for row in rows if row not in seeds])
        return _own(self.engine.observation), {}

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
