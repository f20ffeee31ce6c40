"""Draw the walker as Gymnasium's `render` does, but only the part in view.

`render` draws a surface as wide as the distance walked and then cuts the last 600 columns out of
it, so that a frame takes longer with each metre. This one draws the same shapes in the same order
on a surface of constant size, three to four times as fast. The frames agree with Gymnasium's to
one level of colour, except for a few pixels of smoothed outlines.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from gymnasium.envs.box2d.bipedal_walker import (
    SCALE,
    TERRAIN_HEIGHT,
    TERRAIN_STEP,
    VIEWPORT_H,
    VIEWPORT_W,
)

Frame = npt.NDArray[np.uint8]
"""(height, width, 3)"""

Point = tuple[float, float]
"""x and y, pixels from the course's left end and from the bottom."""

MARGIN = 100
"""Pixels drawn left of the view and cut off: pygame smooths a line differently where it is cut."""

SKY, WHITE, BLACK, RED, FLAG = (
    (215, 215, 255), (255, 255, 255), (0, 0, 0), (255, 0, 0), (230, 51, 0),
)  # fmt: skip

LIDAR_PERIOD = 100
"""Frames; each of the lidar's beams appears in two of them."""


class _Outline(NamedTuple):
    """A shape of the terrain: it never moves."""

    points: Sequence[Point]
    fill: tuple[int, int, int]
    edge: tuple[int, int, int]
    left: float
    right: float


class Camera:
    """Draws one BipedalWalker, frame by frame; make it after `env.reset`."""

    def __init__(self, env: Any) -> None:
        """Look up what never moves in `env`, a Gymnasium BipedalWalker, wrapped or not."""
        _draw_without_screen()
        import pygame

        self._walker = env.unwrapped
        self._surface = pygame.Surface((MARGIN + VIEWPORT_W, VIEWPORT_H))
        self._left = 0
        """Column of the course that the surface's first one shows."""
        self._frames = 0
        self._terrain = [outline for body in self._walker.terrain for outline in _outlines_of(body)]

    def take(self) -> Frame:
        """Draw the present state."""
        from pygame import surfarray

        self._left = int(max(0.0, self._walker.scroll) * SCALE) - MARGIN
        self._frames += 1
        self._draw_background()
        self._draw_lidar()
        right = self._left + MARGIN + VIEWPORT_W
        for outline in self._terrain:
            if outline.right >= self._left and outline.left <= right:
                self._draw_outline(outline)
        for body in (*self._walker.legs, self._walker.hull):
            for outline in _outlines_of(body):
                self._draw_outline(outline)
        self._draw_flag()
        upright = surfarray.pixels3d(self._surface)[MARGIN:, ::-1].transpose(1, 0, 2)
        return np.ascontiguousarray(upright)

    def _draw_background(self) -> None:
        """Sky, clouds (which move half as fast as the ground) and the ground's body."""
        walker, scroll = self._walker, self._walker.scroll
        width = VIEWPORT_W / SCALE
        self._surface.fill(BLACK)
        left, right = scroll * SCALE, scroll * SCALE + VIEWPORT_W
        self._fill([(left, 0), (right, 0), (right, VIEWPORT_H), (left, VIEWPORT_H)], SKY)
        for cloud, first, last in walker.cloud_poly:
            if last >= scroll / 2 and first <= scroll / 2 + width:
                self._fill_smoothly([(x * SCALE + left / 2, y * SCALE) for x, y in cloud], WHITE)
        for ground, colour in walker.terrain_poly:
            if ground[1][0] >= scroll and ground[0][0] <= scroll + width:
                self._fill_smoothly([(x * SCALE, y * SCALE) for x, y in ground], colour)

    def _draw_lidar(self) -> None:
        """One beam a frame, and in four frames out of five none."""
        from pygame import draw

        beams = self._walker.lidar
        index = self._frames % LIDAR_PERIOD
        if index >= 2 * len(beams):
            return
        beam = beams[index] if index < len(beams) else beams[len(beams) - index - 1]
        ends = [(x * SCALE, y * SCALE) for x, y in (beam.p1, beam.p2)]
        start, end = self._to_pixels(ends)
        draw.line(self._surface, RED, start, end)

    def _draw_outline(self, outline: _Outline) -> None:
        """A filled polygon with its edge, or where there are only two points a line."""
        from pygame import draw, gfxdraw

        if len(outline.points) == 2:
            start, end = ((x - self._left, y) for x, y in outline.points)
            draw.aaline(self._surface, outline.fill, start, end)
            return
        self._fill_smoothly(outline.points, outline.fill)
        pixels = self._to_pixels([*outline.points, outline.points[0]])
        draw.polygon(self._surface, outline.edge, pixels, width=1)
        gfxdraw.aapolygon(self._surface, pixels, outline.edge)

    def _draw_flag(self) -> None:
        from pygame import draw

        x, foot = TERRAIN_STEP * 3 * SCALE, TERRAIN_HEIGHT * SCALE
        pole = x - self._left
        draw.aaline(self._surface, BLACK, (pole, foot), (pole, foot + 50))
        cloth = self._to_pixels([(x, foot + 50), (x, foot + 40), (x + 25, foot + 45)])
        draw.polygon(self._surface, FLAG, cloth)
        draw.lines(self._surface, BLACK, False, [*cloth, cloth[0]])

    def _fill(self, points: Sequence[Point], colour: tuple[int, int, int]) -> None:
        from pygame import draw

        draw.polygon(self._surface, colour, self._to_pixels(points))

    def _fill_smoothly(self, points: Sequence[Point], colour: tuple[int, int, int]) -> None:
        from pygame import gfxdraw

        self._fill(points, colour)
        gfxdraw.aapolygon(self._surface, self._to_pixels(points), colour)

    def _to_pixels(self, points: Sequence[Point]) -> list[tuple[int, int]]:
        """Whole pixels of the surface; rounded before they are moved, as pygame would."""
        return [(int(x) - self._left, int(y)) for x, y in points]


def _outlines_of(body: Any) -> list[_Outline]:
    """Make the shapes of a Box2D body, where it stands now."""
    outlines = []
    for fixture in body.fixtures:
        corners = [body.transform * vertex * SCALE for vertex in fixture.shape.vertices]
        points = [(float(x), float(y)) for x, y in corners]
        across = [x for x, _ in points]
        outlines.append(_Outline(points, body.color1, body.color2, min(across), max(across)))
    return outlines


def _draw_without_screen() -> None:
    """Prepare pygame for a machine that may have no screen; call it before the first import."""
    # Its greeting would go to standard output, where `--json` promises one object and nothing else.
    os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
    has_display = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    if sys.platform.startswith("linux") and not has_display:
        os.environ.setdefault("SDL_VIDEODRIVER", "dummy")
