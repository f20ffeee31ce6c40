"""Shapes on a surface, with the pixels that pygame gives them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from bipedal.rendering import raster

Frame = npt.NDArray[np.uint8]
"""(height, columns, 3)"""

Colour = tuple[int, int, int]
"""Red, green, blue; 0 to 255."""

Points = Sequence[tuple[float, float]] | npt.NDArray[np.floating]
"""(P, 2) x and y in pixels, from the lower left corner of the surface."""


class Canvas:
    """Collects shapes, and draws them in that order when `frame` is called.

    As in pygame, lines are cut at the borders of the surface, but only a part of it is in view:
    the columns from `left` to the right end.
    """

    def __init__(self, width: int, height: int, left: int = 0) -> None:
        """A black surface of `width` x `height` pixels."""
        self._width = width
        self._height = height
        self._left = left
        self._commands: list[tuple[int, ...]] = []
        self._points: list[npt.NDArray[np.float64]] = []
        self._num_points = 0

    def polygon(self, points: Points, colour: Colour) -> None:
        """Fill a polygon of 3 to 8 corners; `pygame.draw.polygon` with more than 3."""
        self._add(raster.POLYGON, points, colour)

    def aapolygon(self, points: Points, colour: Colour) -> None:
        """Outline a polygon with anti-aliased lines; `pygame.gfxdraw.aapolygon`."""
        self._add(raster.AAPOLYGON, points, colour)

    def lines(self, points: Points, colour: Colour) -> None:
        """Draw a path of lines one pixel thick; `pygame.draw.lines`, not closed."""
        self._add(raster.LINES, points, colour)

    def aaline(self, points: Points, colour: Colour) -> None:
        """Draw an anti-aliased line between two different points; `pygame.draw.aaline`."""
        self._add(raster.AALINE, points, colour)

    def frame(self) -> Frame:
        """Draw the shapes; (height, width - left, 3)."""
        pixels = np.zeros((self._height, self._width - self._left, 3), dtype=np.uint8)
        commands = np.array(self._commands, dtype=np.int32)
        raster.run(pixels, self._left, self._width, commands, np.concatenate(self._points))
        return pixels

    def _add(self, command: int, points: Points, colour: Colour) -> None:
        array = np.asarray(points, dtype=np.float64)
        self._commands.append((command, self._num_points, len(array), *colour))
        self._points.append(array)
        self._num_points += len(array)
