"""The walker's physics in batches: Gymnasium's dynamics on NVIDIA Warp, on CPU and GPU.

Importing this tells Gymnasium of `bipedal/BipedalWalker-v3` and
`bipedal/BipedalWalkerHardcore-v3`, vector environments for `gymnasium.make_vec`.

The rooms, from the ground up: `constants`, `robot` (shapes and masses), `state` (what is saved);
`geometry`, `manifold`, `contacts`, `broadphase`, `distance`, `impact` (collision); `lanes`,
`workspace`, `velocity`, `position` (the solvers); `terrain`, `lidar`; `step` puts them in Box2D's
order, `engine` launches them, `vector_env` is Gymnasium's door, `synchronise` reads a live
Gymnasium environment for the proof of parity.
"""

import gymnasium

from bipedal.envs import ENV_IDS

for _env_id in ENV_IDS:
    if f"bipedal/{_env_id}" not in gymnasium.registry:
        gymnasium.register(
            f"bipedal/{_env_id}",
            vector_entry_point="bipedal.physics.vector_env:WalkerVectorEnv",
            reward_threshold=gymnasium.spec(_env_id).reward_threshold,
            kwargs={"env_id": _env_id},
        )
