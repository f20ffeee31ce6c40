"""What a study leaves for people: tables as CSV and JSON, and a page with figures.

results/studies/NAME/ holds trials.csv (every row, failures too), curves.csv, summary.json,
README.md and its figures.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bipedal.evaluation.gait import GaitClass
from bipedal.evaluation.score import interquartile_mean
from bipedal.files import atomic_write
from bipedal.studies.study import Measure, Row, Study
from bipedal.studies.summary import summarise_study, values_of
from bipedal.tables import csv_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure

RESULTS = Path("results/studies")
COLORS = {
    GaitClass.FALLEN: "#b2423f",
    GaitClass.KNEELING: "#e08f3c",
    GaitClass.STANDING: "#b9b9b9",
    GaitClass.SHUFFLING: "#e6cf63",
    GaitClass.WALKING: "#5fa35a",
    GaitClass.RUNNING: "#3f76b2",
}


def write_page(
    study: Study,
    rows: Sequence[Row],
    points: Sequence[Row],
    command: str,
    facts: Mapping[str, Any],
) -> Path:
    """Write everything; returns the page. `rows` and `points` as `records.collect` gives them.

    `facts` are what trials must have in common to stand in one table.
    """
    folder = RESULTS / study.name
    folder.mkdir(parents=True, exist_ok=True)
    summary = {"command": command, "facts": facts, **summarise_study(study, rows)}
    figures = _draw(study, rows, points, folder)
    files = [
        (folder / "trials.csv", csv_text(rows)),
        (folder / "summary.json", json.dumps(summary, indent=1) + "\n"),
        (folder / "README.md", page(study, rows, summary, figures)),
    ]
    if points:
        files.append((folder / "curves.csv", csv_text(points)))
    atomic_write(*((path, text.encode()) for path, text in files))
    return folder / "README.md"


# The page -----------------------------------------------------------------------------------------


def page(study: Study, rows: Sequence[Row], summary: dict[str, Any], figures: Sequence[str]) -> str:
    """The page, in Markdown."""
    failed = sum(row["status"] == "failed" for row in rows)
    seeds = sorted({row["seed"] for row in rows})
    parts = [
        f"# {study.title}",
        f"**Claimed.** {study.claimed}",
        f"**Measured.** {study.method}",
        f"Seeds {seeds[0]} to {seeds[-1]}; trials that failed: {failed}. Made by "
        f"`{summary['command']}`; every row is in [trials.csv](trials.csv).",
        "## Verdict",
        _verdicts(summary["claims"]),
        "The chance is that of a random seed of the one condition to exceed a random seed of the "
        "other, averaged where there are several pairs, with its 95 % bootstrap interval: "
        "supported above one half, contradicted below. The intervals are not corrected for the "
        f"number of claims, {len(study.claims)}.",
        "## By condition",
        _conditions(study, summary["conditions"]),
        "Interquartile means over seeds with 95 % bootstrap intervals; shares (in %) with "
        "Wilson's.",
        *(f"![{name.removesuffix('.png')}]({name})" for name in figures),
        "## Every seed",
        _seeds(study, rows),
    ]
    return "\n\n".join(parts) + "\n"


def _table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    return "\n".join("| " + " | ".join(line) + " |" for line in (head, ["---"] * len(head), *lines))


def _verdicts(claims: Sequence[dict[str, Any]]) -> str:
    lines = []
    for claim in claims:
        chance = claim["probability"]
        said = "" if claim["verdict"] == "not measured" else "no two trials differ"
        if chance:
            said = f"{chance['value']:.2f} [{chance['low']:.2f}, {chance['high']:.2f}]"
        lines.append((claim["claim"], f"**{claim['verdict']}**", said))
    return _table(("claim", "verdict", "chance"), lines)


def _number(value: float, measure: Measure) -> str:
    if measure.statistic == "share":
        return f"{100 * value:.0f} %"
    return f"{value:.{measure.digits}f}"


def _conditions(study: Study, conditions: dict[str, dict[str, Any]]) -> str:
    lines = []
    for name, found in conditions.items():
        line = [name, str(found["done"])]
        for measure in study.measures:
            estimate = found[measure.column]
            line.append(
                "" if estimate is None else
                f"{_number(estimate['value'], measure)} "
                f"[{_number(estimate['low'], measure)}, {_number(estimate['high'], measure)}]"
            )  # fmt: skip
        lines.append(line)
    return _table(("condition", "seeds", *(measure.title for measure in study.measures)), lines)


def _seeds(study: Study, rows: Sequence[Row]) -> str:
    """The first measure of every trial: a line a condition, a column a seed."""
    seeds = sorted({row["seed"] for row in rows})
    measure = study.measures[0]
    lines = []
    for name in study.shown:
        found = {row["seed"]: row for row in rows if row["condition"] == name}
        if found:
            lines.append([name, *(_cell(found.get(seed), measure) for seed in seeds)])
    return f"{measure.title}:\n\n" + _table(("condition", *map(str, seeds)), lines)


def _cell(row: Row | None, measure: Measure) -> str:
    if row is None:
        return ""
    if row["status"] == "failed":
        return "failed"
    value = row[measure.column]
    if value is None:
        return ""
    if measure.statistic == "share":
        return "yes" if value else "no"
    return f"{value:.{measure.digits}f}"


# Figures ------------------------------------------------------------------------------------------


def _draw(study: Study, rows: Sequence[Row], points: Sequence[Row], folder: Path) -> list[str]:
    """Draw what there is to draw; returns the names of the files."""
    import matplotlib

    matplotlib.use("Agg")
    figures = {"conditions.png": draw_conditions(study, rows)}
    if study.classes:
        figures["gait.png"] = draw_classes(study, rows)
    if points:
        figures["curves.png"] = draw_curves(study, points)
    from matplotlib import pyplot as plt

    for name, figure in figures.items():
        figure.savefig(folder / name, dpi=100, metadata={"Software": None})
        plt.close(figure)
    return list(figures)


def _present(study: Study, rows: Sequence[Row], key: str = "condition") -> list[str]:
    order = study.shown if key == "condition" else study.arms
    return [name for name in order if any(row[key] == name for row in rows)]


def draw_conditions(study: Study, rows: Sequence[Row]) -> Figure:
    """Every seed as a point and the estimate with its interval, a panel a measure."""
    from matplotlib import pyplot as plt

    names = _present(study, rows)
    measures = [measure for measure in study.measures if measure.statistic == "iqm"]
    estimates = summarise_study(study, rows)["conditions"]
    columns = len(measures) if len(measures) <= 4 else 3
    lines = -(-len(measures) // columns)
    figure, grid = plt.subplots(
        lines, columns, sharey=True, squeeze=False,
        figsize=(2.2 + 3.4 * columns, lines * (1.2 + 0.34 * len(names))), layout="constrained",
    )  # fmt: skip
    panels, spare = np.split(grid.flatten(), [len(measures)])
    for axis in spare:
        axis.set_axis_off()
    jitter = np.random.default_rng(0)
    for axis, measure in zip(panels, measures, strict=True):
        for place, name in enumerate(names):
            values = values_of(rows, name, measure.column)
            spread = place + jitter.uniform(-0.18, 0.18, len(values))
            axis.plot(values, spread, "o", color="C0", alpha=0.35, markersize=4, markeredgewidth=0)
            estimate = estimates[name][measure.column]
            if estimate:
                axis.plot([estimate["low"], estimate["high"]], [place, place], color="0.1", lw=1.6)
                axis.plot(estimate["value"], place, "|", color="0.1", markersize=13, mew=2.2)
        axis.set_xlabel(measure.title)
        axis.grid(axis="x", alpha=0.25)
        axis.spines[["top", "right"]].set_visible(False)
    panels[0].set_yticks(range(len(names)), names)
    panels[0].invert_yaxis()
    return figure


def draw_classes(study: Study, rows: Sequence[Row]) -> Figure:
    """Shares of seeds in each gait class, a panel a moment of training."""
    from matplotlib import pyplot as plt

    names = _present(study, rows)
    figure, panels = plt.subplots(
        1, len(study.classes), sharey=True, squeeze=False,
        figsize=(2.2 + 1.9 * len(study.classes), 1.6 + 0.34 * len(names)), layout="constrained",
    )  # fmt: skip
    for axis, column in zip(panels[0], study.classes, strict=True):
        for place, name in enumerate(names):
            found = [
                row[column] for row in rows if row["condition"] == name and row["status"] == "done"
            ]
            left = 0.0
            for gait, color in COLORS.items():
                share = found.count(gait.value) / max(1, len(found))
                axis.barh(
                    place, share, left=left, height=0.72, color=color,
                    label=gait.value if place == 0 else None,
                )  # fmt: skip
                left += share
        axis.set_title(column.replace("_", " "), fontsize=9)
        axis.set_xlim(0, 1)
        axis.set_xticks([0, 1], ["0", "all seeds"], fontsize=8)
        axis.spines[["top", "right"]].set_visible(False)
    panels[0][0].set_yticks(range(len(names)), names)
    panels[0][0].invert_yaxis()
    handles, labels = panels[0][0].get_legend_handles_labels()
    columns = 6 if len(study.classes) > 1 else 2
    figure.legend(
        handles, labels, loc="outside lower center", ncols=columns, fontsize=8, frameon=False
    )
    return figure


MANY_ARMS = 10
"""With more arms than these their seeds are drawn fainter, and in twenty colours."""
UNEQUAL = 4.0
"""Budgets that differ by more than this factor stand on a logarithmic axis."""


def draw_curves(study: Study, points: Sequence[Row]) -> Figure:
    """Return against timesteps and against wall clock: every seed thin, their middle bold."""
    from matplotlib import pyplot as plt

    names = _present(study, points, "arm")
    many = len(study.arms) > MANY_ARMS
    colors = plt.get_cmap("tab20" if many else "tab10")
    rows = -(-len(names) // 2)
    figure, panels = plt.subplots(
        1, 2, sharey=True, figsize=(11, 4.2 + 0.2 * rows), layout="constrained"
    )
    for axis, column, title in zip(
        panels, ("timesteps", "seconds"), ("timesteps", "wall clock, s"), strict=True
    ):
        curves = {name: _curves_of(points, name, column) for name in names}
        ends = [curve[0, -1] for mine in curves.values() for curve in mine]
        unequal = max(ends) > UNEQUAL * min(ends)
        for number, (name, mine) in enumerate(curves.items()):
            for curve in mine:
                axis.plot(*curve, color=colors(number), lw=0.6, alpha=0.15 if many else 0.3)
            middle = _middle(mine, log=unequal)
            axis.plot(*middle, color=colors(number), lw=1.8, label=name)
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


def _curves_of(points: Sequence[Row], arm: str, column: str) -> list[np.ndarray]:
    """Curves of an arm's seeds, (2, points) each: a column and the return."""
    mine = [point for point in points if point["arm"] == arm]
    return [
        np.array(
            sorted(
                (float(point[column]), float(point["return"]))
                for point in mine
                if point["seed"] == seed
            )
        ).T
        for seed in sorted({point["seed"] for point in mine})
    ]


def _middle(curves: Sequence[np.ndarray], *, log: bool) -> tuple[np.ndarray, np.ndarray]:
    """Interquartile mean of curves (2, points) where all of them are, at 200 places."""
    low = max(curve[0, 0] for curve in curves)
    high = max(low, min(curve[0, -1] for curve in curves))
    places = np.geomspace(max(low, high / 1e5), high, 200) if log else np.linspace(low, high, 200)
    heights = np.stack([np.interp(places, *curve) for curve in curves], axis=-1)
    return places, np.asarray(interquartile_mean(heights))
