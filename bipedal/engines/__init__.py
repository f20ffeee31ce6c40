"""What steps the walkers: our batched engine, Gymnasium's environments, and doors for others.

`warp` is the batched engine, `gymnasium` the reference; `vector_env` and `stable_baselines` show
the batched one to other libraries; `synchronise` reads a live Gymnasium environment.

Importing this tells Gymnasium of `bipedal/BipedalWalker-v3` and
`bipedal/BipedalWalkerHardcore-v3`, vector environments for `gymnasium.make_vec`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gymnasium.envs.registration import register, registry, spec

from bipedal.seeds import row_seeds
from bipedal.walker import ENV_IDS, WALKER_ID, VectorEngine

if TYPE_CHECKING:
    from bipedal.engines.vector_env import WalkerVectorEnv


def make_engine(name: str, env_id: str, num_envs: int, seed: int) -> VectorEngine:
    """Make the engine that `--engine` names, on the CPU, with training's seeds for `--seed`.

    Both play the same episodes. Each takes a moment to import, and processes that step environments
    import none of them.
    """
    if name == "gymnasium":
        from bipedal.engines.gymnasium import GymnasiumEngine

        return GymnasiumEngine(env_id, num_envs, row_seeds(seed, num_envs))
    from bipedal.engines.warp import WarpEngine

    return WarpEngine(env_id, num_envs, row_seeds(seed, num_envs))


def make_vec(env_id: str = WALKER_ID, num_envs: int = 1, **options: Any) -> WalkerVectorEnv:
    """Make N walkers as a `gymnasium.vector.VectorEnv`, on the batched engine.

    `options` are those of `WarpEngine`: device, threads.
    """
    from bipedal.engines.vector_env import WalkerVectorEnv

    return WalkerVectorEnv(num_envs, env_id=env_id, **options)


for _env_id in ENV_IDS:
    if f"bipedal/{_env_id}" not in registry:
        register(
            f"bipedal/{_env_id}",
            vector_entry_point="bipedal.engines.vector_env:WalkerVectorEnv",
            reward_threshold=spec(_env_id).reward_threshold,
            kwargs={"env_id": _env_id},
        )
