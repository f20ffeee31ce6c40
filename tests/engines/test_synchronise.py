"""Single steps from Gymnasium's own states: what decides whether the engine is true.

`benchmarks/parity.py` does the same with 50,000 states and several ways of walking.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy_engine import NumpyEngine

from bipedal.engines.reference import make_env
from bipedal.engines.synchronise import read_terrain, reset_overheard, synchronise
from bipedal.physics.constants import FALL_REWARD, MAX_BOXES, TERRAIN_STEP
from bipedal.physics.state import fields
from bipedal.walker import ENV_IDS

EngineMaker = Callable[..., NumpyEngine]

N = 8


def bodies(env: Any) -> list[Any]:
    return [env.unwrapped.hull, *env.unwrapped.legs]


def touching(env: Any) -> list[bool]:
    touched = {
        contact.fixtureB.body for contact in env.unwrapped.world.contacts if contact.touching
    }
    return [body in touched for body in bodies(env)]


def begin(engine: NumpyEngine, row: int, seed: int) -> Any:
    """A fresh episode on both sides."""
    env = make_env(engine.env_id)
    _, force = reset_overheard(env, seed)
    engine.set_start(row, *read_terrain(env), force)
    engine.begin_episodes([row])
    return env


@pytest.mark.parametrize("env_id", ENV_IDS)
def test_one_step_is_gymnasiums(make_engine: EngineMaker, env_id: str) -> None:
    rng = np.random.default_rng(0)
    engine = make_engine(env_id, N)
    walkers = {name: array.numpy() for name, array in fields(engine.walkers).items()}
    envs = [begin(engine, row, 100 + row) for row in range(N)]
    seeds = iter(range(200, 300))
    errors, rewards, ended, touched, torques, falls = [], [], [], [], [], 0
    for _ in range(100):
        for row, env in enumerate(envs):
            synchronise(env, row, walkers)
        actions = rng.uniform(-1, 1, (N, 4)).astype(np.float32)
        step = engine.step(actions)
        truth = [env.step(action) for env, action in zip(envs, actions, strict=True)]
        over = np.array([answer[2] for answer in truth])
        errors.append(np.abs(step.final_observation - [answer[0] for answer in truth]).max(axis=1))
        rewards.append(np.abs(step.reward - [answer[1] for answer in truth]))
        ended.append(step.terminated == over)
        going = ~(over | step.terminated)
        theirs = np.array([touching(env) for env in envs])
        touched.append((engine.touching() == theirs)[going].all(axis=1))
        motors = [[joint.GetMotorTorque(50) for joint in env.unwrapped.joints] for env in envs]
        torques.append(np.abs(engine.joint_torques() - motors)[going].max(axis=1))
        for finished in map(int, np.flatnonzero(over | step.terminated)):
            falls += int(truth[finished][1] == step.reward[finished] == FALL_REWARD)
            envs[finished] = begin(engine, finished, next(seeds))
    error, reward = np.concatenate(errors), np.concatenate(rewards)
    assert np.median(error) < 1e-5
    assert (error < 1e-3).mean() >= 0.99
    assert np.median(reward) < 1e-4
    assert (reward < 1e-2).mean() >= 0.99
    assert np.mean(ended) >= 0.995
    assert np.concatenate(touched).mean() >= 0.99
    assert np.median(np.concatenate(torques)) < 0.01
    assert falls >= 3  # final observations and rewards of falls among them


def test_a_state_is_read_as_it_is(make_engine: EngineMaker) -> None:
    engine = make_engine(ENV_IDS[1], 1)
    walkers = {name: array.numpy() for name, array in fields(engine.walkers).items()}
    env = begin(engine, 0, 7)
    for action in np.random.default_rng(1).uniform(-1, 1, (12, 4)).astype(np.float32):
        env.step(action)
        engine.step(action[None])
    synchronise(env, 0, walkers)
    walker: Any = env.unwrapped
    poses = [(*body.worldCenter, body.angle) for body in bodies(env)]
    np.testing.assert_array_equal(engine.poses()[0], np.array(poses, np.float32))
    torques = [joint.GetMotorTorque(50) for joint in walker.joints]
    np.testing.assert_allclose(engine.joint_torques()[0], torques, rtol=1e-5)
    assert engine.touching()[0].tolist() == touching(env)
    assert walkers["contact_count"][0] == len(walker.world.contacts)
    for row, contact in zip(walkers["contact"][0], walker.world.contacts, strict=False):
        assert bodies(env)[row["body"]] == contact.fixtureB.body
        left = min(x for x, _ in contact.fixtureA.shape.vertices)
        if row["ground"] >= MAX_BOXES:
            assert left == pytest.approx((row["ground"] - MAX_BOXES) * TERRAIN_STEP, abs=1e-4)
        else:
            assert left == engine.ground.box.numpy()[0, row["ground"], 0]


def test_reset_overheard_is_gymnasiums_reset() -> None:
    for env_id in ENV_IDS:
        observation, force = reset_overheard(make_env(env_id), 11)
        np.testing.assert_array_equal(observation, make_env(env_id).reset(seed=11)[0])
        assert 0 < abs(force) < 5


def test_the_terrain_is_read_as_gymnasium_drew_it() -> None:
    env: Any = make_env(ENV_IDS[1])
    env.reset(seed=12)
    heights, boxes = read_terrain(env)
    np.testing.assert_array_equal(heights, np.float32(env.unwrapped.terrain_y))
    assert len(heights) == 200
    assert len(boxes) == len(env.unwrapped.terrain) - 199
    assert (np.diff(boxes[:, 0]) > 0).all()
    assert (boxes[:, 2:] > boxes[:, :2]).all()
