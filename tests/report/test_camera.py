"""The camera draws what Gymnasium draws."""

from __future__ import annotations

import numpy as np
import pytest

from bipedal.checkpoint import load_model
from bipedal.engines.reference import make_env
from bipedal.report.camera import Camera


@pytest.mark.parametrize(
    ("env_id", "model"),
    [("BipedalWalker-v3", "walker"), ("BipedalWalkerHardcore-v3", "hardcore")],
)
def test_frames_are_those_of_gymnasium(env_id: str, model: str) -> None:
    """Through the first 200 timesteps: the flag, lidar beams, obstacles, more than one screen."""
    policy = load_model(f"pretrained:{model}").act
    env = make_env(env_id, render_mode="rgb_array")
    observation, _ = env.reset(seed=3)
    camera = Camera(env)
    differing = 0
    for timestep in range(200):
        observation, *_ = env.step(policy(observation))
        ours = camera.take()
        assert ours.shape == (400, 600, 3) and ours.dtype == np.uint8
        if timestep % 21 and timestep > 10:
            env.unwrapped.lidar_render += 1  # type: ignore[attr-defined]
            continue  # render takes most of the time
        difference = np.abs(ours.astype(int) - np.asarray(env.render()).astype(int)).max(axis=-1)
        assert difference.max() <= 40
        differing += int((difference > 1).sum())
    assert camera._walker.scroll > 5  # m
    assert differing < 500  # of 5 million pixels
    env.close()
