"""Learning curves: the return of episodes against what they took to learn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from bipedal.style import curve

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.typing import ColorType


class Curve(NamedTuple):
    """One line of a figure."""

    colour: ColorType
    style: Mapping[str, Any]
    """How matplotlib draws it, such as `style.SEED`."""
    name: str
    """In the legend; empty if it is not there."""
    x: np.ndarray
    """Timesteps or seconds, (points,), increasing."""
    returns: np.ndarray
    """Return at each, (points,)."""


def plot_returns(
    axis: Axes, curves: Sequence[Curve], threshold: float | None, threshold_style: Mapping[str, Any]
) -> bool:
    """Draw curves, the last on top, and a line at the return that counts as solved.

    Returns False, and draws nothing, where no curve has a point.
    """
    drawn = [curve(axis, x, y, colour, name, **style) for colour, style, name, x, y in curves]
    if any(drawn) and threshold is not None:
        axis.axhline(threshold, **threshold_style)
    return any(drawn)
