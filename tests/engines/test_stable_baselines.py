"""The engine as a vector environment of Stable-Baselines3."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest

from bipedal.walker import ENV_IDS

pytest.importorskip("stable_baselines3", reason="is a vector environment of Stable-Baselines3")

from stable_baselines3 import PPO
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.vec_env import DummyVecEnv, VecMonitor

from bipedal.engines.stable_baselines import WalkerVecEnv

NUM_ENVS = 3
LIMIT = 90
"""Timesteps: some of the robots have fallen by then, others have not."""


@pytest.fixture
def envs() -> Iterator[WalkerVecEnv]:
    with closing(WalkerVecEnv(NUM_ENVS, threads=1)) as envs:
        yield envs


def make_dummy(env_id: str) -> Any:
    """Stable-Baselines3's own vector environment, of our single one."""
    return DummyVecEnv(
        [lambda: gymnasium.make(f"bipedal/{env_id}", max_episode_steps=LIMIT)] * NUM_ENVS
    )


@pytest.mark.parametrize("env_id", ENV_IDS)
def test_everything_is_as_stable_baselines_has_it(env_id: str) -> None:
    hardcore = env_id == ENV_IDS[1]
    theirs = make_dummy(env_id)
    rng = np.random.default_rng(0)
    ends = []
    with closing(WalkerVecEnv(NUM_ENVS, hardcore=hardcore, max_episode_steps=LIMIT)) as ours:
        assert ours.observation_space == theirs.observation_space
        assert ours.action_space == theirs.action_space
        for envs in (ours, theirs):
            envs.seed(4)
        for _ in range(2):  # the second reset goes on without a seed
            np.testing.assert_array_equal(ours.reset(), theirs.reset())
            for _ in range(2 * LIMIT):
                actions = rng.uniform(-1, 1, (NUM_ENVS, 4)).astype(np.float32)
                *answers, infos = ours.step(actions)
                *expected, infos_expected = theirs.step(actions)
                for answer, one in zip(answers, expected, strict=True):
                    np.testing.assert_array_equal(answer, one, strict=True)
                for env in np.flatnonzero(answers[2]):
                    assert infos[env].keys() == infos_expected[env].keys()
                    ends.append(infos[env]["TimeLimit.truncated"])
                    assert ends[-1] == infos_expected[env]["TimeLimit.truncated"]
                    np.testing.assert_array_equal(
                        infos[env]["terminal_observation"],
                        infos_expected[env]["terminal_observation"],
                    )
    assert True in ends and False in ends


def test_attributes_are_the_vector_environments(envs: WalkerVecEnv) -> None:
    assert envs.get_attr("num_envs", indices=[0, 2]) == [NUM_ENVS] * 2
    assert not envs.has_attr("colour")


def test_pictures_are_tiled() -> None:
    with closing(WalkerVecEnv(2, render_mode="rgb_array")) as envs:
        envs.reset()
        image = envs.render()
        assert image is not None and image.shape == (800, 600, 3)


def test_a_learner_learns_and_is_evaluated(envs: WalkerVecEnv, tmp_path: Path) -> None:
    monitored = VecMonitor(envs)
    model = PPO("MlpPolicy", monitored, n_steps=128, batch_size=64, n_epochs=1, device="cpu")
    model.learn(128 * NUM_ENVS)
    mean, _ = evaluate_policy(model, monitored, n_eval_episodes=2)
    assert -300 < mean < 300
    assert Path(model.logger.get_dir() or "/").is_relative_to(tmp_path.parent)  # left nowhere else
