"""The engine behind Gymnasium's own interface for vector environments."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from types import ModuleType
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.error import ResetNeeded
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.wrappers import vector as wrappers

from bipedal.engines.vector_env import WalkerVectorEnv
from bipedal.errors import UserError
from bipedal.walker import ENV_IDS, TIME_LIMITS

Envs = VectorEnv[Any, Any, Any]
NUM_ENVS = 4
LIMIT = 90
"""Timesteps: some of the robots have fallen by then, others have not."""


def make(env_id: str = ENV_IDS[0], **options: Any) -> WalkerVectorEnv:
    envs = gymnasium.make_vec(f"bipedal/{env_id}", num_envs=NUM_ENVS, threads=1, **options)
    assert isinstance(envs, WalkerVectorEnv)
    return envs


def make_sync(env_id: str, mode: AutoresetMode, **options: Any) -> Envs:
    """Gymnasium's `SyncVectorEnv` of an environment with this id."""
    return gymnasium.make_vec(
        env_id,
        num_envs=NUM_ENVS,
        vectorization_mode="sync",
        vector_kwargs={"autoreset_mode": mode},
        max_episode_steps=LIMIT,
        **options,
    )


@pytest.fixture
def envs() -> Iterator[WalkerVectorEnv]:
    with closing(make()) as envs:
        yield envs


def random_actions(count: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).uniform(-1, 1, (count, NUM_ENVS, 4)).astype(np.float32)


def assert_same(ours: Any, theirs: Any) -> None:
    """The same values of the same types, also inside dictionaries and arrays of objects."""
    assert type(ours) is type(theirs)
    if isinstance(ours, dict):
        assert ours.keys() == theirs.keys()
        for key in ours:
            assert_same(ours[key], theirs[key])
    elif isinstance(ours, tuple) or (isinstance(ours, np.ndarray) and ours.dtype == object):
        for one, other in zip(ours, theirs, strict=True):
            assert_same(one, other)
    else:
        np.testing.assert_array_equal(ours, theirs, strict=isinstance(ours, np.ndarray))


def assert_same_play(ours: Envs, theirs: Envs, timesteps: int, seed: Any) -> Any:
    """Reset and step both, and compare everything; returns how many episodes ended how: (2,)."""
    assert_same(ours.reset(seed=seed), theirs.reset(seed=seed))
    disabled = ours.metadata["autoreset_mode"] is AutoresetMode.DISABLED
    episodes = np.zeros(2, dtype=int)
    for timestep, actions in enumerate(random_actions(timesteps)):
        answer = ours.step(actions)
        assert_same(answer, theirs.step(actions))
        over = answer[2] | answer[3]
        episodes += answer[2].sum(), answer[3].sum()
        if disabled and over.any():
            begun = [envs.reset(options={"reset_mask": over.copy()}) for envs in (ours, theirs)]
            assert_same(*begun)
        if timestep % 20 == 0:
            assert_same(ours.render(), theirs.render())
    return episodes


@pytest.mark.reference
@pytest.mark.parametrize("mode", AutoresetMode)
@pytest.mark.parametrize("env_id", ENV_IDS)
def test_everything_is_as_gymnasium_has_it(env_id: str, mode: AutoresetMode) -> None:
    """Observations, rewards, ends, infos and frames, with ends of both kinds."""
    options = {"render_mode": "rgb_array", "autoreset_mode": mode}
    with closing(make(env_id, max_episode_steps=LIMIT, **options)) as ours:
        # A used Gymnasium environment is not exactly like a new one, so its first episodes.
        with closing(make_sync(env_id, mode, render_mode="rgb_array")) as theirs:
            assert_same_play(ours, theirs, LIMIT, seed=7)
        # And several episodes of our own environment, which starts each one afresh.
        single = f"bipedal/{env_id}"
        with closing(make_sync(single, mode, render_mode="rgb_array")) as theirs:
            terminated, truncated = assert_same_play(ours, theirs, 3 * LIMIT, seed=[5, 1, 9, 5])
            assert terminated and truncated


def test_make_vec_knows_both_environments() -> None:
    for env_id in ENV_IDS:
        with closing(make(env_id)) as envs:
            assert envs.engine.env_id == env_id
            assert envs.num_envs == NUM_ENVS
            assert envs.spec is not None
            assert envs.spec.id == f"bipedal/{env_id}"
            assert envs.spec.reward_threshold == 300
            with closing(gymnasium.make_vec(envs.spec)) as again:
                assert repr(again) == repr(envs)


@pytest.mark.reference
def test_spaces_are_gymnasiums_batched(envs: WalkerVectorEnv) -> None:
    theirs = make_sync(ENV_IDS[0], AutoresetMode.NEXT_STEP)
    for name in ("single_observation_space", "single_action_space"):
        assert getattr(envs, name) == getattr(theirs, name)
    assert envs.observation_space == theirs.observation_space
    assert envs.action_space == theirs.action_space
    assert envs.metadata["autoreset_mode"] is AutoresetMode.NEXT_STEP
    assert envs.metadata["render_fps"] == theirs.metadata["render_fps"]


def test_the_time_limit_is_gymnasiums() -> None:
    for env_id, limit in TIME_LIMITS.items():
        # A robot that has fallen is left as it is until the limit.
        with closing(make(env_id, autoreset_mode="Disabled")) as envs:
            envs.reset(seed=0)
            still = torch.zeros(NUM_ENVS, 4)
            flags = [envs.engine.step(still).truncated.any() for _ in range(limit)]
            assert not any(flags[:-1]) and flags[-1]


def test_answers_are_the_callers_to_keep(envs: WalkerVectorEnv) -> None:
    first, _ = envs.reset(seed=3)
    kept = first.copy()
    second = envs.step(np.ones((4, 4), np.float32))
    copies = [array.copy() for array in second[:4]]
    envs.step(-np.ones((4, 4), np.float32))
    np.testing.assert_array_equal(first, kept)
    for array, copied in zip(second[:4], copies, strict=True):
        np.testing.assert_array_equal(array, copied)


def test_seeds_of_a_list_are_each_environments_own(envs: WalkerVectorEnv) -> None:
    """With None an environment goes on with its next episode."""
    first, _ = envs.reset(seed=5)
    second, _ = envs.reset()
    assert (first != second).any(axis=1).all()
    envs.reset(seed=5)
    third, _ = envs.reset(seed=[None, 8, 5, None])
    np.testing.assert_array_equal(third, [second[0], first[3], first[0], second[3]])
    for wrong in ([1, 2], [1, 2, 3, -1], -1, 2**63):
        with pytest.raises(UserError, match="seed"):
            envs.reset(seed=wrong)


def test_a_first_reset_without_a_seed_takes_any(envs: WalkerVectorEnv) -> None:
    with closing(make()) as others:
        assert (envs.reset()[0] != others.reset()[0]).any()


def test_a_masked_reset_leaves_the_others_alone(envs: WalkerVectorEnv) -> None:
    mask = np.array([False, True, False, True])
    options = {"reset_mask": mask}
    with pytest.raises(ResetNeeded, match="first reset"):
        envs.reset(options=options)
    begun, _ = envs.reset(seed=5)
    for actions in random_actions(5):
        seen = envs.step(actions)[0]
    masked, _ = envs.reset(seed=[0, 6, 0, 8], options=options)
    np.testing.assert_array_equal(masked, np.where(mask[:, None], begun, seen))
    assert options == {"reset_mask": mask}
    for wrong in (mask[:2], mask.astype(int), mask & False, mask.tolist()):
        with pytest.raises(UserError, match="reset_mask"):
            envs.reset(options={"reset_mask": wrong})


def test_disabled_waits_for_a_reset() -> None:
    with closing(make(autoreset_mode=AutoresetMode.DISABLED, max_episode_steps=3)) as envs:
        envs.reset(seed=0)
        for actions in random_actions(3):
            envs.step(actions)
        with pytest.raises(ResetNeeded, match=r"\[0, 1, 2, 3\]"):
            envs.step(actions)
        envs.reset()
        envs.step(actions)


def test_a_wrong_request_is_the_users_mistake() -> None:
    wrong: list[dict[str, Any]] = [
        {"autoreset_mode": "Sometimes"},
        {"render_mode": "human"},
        {"max_episode_steps": 0},
        {"threads": 0},
    ]
    for options in wrong:
        with pytest.raises(UserError):
            WalkerVectorEnv(2, **options)


def test_a_picture_needs_a_render_mode_and_a_reset(envs: WalkerVectorEnv) -> None:
    with pytest.warns(UserWarning, match="render_mode"):
        assert envs.render() is None
    with closing(make(render_mode="rgb_array")) as drawn, pytest.raises(ResetNeeded):
        drawn.render()


@pytest.mark.parametrize("mode", [AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP])
def test_record_episode_statistics(mode: AutoresetMode) -> None:
    wrapped = wrappers.RecordEpisodeStatistics(make(autoreset_mode=mode))
    wrapped.reset(seed=2)
    total, length = np.zeros(NUM_ENVS), np.zeros(NUM_ENVS, dtype=int)
    ended, over = 0, np.zeros(NUM_ENVS, dtype=bool)
    for actions in random_actions(200):
        _, reward, terminated, _, info = wrapped.step(actions)
        played = ~over if mode is AutoresetMode.NEXT_STEP else ~over | True
        total, length = total + reward, length + played
        over = terminated
        for row in np.flatnonzero(over):
            ended += 1
            assert info["episode"]["r"][row] == pytest.approx(total[row])
            assert info["episode"]["l"][row] == length[row]
        total[over], length[over] = 0, 0
    assert ended


def test_normalize_observation(envs: WalkerVectorEnv) -> None:
    wrapped = wrappers.NormalizeObservation(envs)
    wrapped.reset(seed=2)
    seen = np.stack([wrapped.step(actions)[0] for actions in random_actions(100)])
    assert abs(seen[50:].mean()) < 1.0
    assert wrapped.obs_rms.count > 400


def test_record_video(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its frames show all environments; moviepy, which only writes them, is not needed here."""
    monkeypatch.setitem(sys.modules, "moviepy", ModuleType("moviepy"))
    with (
        closing(make(render_mode="rgb_array")) as envs,
        closing(make(render_mode="rgb_array")) as other,
    ):
        wrapped = wrappers.RecordVideo(
            envs, str(tmp_path / "films"), episode_trigger=lambda _: True
        )
        wrapped.reset(seed=2)
        other.reset(seed=2)
        other.render()
        wrapped.step(random_actions(1)[0])
        other.step(random_actions(1)[0])
        first, second, third, fourth = other.render() or ()
        seen = np.block([[[first], [second]], [[third], [fourth]]])
        np.testing.assert_array_equal(wrapped.recorded_frames[1], seen)
        wrapped.recorded_frames.clear()
