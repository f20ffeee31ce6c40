"""How the report looks: colours for light and dark pages, and figures in one style."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from markupsafe import Markup

from bipedal.report.data import points
from bipedal.tables import Columns

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.typing import ColorType

LIGHT = {
    "page": "#f5f6f8",
    "card": "#ffffff",
    "ink": "#23272e",
    "muted": "#5d6573",
    "grid": "#e2e5ea",
}
DARK = {
    "page": "#111418",
    "card": "#1a1e24",
    "ink": "#e8eaee",
    "muted": "#99a2b0",
    "grid": "#2e343d",
}
"""The CSS variables of the page in both colour schemes; text is ink or muted."""

FONT = 'system-ui, -apple-system, "Segoe UI", "Helvetica Neue", Arial, sans-serif'


def css_variables() -> Markup:
    """The font and the colours of a page in both schemes, as the first rules of its style."""
    light, dark = (
        "".join(f"--{variable}: {colour}; " for variable, colour in scheme.items())
        for scheme in (LIGHT, DARK)
    )
    return Markup(
        f":root {{ color-scheme: light dark;\n  --font: {FONT};\n  {light} }}\n"
        f"@media (prefers-color-scheme: dark) {{ :root {{\n  {dark} }} }}"
    )


INK, MUTED, GRID = LIGHT["ink"], LIGHT["muted"], LIGHT["grid"]
"""Text, axis labels, grid of a figure; `svg` turns them into the CSS variables."""

BLUE, ORANGE, GREEN, PURPLE, RED = "#3b7dd8", "#d2711c", "#2a966a", "#8d6bd0", "#d5504a"
"""Lines: mid-tones that stand out from the light and from the dark card."""

WIDE, CARD = (10.6, 4.0), (5.4, 2.9)
"""Figure sizes, inches."""

TIMESTEPS = "timesteps, millions"

ITERATIONS, RECENT = {"lw": 1, "alpha": 0.5}, {"lw": 2}
EVALUATIONS = {"lw": 1.2, "marker": "o", "markersize": 4}
SOLVED = {"color": GREEN, "lw": 1, "ls": (0, (4, 3))}
"""Learning curves of one run: each iteration, recent episodes, the greedy policy, the threshold."""

SEED, SEED_OF_MANY, MIDDLE = {"lw": 0.6, "alpha": 0.3}, {"lw": 0.6, "alpha": 0.15}, {"lw": 1.8}
SOLVED_BY_SEEDS = {"color": "0.5", "lw": 0.8, "ls": ":"}
"""Learning curves over seeds: a seed, one in a crowded figure, their middle, the threshold."""


def panels(
    size: tuple[float, float], heights: Sequence[float] = (1.0,)
) -> tuple[Figure, list[Axes]]:
    """Make a figure of empty panels one above the other, with a common x axis.

    The figure belongs to no window and no notebook cell until somebody shows it.
    """
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


def label(axis: Axes, y: str, x: str | None = None) -> None:
    """Label an axis; the y label stands above the panel, where it reads without a turned head."""
    axis.set_title(y, loc="left", fontsize=8.5, color=MUTED, pad=6)
    if x is not None:
        axis.set_xlabel(x, fontsize=8.5, color=MUTED)


def legend(axis: Axes, columns: int = 4, **options: Any) -> None:
    """Put the legend above the panel, at the right."""
    axis.legend(
        loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=columns, frameon=False, fontsize=8,
        labelcolor=INK, columnspacing=1.2, borderaxespad=0.1, **{"handlelength": 1.4, **options},
    )  # fmt: skip


def line(
    axis: Axes, table: Columns, column: str, colour: str, name: str = "", **style: Any
) -> bool:
    """Draw one column against timesteps, as `curve` does."""
    return curve(axis, *points(table, column), colour, name, **style)


def curve(
    axis: Axes, x: np.ndarray, y: np.ndarray, colour: ColorType, name: str = "", **style: Any
) -> bool:
    """Draw a line; False where it has no points. One point is a dot."""
    if not x.size:
        return False
    style = {"lw": 1.5, **style}
    if x.size == 1:
        style |= {"marker": "o", "markersize": 4}
    axis.plot(x, y, color=colour, label=name or None, **style)
    return True
