from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager

import gymnasium
import numpy as np
import pytest
from numpy_engine import NumpyEngine, assert_same, assert_types, play, random_actions

from bipedal.device import CPU
from bipedal.engines import make_engine
from bipedal.engines.gymnasium import GymnasiumEngine
from bipedal.engines.reference import make_env
from bipedal.errors import RunFailedError, UserError
from bipedal.physics.constants import FALL_REWARD
from bipedal.walker import ENV_IDS, FloatArray

pytestmark = pytest.mark.reference


@contextmanager
def made(
    env_id: str, num_envs: int, seed: int | Sequence[int], workers: int
) -> Iterator[NumpyEngine]:
    """An engine with numpy arrays, closed in the end."""
    with closing(GymnasiumEngine(env_id, num_envs, seed, workers)) as engine:
        yield NumpyEngine(engine)


@pytest.fixture
def engine() -> Iterator[NumpyEngine]:
    with made(ENV_IDS[0], 3, seed=7, workers=1) as engine:
        yield engine


def test_shapes_and_types(engine: NumpyEngine) -> None:
    assert engine.reset().shape == (3, 24)
    assert_types(engine.step(random_actions(1, 3)[0]), 3)


def test_plays_gymnasiums_own_episodes_and_never_shows_the_reset_row_as_an_outcome(
    engine: NumpyEngine,
) -> None:
    """Replay environment 1 by hand: every row must be what Gymnasium itself answers."""
    observation = engine.reset()[1].copy()
    actions = random_actions(300, 3)
    env, expected = first_episode(7 + 1)
    ends = 0
    for action in actions:
        np.testing.assert_array_equal(observation, expected)
        step = engine.step(action)
        final, reward, terminated, truncated, _ = env.step(action[1])
        np.testing.assert_array_equal(step.final_observation[1], final)
        assert step.reward[1] == reward
        assert (step.terminated[1], step.truncated[1]) == (terminated, truncated)
        observation, expected = step.observation[1].copy(), final
        if terminated:
            assert reward == FALL_REWARD
            ends += 1
            env, expected = next_episode(env)
            assert not np.array_equal(step.observation[1], step.final_observation[1])
    assert ends >= 1


def first_episode(seed: int) -> tuple[gymnasium.Env, FloatArray]:
    env = make_env(ENV_IDS[0])
    return env, env.reset(seed=seed)[0]


def next_episode(env: gymnasium.Env) -> tuple[gymnasium.Env, FloatArray]:
    """A fresh environment that goes on with the random numbers of the last."""
    fresh = make_env(ENV_IDS[0])
    fresh.unwrapped.np_random = env.unwrapped.np_random
    return fresh, fresh.reset()[0]


def test_a_time_limit_truncates_and_does_not_terminate() -> None:
    with made(ENV_IDS[0], 1, seed=3, workers=1) as engine:
        engine.reset()
        engine._chunks[0].chunk.slots[0].env._max_episode_steps = 5
        steps = play(engine, np.zeros((6, 1, 4), np.float32))
    assert [bool(step.truncated[0]) for step in steps] == [False] * 4 + [True, False]
    assert not any(step.terminated[0] for step in steps)
    assert not np.array_equal(steps[4].observation, steps[4].final_observation)


def test_distance_is_the_hulls_way_since_the_start(engine: NumpyEngine) -> None:
    engine.reset()
    steps = play(engine, random_actions(30, 3))
    env, _ = first_episode(7 + 2)
    start = env.unwrapped.hull.position.x  # type: ignore[attr-defined]
    for action in random_actions(30, 3):
        env.step(action[2])
    moved = env.unwrapped.hull.position.x - start  # type: ignore[attr-defined]
    assert steps[-1].distance[2] == pytest.approx(moved) != 0


def test_results_do_not_depend_on_the_number_of_processes() -> None:
    actions = random_actions(150, 5)
    results = []
    for workers in (1, 2):
        with made(ENV_IDS[1], 5, seed=1, workers=workers) as engine:
            engine.reset()
            results.append(play(engine, actions))
    assert_same(*results)
    assert any(step.terminated.any() for step in results[0])


def test_environments_and_seeds_differ() -> None:
    with made(ENV_IDS[0], 2, seed=1, workers=1) as engine:
        first = engine.reset().copy()
    with made(ENV_IDS[0], 2, seed=[2, 5], workers=1) as engine:
        second = engine.reset().copy()
    assert not np.array_equal(first[0], first[1])
    np.testing.assert_array_equal(first[1], second[0])
    assert not np.array_equal(first[1], second[1])


@pytest.mark.parametrize("workers", [1, 2])
def test_a_restored_engine_goes_on_bit_for_bit_from_the_middle_of_episodes(workers: int) -> None:
    actions = random_actions(200, 3)
    with made(ENV_IDS[0], 3, seed=7, workers=1) as engine:
        engine.reset()
        play(engine, actions[:137])
        state = {name: array.copy() for name, array in engine.state().items()}
        observation = engine.step(actions[137]).observation.copy()
        expected = play(engine, actions[138:])
    assert set(state["length"]) != {0}
    with made(ENV_IDS[0], 3, seed=7, workers=workers) as other:
        other.restore(state)
        np.testing.assert_array_equal(other.step(actions[137]).observation, observation)
        assert_same(play(other, actions[138:]), expected)


def test_reading_the_state_changes_nothing() -> None:
    actions = random_actions(100, 3)
    results = []
    for look in (False, True):
        with made(ENV_IDS[0], 3, seed=7, workers=1) as engine:
            engine.reset()
            steps = []
            for action in actions:
                steps += play(engine, action[None])
                if look:
                    engine.state()
        results.append(steps)
    assert_same(*results)


def test_a_state_of_another_size_is_refused(engine: NumpyEngine) -> None:
    engine.reset()
    state = engine.state()
    with (
        made(ENV_IDS[0], 2, seed=7, workers=1) as other,
        pytest.raises(UserError, match="3 environments, not 2"),
    ):
        other.restore(state)


def test_the_state_of_another_engine_is_refused(engine: NumpyEngine) -> None:
    with pytest.raises(UserError, match="another version"):
        engine.restore({"episode": np.zeros(3), "length": np.zeros(3), "actions": np.zeros((0, 4))})


def test_unknown_environment_is_refused() -> None:
    with pytest.raises(UserError, match="unknown environment 'CartPole-v1'"):
        GymnasiumEngine("CartPole-v1", 1, seed=0)


def test_a_dead_process_is_reported_and_the_others_end() -> None:
    engine = NumpyEngine(GymnasiumEngine(ENV_IDS[0], 2, seed=0, workers=2))
    engine.reset()
    engine._chunks[1].process.kill()
    engine._chunks[1].process.join()
    with pytest.raises(RunFailedError, match="process died"):
        for action in random_actions(5, 2):
            engine.step(action)
    engine.close()
    assert not any(chunk.process.is_alive() for chunk in engine._chunks)


def test_an_error_in_a_process_arrives_with_its_cause() -> None:
    with (
        made(ENV_IDS[0], 2, seed=0, workers=2) as engine,
        pytest.raises(RunFailedError, match="AttributeError"),
    ):
        engine.step(random_actions(1, 2)[0])  # before the first reset


@pytest.mark.parametrize("env_id", ENV_IDS)
def test_the_batched_engine_plays_the_same_episodes(env_id: str) -> None:
    """The first ones and, after a fall, the next: terrains and pushes show in what is seen."""
    with (
        closing(make_engine("warp", env_id, 3, seed=4, device=CPU)) as warp,
        closing(make_engine("gymnasium", env_id, 3, seed=4, device=CPU)) as reference,
    ):
        ours, theirs = NumpyEngine(warp), NumpyEngine(reference)
        np.testing.assert_allclose(ours.reset(), theirs.reset(), atol=1e-5)
        for action in random_actions(300, 3):
            step = theirs.step(action)
            if step.terminated.any():
                break
        env = int(np.flatnonzero(step.terminated)[0])
        observation = ours.begin_episodes([env])
        np.testing.assert_allclose(observation[env], step.observation[env], atol=1e-5)
