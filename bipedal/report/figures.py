"""Figures about a run, from tables of numbers and the trajectory of an episode.

Each `draw_` function returns a matplotlib figure that belongs to no window and no notebook cell
until somebody shows it, or None where there is nothing to draw yet.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from bipedal.evaluation.obstacles import Kind
from bipedal.physics.constants import TIMESTEP as DT
from bipedal.report.data import Run, Table, points

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from bipedal.evaluation.trajectory import Trajectory

INK, MUTED, GRID = "#23272e", "#6a7280", "#e2e5ea"
"""Text, axis labels, grid: on the page they become CSS variables, see `_svg`."""

BLUE, ORANGE, GREEN, PURPLE, RED = "#3b7dd8", "#e0822f", "#2f9e6e", "#8d6bd0", "#d5504a"
"""Mid-tones: legible on white and on near-black."""

LEGS = ("#c77bb0", "#8f3f78")
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

WIDE, CARD = (10.6, 4.0), (5.4, 2.9)
"""Figure sizes, inches."""

TIMESTEPS = "timesteps, millions"

GAIT_WINDOW = 5.0
"""Length of the gait diagram, s: some ten steps."""

CHARTS: tuple[tuple[str, str, tuple[tuple[str, dict[str, str]], ...]], ...] = (
    ("distance", "Distance walked", (("distance of one episode, m", {"charts/distance": ""}),)),
    ("episode_length", "Episode length", (("timesteps", {"charts/episodic_length": ""}),)),
    ("fall_rate", "Falls", (("share of episodes that end in a fall", {"charts/fall_rate": ""}),)),
    (
        "learning_rate",
        "Learning rate",
        (
            (
                "step size",
                {"charts/policy_learning_rate": "policy", "charts/critic_learning_rate": "critic"},
            ),
        ),
    ),
    (
        "losses",
        "Losses",
        (
            ("policy loss", {"losses/policy_loss": ""}),
            ("value loss", {"losses/value_loss": ""}),
        ),
    ),
    (
        "exploration",
        "Exploration",
        (
            ("entropy of the policy, nats", {"losses/entropy": ""}),
            ("standard deviation of the action", {"charts/std": ""}),
        ),
    ),
    (
        "update_size",
        "Size of the update",
        (
            ("approximate KL divergence, nats", {"losses/approx_kl": ""}),
            ("share of samples clipped", {"losses/clip_fraction": ""}),
        ),
    ),
    (
        "critic_and_speed",
        "Critic and speed",
        (
            ("explained variance of the return", {"losses/explained_variance": ""}),
            ("timesteps per second", {"charts/SPS": ""}),
        ),
    ),
)
"""Small charts of training: name, heading, panels as in `draw_columns`."""


def draw_run(run: Run, walk: Trajectory | None) -> dict[str, Figure]:
    """Every figure of a report by its name, with the gait diagram of `walk`; those there are."""
    figures = {
        "learning_curve": draw_learning_curve(run.metrics, run.evaluations, run.reward_threshold),
        "gait_diagram": None if walk is None else draw_gait_diagram(walk),
        "obstacles": draw_obstacles(run.metrics, run.evaluations),
        "gait_over_training": draw_gait_over_training(run.evaluations),
        **{name: draw_columns(run.metrics, panels) for name, _, panels in CHARTS},
    }
    return {name: figure for name, figure in figures.items() if figure is not None}


def _panels(
    size: tuple[float, float], heights: Sequence[float] = (1.0,)
) -> tuple[Figure, list[Axes]]:
    """Return an empty figure of panels one above the other on a common x axis, in house style."""
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    figure = Figure(figsize=size, layout=ConstrainedLayoutEngine(h_pad=0.07, w_pad=0.03))
    axes = figure.subplots(
        len(heights), 1, sharex=True, squeeze=False, gridspec_kw={"height_ratios": list(heights)}
    )[:, 0]
    for axis in axes:
        axis.spines[["top", "right", "left"]].set_visible(False)
        axis.spines["bottom"].set_color(GRID)
        axis.tick_params(colors=MUTED, labelsize=8, length=0)
        axis.grid(axis="y", color=GRID, linewidth=0.7)
        axis.set_axisbelow(True)
        axis.margins(x=0.01)
        axis.patch.set_visible(False)
    return figure, list(axes)


def _label(axis: Axes, y: str, x: str | None = None) -> None:
    """Label an axis; the y label stands above the panel, where it reads without a turned head."""
    axis.set_title(y, loc="left", fontsize=8.5, color=MUTED, pad=6)
    if x is not None:
        axis.set_xlabel(x, fontsize=8.5, color=MUTED)


def _legend(axis: Axes, columns: int = 4) -> None:
    axis.legend(
        loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=columns, frameon=False, fontsize=8,
        labelcolor=INK, handlelength=1.4, columnspacing=1.2, borderaxespad=0.1,
    )  # fmt: skip


def _line(
    axis: Axes, table: Table, column: str, colour: str, label: str = "", **style: Any
) -> bool:
    """Draw one column against timesteps; False where it has no numbers. One number is a dot."""
    x, y = points(table, column)
    if not x.size:
        return False
    style = {"lw": 1.5, **style}
    if x.size == 1:
        style |= {"marker": "o", "markersize": 4}
    axis.plot(x, y, color=colour, label=label or None, **style)
    return True


def draw_learning_curve(
    metrics: Table, evaluations: Table, threshold: float | None
) -> Figure | None:
    """Return in training (each iteration, recent episodes) and of the greedy policy."""
    figure, (axis,) = _panels(WIDE)
    drawn = [
        _line(axis, metrics, "charts/episodic_return", BLUE, "one iteration", alpha=0.35, lw=1),
        _line(axis, metrics, "charts/episodic_return_mean", BLUE, "recent episodes", lw=2),
    ]
    x, mean = points(evaluations, "mean_return")
    if x.size:
        drawn.append(True)
        spread_x, spread = points(evaluations, "std_return")
        if np.array_equal(x, spread_x):
            axis.fill_between(x, mean - spread, mean + spread, color=ORANGE, alpha=0.15, lw=0)
        axis.plot(x, mean, "o-", color=ORANGE, markersize=4, linewidth=1.2, label="greedy, ± std")
        best = int(np.argmax(mean))
        axis.plot(x[best], mean[best], "o", color=ORANGE, markersize=9, markerfacecolor="none")
        axis.annotate(
            f"best {mean[best]:.0f}", (x[best], mean[best]), xytext=(0, 9), ha="center",
            textcoords="offset points", fontsize=9, color=INK, fontweight="bold",
        )  # fmt: skip
    if not any(drawn):
        return None
    if threshold is not None:
        axis.axhline(threshold, color=GREEN, linewidth=1, linestyle=(0, (4, 3)))
        axis.annotate(
            f"solved: {threshold:.0f}", (0.0, threshold), xycoords=("axes fraction", "data"),
            xytext=(3, 3), textcoords="offset points", fontsize=8, color=GREEN,
        )  # fmt: skip
        axis.set_ylim(top=max(axis.get_ylim()[1], threshold + 40))
    axis.set_xlim(left=0)
    _label(axis, "return of one episode (sum of raw rewards)", TIMESTEPS)
    _legend(axis)
    return figure


def draw_columns(metrics: Table, panels: Sequence[tuple[str, Mapping[str, str]]]) -> Figure | None:
    """Columns of metrics.csv against timesteps; a panel is its label and {column: series name}."""
    height = CARD[1] if len(panels) == 1 else 2.1 * len(panels)
    figure, axes = _panels((CARD[0], height), [1.0] * len(panels))
    drawn = False
    for row, (axis, (label, series)) in enumerate(zip(axes, panels, strict=True)):
        for colour, (column, name) in zip((BLUE, ORANGE), series.items(), strict=False):
            drawn |= _line(axis, metrics, column, PURPLE if row else colour, name)
        axis.set_xlim(left=0)
        if "charts/fall_rate" in series:
            axis.set_ylim(-0.03, 1.03)
        _label(axis, label, TIMESTEPS if row == len(panels) - 1 else None)
        if axis.get_legend_handles_labels()[1]:
            _legend(axis)
    return figure if drawn else None


def draw_gait_over_training(evaluations: Table) -> Figure | None:
    """Gait class of each greedy evaluation as a coloured strip, and its metrics beneath."""
    series: list[tuple[str, dict[str, str]]] = [
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
    ]
    panels = [
        (label, {key: name for key, name in columns.items() if points(evaluations, key)[0].size})
        for label, columns in series
    ]
    panels = [(label, columns) for label, columns in panels if columns]
    classes = evaluations.get("gait/class", np.empty(0, dtype=np.str_))
    x = evaluations.get("timesteps", np.empty(0)) / 1e6
    known = np.isfinite(x) & (classes != "") if classes.size else np.empty(0, dtype=bool)
    if not panels or not known.any():
        return None
    figure, (strip, *axes) = _panels(
        (WIDE[0], 0.9 + 1.45 * len(panels)), [0.28, *(1.0 for _ in panels)]
    )
    _draw_strip(strip, x[known], classes[known])
    for axis, (label, columns) in zip(axes, panels, strict=True):
        colours = (GREEN, ORANGE, BLUE) if len(columns) > 1 else (PURPLE,)
        for colour, (column, name) in zip(colours, columns.items(), strict=False):
            _line(axis, evaluations, column, colour, name, marker="o", markersize=3)
        _label(axis, label, TIMESTEPS if axis is axes[-1] else None)
        if label.startswith("share"):
            axis.set_ylim(-0.03, 1.03)
            _legend(axis)
    return figure


def draw_obstacles(metrics: Table, evaluations: Table) -> Figure | None:
    """Obstacles that greedy evaluations crossed, and how hard the terrains of training were."""
    if not any(points(evaluations, f"crossed/{kind}")[0].size for kind in Kind):
        return None
    curriculum = points(metrics, "charts/difficulty")[0].size > 0
    figure, axes = _panels((WIDE[0], 4.6 if curriculum else 3.0), [1.6, 1.0][: 1 + curriculum])
    for kind, colour in zip(Kind, (BLUE, ORANGE, GREEN), strict=True):
        _line(axes[0], evaluations, f"crossed/{kind}", colour, kind, marker="o", markersize=3)
    _label(axes[0], "share of obstacles crossed, greedy policy, full difficulty")
    _legend(axes[0])
    if curriculum:
        _line(axes[1], metrics, "charts/difficulty", PURPLE)
        _label(axes[1], "difficulty of the terrains in training (1 is Gymnasium's)")
    for axis in axes:
        axis.set_ylim(-0.03, 1.03)
    axes[-1].set_xlabel(TIMESTEPS, fontsize=8.5, color=MUTED)
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
    axis.legend(
        handles=[Patch(color=gait_colour(name), label=name) for name in present],
        loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=6, frameon=False, fontsize=8,
        labelcolor=INK, handlelength=1.0, handleheight=0.8, columnspacing=1.2, borderaxespad=0.1,
    )  # fmt: skip
    axis.set(yticks=[], xlim=(edges[0], edges[-1] + 0.01 * (edges[-1] - edges[0])))
    _label(axis, "gait of the greedy policy")


def gait_colour(name: str) -> str:
    """Colour of a gait class, the same on every figure."""
    return GAIT_COLOURS.get(str(name), MUTED)


def draw_gait_diagram(walk: Trajectory) -> Figure:
    """Who is on the ground when (after Hildebrand), hull height and joint angles: a few seconds.

    The window lies in the middle of the episode, where the gait has settled.
    """
    length = len(walk.rewards)
    width = min(length, round(GAIT_WINDOW / DT))
    start = (length - width) // 2
    window = slice(start, start + width)
    time = (np.arange(start, start + width) + 1) * DT
    figure, (contact, hull, hips, knees) = _panels((WIDE[0], 6.6), [1.25, 0.8, 1.0, 1.0])

    contacts = np.hstack([walk.foot_contact, walk.upper_contact])[window]
    for first, end in _spells(contacts.sum(axis=1) == 0):
        contact.axvspan(time[first] - DT, time[end - 1], color=BLUE, alpha=0.12, lw=0)
    for row, colour in enumerate([*LEGS, ORANGE, RED]):
        bars = [(time[first] - DT, (end - first) * DT) for first, end in _spells(contacts[:, row])]
        contact.broken_barh(bars, (row - 0.36, 0.72), facecolor=colour, lw=0)
    names = [f"{leg}: {part}" for part in ("lower leg", "upper leg") for leg in LEG_NAMES]
    contact.set(ylim=(3.6, -0.6), yticks=range(4), yticklabels=names)
    contact.tick_params(axis="y", labelcolor=INK)
    contact.grid(False)
    contact.axhline(1.5, color=GRID, linewidth=0.8)
    _label(contact, "on the ground (shaded: flight, nothing touches it)")

    height = (walk.hull_position[:, 1] - walk.ground_height)[window]
    hull.plot(time, height, color=PURPLE, linewidth=1.5)
    _label(hull, "hull height above the ground, m")
    for axis, joint, name in ((hips, 0, "hip"), (knees, 1, "knee")):
        for leg in range(2):
            degrees = np.degrees(walk.joint_angles[window, joint + 2 * leg])
            axis.plot(time, degrees, color=LEGS[leg], linewidth=1.5, label=LEG_NAMES[leg])
        _label(axis, f"{name} angle, °", "time, s" if axis is knees else None)
    _legend(hips)
    knees.set_xlim(time[0] - DT, time[-1])
    return figure


def _spells(flags: np.ndarray) -> list[tuple[int, int]]:
    """Return (first, end) of every run of True in a bool array; `end` is one past the last."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8)))
    return [(int(first), int(end)) for first, end in edges.reshape(-1, 2)]
