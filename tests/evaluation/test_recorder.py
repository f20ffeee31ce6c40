"""Trajectories of the batched engine against those of Gymnasium's own environment."""

from __future__ import annotations

import dataclasses
from contextlib import closing

import numpy as np
import pytest
import torch
from gymnasium_recorder import play_in_gymnasium

from bipedal.checkpoint import load_model
from bipedal.engines.warp import WarpEngine
from bipedal.evaluation.episode import run_episode
from bipedal.evaluation.recorder import Recorder
from bipedal.evaluation.trajectory import Trajectory
from bipedal.walker import ENV_IDS, HARDCORE_ID

COLUMNS = [field.name for field in dataclasses.fields(Trajectory)][:12]


def sorted_boxes(trajectory: Trajectory) -> list[list[float]]:
    rows: list[list[float]] = trajectory.boxes.tolist()
    return sorted(rows)


@pytest.mark.reference
@pytest.mark.parametrize("env_id", ENV_IDS)
@pytest.mark.parametrize("model", ["pretrained:walker", "pretrained:hardcore"])
def test_every_row_is_gymnasiums_to_the_bit(model: str, env_id: str) -> None:
    policy = load_model(model)
    ours = run_episode(policy, env_id, 3).trajectory
    theirs = play_in_gymnasium(policy.share().act, env_id, 3)
    assert ours is not None
    for name in COLUMNS:
        np.testing.assert_array_equal(getattr(ours, name), getattr(theirs, name), err_msg=name)
    assert sorted_boxes(ours) == sorted_boxes(theirs)
    for name in ("start_x", "terminated", "truncated", "fell"):
        assert getattr(ours, name) == getattr(theirs, name), name


def test_an_episode_that_is_broken_off_is_recorded_so_far() -> None:
    with closing(WarpEngine(HARDCORE_ID, 3, 0, autoreset=False)) as engine:
        engine.reset()
        recorder = Recorder(engine, [2, 1])
        assert 1 in recorder and 0 not in recorder
        recorder.begin(2)
        for _ in range(3):
            recorder.record(engine.step(torch.zeros(3, 4)))
        recorder.begin(1)  # late, so that it has fewer rows
        recorder.record(engine.step(torch.zeros(3, 4)))
        angle = engine.poses()[:, 0, 2]
        long, short = recorder.finish(2), recorder.finish(1)
    assert (len(long.rewards), len(short.rewards)) == (4, 1)
    assert (long.hull_angle[-1], short.hull_angle[-1]) == (angle[2], angle[1])
    assert not (long.terminated or long.truncated or long.fell)


def test_an_episode_without_timesteps_has_no_trajectory() -> None:
    with closing(WarpEngine(HARDCORE_ID, 1, 0, autoreset=False)) as engine:
        engine.reset()
        recorder = Recorder(engine, [0])
        recorder.begin(0)
        with pytest.raises(ValueError, match="at least one"):
            recorder.finish(0)
