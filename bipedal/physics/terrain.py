"""Terrain by Gymnasium's rules, with the difficulty as parameters.

`generate` follows `BipedalWalker._generate_terrain` line by line, in double precision and with
numpy's random numbers. With the difficulty of one of Gymnasium's two environments it makes the very
terrain of that environment, bit for bit. `Difficulty` covers both and everything between, for
curricula.
"""

from __future__ import annotations

import math
from dataclasses import astuple, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import warp as wp

from bipedal.errors import UserError
from bipedal.physics.constants import (
    INITIAL_FORCE,
    MAX_BOXES,
    MODULE_OPTIONS,
    SCALE,
    TERRAIN_GRASS,
    TERRAIN_HEIGHT,
    TERRAIN_LENGTH,
    TERRAIN_STARTPAD,
    TERRAIN_STEP,
    VIEWPORT_HEIGHT,
)
from bipedal.physics.random import Generator, advance, integers, next_double, uniform
from bipedal.physics.seeding import generator_of
from bipedal.physics.state import Ground, Overflow, note_overflow

wp.set_module_options(MODULE_OPTIONS)

_GRASS, _STUMP, _STAIRS, _PIT = (wp.constant(kind) for kind in range(4))
_KEPT_SLOPE, _PULL = wp.constant(wp.float64(0.8)), wp.constant(wp.float64(0.01))
_SCALE = wp.constant(wp.float64(SCALE))
_HEIGHT = wp.constant(wp.float64(TERRAIN_HEIGHT))
_STEP = wp.constant(wp.float64(TERRAIN_STEP))
_ONE = wp.constant(wp.float64(1.0))
_STAIR_WIDTH = wp.constant(4)
_STAIR_WIDTH_64 = wp.constant(wp.float64(4.0))
_CLOUDS, _CLOUD_CORNERS = TERRAIN_LENGTH // 20, 5
_CLOUD_DRAWS = wp.constant(_CLOUDS * (1 + 2 * _CLOUD_CORNERS))


@dataclass(frozen=True)
class Difficulty:
    """How hard a terrain is. The defaults, with `obstacles` 1, are BipedalWalkerHardcore-v3's."""

    roughness: float = 1.0
    """Factor of the random slope of the grass."""
    obstacles: float = 0.0
    """Share of the stretches of grass that are followed by an obstacle; 0 in BipedalWalker-v3."""
    stump_weight: float = 1.0
    """Weight of stumps. The chance of a kind is its share of the three weights."""
    stairs_weight: float = 1.0
    """Weight of stairs."""
    pit_weight: float = 1.0
    """Weight of pits."""
    stump_height: float = 1.0
    """Factor of the height of stumps, which is 1 or 2 terrain steps of 0.47 m."""
    stair_height: float = 1.0
    """Height of a stair in terrain steps."""
    stair_min: float = 3.0
    """Fewest stairs in a flight."""
    stair_max: float = 4.0
    """Most stairs in a flight."""
    pit_width: float = 1.0
    """Factor of the width of pits, which is 3 or 4 terrain steps; rounded, at least 1."""
    pit_depth: float = 4.0
    """Depth of a pit in terrain steps."""

    def __post_init__(self) -> None:
        """Raise `UserError` for values that make no terrain."""
        values = np.array(astuple(self), dtype=np.float64)
        if not np.isfinite(values).all() or (values < 0).any():
            raise UserError(f"a terrain's difficulty must be finite and not negative: {self}")
        if self.obstacles > 1:
            raise UserError(f"the share of obstacles must be at most 1, not {self.obstacles}")
        if self.stump_weight + self.stairs_weight + self.pit_weight <= 0:
            raise UserError("at least one kind of obstacle needs a weight above 0")
        if not 1 <= self.stair_min <= self.stair_max or any(
            value != int(value) for value in (self.stair_min, self.stair_max)
        ):
            raise UserError("stair_min and stair_max must be whole numbers, 1 <= min <= max")

    def row(self) -> npt.NDArray[np.float32]:
        """The values as an array (11,) for the kernels."""
        return np.array(astuple(self), dtype=np.float32)


FLAT = Difficulty()
HARDCORE = Difficulty(obstacles=1.0)
DIFFICULTIES = {"BipedalWalker-v3": FLAT, "BipedalWalkerHardcore-v3": HARDCORE}
Cloud = tuple[list[tuple[float, float]], float, float]
"""A cloud's outline in m, and its leftmost and rightmost x."""
_NAMES = tuple(Difficulty.__dataclass_fields__)
_ROUGHNESS, _OBSTACLES, _STUMP_WEIGHT, _STAIRS_WEIGHT, _PIT_WEIGHT = (
    wp.constant(_NAMES.index(name))
    for name in ("roughness", "obstacles", "stump_weight", "stairs_weight", "pit_weight")
)
_STUMP_HEIGHT, _STAIR_HEIGHT, _STAIR_MIN, _STAIR_MAX, _PIT_WIDTH, _PIT_DEPTH = (
    wp.constant(_NAMES.index(name))
    for name in (
        "stump_height", "stair_height", "stair_min", "stair_max", "pit_width", "pit_depth",
    )
)  # fmt: skip


@wp.func
def add_box(
    ground: Ground,
    overflow: wp.array(dtype=wp.int32),
    env: int,
    left: wp.float64,
    bottom: wp.float64,
    right: wp.float64,
    top: wp.float64,
):
    """Append a box to the terrain; its sides are rounded once, as Box2D gets them."""
    count = ground.box_count[env]
    if count < MAX_BOXES:
        ground.box[env, count] = wp.vec4(float(left), float(bottom), float(right), float(top))
        ground.box_count[env] = count + 1
    else:
        note_overflow(overflow, env, int(Overflow.BOXES))


@wp.func
def add_pit(
    ground: Ground,
    overflow: wp.array(dtype=wp.int32),
    env: int,
    x: wp.float64,
    y: wp.float64,
    width: wp.float64,
    depth: wp.float64,
):
    """Append both walls of a pit, `width` terrain steps apart; x and y (m) are its near rim."""
    far = _STEP * width
    add_box(ground, overflow, env, x, y - depth, x + _STEP, y)
    add_box(ground, overflow, env, x + far, y - depth, (x + _STEP) + far, y)


@wp.func
def add_flight(
    ground: Ground,
    overflow: wp.array(dtype=wp.int32),
    env: int,
    x: wp.float64,
    y: wp.float64,
    stairs: int,
    rise: int,
    stair_height: wp.float64,
):
    """Append a flight of stairs that begins at x and y (m) and goes up (`rise` 1) or down (-1)."""
    for s in range(stairs):
        left = x + wp.float64(s * _STAIR_WIDTH) * _STEP
        right = x + wp.float64((s + 1) * _STAIR_WIDTH) * _STEP
        height = wp.float64(s * rise) * stair_height
        add_box(ground, overflow, env, left, y + (height - _ONE) * _STEP, right, y + height * _STEP)


@wp.func
def parameter(difficulty: wp.array2d(dtype=float), env: int, name: int) -> wp.float64:
    """A parameter of an environment's `Difficulty`."""
    return wp.float64(difficulty[env, name])


@wp.func
def next_slope(
    difficulty: wp.array2d(dtype=float),
    generators: wp.array(dtype=Generator),
    env: int,
    slope: wp.float64,
    y: wp.float64,
    rough: bool,
) -> wp.float64:
    """Rise (m) of the next step of grass: drawn back to the start's height and, if `rough`,
    disturbed at random."""
    sign = wp.where(y < _HEIGHT, 1, 0) - wp.where(y > _HEIGHT, 1, 0)
    changed = _KEPT_SLOPE * slope + _PULL * wp.float64(sign)
    if rough:
        draw = uniform(generators, env, -_ONE, _ONE)
        changed += parameter(difficulty, env, _ROUGHNESS) * draw / _SCALE
    return changed


@wp.func
def is_obstacle_next(
    difficulty: wp.array2d(dtype=float), generators: wp.array(dtype=Generator), env: int
) -> bool:
    """Whether an obstacle follows a stretch of grass; draws only if both can happen."""
    share = parameter(difficulty, env, _OBSTACLES)
    if share <= wp.float64(0.0):
        return False
    if share >= _ONE:
        return True
    return next_double(generators, env) < share


@wp.func
def choose_obstacle(
    difficulty: wp.array2d(dtype=float), generators: wp.array(dtype=Generator), env: int
) -> int:
    """Kind of the next obstacle, drawn as Gymnasium does if the weights are equal."""
    stump = parameter(difficulty, env, _STUMP_WEIGHT)
    stairs = parameter(difficulty, env, _STAIRS_WEIGHT)
    pit = parameter(difficulty, env, _PIT_WEIGHT)
    if stump == stairs and stairs == pit:
        return integers(generators, env, _STUMP, _PIT + 1)
    at = next_double(generators, env) * (stump + stairs + pit)
    return wp.where(at < stump, _STUMP, wp.where(at < stump + stairs, _STAIRS, _PIT))


@wp.func
def next_state(
    difficulty: wp.array2d(dtype=float),
    generators: wp.array(dtype=Generator),
    env: int,
    state: int,
) -> int:
    """What is built after `state`."""
    if state == _GRASS and is_obstacle_next(difficulty, generators, env):
        return choose_obstacle(difficulty, generators, env)
    return _GRASS


@wp.func
def index_boxes(ground: Ground, env: int):
    """Fill `first_box`. The boxes must be in order from left to right."""
    first = int(0)
    for column in range(TERRAIN_LENGTH):
        x = float(column - 1) * TERRAIN_STEP
        while first < ground.box_count[env] and ground.box[env, first][2] < x:
            first += 1
        ground.first_box[env, column] = first


@wp.func
def generate(
    ground: Ground,
    overflow: wp.array(dtype=wp.int32),
    env: int,
    difficulty: wp.array2d(dtype=float),
    generators: wp.array(dtype=Generator),
):
    """Make an environment's ground with its generator."""
    state = int(_GRASS)
    velocity = wp.float64(0.0)
    y = wp.float64(0.0) + _HEIGHT  # the constant alone would be changed with it
    rim = wp.float64(0.0)
    counter = int(TERRAIN_STARTPAD)
    oneshot = bool(False)
    stairs = int(0)
    rise = int(0)
    stair_height = parameter(difficulty, env, _STAIR_HEIGHT)
    depth = parameter(difficulty, env, _PIT_DEPTH) * _STEP
    ground.box_count[env] = 0
    for i in range(TERRAIN_LENGTH):
        x = wp.float64(i) * _STEP
        # `state` is what is being built, and `oneshot` is set on its first column.
        if state == _GRASS and not oneshot:
            velocity = next_slope(difficulty, generators, env, velocity, y, i > TERRAIN_STARTPAD)
            y += velocity
        elif state == _PIT and oneshot:
            # Both walls of the pit.
            drawn = wp.float64(integers(generators, env, 3, 5))
            width = wp.max(_ONE, wp.rint(parameter(difficulty, env, _PIT_WIDTH) * drawn))
            add_pit(ground, overflow, env, x, y, width, depth)
            counter = int(width) + 2
            rim = y
        elif state == _PIT:
            # The floor, and the rim behind it.
            y = rim
            if counter > 1:
                y -= depth
        elif state == _STUMP and oneshot:
            counter = integers(generators, env, 1, 3)
            size = wp.float64(counter) * _STEP
            top = y + size * parameter(difficulty, env, _STUMP_HEIGHT)
            add_box(ground, overflow, env, x, y, x + size, top)
        elif state == _STAIRS and oneshot:
            # A whole flight, up or down.
            rise = wp.where(next_double(generators, env) > wp.float64(0.5), 1, -1)
            fewest = int(difficulty[env, _STAIR_MIN])
            stairs = integers(generators, env, fewest, int(difficulty[env, _STAIR_MAX]) + 1)
            rim = y
            add_flight(ground, overflow, env, x, y, stairs, rise, stair_height)
            counter = stairs * _STAIR_WIDTH
        elif state == _STAIRS:
            # The ground line inside the stairs.
            n = wp.float64(stairs * _STAIR_WIDTH - counter - rise) / _STAIR_WIDTH_64
            y = rim + (n * wp.float64(rise) * stair_height) * _STEP

        # When its last column is done, choose what comes next.
        oneshot = bool(False)
        ground.height[env, i] = y
        counter -= 1
        if counter == 0:
            counter = integers(generators, env, TERRAIN_GRASS // 2, TERRAIN_GRASS)
            state = next_state(difficulty, generators, env, state)
            oneshot = bool(True)
    index_boxes(ground, env)


@wp.func
def skip_clouds(generators: wp.array(dtype=Generator), env: int):
    """Draw what Gymnasium draws for the clouds, after the terrain; see `make_clouds`."""
    for _ in range(_CLOUD_DRAWS):
        advance(generators, env)


@wp.func
def draw_push(generators: wp.array(dtype=Generator), env: int) -> float:
    """The force in N on the hull in an episode's first step, after the clouds."""
    force = wp.float64(INITIAL_FORCE)
    return float(uniform(generators, env, -force, force))


def make_clouds(generator: np.void) -> list[Cloud]:
    """The clouds of an episode, as Gymnasium's `cloud_poly`.

    `generator` is the environment's element of `Walkers.generator`, at any time of the episode: the
    clouds are drawn again from the numbers that came before the present ones. The episode's terrain
    must be the engine's own, as a terrain that was given has no clouds.
    """
    draws = generator_of(generator)
    bits: Any = draws.bit_generator
    bits.advance(-(_CLOUD_DRAWS + 1))  # the push came last
    clouds = []
    for _ in range(_CLOUDS):
        x = draws.uniform(0, TERRAIN_LENGTH) * TERRAIN_STEP
        y = VIEWPORT_HEIGHT / SCALE * 3 / 4
        outline = []
        for corner in range(_CLOUD_CORNERS):
            angle = 3.14 * 2 * corner / 5
            right = x + 15 * TERRAIN_STEP * math.sin(angle) + draws.uniform(0, 5 * TERRAIN_STEP)
            up = y + 5 * TERRAIN_STEP * math.cos(angle) + draws.uniform(0, 5 * TERRAIN_STEP)
            outline.append((right, up))
        across = [right for right, _ in outline]
        clouds.append((outline, min(across), max(across)))
    return clouds


@wp.kernel
def index_boxes_kernel(ground: Ground, first_row: int):
    """`index_boxes` for one environment in each thread."""
    index_boxes(ground, first_row + wp.tid())


def check_terrain(height: npt.ArrayLike, boxes: npt.ArrayLike) -> tuple[Any, Any]:
    """Check a terrain given as arrays: (200,) heights in m and (B, 4) boxes.

    A box is (left, bottom, right, top) in m. Boxes must be in order from left to right, as
    Gymnasium makes them. Returns the heights as float64 and the boxes as float32. Raises
    `UserError` for another shape or order, for values that are not finite, for an empty box and for
    more than 64 boxes.
    """
    try:
        line = np.asarray(height, dtype=np.float64)
        box = np.asarray(boxes, dtype=np.float32)
    except (TypeError, ValueError):
        raise UserError("a terrain's heights and boxes must be arrays of numbers") from None
    if box.size == 0:
        box = box.reshape(0, 4)
    if box.ndim != 2 or box.shape[1] != 4:
        raise UserError(f"a terrain's boxes must be (B, 4), not an array {box.shape}")
    if line.shape != (TERRAIN_LENGTH,):
        raise UserError(f"a terrain has {TERRAIN_LENGTH} heights, not an array {line.shape}")
    if len(box) > MAX_BOXES:
        raise UserError(f"a terrain has at most {MAX_BOXES} boxes, not {len(box)}")
    if not (np.isfinite(line).all() and np.isfinite(box).all()):
        raise UserError("a terrain's heights and boxes must be finite")
    if (box[:, 2:] <= box[:, :2]).any():
        raise UserError("a box must be (left, bottom, right, top) with left < right, bottom < top")
    if (np.diff(box[:, 0]) < 0).any() or (np.diff(box[:, 2]) < 0).any():
        raise UserError("a terrain's boxes must be in order from left to right")
    return line, box
