"""What stands in a Hardcore walker's way, and which of it an episode got across."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from bipedal.physics.constants import FAR_END, TERRAIN_STEP

REACH = 1.0
"""m. A robot whose hull is nearer to an obstacle than this is busy with it."""

Floats = npt.NDArray[np.floating[Any]]


class Kind(StrEnum):
    """Kinds of obstacle, in the order of bipedal_walker.py."""

    STUMP = "stump"
    STAIRS = "stairs"
    PIT = "pit"


class Obstacle(NamedTuple):
    """From where to where it reaches, m."""

    kind: Kind
    left: float
    right: float


class Crossings(NamedTuple):
    """What became of the obstacles of some episodes, by `Kind`."""

    met: npt.NDArray[np.int64]
    """(3,) how many a robot came within reach of."""
    crossed: npt.NDArray[np.int64]
    """(3,) how many of them it left behind."""

    def __add__(self, other: Crossings) -> Crossings:  # type: ignore[override]
        """Take both together."""
        return Crossings(self.met + other.met, self.crossed + other.crossed)

    def rates(self) -> dict[str, float | None]:
        """Share of each kind that was crossed; None where none was met."""
        return {
            str(kind): float(crossed / met) if met else None
            for kind, met, crossed in zip(Kind, self.met, self.crossed, strict=True)
        }


NONE = Crossings(np.zeros(3, dtype=np.int64), np.zeros(3, dtype=np.int64))


def find_obstacles(boxes: Floats) -> list[Obstacle]:
    """Read obstacles off a terrain's boxes (B, 4) of left, bottom, right, top in m.

    Of Gymnasium's boxes only stairs are four terrain steps wide, and only the walls of a pit, two
    boxes, are four high; a flight of stairs is one obstacle. Lower stumps and stairs are told
    apart as well, but not pits less deep.
    """
    found: list[Obstacle] = []
    wall: float | None = None
    for left, bottom, right, top in sorted(boxes.tolist()):
        if right - left > 3.5 * TERRAIN_STEP:
            before = found[-1] if found else None
            if before and before.kind is Kind.STAIRS and abs(before.right - left) < 1e-3:
                found[-1] = before._replace(right=right)
            else:
                found.append(Obstacle(Kind.STAIRS, left, right))
        elif top - bottom > 3.5 * TERRAIN_STEP:
            if wall is None:
                wall = left
            else:
                found.append(Obstacle(Kind.PIT, wall, right))
                wall = None
        else:
            found.append(Obstacle(Kind.STUMP, left, right))
    return found


def met_obstacles(obstacles: Iterable[Obstacle], x: float) -> Iterator[tuple[Obstacle, bool]]:
    """Obstacles that an episode that ended with its hull at x (m) met, and whether it crossed them.

    What an episode that gets to the far end has not left behind does not count.
    """
    for obstacle in obstacles:
        if obstacle.right + REACH <= FAR_END and x > obstacle.left - REACH:
            yield obstacle, x > obstacle.right + REACH


def count_crossings(obstacles: Iterable[Obstacle], x: float) -> Crossings:
    """Count `met_obstacles` by kind."""
    crossings = Crossings(NONE.met.copy(), NONE.crossed.copy())
    for obstacle, crossed in met_obstacles(obstacles, x):
        number = list(Kind).index(obstacle.kind)
        crossings.met[number] += 1
        crossings.crossed[number] += crossed
    return crossings


def obstacle_at(obstacles: Sequence[Obstacle], x: float) -> Kind | None:
    """Kind of the obstacle that a robot at x (m) is busy with, None on free ground."""
    for obstacle in obstacles:
        if obstacle.left - REACH < x <= obstacle.right + REACH:
            return obstacle.kind
    return None
