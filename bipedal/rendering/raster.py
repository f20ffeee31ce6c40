"""Rasterisation as pygame does it, pixel for pixel: Warp functions and the kernel that runs them.

The reference is pygame-ce 2.5, which Gymnasium draws with. It has two kinds of anti-aliased lines:
`gfxdraw.aapolygon` (from SDL_gfx) works in fixed point between whole pixels, `draw.aaline` in
float32 between any two points.

Coordinates are pixels from the lower left corner of a surface. Lines are clipped at its borders,
which bends them a little. Of what is drawn, only the columns from `Surface.left` on are kept.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import numpy.typing as npt
import warp as wp

from bipedal.physics.constants import MODULE_OPTIONS
from bipedal.physics.kernels import load_kernels

# pygame rounds each product before it adds.
wp.set_module_options(MODULE_OPTIONS)

POLYGON, AAPOLYGON, LINES, AALINE = (wp.constant(command) for command in range(4))
"""Commands, with the names of pygame's functions."""

MAX_CORNERS = 8
"""Corners that a filled polygon can have."""

_Crossings = wp.types.vector(length=MAX_CORNERS, dtype=wp.int32)


@wp.struct
class Surface:
    """What is drawn on."""

    pixels: wp.array2d(dtype=wp.vec3ub)
    """(height, columns in view), the top row first."""
    left: wp.int32
    """Column of the surface that is the first in view."""
    width: wp.int32
    """Columns, those out of view included."""
    height: wp.int32


@wp.func
def in_view(surface: Surface, x: int, y: int) -> bool:
    """Whether a pixel is kept."""
    return x >= surface.left and x < surface.width and y >= 0 and y < surface.height


@wp.func
def get_pixel(surface: Surface, x: int, y: int) -> wp.vec3i:
    """Colour of a pixel in view."""
    pixel = surface.pixels[surface.height - 1 - y, x - surface.left]
    return wp.vec3i(int(pixel[0]), int(pixel[1]), int(pixel[2]))


@wp.func
def set_pixel(surface: Surface, x: int, y: int, colour: wp.vec3i):
    """Give a pixel in view a colour. A channel beyond 255 wraps around, as in pygame."""
    surface.pixels[surface.height - 1 - y, x - surface.left] = wp.vec3ub(
        wp.uint8(colour[0] & 255), wp.uint8(colour[1] & 255), wp.uint8(colour[2] & 255)
    )


@wp.func
def put(surface: Surface, x: int, y: int, colour: wp.vec3i):
    """Give a pixel a colour."""
    if in_view(surface, x, y):
        set_pixel(surface, x, y, colour)


@wp.func
def blend(surface: Surface, x: int, y: int, colour: wp.vec3i, alpha: int):
    """Move a pixel's colour `alpha` / 256 of the way to another, rounded down."""
    if in_view(surface, x, y):
        old = get_pixel(surface, x, y)
        change = (colour - old) * alpha
        set_pixel(surface, x, y, old + wp.vec3i(change[0] >> 8, change[1] >> 8, change[2] >> 8))


@wp.func
def mix(surface: Surface, steep: bool, u: int, v: int, colour: wp.vec3i, brightness: float):
    """Mix a pixel's colour with another, whose share is `brightness`, above 1 at some borders."""
    x, y = wp.where(steep, v, u), wp.where(steep, u, v)
    if in_view(surface, x, y):
        mixed = brightness * wp.vec3(colour) + (1.0 - brightness) * wp.vec3(
            get_pixel(surface, x, y)
        )
        set_pixel(surface, x, y, wp.vec3i(mixed))


@wp.func
def fill_row(surface: Surface, x1: int, x2: int, y: int, colour: wp.vec3i):
    """Fill a row between two columns, both included, in either order."""
    if y >= 0 and y < surface.height:
        first = wp.max(wp.min(x1, x2), surface.left)
        last = wp.min(wp.max(x1, x2), surface.width - 1)
        for x in range(first, last + 1):
            set_pixel(surface, x, y, colour)


@wp.func
def corner(points: wp.array2d(dtype=wp.float64), index: int):
    """Whole pixel of a point; a fraction is cut off."""
    return int(points[index, 0]), int(points[index, 1])


@wp.func
def side(points: wp.array2d(dtype=wp.float64), first: int, count: int, index: int):
    """x, y, x, y of a polygon's side: of the corner before `index` and of that corner."""
    ax, ay = corner(points, first + (index + count - 1) % count)
    bx, by = corner(points, first + index)
    return ax, ay, bx, by


@wp.func
def exchange(ax: Any, ay: Any, bx: Any, by: Any):
    """Put the second point first."""
    return bx, by, ax, ay


@wp.func
def crossings_of_row(
    points: wp.array2d(dtype=wp.float64), first: int, count: int, y: int, top: int
):
    """Find where a row crosses a polygon's sides: how many columns, and those in rising order.

    A side does not include its upper end, except on the polygon's highest row.
    """
    crossings = _Crossings()
    found = int(0)
    for index in range(count):
        ax, ay, bx, by = side(points, first, count, index)
        if ay > by:
            ax, ay, bx, by = exchange(ax, ay, bx, by)
        if ay != by and ((y >= ay and y < by) or (y == top and by == top)):
            offset = float((y - ay) * (bx - ax)) / float(by - ay)
            x = ax + int(wp.where(found % 2 == 0, wp.floor(offset), wp.ceil(offset)))
            place = int(found)
            while place > 0 and crossings[wp.max(place - 1, 0)] > x:
                crossings[place] = crossings[place - 1]
                place -= 1
            crossings[place] = x
            found += 1
    return found, crossings


@wp.func
def fill_polygon(
    surface: Surface, points: wp.array2d(dtype=wp.float64), first: int, count: int, colour: wp.vec3i
):
    """Fill between the first and second crossing of each row, the third and fourth, and so on."""
    _, bottom = corner(points, first)
    top = int(bottom)
    for index in range(1, count):
        _, y = corner(points, first + index)
        bottom = wp.min(bottom, y)
        top = wp.max(top, y)
    for y in range(wp.max(bottom, 0), wp.min(top, surface.height - 1) + 1):
        found, crossings = crossings_of_row(points, first, count, y, top)
        for pair in range(found // 2):
            fill_row(surface, crossings[2 * pair], crossings[2 * pair + 1], y, colour)
    # Below a level side there may be nothing inside, so that no row would fill it.
    for index in range(count):
        ax, ay, bx, by = side(points, first, count, index)
        if ay == by and ((ay > bottom and ay < top) or bottom == top):
            fill_row(surface, ax, bx, by, colour)


@wp.func
def draw_line(surface: Surface, x1: int, y1: int, x2: int, y2: int, colour: wp.vec3i):
    """Draw a line of single pixels (Bresenham), both ends included."""
    dx, dy = wp.abs(x2 - x1), wp.abs(y2 - y1)
    step_x, step_y = wp.where(x1 < x2, 1, -1), wp.where(y1 < y2, 1, -1)
    error = wp.where(dx > dy, dx // 2, -(dy // 2))
    x, y = int(x1), int(y1)
    while x != x2 or y != y2:
        put(surface, x, y, colour)
        before = int(error)
        if before > -dx:
            error -= dy
            x += step_x
        if before < dy:
            error += dx
            y += step_y
    put(surface, x2, y2, colour)


@wp.func
def outside(surface: Surface, x: int, y: int) -> int:
    """Which borders a point is beyond: the sum of left 1, right 2, top 4, bottom 8."""
    sideways = wp.where(x < 0, 1, wp.where(x > surface.width - 1, 2, 0))
    return sideways + wp.where(y < 0, 8, wp.where(y > surface.height - 1, 4, 0))


@wp.func
def clip(surface: Surface, x1: int, y1: int, x2: int, y2: int):
    """Clip a line at the surface's borders (Cohen-Sutherland), each cut rounded to whole pixels.

    Returns whether anything is left, and its ends, possibly exchanged.
    """
    ax, ay, bx, by = int(x1), int(y1), int(x2), int(y2)
    a, b = outside(surface, ax, ay), outside(surface, bx, by)
    while (a | b) != 0 and (a & b) == 0:
        if a == 0:
            ax, ay, bx, by = exchange(ax, ay, bx, by)
            a = int(b)
        slope = float(1.0)
        if ax != bx:
            slope = float(by - ay) / float(bx - ax)
        if (a & 3) != 0:
            border = wp.where((a & 1) != 0, 0, surface.width - 1)
            ay += int(float(border - ax) * slope)
            ax = border
        else:
            border = wp.where((a & 8) != 0, 0, surface.height - 1)
            if ax != bx:
                ax += int(float(border - ay) / slope)
            ay = border
        a, b = outside(surface, ax, ay), outside(surface, bx, by)
    return (a | b) == 0, ax, ay, bx, by


@wp.func
def draw_aaedge(surface: Surface, x1: int, y1: int, x2: int, y2: int, colour: wp.vec3i):
    """Draw a side of an `aapolygon`, without its last pixel.

    Every step along the side blends two neighbouring pixels across it. How far it has moved across
    after k steps is k * slope / 65536: whole pixels in the high bits, the weights in the next 8.
    """
    visible, ax, ay, bx, by = clip(surface, x1, y1, x2, y2)
    if not visible:
        return
    if ax == bx or ay == by:
        draw_line(surface, ax, ay, bx, by, colour)
        return
    put(surface, ax, ay, colour)
    if ay > by:
        ax, ay, bx, by = exchange(ax, ay, bx, by)
    dx, dy = wp.abs(bx - ax), by - ay
    step_x = wp.where(bx > ax, 1, -1)
    steep = dy > dx
    length = wp.where(steep, dy, dx)
    slope = wp.where(steep, dx, dy) * 65536 // length
    for k in range(1, length):
        offset = k * slope >> 16
        weight = k * slope >> 8 & 255
        x = ax + step_x * wp.where(steep, offset, k)
        y = ay + wp.where(steep, k, offset)
        blend(surface, x, y, colour, 255 * (255 - weight) >> 8)
        if steep:
            x += step_x
        else:
            y += 1
        blend(surface, x, y, colour, 255 * weight >> 8)


@wp.func
def mix_end(surface: Surface, steep: bool, u: int, v: float, colour: wp.vec3i, share: float):
    """Mix the two pixels on either side of an end of a line, of which it covers a share.

    `v` is one pixel too high: it is never negative, so that `int` rounds down.
    """
    row = int(v)
    fraction = v - float(row)
    if fraction > 0.0:
        mix(surface, steep, u, row, colour, fraction * share)
    mix(surface, steep, u, row - 1, colour, (1.0 - fraction) * share)


@wp.func
def draw_aaline(surface: Surface, x1: float, y1: float, x2: float, y2: float, colour: wp.vec3i):
    """Draw a line as `draw.aaline` does, between two points that are not the same."""
    steep = wp.abs(x2 - x1) < wp.abs(y2 - y1)
    # u runs along the line's longer side, from low to high, and v across it.
    from_u, from_v = float(wp.where(steep, y1, x1)), float(wp.where(steep, x1, y1))
    to_u, to_v = float(wp.where(steep, y2, x2)), float(wp.where(steep, x2, y2))
    if to_u < from_u:
        from_u, from_v, to_u, to_v = exchange(from_u, from_v, to_u, to_v)
    # One pixel wider than the surface, so that its border pixels come out right.
    low = float(-1.0)
    high_u = float(wp.where(steep, surface.height, surface.width))
    high_v = float(wp.where(steep, surface.width, surface.height))
    if to_u <= low or from_u >= high_u:
        return
    slope = (to_v - from_v) / (to_u - from_u)
    if from_u < low:
        from_v += slope * (low - from_u)
        from_u = low
    if to_u > high_u:
        to_v += slope * (high_u - to_u)
        to_u = high_u
    if wp.max(from_v, to_v) <= low or wp.min(from_v, to_v) >= high_v:
        return
    if slope > 0.0:
        if from_v < low:
            from_u += (low - from_v) / slope
            from_v = low
        if to_v > high_v:
            to_u += (high_v - to_v) / slope
            to_v = high_v
    else:
        if to_v < low:
            to_u += (low - to_v) / slope
            to_v = low
        if from_v > high_v:
            from_u += (high_v - from_v) / slope
            from_v = high_v
    draw_clipped_aaline(surface, steep, from_u, from_v + 1.0, to_u, to_v + 1.0, slope, colour)


@wp.func
def draw_clipped_aaline(
    surface: Surface,
    steep: bool,
    from_u: float,
    from_v: float,
    to_u: float,
    to_v: float,
    slope: float,
    colour: wp.vec3i,
):
    """Draw both ends, which may cover a pixel in part, and then what lies between them."""
    first, last = int(from_u), int(wp.ceil(to_u))
    v = from_v + slope * (float(first) - from_u)
    if to_u > 0.0:
        mix_end(surface, steep, first, v, colour, float(1 + first) - from_u)
        v += slope
        first += 1
    if from_u < float(wp.where(steep, surface.height, surface.width)) - 1.0:
        end = to_v + slope * (float(last) - to_u)
        mix_end(surface, steep, last, end, colour, float(1 - last) + to_u)
    for u in range(first, last):
        row = int(v)
        nearness = 1.0 - v + float(row)
        mix(surface, steep, u, row - 1, colour, nearness)
        if v > float(row):
            mix(surface, steep, u, row, colour, 1.0 - nearness)
        v += slope


@wp.kernel
def paint(
    surface: Surface, commands: wp.array2d(dtype=wp.int32), points: wp.array2d(dtype=wp.float64)
):
    """Run commands one after another. A row: command, first point, points, red, green, blue."""
    for row in range(commands.shape[0]):
        command, first, count = commands[row, 0], commands[row, 1], commands[row, 2]
        colour = wp.vec3i(commands[row, 3], commands[row, 4], commands[row, 5])
        if command == POLYGON:
            fill_polygon(surface, points, first, count, colour)
        elif command == AAPOLYGON:
            for index in range(count):
                ax, ay = corner(points, first + index)
                bx, by = corner(points, first + (index + 1) % count)
                draw_aaedge(surface, ax, ay, bx, by, colour)
        elif command == LINES:
            for index in range(first, first + count - 1):
                ax, ay = corner(points, index)
                bx, by = corner(points, index + 1)
                draw_line(surface, ax, ay, bx, by, colour)
        else:
            draw_aaline(
                surface,
                float(points[first, 0]),
                float(points[first, 1]),
                float(points[first + 1, 0]),
                float(points[first + 1, 1]),
                colour,
            )


@functools.cache
def _load() -> None:
    load_kernels([paint], "cpu")


def run(
    pixels: npt.NDArray[np.uint8],
    left: int,
    width: int,
    commands: npt.NDArray[np.int32],
    points: npt.NDArray[np.float64],
) -> None:
    """Run commands, as `paint` takes them, on the columns from `left` of a surface."""
    _load()
    surface = Surface()
    surface.pixels = wp.array(pixels, dtype=wp.vec3ub, device="cpu", copy=False)
    surface.left, surface.width, surface.height = left, width, len(pixels)
    arrays = [
        wp.array(commands, dtype=wp.int32, device="cpu", copy=False),
        wp.array(points, dtype=wp.float64, device="cpu", copy=False),
    ]
    wp.launch(paint, dim=1, inputs=[surface, *arrays], device="cpu")
