"""The engine behind Gymnasium's own interface for vector environments."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, VectorEnv

from bipedal.engines.vector_env import WalkerVectorEnv
from bipedal.errors import UserError
from bipedal.walker import ENV_IDS

NAME = "bipedal.engines:bipedal/BipedalWalker-v3"


@pytest.fixture
def envs() -> Iterator[VectorEnv[Any, Any, Any]]:
    with closing(gymnasium.make_vec(NAME, num_envs=4, threads=1)) as envs:
        yield envs


def test_make_vec_knows_both_environments() -> None:
    for env_id in ENV_IDS:
        with closing(gymnasium.make_vec(f"bipedal.engines:bipedal/{env_id}", num_envs=2)) as envs:
            assert isinstance(envs.unwrapped, WalkerVectorEnv)
            assert envs.unwrapped.engine.env_id == env_id
            assert envs.num_envs == 2
            threshold = gymnasium.spec(env_id).reward_threshold
            assert envs.spec is not None and envs.spec.reward_threshold == threshold == 300


def test_spaces_are_gymnasiums_batched(envs: VectorEnv[Any, Any, Any]) -> None:
    single = gymnasium.make(ENV_IDS[0])
    assert envs.single_observation_space == single.observation_space
    assert envs.single_action_space == single.action_space
    assert envs.observation_space.shape == (4, 24)
    assert envs.action_space.shape == (4, 4)
    assert envs.metadata["autoreset_mode"] is AutoresetMode.SAME_STEP


def test_observations_lie_in_the_space(envs: VectorEnv[Any, Any, Any]) -> None:
    envs.action_space.seed(0)
    observation, info = envs.reset(seed=1)
    assert info == {}
    for _ in range(20):
        assert observation in envs.observation_space
        observation, reward, terminated, truncated, _ = envs.step(envs.action_space.sample())
        assert (reward.shape, reward.dtype) == ((4,), np.float64)
        assert terminated.shape == truncated.shape == (4,)
        assert terminated.dtype == truncated.dtype == np.bool_


def test_the_final_observation_is_told_when_and_only_when_there_is_one(
    envs: VectorEnv[Any, Any, Any],
) -> None:
    envs.reset(seed=2)
    rng = np.random.default_rng(0)
    ends = 0
    for _ in range(200):
        observation, reward, terminated, truncated, info = envs.step(rng.uniform(-1, 1, (4, 4)))
        done = terminated | truncated
        if not done.any():
            assert info == {}
            continue
        ends += 1
        assert set(info) == {"final_obs", "_final_obs"}
        np.testing.assert_array_equal(info["_final_obs"], done)
        final = info["final_obs"]
        np.testing.assert_array_equal(final[~done], observation[~done])
        assert all((final[row] != observation[row]).any() for row in np.flatnonzero(done))
        np.testing.assert_array_equal(reward[terminated], -100)
    assert ends >= 2


def test_answers_are_the_callers_to_keep(envs: VectorEnv[Any, Any, Any]) -> None:
    first, _ = envs.reset(seed=3)
    kept = first.copy()
    second = envs.step(np.ones((4, 4), np.float32))
    copies = [array.copy() for array in second[:4]]
    envs.step(-np.ones((4, 4), np.float32))
    np.testing.assert_array_equal(first, kept)
    for array, copied in zip(second[:4], copies, strict=True):
        np.testing.assert_array_equal(array, copied)


def test_a_seed_decides_all(envs: VectorEnv[Any, Any, Any]) -> None:
    actions = np.random.default_rng(1).uniform(-1, 1, (60, 4, 4)).astype(np.float32)
    runs = []
    for seed in (5, 5, 6):
        first, _ = envs.reset(seed=seed)
        runs.append([first, *(envs.step(action)[0] for action in actions)])
    np.testing.assert_array_equal(runs[0], runs[1])
    assert not np.array_equal(runs[0][0], runs[2][0])


def test_seeds_are_gymnasiums(envs: VectorEnv[Any, Any, Any]) -> None:
    """Environment i has the seed plus i, or its own of a list; with None it goes on."""
    single = gymnasium.make(ENV_IDS[0])
    alone = {seed: single.reset(seed=seed)[0] for seed in (9, 8, 6, 5)}
    first, _ = envs.reset(seed=5)
    np.testing.assert_allclose(first[:2], [alone[5], alone[6]], atol=1e-4)
    second = envs.reset()[0].copy()
    envs.reset(seed=5)
    third, _ = envs.reset(seed=[None, 9, 5, None])  # type: ignore[arg-type]
    np.testing.assert_array_equal(third[[0, 3]], second[[0, 3]])
    np.testing.assert_allclose(third[[1, 2]], [alone[9], alone[5]], atol=1e-4)
    for wrong in ([1, 2], [1, 2, 3, -1]):
        with pytest.raises(UserError, match="seed"):
            envs.reset(seed=wrong)  # type: ignore[arg-type]


def test_without_a_seed_the_next_episodes_begin(envs: VectorEnv[Any, Any, Any]) -> None:
    first, _ = envs.reset(seed=5)
    second, _ = envs.reset()
    third, _ = envs.reset()
    assert not np.array_equal(first, second)
    assert not np.array_equal(second, third)
    envs.reset(seed=5)
    np.testing.assert_array_equal(envs.reset()[0], second)


def test_a_first_reset_without_a_seed_takes_any(envs: VectorEnv[Any, Any, Any]) -> None:
    observation, _ = envs.reset()
    assert np.abs(observation).max() > 0
    assert envs.reset()[0].shape == (4, 24)


def test_gymnasiums_vector_wrappers_work_on_it(envs: VectorEnv[Any, Any, Any]) -> None:
    wrapped = gymnasium.wrappers.vector.RecordEpisodeStatistics(envs)
    wrapped.reset(seed=2)
    rng = np.random.default_rng(0)
    total, length, ended = np.zeros(4), np.zeros(4, dtype=int), 0
    for _ in range(200):
        _, reward, terminated, _, info = wrapped.step(rng.uniform(-1, 1, (4, 4)))
        total += reward
        length += 1
        for row in np.flatnonzero(terminated):
            ended += 1
            assert info["episode"]["r"][row] == pytest.approx(total[row])
            assert info["episode"]["l"][row] == length[row]
        total[terminated], length[terminated] = 0, 0
    assert ended
