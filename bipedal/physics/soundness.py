"""Whether a saved state may be stepped: the kernels trust every index that they find in it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from bipedal.errors import UserError
from bipedal.physics.constants import MAX_BOXES, MAX_CONTACTS, NUM_BODIES, TERRAIN_LENGTH
from bipedal.physics.terrain import Difficulty

_FLAG = (0, 1)
RANGES: Mapping[str, tuple[int, int]] = {
    "box_count": (0, MAX_BOXES),
    "first_box": (0, MAX_BOXES),
    "joint.at_limit": (-1, 1),
    "solved": _FLAG,
    "contact_count": (0, MAX_CONTACTS),
    "contact.body": (0, NUM_BODIES - 1),
    "contact.ground": (0, MAX_BOXES + TERRAIN_LENGTH - 2),
    "contact.touching": _FLAG,
    "contact.manifold.count": (0, 2),
    "contact.manifold.on_ground": _FLAG,
    "foot_flag": _FLAG,
    "hull_down": _FLAG,
    "steps": (-1, 1 << 30),
    "generator.has_kept": _FLAG,
}
"""Smallest and largest value of the integers that decide where a kernel reads or how long it runs.
The others (ids of contact points, bits of generators) may be anything."""
LARGEST = 1e6
"""Of any position, angle, speed or impulse: m, rad, s, N s."""


def check_state(saved: Mapping[str, npt.NDArray[Any]]) -> None:
    """Raise `UserError` if rows of a snapshot hold what no engine has saved.

    `saved` are the arrays of `Ground` and `Walkers`, of difficulties and observations, (N, ...).
    """
    for name, values in saved.items():
        for path, column in _columns(name, values):
            if path in RANGES:
                low, high = RANGES[path]
                sound = bool(((column >= low) & (column <= high)).all())
            elif column.dtype.kind == "f":
                sound = bool((np.abs(column) <= LARGEST).all())  # not for NaN either
            else:
                sound = True
            if not sound:
                raise UserError(f"this state of environments is damaged: {path} is out of range")
    for row in np.unique(saved["difficulty"], axis=0):
        Difficulty(*map(float, row))


def _columns(path: str, values: npt.NDArray[Any]) -> Iterator[tuple[str, npt.NDArray[Any]]]:
    """The plain arrays that a structured one is made of, with their dotted names."""
    if values.dtype.names is None:
        yield path, values
        return
    for name in values.dtype.names:
        yield from _columns(f"{path}.{name}", values[name])
