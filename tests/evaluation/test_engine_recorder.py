"""Trajectories of the batched engine against those that Gymnasium's environment gives."""

from contextlib import closing
from typing import Any

import numpy as np
import pytest
import torch

from bipedal.checkpoint import load_model
from bipedal.engines.reference import make_env
from bipedal.engines.synchronise import read_terrain, reset_overheard
from bipedal.engines.warp import WarpEngine
from bipedal.evaluation.engine_recorder import EngineRecorder
from bipedal.evaluation.gait import analyse
from bipedal.evaluation.trajectory import Trajectory, TrajectoryRecorder
from bipedal.walker import HARDCORE_ID

SEEDS = (3, 4)


def play_in_gymnasium(env: Any, observation: Any) -> Trajectory:
    policy = load_model("pretrained:hardcore")
    recorder = TrajectoryRecorder(env)
    terminated = truncated = False
    while not (terminated or truncated):
        observation, reward, terminated, truncated, _ = env.step(policy.act(observation))
        recorder.record(float(reward))
    return recorder.finish(terminated, truncated)


@pytest.fixture(scope="module")
def both() -> list[tuple[Trajectory, Trajectory]]:
    """The same terrains with the same pushes: ours and Gymnasium's."""
    policy = load_model("pretrained:hardcore")
    with closing(WarpEngine(HARDCORE_ID, len(SEEDS), 0)) as engine:
        theirs = []
        for row, seed in enumerate(SEEDS):
            env: Any = make_env(HARDCORE_ID)
            first, force = reset_overheard(env, seed)
            engine.set_start(row, *read_terrain(env), force)
            theirs.append(play_in_gymnasium(env, first))
        observation = engine.reset()
        recorder = EngineRecorder(engine, range(len(SEEDS)))
        running = torch.ones(len(SEEDS), dtype=torch.bool)
        while running.any():
            step = engine.step(policy.act_batch(observation))
            recorder.record(step)
            running &= ~step.done
            observation = step.observation
        return list(zip(recorder.finish(), theirs, strict=True))


def test_every_column_is_gymnasiums_until_chaos_parts_them(
    both: list[tuple[Trajectory, Trajectory]],
) -> None:
    for ours, theirs in both:
        for name in (
            "foot_position", "knee_height", "hull_position", "hull_velocity", "hull_angle",
            "ground_height", "joint_angles", "joint_speeds", "rewards",
        ):  # fmt: skip
            np.testing.assert_allclose(
                getattr(ours, name)[:20], getattr(theirs, name)[:20], atol=2e-3, err_msg=name
            )
        np.testing.assert_allclose(ours.joint_torques[:20], theirs.joint_torques[:20], atol=0.5)
        np.testing.assert_array_equal(ours.foot_contact[:20], theirs.foot_contact[:20])
        np.testing.assert_array_equal(ours.upper_contact[:20], theirs.upper_contact[:20])
        np.testing.assert_allclose(ours.boxes[:, 0], np.sort(theirs.boxes[:, 0]), atol=1e-4)
        assert ours.start_x == pytest.approx(theirs.start_x, abs=1e-5)


def test_whole_episodes_have_the_same_gait(both: list[tuple[Trajectory, Trajectory]]) -> None:
    for ours, theirs in both:
        assert (ours.terminated, ours.truncated, ours.fell) == (
            theirs.terminated, theirs.truncated, theirs.fell,
        )  # fmt: skip
        mine, other = analyse(ours), analyse(theirs)
        assert mine.gait_class is other.gait_class
        for name in ("duty_factor", "flight_fraction", "double_support_fraction"):
            assert getattr(mine, name) == pytest.approx(getattr(other, name), abs=0.05), name
        assert mine.speed == pytest.approx(other.speed, rel=0.05)


def test_an_episode_that_has_not_ended_has_no_trajectory() -> None:
    with closing(WarpEngine(HARDCORE_ID, 2, 0)) as engine:
        engine.reset()
        recorder = EngineRecorder(engine, [1])
        recorder.record(engine.step(torch.zeros(2, 4)))
        with pytest.raises(ValueError, match="not ended"):
            recorder.finish()
