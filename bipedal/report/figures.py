"""Every figure of a report, and those of the gait.

Each `draw_` function returns a matplotlib figure that belongs to no window and no notebook cell
until somebody shows it, or None where there is nothing to draw yet.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from bipedal.physics.constants import TIMESTEP
from bipedal.report.data import Run, points
from bipedal.report.training_curves import (
    CHARTS,
    draw_columns,
    draw_learning_curve,
    draw_obstacles,
)
from bipedal.style import (
    BLUE,
    GREEN,
    GRID,
    INK,
    MUTED,
    ORANGE,
    PURPLE,
    RED,
    TIMESTEPS,
    WIDE,
    label,
    legend,
    line,
    panels,
)
from bipedal.tables import Columns

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from bipedal.evaluation.trajectory import Trajectory

LEGS = ("#c77bb0", "#a04987")
"""The lighter and the darker leg, as in the video (a little brighter, for the dark page)."""

LEG_NAMES = ("lighter leg", "darker leg")

GAIT_COLOURS = {
    "fallen": "#d5504a",
    "standing": "#98a1ad",
    "kneeling/crawling": "#e0822f",
    "shuffling": "#d9b53c",
    "walking": "#2f9e6e",
    "running": "#3b7dd8",
}

GAIT_WINDOW = 5.0
"""Length of the gait diagram, s: some ten steps."""

GAIT_PANELS = (
    (
        "share of the time",
        {
            "gait/duty_factor": "duty factor",
            "gait/double_support_fraction": "double support",
            "gait/flight_fraction": "flight",
        },
    ),
    ("speed, m/s", {"mean_speed": ""}),
    ("cost of transport", {"gait/cost_of_transport": ""}),
)
"""Label and columns of the panels under the strip of gait classes."""


class Plan(NamedTuple):
    """A figure that can be drawn."""

    name: str
    alternative: str
    """What it shows, for readers who cannot see it."""
    draw: Callable[[], Figure | None]


def plan_figures(run: Run, walk: Trajectory | None) -> list[Plan]:
    """Every figure of a report, with the gait diagram of `walk`."""
    plans = [
        Plan(
            "learning_curve",
            "Line chart: return of training episodes and of greedy evaluations over timesteps",
            partial(draw_learning_curve, run.metrics, run.evaluations, run.reward_threshold),
        ),
        Plan(
            "obstacles",
            "Line chart: share of stumps, stairs and pits crossed over timesteps",
            partial(draw_obstacles, run.metrics, run.evaluations),
        ),
        Plan(
            "gait_over_training",
            "Charts: gait class and gait metrics of greedy evaluations over timesteps",
            partial(draw_gait_over_training, run.evaluations),
        ),
    ]
    if walk is not None:
        plans.append(
            Plan(
                "gait_diagram",
                "Charts: ground contacts, hull height and joint angles over five seconds",
                partial(draw_gait_diagram, walk),
            )
        )
    for name, title, columns in CHARTS:
        alternative = f"Line chart: {title.lower()} over timesteps"
        plans.append(Plan(name, alternative, partial(draw_columns, run.metrics, columns)))
    return plans


def draw_gait_over_training(evaluations: Columns) -> Figure | None:
    """Gait class of each greedy evaluation as a coloured strip, and its metrics beneath."""
    wanted = [
        (text, {key: name for key, name in columns.items() if points(evaluations, key)[0].size})
        for text, columns in GAIT_PANELS
    ]
    wanted = [(text, columns) for text, columns in wanted if columns]
    x = evaluations.get("timesteps", np.empty(0)) / 1e6
    classes = evaluations.get("gait/class", np.full(x.size, ""))
    known = np.isfinite(x) & (classes != "")
    if not wanted or not known.any():
        return None
    size = WIDE[0], 0.9 + 1.45 * len(wanted)
    figure, (strip, *axes) = panels(size, [0.28, *(1.0 for _ in wanted)])
    _draw_strip(strip, x[known], classes[known])
    for axis, (text, columns) in zip(axes, wanted, strict=True):
        colours = (GREEN, ORANGE, BLUE) if len(columns) > 1 else (PURPLE,)
        for colour, (column, name) in zip(colours, columns.items(), strict=False):
            line(axis, evaluations, column, colour, name, marker="o", markersize=3)
        label(axis, text, TIMESTEPS if axis is axes[-1] else None)
        if text.startswith("share"):
            axis.set_ylim(-0.03, 1.03)
            legend(axis)
    return figure


def _draw_strip(axis: Axes, x: np.ndarray, classes: np.ndarray) -> None:
    """Colour the time up to each evaluation by its class; equal neighbours make one phase.

    x (N,) in millions of timesteps, ascending; classes (N,) str.
    """
    from matplotlib.patches import Patch

    edges = np.concatenate([[x[0] - (x[1] - x[0] if x.size > 1 else x[0] or 1.0)], x])
    edges[0] = max(edges[0], 0.0)
    present = dict.fromkeys(str(name) for name in classes)
    for name in present:
        for first, end in _spells(classes == name):
            axis.axvspan(edges[first], edges[end], color=gait_colour(name), linewidth=0)
    handles = [Patch(color=gait_colour(name), label=name) for name in present]
    legend(axis, 6, handles=handles, handlelength=1.0, handleheight=0.8)
    width = max(edges[-1] - edges[0], 1e-3)
    axis.set(yticks=[], xlim=(edges[0], edges[0] + 1.01 * width))
    label(axis, "gait of the greedy policy")


def gait_colour(name: str) -> str:
    """Colour of a gait class, the same on every figure."""
    return GAIT_COLOURS.get(str(name), MUTED)


def draw_gait_diagram(walk: Trajectory) -> Figure:
    """Who is on the ground when (after Hildebrand), hull height and joint angles: a few seconds.

    The window lies in the middle of the episode, where the gait has settled.
    """
    length = len(walk.rewards)
    width = min(length, round(GAIT_WINDOW / TIMESTEP))
    start = (length - width) // 2
    window = slice(start, start + width)
    time = (np.arange(start, start + width) + 1) * TIMESTEP
    figure, (contact, hull, hips, knees) = panels((WIDE[0], 6.6), [1.25, 0.8, 1.0, 1.0])

    _draw_contacts(contact, time, np.hstack([walk.foot_contact, walk.upper_contact])[window])
    height = (walk.hull_position[:, 1] - walk.ground_height)[window]
    hull.plot(time, height, color=PURPLE, linewidth=1.5)
    label(hull, "hull height above the ground, m")
    for axis, joint, name in ((hips, 0, "hip"), (knees, 1, "knee")):
        for leg in range(2):
            degrees = np.degrees(walk.joint_angles[window, joint + 2 * leg])
            axis.plot(time, degrees, color=LEGS[leg], linewidth=1.5, label=LEG_NAMES[leg])
        label(axis, f"{name} angle, °", "time, s" if axis is knees else None)
    legend(hips)
    knees.set_xlim(time[0] - TIMESTEP, time[-1])
    return figure


def _draw_contacts(axis: Axes, time: np.ndarray, contacts: np.ndarray) -> None:
    """A bar for each spell on the ground; time (T,) in s, contacts (T, 4) bool."""
    for first, end in _spells(contacts.sum(axis=1) == 0):
        axis.axvspan(time[first] - TIMESTEP, time[end - 1], color=BLUE, alpha=0.12, lw=0)
    for row, colour in enumerate([*LEGS, ORANGE, RED]):
        bars = [
            (time[first] - TIMESTEP, (end - first) * TIMESTEP)
            for first, end in _spells(contacts[:, row])
        ]
        axis.broken_barh(bars, (row - 0.36, 0.72), facecolor=colour, lw=0)
    names = [f"{leg}: {part}" for part in ("lower leg", "upper leg") for leg in LEG_NAMES]
    axis.set(ylim=(3.6, -0.6), yticks=range(4), yticklabels=names)
    axis.tick_params(axis="y", labelcolor=INK)
    axis.grid(False)
    axis.axhline(1.5, color=GRID, linewidth=0.8)
    label(axis, "on the ground (shaded: flight, nothing touches it)")


def _spells(flags: np.ndarray) -> list[tuple[int, int]]:
    """Return (first, end) of every run of True in a bool array; `end` is one past the last."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8)))
    return [(int(first), int(end)) for first, end in edges.reshape(-1, 2)]
