"""Tell Gymnasium of `bipedal/BipedalWalker-v3` and `bipedal/BipedalWalkerHardcore-v3`.

The environments themselves are imported when one is made.
"""

from __future__ import annotations

from bipedal.walker import ENV_IDS, HARDCORE_ID, REWARD_THRESHOLD, TIME_LIMITS


def register_environments() -> None:
    """Register both for `gymnasium.make` and `gymnasium.make_vec`, as Gymnasium does its own."""
    # Not above: this module may be the first that asks for Gymnasium, whose import then calls this
    # function (see `bipedal.gymnasium_hook`).
    from gymnasium.envs.registration import register, registry

    for env_id in ENV_IDS:
        if f"bipedal/{env_id}" not in registry:
            register(
                f"bipedal/{env_id}",
                entry_point="bipedal.engines.env:WalkerEnv",
                vector_entry_point="bipedal.engines.vector_env:WalkerVectorEnv",
                max_episode_steps=TIME_LIMITS[env_id],
                reward_threshold=REWARD_THRESHOLD,
                kwargs={"hardcore": True} if env_id == HARDCORE_ID else {},
            )
