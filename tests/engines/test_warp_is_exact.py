"""The batched engine gives Gymnasium's episodes in every bit.

The digests of the recorded episodes are Gymnasium's own, so playing them again needs no Box2D.
`benchmarks/parity.py` plays thousands of episodes more.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from numpy_engine import NumpyEngine

from bipedal.conformance.recording import RecordedEpisode, Recording, read_recording, replay
from bipedal.engines.reference import make_env
from bipedal.errors import RunFailedError
from bipedal.walker import ENV_IDS

EngineMaker = Callable[..., NumpyEngine]


def some_of_each_behaviour(
    recording: Recording, episodes: int, longest: int = 2000
) -> list[RecordedEpisode]:
    names = {episode.behaviour for episode in recording.episodes}
    kept = [e for e in recording.episodes if len(e.actions) <= longest]
    return [e for name in names for e in [e for e in kept if e.behaviour == name][:episodes]]


@pytest.mark.parametrize("env_id", ENV_IDS)
def test_every_recorded_episode_is_given_again(env_id: str) -> None:
    recording = read_recording(env_id)
    behaviours = {episode.behaviour for episode, _ in replay(recording, threads=1)}
    assert len(recording.episodes) >= 200
    assert len(behaviours) == 11


@pytest.mark.parametrize(("rows", "threads"), [(1, 1), (5, 1), (17, 1), (33, 2), (100, 2)])
@pytest.mark.parametrize("env_id", ENV_IDS)
def test_neither_rows_nor_threads_change_a_bit(env_id: str, rows: int, threads: int) -> None:
    recording = read_recording(env_id)
    chosen = some_of_each_behaviour(recording, 10, longest=300)
    chosen = chosen[:12] if rows == 1 else chosen
    part = dataclasses.replace(recording, episodes=chosen)
    assert len(list(replay(part, rows=rows, threads=threads))) == len(chosen) >= 12


def test_a_single_wrong_bit_is_noticed() -> None:
    recording = read_recording(ENV_IDS[0])
    episode = min(recording.episodes, key=lambda episode: len(episode.actions))
    other = episode.actions.copy()
    other[-1, 2] = np.nextafter(other[-1, 2], np.float32(0))
    part = dataclasses.replace(recording, episodes=[dataclasses.replace(episode, actions=other)])
    with pytest.raises(RunFailedError, match=f"recorded episode {episode.seed} of BipedalWalker"):
        list(replay(part))


def bodies_of(env: Any) -> Sequence[Any]:
    return [env.unwrapped.hull, *env.unwrapped.legs]


def touched_bodies(env: Any) -> list[bool]:
    contacts = env.unwrapped.world.contacts
    touched = {contact.fixtureB.body for contact in contacts if contact.touching}
    return [body in touched for body in bodies_of(env)]


@pytest.mark.reference
@pytest.mark.parametrize("env_id", ENV_IDS)
def test_bodies_contacts_and_torques_are_box2ds(make_engine: EngineMaker, env_id: str) -> None:
    engine = make_engine(env_id, 1)
    for episode in some_of_each_behaviour(read_recording(env_id), 1):
        engine.reset(episode.seed)
        env = make_env(env_id)
        env.reset(seed=episode.seed)
        for action in episode.actions[:200]:
            _, _, terminated, _, _ = env.step(action)
            engine.step(action[None])
            if terminated:
                break
            ours, theirs = engine.kinematics([0]), bodies_of(env)
            positions = np.array([body.worldCenter for body in theirs], np.float32)
            np.testing.assert_array_equal(ours.center[0], positions)
            angles = np.array([body.angle for body in theirs], np.float32)
            np.testing.assert_array_equal(ours.angle[0], angles)
            velocities = np.array([body.linearVelocity for body in theirs], np.float32)
            np.testing.assert_array_equal(ours.velocity[0], velocities)
            spins = np.array([body.angularVelocity for body in theirs], np.float32)
            np.testing.assert_array_equal(ours.spin[0], spins)
            assert ours.touching[0].tolist() == touched_bodies(env)
            joints: Any = env.unwrapped.joints  # type: ignore[attr-defined]
            motors = [joint.GetMotorTorque(50) for joint in joints]
            np.testing.assert_allclose(ours.torque[0], motors, rtol=1e-5)
