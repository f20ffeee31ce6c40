"""What a picture of the walker shows."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Singles = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]


class Course(NamedTuple):
    """What stays the same through an episode."""

    heights: Doubles
    """(200,) m, of the ground line's vertices, one every TERRAIN_STEP."""
    boxes: Singles
    """(B, 4) m: left, bottom, right and top of stumps, stairs and pit walls, in any order."""
    clouds: Doubles
    """(C, 5, 2) m, corners; clouds move half as fast as the ground."""


class Scene(NamedTuple):
    """A moment of an episode. It has Gymnasium's precision, so that pixels round as there."""

    course: Course
    hull: Singles
    """(2,) m, the hull's origin."""
    outlines: tuple[Singles, ...]
    """(K, 2) m, the corners of each body: the hull, and upper and lower leg of either side."""
    lidar: Doubles
    """(10, 2) m, where the beams end."""
    frame_number: int
    """1 for the first frame drawn after a reset; it chooses which beam is shown, if any."""
