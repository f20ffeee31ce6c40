"""One walker behind Gymnasium's own interface: everything as in Gymnasium's walker."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.error import ResetNeeded
from gymnasium.utils.env_checker import check_env

from bipedal.engines.env import WalkerEnv
from bipedal.errors import UserError
from bipedal.walker import ENV_IDS, HARDCORE_ID, TIME_LIMITS

Env = gymnasium.Env[Any, Any]
Observed = tuple[Any, ...]


@pytest.fixture(params=ENV_IDS)
def env_id(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def env(env_id: str) -> Iterator[WalkerEnv]:
    env = gymnasium.make(f"bipedal/{env_id}", render_mode="rgb_array").unwrapped
    assert isinstance(env, WalkerEnv)
    yield env
    env.close()


def random_actions(seed: int, count: int) -> Any:
    return np.random.default_rng(seed).uniform(-1, 1, (count, 4)).astype(np.float32)


def play(env: Env, actions: Any) -> list[Observed]:
    """Everything that steps answer, with observations as bytes, so that == compares bits."""
    return [(seen.tobytes(), *rest) for seen, *rest in (env.step(action) for action in actions)]


@pytest.mark.reference
def test_episodes_are_gymnasiums(env_id: str, env: WalkerEnv) -> None:
    """With a seed and without one, beyond a fall, and what is left of the random numbers."""
    ends = []
    for episode, seed in enumerate((3, None, None)):
        theirs = gymnasium.make(env_id).unwrapped  # a used one is not exactly like a new one
        if seed is None:
            theirs.np_random = copy.deepcopy(env.np_random)
        ours, told = env.reset(seed=seed)
        np.testing.assert_array_equal(ours, theirs.reset(seed=seed)[0], strict=True)
        assert told == {}
        assert env.np_random.bit_generator.state == theirs.np_random.bit_generator.state
        actions = random_actions(episode, 120)
        answers = play(env, actions)
        assert answers == play(theirs, actions)
        ends += [terminated for _, _, terminated, _, _ in answers]
    assert any(ends)


def test_np_random_decides_the_next_episode(env: WalkerEnv) -> None:
    env.reset(seed=1)
    second = env.reset()[0]
    env.np_random = np.random.default_rng(1)
    env.reset()
    np.testing.assert_array_equal(env.reset()[0], second)
    env.np_random = np.random.default_rng(1)
    env.np_random.random()
    assert (env.reset()[0] != second).any()
    env.np_random = np.random.Generator(np.random.MT19937(1))
    with pytest.raises(UserError, match="PCG64"):
        env.reset()


@pytest.mark.filterwarnings("error:.*:UserWarning")
def test_gymnasiums_checker_has_nothing_to_say(
    env: WalkerEnv, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("pygame")  # the checker opens a window
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    check_env(env)


@pytest.mark.reference
def test_frames_are_gymnasiums(env_id: str, env: WalkerEnv) -> None:
    """After a reset, while the robot moves, after its fall, and in the next episode."""
    pytest.importorskip("pygame")
    theirs = gymnasium.make(env_id, render_mode="rgb_array").unwrapped
    fell = False
    for seed in (3, None):
        env.reset(seed=seed)
        theirs.reset(seed=seed)
        for action in random_actions(0, 70):
            np.testing.assert_array_equal(env.render(), theirs.render())
            for _ in range(2):
                _, _, terminated, _, _ = env.step(action)
                theirs.step(action)
                fell |= terminated
    assert fell


COPIES: dict[str, Callable[[WalkerEnv], WalkerEnv]] = {
    "deepcopy": copy.deepcopy,
    "pickle": lambda env: pickle.loads(pickle.dumps(env)),
}


@pytest.mark.parametrize("name", COPIES)
def test_a_copy_goes_on_like_the_original(env: WalkerEnv, name: str) -> None:
    env.action_space.seed(5)
    env.reset(seed=4)
    play(env, random_actions(4, 30))
    env.render()
    other = COPIES[name](env)
    assert other.spec == env.spec
    np.testing.assert_array_equal(other.action_space.sample(), env.action_space.sample())
    for _ in range(2):
        actions = random_actions(6, 60)
        assert play(other, actions) == play(env, actions)
        np.testing.assert_array_equal(other.render(), env.render())
        np.testing.assert_array_equal(other.reset()[0], env.reset()[0])
    other.close()


def test_a_copy_before_the_first_reset(env: WalkerEnv) -> None:
    other = copy.deepcopy(env)
    np.testing.assert_array_equal(other.reset(seed=2)[0], env.reset(seed=2)[0])
    other.close()


def test_a_state_is_gone_back_to(env: WalkerEnv) -> None:
    env.reset(seed=4)
    seen = [env.step(action)[0] for action in random_actions(4, 30)]
    state = env.get_state()
    futures = []
    for _ in range(2):
        futures.append((play(env, random_actions(7, 90)), env.render(), env.reset()[0]))
        np.testing.assert_array_equal(env.set_state(state), seen[-1])
    for first, second in zip(*futures, strict=True):
        np.testing.assert_array_equal(first, second)
    other = WalkerEnv(hardcore=env.hardcore)
    other.reset(seed=0)
    other.set_state(state)
    assert play(other, random_actions(7, 90)) == futures[0][0]


def test_a_state_of_the_other_world_is_refused() -> None:
    walker, hardcore = WalkerEnv(), WalkerEnv(hardcore=True)
    walker.reset(seed=0)
    with pytest.raises(UserError, match="the other"):
        hardcore.set_state(walker.get_state())


def test_the_time_limit_is_the_wrappers(env_id: str) -> None:
    env = gymnasium.make(f"bipedal/{env_id}", disable_env_checker=True)
    env.reset(seed=0)
    limit = TIME_LIMITS[env_id]
    truncated = [env.step(np.zeros(4))[3] for _ in range(limit)]
    assert truncated == [False] * (limit - 1) + [True]
    assert env.unwrapped.step(np.zeros(4))[3] is False


def test_any_array_of_four_numbers_is_an_action(env: WalkerEnv) -> None:
    answers = []
    for action in ([1, 0, -1, 0], (1.0, 0.0, -1.0, 0.0), np.array([1, 0, -1, 0])):
        env.reset(seed=0)
        answers.append(play(env, [action])[0])
    assert answers[0] == answers[1] == answers[2]
    for wrong in ([1, 0, 0], [[1, 0, 0, 0]], [np.nan, 0, 0, 0]):
        with pytest.raises(ValueError):
            env.step(wrong)


def test_answers_are_the_callers_to_keep(env: WalkerEnv) -> None:
    first, _ = env.reset(seed=0)
    second = env.step(np.ones(4))[0]
    copies = first.copy(), second.copy()
    env.step(-np.ones(4))
    np.testing.assert_array_equal((first, second), copies)


def test_nothing_goes_before_the_first_reset(env: WalkerEnv) -> None:
    for too_early in (env.render, env.get_state):
        with pytest.raises(ResetNeeded):
            too_early()
    with pytest.raises(ValueError, match="reset"):
        env.step(np.zeros(4))


def test_without_a_render_mode_there_is_no_picture() -> None:
    env = WalkerEnv()
    env.reset(seed=0)
    with pytest.warns(UserWarning, match="render mode"):
        assert env.render() is None
    with pytest.raises(UserError, match="choose"):
        WalkerEnv(render_mode="ansi")


def test_a_window_shows_every_step(monkeypatch: pytest.MonkeyPatch) -> None:
    pygame = pytest.importorskip("pygame")
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    shown = []
    env, plain = (WalkerEnv(render_mode=mode) for mode in ("human", "rgb_array"))
    for one in (env, plain):
        one.reset(seed=1)
    for action in [None, *random_actions(1, 3)]:
        if action is not None:
            env.step(action)
            plain.step(action)
        screen = pygame.surfarray.array3d(pygame.display.get_surface()).swapaxes(0, 1)
        np.testing.assert_array_equal(screen, plain.render())
        shown.append(screen)
    assert (shown[0] != shown[-1]).any()
    env.close()
    assert not pygame.display.get_init()
    env.close()


def test_without_pygame_a_window_is_a_users_mistake(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pygame", None)
    with pytest.raises(UserError, match="pip install pygame-ce"):
        WalkerEnv(render_mode="human")


def test_nothing_needs_box2d_or_pygame() -> None:
    script = (
        "import sys, gymnasium, bipedal;"
        "env = gymnasium.make('bipedal/BipedalWalkerHardcore-v3', render_mode='rgb_array');"
        "env.reset(seed=0); env.step(env.action_space.sample()); env.render();"
        "print({'Box2D', 'pygame'} & set(sys.modules))"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert result.stdout == "set()\n", result.stderr


@pytest.mark.reference
def test_spaces_are_gymnasiums(env: WalkerEnv) -> None:
    theirs = gymnasium.make(HARDCORE_ID)
    assert env.observation_space == theirs.observation_space
    assert env.action_space == theirs.action_space
    assert env.metadata == theirs.metadata
