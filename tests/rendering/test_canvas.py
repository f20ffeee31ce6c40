"""Shapes have the pixels that pygame gives them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from bipedal.engines.warp import quiet_warp
from bipedal.rendering.canvas import Canvas, Colour

WHITE: Colour = (255, 255, 255)

quiet_warp()


def red_of(canvas: Canvas) -> list[list[int]]:
    """The red channel, the lowest row first."""
    rows: list[list[int]] = canvas.frame()[::-1, :, 0].tolist()
    return rows


def test_a_polygon_includes_its_corners() -> None:
    canvas = Canvas(6, 4)
    canvas.polygon([(1.9, 1), (4, 1), (4, 2), (1, 2)], (9, 8, 7))
    assert red_of(canvas) == [[0] * 6, [0, 9, 9, 9, 9, 0], [0, 9, 9, 9, 9, 0], [0] * 6]
    assert canvas.frame()[1, 1].tolist() == [9, 8, 7]


def test_a_polygon_may_leave_a_gap_in_a_row() -> None:
    canvas = Canvas(9, 3)
    canvas.polygon([(0, 0), (8, 0), (8, 2), (4, 0), (0, 2)], (9, 9, 9))
    assert red_of(canvas) == [[9] * 9, [9, 9, 9, 0, 0, 0, 9, 9, 9], [9, *[0] * 7, 9]]


def test_lines_follow_a_path() -> None:
    canvas = Canvas(5, 4)
    canvas.lines([(0, 0), (4, 2), (4, 3)], (9, 9, 9))
    assert red_of(canvas) == [[9, 9, 0, 0, 0], [0, 0, 9, 9, 0], [0, 0, 0, 0, 9], [0, 0, 0, 0, 9]]


def test_the_slopes_of_an_aapolygon_are_smooth() -> None:
    """A quarter of the way along, the pixels get 190 and 63 parts in 256, rounded down."""
    below, above = Canvas(5, 2), Canvas(5, 2)
    below.aapolygon([(0, 0), (4, 1), (0, 1)], WHITE)
    above.aapolygon([(0, 0), (4, 1), (4, 0)], WHITE)
    assert red_of(below) == [[255, 189, 125, 61, 0], [255] * 5]
    assert red_of(above) == [[255] * 5, [0, 62, 126, 190, 255]]


def test_an_aaline_is_smooth() -> None:
    canvas = Canvas(5, 3)
    canvas.aaline([(0, 1), (4, 2)], WHITE)
    assert red_of(canvas) == [[0] * 5, [255, 191, 127, 63, 0], [0, 63, 127, 191, 255]]


def test_an_aaline_that_crosses_the_border_is_rounded_as_in_pygame() -> None:
    """At one third it mixes 144 and 255 to 218, where 1/3 in float32 would give 217."""
    canvas = Canvas(4, 1)
    canvas.polygon([(0, 0), (3, 0), (3, 1), (0, 1)], WHITE)
    canvas.aaline([(0, -1), (3, 0)], (144, 144, 144))
    assert red_of(canvas) == [[255, 218, 181, 144]]


def test_only_the_columns_in_view_are_kept() -> None:
    shapes = [[(-3, -2), (17, 4), (9, 12)], [(2, 3), (30, -4), (11, 5)]]
    whole, part = Canvas(20, 10), Canvas(20, 10, left=8)
    for canvas in (whole, part):
        for points in shapes:
            canvas.polygon(points, (90, 80, 70))
            canvas.aapolygon(points, (200, 10, 30))
            canvas.aaline(points[:2], WHITE)
            canvas.lines(points, (5, 6, 7))
    assert part.frame().shape == (10, 12, 3)
    np.testing.assert_array_equal(part.frame(), whole.frame()[:, 8:])
    assert part.frame().any()


@pytest.mark.parametrize("shape", ["polygon", "aapolygon", "lines", "aaline"])
def test_thousands_of_shapes_are_those_of_pygame(shape: str) -> None:
    """Whole and broken coordinates, inside, across the borders and far beyond them."""
    pygame = pytest.importorskip("pygame", reason="compares with pygame, which is not installed")
    rng = np.random.default_rng(7)
    for _ in range(150):
        width, height = (int(side) for side in rng.integers(20, 120, 2))
        surface = pygame.Surface((width, height))
        canvas = Canvas(width, height, left=int(rng.integers(0, width // 2)))
        for _ in range(20):
            corners = 2 if shape == "aaline" else rng.integers(4, 9)
            points = rng.uniform(-30, (width + 30, height + 30), (corners, 2))
            if rng.random() < 0.4:
                grid = rng.integers(1, 10)
                points = np.round(points / grid) * grid
            if (points[0] == points[1]).all():
                continue
            red, green, blue = (int(channel) for channel in rng.integers(0, 256, 3))
            getattr(canvas, shape)(points, (red, green, blue))
            _draw_with_pygame(surface, shape, points.tolist(), (red, green, blue))
        upright = pygame.surfarray.array3d(surface).transpose(1, 0, 2)[::-1]
        np.testing.assert_array_equal(canvas.frame(), upright[:, -canvas.frame().shape[1] :])


def _draw_with_pygame(surface: Any, shape: str, points: list[list[float]], colour: Colour) -> None:
    from pygame import draw, gfxdraw

    if shape == "polygon":
        draw.polygon(surface, colour, points)
    elif shape == "aapolygon":
        gfxdraw.aapolygon(surface, points, colour)
    elif shape == "lines":
        draw.lines(surface, colour, False, points)
    else:
        draw.aaline(surface, colour, points[0], points[1])
