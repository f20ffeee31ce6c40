"""What steps the walkers: our batched engine, Gymnasium's environments, and doors for others.

`warp` is the batched engine, `gymnasium` the reference; `env`, `vector_env` and `stable_baselines`
show the batched one to other libraries, and `registration` to `gymnasium.make`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bipedal.seeds import row_seeds
from bipedal.walker import WALKER_ID, VectorEngine, check_env_id

if TYPE_CHECKING:
    from gymnasium.vector import VectorEnv


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


def make_vec(
    env_id: str = WALKER_ID, num_envs: int = 1, **options: Any
) -> VectorEnv[Any, Any, Any]:
    """Make N walkers as a `gymnasium.vector.VectorEnv`, on the batched engine.

    The same as `gymnasium.make_vec(f"bipedal/{env_id}", num_envs, ...)`; `options` are those of
    `WalkerVectorEnv`: autoreset_mode, render_mode, device, threads. Raises `UserError` for an
    unknown `env_id`.
    """
    import gymnasium  # not above: there the name soon stands for the module of that name here

    check_env_id(env_id)
    return gymnasium.make_vec(f"bipedal/{env_id}", num_envs, **options)
