"""Terrain by Gymnasium's rules, with the difficulty as parameters.

`generate` follows `BipedalWalker._generate_terrain` line by line but draws from Warp's generator
instead of NumPy's. The terrains have the same distribution as Gymnasium's, but a seed gives another
one. `Difficulty` covers both of Gymnasium's environments and everything between, for curricula.
"""

from __future__ import annotations

from dataclasses import astuple, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import warp as wp

from bipedal.errors import UserError
from bipedal.physics.constants import (
    MAX_BOXES,
    SCALE,
    TERRAIN_GRASS,
    TERRAIN_HEIGHT,
    TERRAIN_LENGTH,
    TERRAIN_STARTPAD,
    TERRAIN_STEP,
)
from bipedal.physics.state import Ground, Overflow, note_overflow

wp.set_module_options({"enable_backward": False, "max_unroll": 1})

_GRASS, _STUMP, _STAIRS, _PIT = (wp.constant(kind) for kind in range(4))


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
    left: float,
    bottom: float,
    right: float,
    top: float,
):
    """Append a box to the terrain."""
    count = ground.box_count[env]
    if count < MAX_BOXES:
        ground.box[env, count] = wp.vec4(left, bottom, right, top)
        ground.box_count[env] = count + 1
    else:
        note_overflow(overflow, env, int(Overflow.BOXES))


@wp.func
def choose_obstacle(difficulty: wp.array2d(dtype=float), env: int, draw: float) -> int:
    """Kind of obstacle for a uniform draw from [0, 1)."""
    stump = difficulty[env, _STUMP_WEIGHT]
    stairs = difficulty[env, _STAIRS_WEIGHT]
    at = draw * (stump + stairs + difficulty[env, _PIT_WEIGHT])
    return wp.where(at < stump, _STUMP, wp.where(at < stump + stairs, _STAIRS, _PIT))


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
    rng: wp.uint32,
) -> wp.uint32:
    """Make an environment's ground; returns the generator's next state."""
    state = int(_GRASS)
    velocity = float(0.0)
    y = float(TERRAIN_HEIGHT)
    rim = float(0.0)
    counter = int(TERRAIN_STARTPAD)
    oneshot = bool(False)
    stairs = int(0)
    rise = float(0.0)
    ground.box_count[env] = 0
    for i in range(TERRAIN_LENGTH):
        x = float(i) * TERRAIN_STEP
        # `state` is what is being built, and `oneshot` is set on its first column.
        if state == _GRASS and not oneshot:
            # A slope that is drawn back to the start's height and disturbed at random.
            velocity = 0.8 * velocity + 0.01 * float(
                wp.where(y < TERRAIN_HEIGHT, 1, 0) - wp.where(y > TERRAIN_HEIGHT, 1, 0)
            )
            if i > TERRAIN_STARTPAD:
                slope = wp.randf(rng, -1.0, 1.0)
                velocity += difficulty[env, _ROUGHNESS] * slope / SCALE
            y += velocity
        elif state == _PIT and oneshot:
            # Both walls of the pit.
            width = wp.max(1.0, wp.rint(difficulty[env, _PIT_WIDTH] * float(wp.randi(rng, 3, 5))))
            depth = difficulty[env, _PIT_DEPTH] * TERRAIN_STEP
            counter = int(width)
            far = x + TERRAIN_STEP * width
            add_box(ground, overflow, env, x, y - depth, x + TERRAIN_STEP, y)
            add_box(ground, overflow, env, far, y - depth, far + TERRAIN_STEP, y)
            counter += 2
            rim = y
        elif state == _PIT:
            # The floor, and the rim behind it.
            y = rim
            if counter > 1:
                y -= difficulty[env, _PIT_DEPTH] * TERRAIN_STEP
        elif state == _STUMP and oneshot:
            counter = wp.randi(rng, 1, 3)
            size = float(counter) * TERRAIN_STEP
            add_box(
                ground, overflow, env, x, y, x + size, y + size * difficulty[env, _STUMP_HEIGHT]
            )
        elif state == _STAIRS and oneshot:
            # A whole flight, up or down.
            rise = wp.where(wp.randf(rng) > 0.5, 1.0, -1.0)
            fewest = int(difficulty[env, _STAIR_MIN])
            stairs = wp.randi(rng, fewest, int(difficulty[env, _STAIR_MAX]) + 1)
            rim = y
            stair = rise * difficulty[env, _STAIR_HEIGHT] * TERRAIN_STEP
            for s in range(stairs):
                left = x + float(s * 4) * TERRAIN_STEP
                top = y + float(s) * stair
                add_box(
                    ground, overflow, env, left, top - TERRAIN_STEP, left + 4.0 * TERRAIN_STEP, top
                )
            counter = stairs * 4
        elif state == _STAIRS:
            # The ground line inside the stairs.
            n = (float(stairs * 4 - counter) - rise) / 4.0
            y = rim + n * rise * difficulty[env, _STAIR_HEIGHT] * TERRAIN_STEP

        # When its last column is done, choose what comes next.
        oneshot = bool(False)
        ground.height[env, i] = y
        counter -= 1
        if counter == 0:
            counter = wp.randi(rng, TERRAIN_GRASS // 2, TERRAIN_GRASS)
            oneshot = bool(True)
            if state == _GRASS and wp.randf(rng) < difficulty[env, _OBSTACLES]:
                state = choose_obstacle(difficulty, env, wp.randf(rng))
            else:
                state = _GRASS
    index_boxes(ground, env)
    return rng


@wp.kernel
def index_boxes_kernel(ground: Ground, first_row: int):
    """`index_boxes` for one environment in each thread."""
    index_boxes(ground, first_row + wp.tid())


def check_terrain(height: npt.ArrayLike, boxes: npt.ArrayLike) -> tuple[Any, Any]:
    """Check a terrain given as arrays: (200,) heights in m and (B, 4) boxes.

    A box is (left, bottom, right, top) in m. Boxes must be in order from left to right, as
    Gymnasium makes them. Returns both arrays as float32. Raises `UserError` for another shape or
    order, for values that are not finite, for an empty box and for more than 64 boxes.
    """
    try:
        line = np.asarray(height, dtype=np.float32)
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
