"""A contact sheet: frames of several robots side by side, a row each, to judge gaits by eye."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw

from bipedal.engines.picture import take_picture
from bipedal.engines.warp import WarpEngine
from bipedal.evaluation.episode import Player, begin, play_recorded
from bipedal.evaluation.gait import Gait, analyse
from bipedal.evaluation.recorder import Recorder
from bipedal.physics.constants import HULL, SCALE
from bipedal.physics.robot import origins_of
from bipedal.rendering.canvas import Frame
from bipedal.rendering.frame import HEIGHT

FRAMES = 8
FIRST, STRIDE = 150, 4
"""Timesteps of the first frame, when a robot has got into its gait, and between two frames."""
WIDTH, ABOVE, BELOW = 120, 40, 90
"""Pixels of a frame: its width, and how far it shows above and below the hull's origin."""
CAPTION = 14
"""Pixels."""


class Strip(NamedTuple):
    """One robot's frames and its gait in the whole episode."""

    frames: Sequence[Frame]
    """`FRAMES` of them, (ABOVE + BELOW, WIDTH, 3) each; fewer where the robot fell before."""
    gait: Gait
    episodic_return: float


def take_strip(policy: Player, env_id: str, seed: int) -> Strip:
    """Play the episode of `reset(seed=seed)` and keep some frames of it."""
    with closing(WarpEngine(env_id, 1, seed, autoreset=False)) as engine:
        recorder = Recorder(engine, [0])
        frames: list[Frame] = []
        for timestep, step in enumerate(play_recorded(begin(policy), engine, recorder), start=1):
            due = timestep >= FIRST and (timestep - FIRST) % STRIDE == 0
            if due and len(frames) < FRAMES and not step.done:
                frames.append(_around_the_hull(engine, timestep))
        trajectory = recorder.finish(0)
        return Strip(frames, analyse(trajectory), float(trajectory.rewards.sum()))


def _around_the_hull(engine: WarpEngine, frame_number: int) -> Frame:
    """The part of the picture that shows the robot."""
    moving = engine.kinematics([0])
    x, y = origins_of(moving.center, moving.rotation)[0, HULL] * SCALE
    left = min(int(x), 120) - WIDTH // 2 + 10  # the view follows the robot, 120 pixels behind it
    top = min(max(HEIGHT - int(y) - ABOVE, 0), HEIGHT - ABOVE - BELOW)
    picture = take_picture(engine, 0, frame_number)
    return picture[top : top + ABOVE + BELOW, max(left, 0) : max(left, 0) + WIDTH]


def draw_sheet(strips: Sequence[tuple[str, Strip]]) -> Image.Image:
    """One row for each caption and strip."""
    height = ABOVE + BELOW + CAPTION
    sheet = Image.new("RGB", (FRAMES * WIDTH, len(strips) * height), "white")
    pen = ImageDraw.Draw(sheet)
    for row, (caption, strip) in enumerate(strips):
        pen.text((2, row * height + 1), caption, fill="black")
        for column, frame in enumerate(strip.frames):
            place = (column * WIDTH, row * height + CAPTION)
            sheet.paste(Image.fromarray(np.ascontiguousarray(frame)), place)
    return sheet
