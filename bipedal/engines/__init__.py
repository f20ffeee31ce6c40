"""What steps the walkers: our batched engine, Gymnasium's environments, and doors for others.

`warp` is the batched engine, `gymnasium` the reference; `env`, `vector_env` and `stable_baselines`
show the batched one to other libraries, and `registration` to `gymnasium.make`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bipedal.seeds import row_seeds
from bipedal.walker import VectorEngine

if TYPE_CHECKING:
    import torch


def make_engine(
    name: str, env_id: str, num_envs: int, seed: int, device: torch.device
) -> VectorEngine:
    """Make the engine that `--engine` names, with training's seeds for `--seed`.

    The batched one lives on `device`, Gymnasium's on the CPU. Both play the same episodes. Each
    takes a moment to import, and processes that step environments import none of them.
    """
    if name == "gymnasium":
        from bipedal.engines.gymnasium import GymnasiumEngine

        return GymnasiumEngine(env_id, num_envs, row_seeds(seed, num_envs))
    from bipedal.engines.warp import WarpEngine

    return WarpEngine(env_id, num_envs, row_seeds(seed, num_envs), device=str(device))
