"""The engine and policies in JavaScript, run by node, give what Python's give, bit for bit."""

from __future__ import annotations

import base64
import hashlib
from contextlib import closing
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from conftest import ModelMaker
from hypothesis import given, settings
from hypothesis import strategies as st
from node import needs_node, run_node

from bipedal.checkpoint import load_model
from bipedal.conformance.recording import RecordedEpisode, read_recording
from bipedal.engines.warp import WarpEngine
from bipedal.history import FrameStack
from bipedal.live.share import describe_policy
from bipedal.physics.constants import LIDAR_RANGE
from bipedal.physics.robot import origins_of, robot_arrays, rotate
from bipedal.physics.seeding import seed_generators
from bipedal.policy import Policy
from bipedal.walker import ENV_IDS, HARDCORE_ID

pytestmark = needs_node

ANSWER_BYTES = 24 * 4 + 8 + 2


def run_job(job: str, **given: Any) -> bytes:
    """What `jobs.mjs` prints for a job."""
    encoded = {
        name: base64.b64encode(np.ascontiguousarray(value).tobytes()).decode()
        if isinstance(value, np.ndarray)
        else value
        for name, value in given.items()
    }
    return base64.b64decode(run_node("jobs.mjs", job=job, **encoded))


def longest(env_id: str) -> RecordedEpisode:
    return max(read_recording(env_id).episodes, key=lambda episode: len(episode.actions))


def of_episode(env_id: str, episode: RecordedEpisode) -> dict[str, Any]:
    return {
        "seed": episode.seed,
        "hardcore": env_id == HARDCORE_ID,
        "actions": episode.actions,
    }


@pytest.mark.parametrize("env_id", ENV_IDS)
def test_recorded_episodes_are_gymnasiums(env_id: str) -> None:
    episodes = sorted(read_recording(env_id).episodes, key=lambda episode: len(episode.actions))
    of_each = {episode.behaviour: episode for episode in episodes}  # the longest of each
    assert sum(len(episode.actions) for episode in of_each.values()) > 10_000
    for behaviour, episode in of_each.items():
        answers = run_job("play", **of_episode(env_id, episode))
        digest = hashlib.blake2b(answers, digest_size=len(episode.digest)).digest()
        assert digest == episode.digest, behaviour


@pytest.mark.parametrize("env_id", ENV_IDS)
def test_a_snapshot_goes_on_with_the_same_bits_here_and_elsewhere(env_id: str) -> None:
    job = of_episode(env_id, longest(env_id))
    half = len(job["actions"]) // 2
    expected = run_job("play", **job)[(half + 1) * ANSWER_BYTES :]
    assert run_job("rewind", half=half, **job) == expected * 2


def test_a_push_changes_what_follows_and_nothing_before() -> None:
    job = of_episode(ENV_IDS[0], longest(ENV_IDS[0]))
    calm, pushed = run_job("play", **job), run_job("push", pushAt=50, **job)
    assert pushed[: 51 * ANSWER_BYTES] == calm[: 51 * ANSWER_BYTES]
    step = slice(51 * ANSWER_BYTES, 51 * ANSWER_BYTES + 96)
    faster = np.frombuffer(pushed[step], "<f4") - np.frombuffer(calm[step], "<f4")
    assert faster[2] > 0


@given(st.integers(0, 2**63 - 1))
@settings(max_examples=8, deadline=None)
def test_generators_are_numpys(seed: int) -> None:
    state = np.frombuffer(run_job("seed", seed=str(seed)), "<u8")
    assert state.tolist() == list(seed_generators([seed])[0])[:4]


@pytest.mark.parametrize("name", ["pretrained:walker", "pretrained:hardcore"])
def test_policies_act_as_in_python(name: str) -> None:
    check_actions(load_model(name))


def test_policies_of_other_shapes_act_as_in_python(make_model: ModelMaker) -> None:
    bare = make_model((5, 7), activation="tanh", layer_norm=False)
    wide = make_model()
    first = wide.actor.net[0]
    assert isinstance(first, torch.nn.Linear)
    wide.actor.net[0] = torch.nn.Linear(3 * 24, first.out_features)
    stacked = Policy(wide.actor, wide.critic, wide.normalizer, FrameStack(3, 4), gain=1.5)
    for policy in (bare, stacked):
        check_actions(policy)


def check_actions(policy: Policy) -> None:
    job = of_episode(policy.env_id, longest(policy.env_id))
    answers = np.frombuffer(run_job("play", **job), np.uint8).reshape(-1, ANSWER_BYTES)
    observations = np.ascontiguousarray(answers[:300, :96]).view("<f4")
    policy.restart()
    expected = np.stack([policy.act(observation) for observation in observations])
    given_back = run_job("act", model=describe_policy("", policy), observations=observations)
    actions = np.frombuffer(given_back, "<f4").reshape(-1, 4)
    assert actions.tobytes() == expected.tobytes()


@pytest.mark.parametrize("env_id", ENV_IDS)
def test_what_is_drawn_is_where_the_engine_has_it(env_id: str) -> None:
    job = of_episode(env_id, longest(env_id))
    job["actions"] = job["actions"][:60]
    numbers = np.frombuffer(run_job("look", **job), "<f8")
    np.testing.assert_allclose(numbers, drawn(env_id, job), atol=2e-5)


def drawn(env_id: str, job: dict[str, Any]) -> npt.NDArray[np.float64]:
    """Poses, corners, ends of beams and terrain in Python's engine."""
    robot = robot_arrays()
    with closing(WarpEngine(env_id, 1, job["seed"], threads=1)) as engine:
        engine.reset()
        for action in job["actions"]:
            observation = engine.step(torch.from_numpy(action)[None]).observation
        bodies = engine.kinematics([0])
        origins = origins_of(bodies.center, bodies.rotation)[0]
        outlines = [
            rotate(bodies.rotation[0, body], robot["vertices"][body, :count]) + origins[body]
            for body, count in enumerate(robot["vertex_count"])
        ]
        angles = 1.5 * np.arange(10) / 10
        lengths = LIDAR_RANGE * observation[0, 14:].numpy()
        down = np.stack([np.sin(angles), -np.cos(angles)], axis=1)
        heights, boxes = engine.terrain(0)
        line = np.stack([np.arange(200) * 14 / 30, heights], axis=1)
        parts = [engine.poses()[0], *outlines, origins[0] + lengths[:, None] * down, line, boxes]
    return np.concatenate([np.asarray(part, np.float64).ravel() for part in parts])
