"""The picture that Gymnasium's `render` makes of BipedalWalker, pixel for pixel.

Gymnasium draws on a surface that begins at the start of the ground and grows by 30 pixels for each
metre walked, and shows the last 600 columns. Everything is drawn in the order and in the precision
in which Gymnasium draws it: a pixel may depend on either.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from bipedal.physics.constants import (
    LIDAR_RAYS,
    SCALE,
    TERRAIN_HEIGHT,
    TERRAIN_LENGTH,
    TERRAIN_STEP,
    VIEWPORT_HEIGHT,
    VIEWPORT_WIDTH,
)
from bipedal.rendering.canvas import Canvas, Colour, Frame
from bipedal.rendering.scene import Course, Scene, Singles

WIDTH, HEIGHT = int(VIEWPORT_WIDTH), int(VIEWPORT_HEIGHT)
"""Pixels of a frame."""

LIDAR_PERIOD = 100
"""Frames; each beam appears in two of them."""

SKY: Colour = (215, 215, 255)
CLOUD: Colour = (255, 255, 255)
SOIL: Colour = (102, 153, 76)
GRASS: tuple[Colour, Colour] = ((76, 255, 76), (76, 204, 76))
"""Of the even and the odd pieces of the ground line."""
BEAM: Colour = (255, 0, 0)
POLE: Colour = (0, 0, 0)
FLAG: Colour = (230, 51, 0)

Outlined = tuple[Colour, Colour]
"""Colours of a filling and of the line around it."""

BOX: Outlined = ((255, 255, 255), (153, 153, 153))
HULL: Outlined = ((127, 51, 229), (76, 76, 127))
LEGS: tuple[Outlined, Outlined] = (
    ((178, 101, 152), (127, 76, 101)),
    ((128, 51, 102), (77, 26, 51)),
)

MARGIN = 0.1
"""m. A line may reach 2 pixels beyond its ends."""

Reals = npt.NDArray[np.floating[Any]]
Bools = npt.NDArray[np.bool_]

_GROUND_X = np.arange(TERRAIN_LENGTH) * TERRAIN_STEP
"""m, of the ground line's vertices."""


def draw(scene: Scene) -> Frame:
    """Draw a frame, (400, 600, 3), on the CPU; the first call compiles for a few seconds."""
    scroll = float(scene.hull[0]) - VIEWPORT_WIDTH / SCALE / 5
    width = int(VIEWPORT_WIDTH + max(0.0, scroll) * SCALE)
    canvas = Canvas(width, HEIGHT, left=width - WIDTH)
    _draw_sky(canvas, scroll)
    _draw_clouds(canvas, scene.course, scroll)
    _draw_soil(canvas, scene.course, scroll)
    _draw_beam(canvas, scene)
    left = max(0.0, scroll)
    _draw_grass(canvas, scene.course, left)
    _draw_boxes(canvas, scene.course, left)
    hull, *legs = scene.outlines
    for outline, colours in zip(legs, (LEGS[0], LEGS[0], LEGS[1], LEGS[1]), strict=True):
        _draw_outlined(canvas, outline, colours)
    _draw_outlined(canvas, hull, HULL)
    _draw_flag(canvas)
    return canvas.frame()


def _draw_sky(canvas: Canvas, scroll: float) -> None:
    """It moves with the robot, so near the start it ends before the view does: black remains."""
    left, right = scroll * SCALE, scroll * SCALE + VIEWPORT_WIDTH
    sky = [(left, 0), (right, 0), (right, VIEWPORT_HEIGHT), (left, VIEWPORT_HEIGHT)]
    canvas.polygon(sky, SKY)


def _draw_clouds(canvas: Canvas, course: Course, scroll: float) -> None:
    """Those that Gymnasium deems in view; they move half as fast as the ground."""
    x = course.clouds[:, :, 0]
    shown = _in_view(x.min(axis=1), x.max(axis=1), scroll / 2)
    for cloud in course.clouds[shown] * SCALE + (scroll * SCALE / 2, 0.0):
        canvas.polygon(cloud, CLOUD)
        canvas.aapolygon(cloud, CLOUD)


def _draw_soil(canvas: Canvas, course: Course, scroll: float) -> None:
    """One quadrilateral under each piece of the ground line that Gymnasium deems in view."""
    top = np.stack([_GROUND_X, course.heights], axis=1) * SCALE
    foot = top * (1.0, 0.0)
    pieces = np.stack([top[:-1], top[1:], foot[1:], foot[:-1]], axis=1)
    for piece in pieces[_in_view(_GROUND_X[:-1], _GROUND_X[1:], scroll)]:
        canvas.polygon(piece, SOIL)
        canvas.aapolygon(piece, SOIL)


def _draw_beam(canvas: Canvas, scene: Scene) -> None:
    """One beam a frame, there and back through all of them, and then a long time none."""
    index = scene.frame_number % LIDAR_PERIOD
    if index >= LIDAR_RAYS:
        index = 2 * LIDAR_RAYS - 1 - index
    if index >= 0:
        canvas.lines(np.stack([scene.hull, scene.lidar[index]]) * SCALE, BEAM)


def _draw_grass(canvas: Canvas, course: Course, left: float) -> None:
    """The ground line, from right to left; `left` (m) is where the view begins."""
    line = np.stack([_GROUND_X, course.heights], axis=1).astype(np.float32) * np.float32(SCALE)
    shown = _in_view(_GROUND_X[:-1] - MARGIN, _GROUND_X[1:] + MARGIN, left)
    for index in np.flatnonzero(shown)[::-1]:
        canvas.aaline(line[index : index + 2], GRASS[index % 2])


def _draw_boxes(canvas: Canvas, course: Course, left: float) -> None:
    """`left` (m) is where the view begins. The order is free: boxes touch, but do not overlap."""
    shown = _in_view(course.boxes[:, 0] - MARGIN, course.boxes[:, 2] + MARGIN, left)
    for x1, y1, x2, y2 in course.boxes[shown]:
        _draw_outlined(canvas, np.array([(x2, y1), (x2, y2), (x1, y2), (x1, y1)]), BOX)


def _in_view(first: Reals, last: Reals, left: float) -> Bools:
    """Which shapes, from `first` to `last` (m), are in a view that begins at `left` (m)."""
    return (last >= left) & (first <= left + VIEWPORT_WIDTH / SCALE)


def _draw_outlined(canvas: Canvas, outline: Singles, colours: Outlined) -> None:
    """A polygon with corners (K, 2) in m."""
    points = outline * np.float32(SCALE)
    filling, edge = colours
    canvas.polygon(points, filling)
    canvas.aapolygon(points, filling)
    canvas.lines(np.concatenate([points, points[:1]]), edge)
    canvas.aapolygon(points, edge)


def _draw_flag(canvas: Canvas) -> None:
    x, foot = TERRAIN_STEP * 3 * SCALE, TERRAIN_HEIGHT * SCALE
    canvas.aaline([(x, foot), (x, foot + 50)], POLE)
    cloth = [(x, foot + 50), (x, foot + 40), (x + 25, foot + 45)]
    canvas.polygon(cloth, FLAG)
    canvas.lines([*cloth, cloth[0]], POLE)
