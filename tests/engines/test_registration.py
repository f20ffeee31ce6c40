"""Gymnasium knows both environments, and that costs nothing before one is made."""

from __future__ import annotations

import subprocess
import sys
from contextlib import closing

import gymnasium
import pytest

import bipedal
from bipedal.engines.env import WalkerEnv
from bipedal.engines.registration import register_environments
from bipedal.engines.vector_env import WalkerVectorEnv
from bipedal.walker import ENV_IDS, HARDCORE_ID


@pytest.mark.parametrize("env_id", ENV_IDS)
def test_specs_are_gymnasiums(env_id: str) -> None:
    ours, theirs = gymnasium.spec(f"bipedal/{env_id}"), gymnasium.spec(env_id)
    for name in ("max_episode_steps", "reward_threshold", "kwargs", "order_enforce", "version"):
        assert getattr(ours, name) == getattr(theirs, name), name


def test_a_module_before_the_colon_does_for_the_import() -> None:
    script = (
        "import gymnasium;"
        "env = gymnasium.make('bipedal:bipedal/BipedalWalker-v3');"
        "print(env.reset(seed=0)[0].shape)"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert result.stdout == "(24,)\n", result.stderr


def test_hardcore_can_be_asked_for_as_in_gymnasium() -> None:
    env = gymnasium.make("bipedal/BipedalWalker-v3", hardcore=True).unwrapped
    assert isinstance(env, WalkerEnv) and env.hardcore
    with closing(bipedal.make_vec(HARDCORE_ID)) as envs:
        assert isinstance(envs, WalkerVectorEnv)
        assert envs.engine.env_id == HARDCORE_ID


@pytest.mark.filterwarnings("error")
def test_registering_again_changes_nothing() -> None:
    before = gymnasium.spec("bipedal/BipedalWalker-v3")
    register_environments()
    assert gymnasium.spec("bipedal/BipedalWalker-v3") is before
