"""What steps the walkers: our batched engine, Gymnasium's environments, and doors for others.

`warp` is the batched engine, `gymnasium` the reference; `vector_env` and `stable_baselines` show
the batched one to other libraries; `synchronise` reads a live Gymnasium environment.

Importing this tells Gymnasium of `bipedal/BipedalWalker-v3` and
`bipedal/BipedalWalkerHardcore-v3`, vector environments for `gymnasium.make_vec`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from gymnasium.envs.registration import register, registry, spec

from bipedal.engines.gymnasium import GymnasiumEngine
from bipedal.walker import ENV_IDS, VectorEngine

if TYPE_CHECKING:
    from bipedal.engines.warp import WarpEngine


def make_warp_engine(env_id: str, num_envs: int, seed: int) -> WarpEngine:
    """The batched engine, which takes a moment to import."""
    from bipedal.engines.warp import WarpEngine

    return WarpEngine(env_id, num_envs, seed)


ENGINES: Mapping[str, Callable[[str, int, int], VectorEngine]] = {
    "warp": make_warp_engine,
    "gymnasium": GymnasiumEngine,
}
"""Engines by the name that `--engine` takes: (env_id, num_envs, seed) -> engine."""

for _env_id in ENV_IDS:
    if f"bipedal/{_env_id}" not in registry:
        register(
            f"bipedal/{_env_id}",
            vector_entry_point="bipedal.engines.vector_env:WalkerVectorEnv",
            reward_threshold=spec(_env_id).reward_threshold,
            kwargs={"env_id": _env_id},
        )
