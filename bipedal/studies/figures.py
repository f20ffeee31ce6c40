"""Figures over seeds: learning curves, estimates by condition, gait classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from bipedal.evaluation.score import interquartile_mean
from bipedal.report.figures import GAIT_COLOURS
from bipedal.report.learning_curves import Curve, plot_returns
from bipedal.studies.study import Row, Study
from bipedal.studies.summary import estimate, values_of
from bipedal.style import MIDDLE, SEED, SEED_OF_MANY, SOLVED_BY_SEEDS
from bipedal.walker import REWARD_THRESHOLD

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MANY_LABELS = 10
"""With more of them than these the seeds are drawn fainter, and in twenty colours."""
UNEQUAL = 4.0
"""Budgets that differ by more than this factor stand on a logarithmic axis."""


def _panels(rows: int, columns: int, size: tuple[float, float]) -> tuple[Figure, list[Axes]]:
    """Panels on one y axis, of a figure that belongs to no window."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, layout="constrained")
    grid = figure.subplots(rows, columns, sharey=True, squeeze=False)
    return figure, list(grid.flatten())


# Learning curves ----------------------------------------------------------------------------------


def draw_curves(groups: Mapping[str, Sequence[Row]]) -> Figure:
    """Return against timesteps and against wall clock: a thin line a seed, their middle bold.

    `groups` are points by label: rows with `seed`, `timesteps`, `seconds` and `return`. A dotted
    line stands at the return that counts as solved, where a curve comes near it.
    """
    from matplotlib import colormaps

    many = len(groups) > MANY_LABELS
    colours = colormaps["tab20" if many else "tab10"]
    figure, panels = _panels(1, 2, (11, 4.2 + 0.2 * -(-len(groups) // 2)))
    for axis, column, title in zip(
        panels, ("timesteps", "seconds"), ("timesteps", "wall clock, s"), strict=True
    ):
        curves = {label: curves_of(points, column) for label, points in groups.items()}
        ends = [float(curve[0, -1]) for mine in curves.values() for curve in mine]
        unequal = max(ends) > UNEQUAL * min(ends)
        lines = []
        for number, (label, mine) in enumerate(curves.items()):
            colour = colours(number)
            if len(mine) > 1:
                lines += [Curve(colour, SEED_OF_MANY if many else SEED, "", *one) for one in mine]
            lines.append(Curve(colour, MIDDLE, label, *middle_of(mine, log=unequal)))
        near = max(line.returns.max() for line in lines) > 0.9 * REWARD_THRESHOLD
        plot_returns(axis, lines, REWARD_THRESHOLD if near else None, SOLVED_BY_SEEDS)
        if unequal:
            axis.set_xscale("log")
            axis.set_xlim(left=min(ends) / 10, right=max(ends))
        axis.set_xlabel(title)
        axis.grid(alpha=0.25)
        axis.spines[["top", "right"]].set_visible(False)
    panels[0].set_ylabel("return")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2, fontsize=9, frameon=False)
    return figure


def curves_of(points: Sequence[Row], column: str) -> list[np.ndarray]:
    """A curve (2, points) for each seed: a column and the returns, in order."""
    return [
        np.array(
            sorted(
                (float(point[column]), float(point["return"]))
                for point in points
                if point["seed"] == seed
            )
        ).T
        for seed in sorted({point["seed"] for point in points})
    ]


def middle_of(curves: Sequence[np.ndarray], *, log: bool) -> np.ndarray:
    """Interquartile mean of curves where all of them are, at 200 places; of one the curve itself.

    The places are as even as the axis: by equal factors if it is logarithmic.
    """
    if len(curves) == 1:
        return curves[0]
    low = max(curve[0, 0] for curve in curves)
    high = max(low, min(curve[0, -1] for curve in curves))
    places = np.geomspace(max(low, high / 1e5), high, 200) if log else np.linspace(low, high, 200)
    heights = np.stack([np.interp(places, *curve) for curve in curves], axis=-1)
    return np.stack([places, np.asarray(interquartile_mean(heights))])


# A study's figures --------------------------------------------------------------------------------


def draw_study(study: Study, rows: Sequence[Row], points: Sequence[Row]) -> dict[str, Figure]:
    """What there is to draw, by the name of its file."""
    figures = {"conditions.png": draw_conditions(study, rows)}
    if study.classes:
        figures["gait.png"] = draw_classes(study, rows)
    if points:
        arms = [arm for arm in study.arms if any(point["arm"] == arm for point in points)]
        figures["curves.png"] = draw_curves(
            {arm: [point for point in points if point["arm"] == arm] for arm in arms}
        )
    return figures


def _shown(study: Study, rows: Sequence[Row]) -> list[str]:
    return [name for name in study.shown if any(row["condition"] == name for row in rows)]


def draw_conditions(study: Study, rows: Sequence[Row]) -> Figure:
    """Every seed as a point and the estimate with its interval, a panel a measure."""
    names = _shown(study, rows)
    measures = [measure for measure in study.measures if measure.statistic == "iqm"]
    columns = len(measures) if len(measures) <= 4 else 3
    lines = -(-len(measures) // columns)
    size = (2.2 + 3.4 * columns, lines * (1.2 + 0.34 * len(names)))
    figure, panels = _panels(lines, columns, size)
    for axis in panels[len(measures) :]:
        axis.set_axis_off()
    jitter = np.random.default_rng(0)
    for axis, measure in zip(panels, measures, strict=False):
        for place, name in enumerate(names):
            values = values_of(rows, name, measure.column)
            spread = place + jitter.uniform(-0.18, 0.18, len(values))
            axis.plot(values, spread, "o", color="C0", alpha=0.35, markersize=4, markeredgewidth=0)
            found = estimate(measure, rows, name)
            if found:
                _mark(axis, found, place)
        axis.set_xlabel(measure.title)
        axis.grid(axis="x", alpha=0.25)
        axis.spines[["top", "right"]].set_visible(False)
    panels[0].set_yticks(range(len(names)), names)
    panels[0].invert_yaxis()
    return figure


def _mark(axis: Axes, found: Mapping[str, Any], place: int) -> None:
    """An estimate, with its interval if it has one."""
    if found["low"] is not None:
        axis.plot([found["low"], found["high"]], [place, place], color="0.1", lw=1.6)
    axis.plot(found["value"], place, "|", color="0.1", markersize=13, mew=2.2)


def draw_classes(study: Study, rows: Sequence[Row]) -> Figure:
    """Shares of seeds in each gait class, a panel a moment of training."""
    names = _shown(study, rows)
    count = len(study.classes)
    figure, panels = _panels(1, count, (2.2 + 1.9 * count, 1.6 + 0.34 * len(names)))
    for axis, column in zip(panels, study.classes, strict=True):
        for place, name in enumerate(names):
            found = [
                row[column] for row in rows if row["condition"] == name and row["status"] == "done"
            ]
            left = 0.0
            for gait, colour in GAIT_COLOURS.items():
                share = found.count(gait) / max(1, len(found))
                axis.barh(
                    place, share, left=left, height=0.72, color=colour,
                    label=gait if place == 0 else None,
                )  # fmt: skip
                left += share
        axis.set_title(column.replace("_", " "), fontsize=9)
        axis.set_xlim(0, 1)
        axis.set_xticks([0, 1], ["0", "all seeds"], fontsize=8)
        axis.spines[["top", "right"]].set_visible(False)
    panels[0].set_yticks(range(len(names)), names)
    panels[0].invert_yaxis()
    handles, labels = panels[0].get_legend_handles_labels()
    columns = 6 if count > 1 else 2
    figure.legend(
        handles, labels, loc="outside lower center", ncols=columns, fontsize=8, frameon=False
    )
    return figure
