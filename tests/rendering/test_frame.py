"""Frames are those of Gymnasium, every pixel."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium_camera import Camera

from bipedal.checkpoint import load_model
from bipedal.engines.reference import make_env
from bipedal.engines.warp import quiet_warp
from bipedal.evaluation.episode import Act
from bipedal.physics.constants import SCALE, START_X, START_Y, TERRAIN_HEIGHT, TERRAIN_LENGTH
from bipedal.rendering import frame
from bipedal.rendering.scene import Course, Scene
from bipedal.walker import ENV_IDS

MODELS = dict(zip(ENV_IDS, ("pretrained:walker", "pretrained:hardcore"), strict=True))

Env = gymnasium.Env[Any, Any]


@pytest.fixture(params=ENV_IDS)
def env(request: pytest.FixtureRequest) -> Iterator[Env]:
    with make_env(request.param, render_mode="rgb_array") as env:
        yield env


def policy_for(env: Env) -> Act:
    assert env.spec is not None
    return load_model(MODELS[env.spec.id]).act


def random_actions(seed: int) -> Act:
    rng = np.random.default_rng(seed)
    return lambda _: rng.uniform(-1, 1, 4).astype(np.float32)


def film(
    env: Env, act: Act, seed: int, timesteps: int, shown: Callable[[int], bool], shift: float = 0.0
) -> tuple[int, int]:
    """Count the frames of an episode and the pixels that differ from Gymnasium's.

    The episode begins `shift` (m) to the right of the start and goes on after a fall.
    """
    observation, _ = env.reset(seed=seed)
    walker: Any = env.unwrapped
    for body in (walker.hull, *walker.legs):
        body.position += (shift, 0.0)
    camera = Camera(env)
    frames = differing = 0
    for timestep in range(timesteps):
        observation, _, _, truncated, _ = env.step(act(observation))
        if shown(timestep):
            frames += 1
            differing += int((camera.take() != np.asarray(env.render())).any(axis=-1).sum())
        if truncated:
            break
    return frames, differing


def often_then_now_and_then(timestep: int) -> bool:
    """Once for each beam of the lidar, in both directions, and later every second or so."""
    return timestep < 22 or timestep % 43 == 0


@pytest.mark.reference
def test_walking(env: Env) -> None:
    """The flag, the lidar's beams, clouds, stairs and a pit, more than one screen."""
    assert film(env, policy_for(env), 0, 240, often_then_now_and_then) == (27, 0)


@pytest.mark.reference
def test_falling(env: Env) -> None:
    assert film(env, random_actions(5), 5, 100, lambda timestep: timestep % 9 == 0) == (12, 0)


@pytest.mark.reference
def test_left_of_the_start(env: Env) -> None:
    """The view ends at the start of the ground, and beyond the sky's end it is black."""
    assert film(env, random_actions(1), 1, 10, lambda timestep: True, shift=-4.0) == (10, 0)
    sky = (np.asarray(env.render()) == frame.SKY).all(axis=-1)
    assert sky[:, :50].any() and not sky[:, -50:].any()


@pytest.mark.reference
def test_far_end(env: Env) -> None:
    assert film(env, policy_for(env), 2, 6, lambda timestep: True, shift=82.0) == (6, 0)


def test_a_scene_by_hand() -> None:
    """A block of a robot stands on level ground, under a beam and a cloud."""
    quiet_warp()
    square = np.array([(1, -1), (1, 1), (-1, 1), (-1, -1)], dtype=np.float32)
    hull = np.array([START_X, START_Y], dtype=np.float32)
    lower = np.array([0, -2], dtype=np.float32)
    course = Course(
        heights=np.full(TERRAIN_LENGTH, TERRAIN_HEIGHT),
        boxes=np.array([(15.0, TERRAIN_HEIGHT, 16.0, TERRAIN_HEIGHT + 1.0)], dtype=np.float32),
        clouds=np.array([[(10, 11), (12, 11), (12, 12), (11, 12.5), (10, 12)]], dtype=np.float64),
    )
    scene = Scene(
        course=course,
        hull=hull,
        outlines=(hull + square, *[hull + lower + square * np.float32(0.5)] * 4),
        lidar=np.tile(hull + np.array([5.0, -1.0]), (10, 1)),
        frame_number=1,
    )
    image = frame.draw(scene)
    assert image.shape == (400, 600, 3) and image.dtype == np.uint8

    scroll = float(hull[0]) - 4.0

    def colour_at(x: float, y: float) -> tuple[int, ...]:
        pixel = image[399 - round(y * SCALE), round((x - scroll) * SCALE)]
        return tuple(int(channel) for channel in pixel)

    assert colour_at(3.0, 13.0) == frame.SKY
    assert colour_at(11.0 + scroll / 2, 11.5) == frame.CLOUD
    assert colour_at(9.0, 1.0) == frame.SOIL
    assert colour_at(9.0, TERRAIN_HEIGHT) in frame.GRASS
    assert colour_at(15.5, TERRAIN_HEIGHT + 0.5) == frame.BOX[0]
    assert colour_at(START_X, START_Y) == frame.HULL[0]
    assert colour_at(START_X, START_Y - 2.0) == frame.LEGS[1][0]
    beam = (image == frame.BEAM).all(axis=-1).sum(axis=0)
    assert beam[152:270].tolist() == [1] * 118  # from the hull's edge to the beam's end
    assert colour_at(1.5, TERRAIN_HEIGHT + 1.5) == frame.FLAG
    without_beam = frame.draw(scene._replace(frame_number=20))
    assert not (without_beam == frame.BEAM).all(axis=-1).any()


def test_drawing_imports_no_library_of_games_or_learning() -> None:
    script = (
        "import sys, bipedal.rendering.frame;print({'Box2D', 'pygame', 'torch'} & set(sys.modules))"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert result.stdout == "set()\n", result.stderr


@pytest.mark.reference
@pytest.mark.slow
def test_a_thousand_frames(env: Env) -> None:
    """Whole episodes: walks to the far end, falls, and everything on the way."""
    walks = [film(env, policy_for(env), seed, 2000, lambda t: t % 10 == 0) for seed in range(3)]
    falls = [film(env, random_actions(seed), seed, 300, lambda t: t % 5 == 0) for seed in range(3)]
    frames, differing = np.sum(walks + falls, axis=0)
    assert frames >= 500
    assert differing == 0
