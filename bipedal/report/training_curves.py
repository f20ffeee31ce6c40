"""Figures of how a run learned, from its tables.

Each `draw_` function returns a figure, or None where there is nothing to draw yet.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from bipedal.evaluation.obstacles import Kind
from bipedal.report.data import points
from bipedal.report.learning_curves import Curve, plot_returns
from bipedal.style import (
    BLUE,
    CARD,
    EVALUATIONS,
    GREEN,
    INK,
    ITERATIONS,
    MUTED,
    ORANGE,
    PURPLE,
    RECENT,
    SOLVED,
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

Panels = Sequence[tuple[str, Mapping[str, str]]]
"""Label of each panel, and the columns in it with their names in the legend."""

CHARTS: Sequence[tuple[str, str, Panels]] = (
    ("distance", "Distance walked", [("distance of one episode, m", {"charts/distance": ""})]),
    ("episode_length", "Episode length", [("timesteps", {"charts/episodic_length": ""})]),
    ("fall_rate", "Falls", [("share of episodes that end in a fall", {"charts/fall_rate": ""})]),
    (
        "learning_rate",
        "Learning rate",
        [
            (
                "step size",
                {"charts/policy_learning_rate": "policy", "charts/critic_learning_rate": "critic"},
            ),
        ],
    ),
    (
        "losses",
        "Losses",
        [("policy loss", {"losses/policy_loss": ""}), ("value loss", {"losses/value_loss": ""})],
    ),
    (
        "exploration",
        "Exploration",
        [
            ("entropy of the policy, nats", {"losses/entropy": ""}),
            ("standard deviation of the action", {"charts/std": ""}),
        ],
    ),
    (
        "update_size",
        "Size of the update",
        [
            ("approximate KL divergence, nats", {"losses/approx_kl": ""}),
            ("share of samples clipped", {"losses/clip_fraction": ""}),
        ],
    ),
    (
        "critic_and_speed",
        "Critic and speed",
        [
            ("explained variance of the return", {"losses/explained_variance": ""}),
            ("timesteps per second", {"charts/SPS": ""}),
        ],
    ),
)
"""Small charts of training: name, heading, panels."""


def draw_learning_curve(
    metrics: Columns, evaluations: Columns, threshold: float | None
) -> Figure | None:
    """Return in training (each iteration, recent episodes) and of the greedy policy."""
    figure, (axis,) = panels(WIDE)
    curves = [
        Curve(BLUE, ITERATIONS, "one iteration", *points(metrics, "charts/episodic_return")),
        Curve(BLUE, RECENT, "recent episodes", *points(metrics, "charts/episodic_return_mean")),
        Curve(ORANGE, EVALUATIONS, "greedy, ± std", *points(evaluations, "mean_return")),
    ]
    if not plot_returns(axis, curves, threshold, SOLVED):
        return None
    _draw_spread_and_best(axis, evaluations)
    if threshold is not None:
        axis.annotate(
            f"solved: {threshold:.0f}", (0.0, threshold), xycoords=("axes fraction", "data"),
            xytext=(3, 3), textcoords="offset points", fontsize=8, color=INK,
        )  # fmt: skip
        axis.set_ylim(top=max(axis.get_ylim()[1], threshold + 40))
    axis.set_xlim(left=0)
    label(axis, "return of one episode (sum of raw rewards)", TIMESTEPS)
    legend(axis)
    return figure


def _draw_spread_and_best(axis: Axes, evaluations: Columns) -> None:
    """Mark the spread of the greedy policy's returns, and its best mean."""
    x, mean = points(evaluations, "mean_return")
    if not x.size:
        return
    low, high = _spread(evaluations, mean)
    axis.fill_between(x, low, high, color=ORANGE, alpha=0.15, lw=0)
    best = int(np.argmax(mean))
    axis.plot(x[best], mean[best], "o", color=ORANGE, markersize=9, markerfacecolor="none")
    axis.annotate(
        f"best {mean[best]:.0f}", (x[best], mean[best]), xytext=(0, 9), ha="center",
        textcoords="offset points", fontsize=9, color=INK, fontweight="bold",
    )  # fmt: skip


def _spread(evaluations: Columns, mean: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """One standard deviation either side of the known means; no spread where none is known.

    The returns of a walker are skewed: most episodes end near the most that the course pays, a few
    end early in a fall. One standard deviation above the mean can then be a return that no episode
    can have, so the band stays within the worst and the best episode that was played.
    """
    known = np.isfinite(evaluations["timesteps"]) & np.isfinite(evaluations["mean_return"])

    def column(name: str, default: float) -> np.ndarray:
        values = evaluations.get(name, np.full(known.size, np.nan))[known]
        return np.where(np.isfinite(values), values, default)

    std = column("std_return", 0.0)
    low = np.maximum(mean - std, column("min_return", -np.inf))
    high = np.minimum(mean + std, column("max_return", np.inf))
    return low, high


def draw_columns(metrics: Columns, wanted: Panels) -> Figure | None:
    """Columns of metrics.csv against timesteps."""
    height = CARD[1] if len(wanted) == 1 else 2.1 * len(wanted)
    figure, axes = panels((CARD[0], height), [1.0] * len(wanted))
    drawn = False
    for row, (axis, (text, series)) in enumerate(zip(axes, wanted, strict=True)):
        for colour, (column, name) in zip((BLUE, ORANGE), series.items(), strict=False):
            drawn |= line(axis, metrics, column, PURPLE if row else colour, name)
        axis.set_xlim(left=0)
        if "charts/fall_rate" in series:
            axis.set_ylim(-0.03, 1.03)
        label(axis, text, TIMESTEPS if row == len(wanted) - 1 else None)
        if axis.get_legend_handles_labels()[1]:
            legend(axis)
    return figure if drawn else None


def draw_obstacles(metrics: Columns, evaluations: Columns) -> Figure | None:
    """Obstacles that greedy evaluations crossed, and how hard the terrains of training were."""
    if not any(points(evaluations, f"crossed/{kind}")[0].size for kind in Kind):
        return None
    curriculum = points(metrics, "charts/difficulty")[0].size > 0
    figure, axes = panels((WIDE[0], 4.6 if curriculum else 3.0), [1.6, 1.0][: 1 + curriculum])
    for kind, colour in zip(Kind, (BLUE, ORANGE, GREEN), strict=True):
        line(axes[0], evaluations, f"crossed/{kind}", colour, kind, marker="o", markersize=3)
    label(axes[0], "share of obstacles crossed, greedy policy, full difficulty")
    legend(axes[0])
    if curriculum:
        line(axes[1], metrics, "charts/difficulty", PURPLE)
        label(axes[1], "difficulty of the terrains in training (1 is Gymnasium's)")
    for axis in axes:
        axis.set_ylim(-0.03, 1.03)
    axes[-1].set_xlabel(TIMESTEPS, fontsize=8.5, color=MUTED)
    return figure
