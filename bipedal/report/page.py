"""What a report says: numbers, sentences and tables for `templates/report.html`."""

from __future__ import annotations

import base64
import dataclasses
import functools
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup

from bipedal.evaluation.gait import Gait, analyse
from bipedal.evaluation.trajectory import Trajectory
from bipedal.live.share import script_hash
from bipedal.physics.constants import TIMESTEP
from bipedal.report.data import Run, last, points
from bipedal.report.figures import gait_colour
from bipedal.report.training_curves import CHARTS
from bipedal.style import css_variables

GAIT_ROWS: dict[str, tuple[str, str]] = {
    "speed": ("Speed", "m/s"),
    "froude_number": ("Froude number (animals run above 0.5)", ""),
    "hull_height": ("Hull height above the ground, median", "m"),
    "duty_factor": ("Duty factor: share of time a foot is down", ""),
    "flight_fraction": ("Flight: share of time no foot is down", ""),
    "double_support_fraction": ("Double support: share of time both are down", ""),
    "upper_contact_share": ("Share of time an upper leg is down", ""),
    "knee_down_share": ("Share of time a knee is down", ""),
    "slide_share": ("Slide: share of a foot's travel on the ground", ""),
    "limb_phase": ("Phase between the legs (0.5 alternates)", ""),
    "step_frequency": ("Step frequency", "Hz"),
    "step_length": ("Step length", "m"),
    "symmetry": ("Symmetry of stance times (1 is even)", ""),
    "step_symmetry": ("Symmetry of step lengths (1 is even)", ""),
    "cost_of_transport": ("Cost of transport", "J/(N m)"),
}
"""Metrics of `Gait`: what they are called and their unit. Others appear under their own name."""

MAX_TEXT = 200
"""Characters of a setting that are shown."""


@dataclass(frozen=True)
class Walk:
    """The episode that a report shows."""

    seed: int
    trajectory: Trajectory
    video: bytes
    """.mp4; empty where there is none."""
    live: str
    """Page in which the model walks, of `bipedal.live.share`."""
    run_dir: Path
    """Where the model is, as the user named it."""


class Tile(NamedTuple):
    """A number of the summary."""

    label: str
    value: str
    note: str


def make_page(run: Run, drawings: Mapping[str, Markup], walk: Walk | None, missing: str) -> str:
    """Put the page together.

    `drawings` are the figures of `plan_figures` as SVG; those that are missing are left out, and
    so is a section without contents. `missing` says in a sentence why there is no walk or no video
    of it.
    """
    return _template().render(
        variables=css_variables(),
        allowed="" if walk is None else _allowed(walk.live),
        name=run.name,
        subtitle=_subtitle(run),
        start=_start(run),
        tiles=_tiles(run, walk),
        drawings=drawings,
        charts=[(title, drawings[name]) for name, title, _ in CHARTS if name in drawings],
        walk=None if walk is None else _describe(walk),
        missing=missing,
        settings=_settings(run),
    )


def _allowed(live: str) -> Markup:
    """What the page's Content-Security-Policy allows for the frame in it, and nothing else."""
    return Markup(f"; img-src data:; script-src {script_hash(live)} 'wasm-unsafe-eval'")


@functools.cache
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("bipedal.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html")


def _subtitle(run: Run) -> str:
    """Environment, preset, seed and machine in one line."""
    settings, hardware = run.settings, run.config.get("hardware", {})
    parts = [
        plain(settings.get("env_id", "")),
        f"preset {plain(settings['preset'])}" if "preset" in settings else "",
        f"seed {plain(settings['seed'])}" if "seed" in settings else "",
        *(part for part in hardware.values() if isinstance(part, str) and part != "none"),
    ]
    return " · ".join(part for part in parts if part)


def _start(run: Run) -> str:
    """The model that the run started from; empty if it started from nothing."""
    model = run.settings.get("init_from")
    return "" if model is None else plain(model)


def _tiles(run: Run, walk: Walk | None) -> list[Tile]:
    """Summary of the run, the number that counts first."""
    training = last(run.metrics, "charts/episodic_return_mean")
    timesteps, elapsed = last(run.metrics, "timesteps"), last(run.metrics, "time/elapsed")
    total = _float(run.settings.get("total_timesteps"))
    # The last iteration is a whole one and may end after the total; a solved run ends before it.
    at_most = f"of at most {total / 1e6:.2f} M" if timesteps < total < np.inf else ""
    speed = f"{timesteps / elapsed:,.0f} timesteps/s" if elapsed > 0 else ""
    return [
        *_score_tile(run),
        *_evaluation_tiles(run),
        *_known("Training return", training, number(training, 1), "mean of recent episodes"),
        *_known("Timesteps", timesteps, f"{number(timesteps / 1e6, 2)} M", at_most),
        *_known("Wall time", elapsed, duration(elapsed), speed),
        *_gait_tile(run, walk),
    ]


def _known(label: str, value: float, text: str, note: str) -> list[Tile]:
    return [Tile(label, text, note)] if np.isfinite(value) else []


def _score_tile(run: Run) -> list[Tile]:
    """Mean return over fresh episodes, and whether the environment is solved; none without."""
    mean, episodes = _float(run.score.get("mean_return")), plain(run.score.get("episodes"))
    solved = "solved" if run.score.get("solved") is True else "not solved"
    return _known("Score", mean, number(mean, 1), f"{solved} · mean over {episodes} fresh episodes")


def _evaluation_tiles(run: Run) -> list[Tile]:
    """Best and last greedy evaluation during training; none without.

    A run that started from a model begins with that model's return: there the first evaluation
    comes first, and the best one says what the run added to it.
    """
    x, scores = points(run.evaluations, "mean_return")
    if not scores.size:
        return []
    best = int(np.argmax(scores))
    note = f"at {x[best]:.2f} M"
    if _start(run):
        gained = scores[best] - scores[0]
        note = f"{gained:+.1f} on the first · {note}" if best else "the first: none was better"
        first = Tile(
            "First evaluation", number(scores[0], 1), "the work of the model it started from"
        )
        return [first, Tile("Best evaluation", number(scores[best], 1), note)]
    if run.reward_threshold is not None:
        # Not "solved": the best of many short evaluations flatters; the score decides.
        side = "below" if scores[best] < run.reward_threshold else "above"
        note = f"{side} {run.reward_threshold:.0f} · {note}"
    return [
        Tile("Best evaluation", number(scores[best], 1), note),
        Tile("Last evaluation", number(scores[-1], 1), "greedy policy"),
    ]


def _gait_tile(run: Run, walk: Walk | None) -> list[Tile]:
    if walk is not None:
        gait, note = str(analyse(walk.trajectory).gait_class), "best model"
    else:
        known = [str(name) for name in run.evaluations.get("gait/class", ()) if name]
        gait, note = known[-1] if known else "", "last evaluation"
    # A narrow tile may break the line after a slash.
    return [Tile("Gait", gait.replace("/", "/\N{ZERO WIDTH SPACE}"), note)] if gait else []


def _describe(walk: Walk) -> dict[str, Any]:
    """What the page shows of an episode: its video, a caption, the gait table."""
    trajectory = walk.trajectory
    gait = analyse(trajectory)
    length = len(trajectory.rewards)
    distance = trajectory.hull_position[-1, 0] - trajectory.start_x
    return {
        "video": base64.b64encode(walk.video).decode("ascii"),
        "live": walk.live,
        "gait": str(gait.gait_class),
        "colour": gait_colour(gait.gait_class),
        "caption": f"Best model, greedy, seed {walk.seed}: return {trajectory.rewards.sum():.1f}, "
        f"{length} timesteps ({length * TIMESTEP:.1f} s), {distance:.1f} m, "
        f"{'fell' if trajectory.fell else 'did not fall'}.",
        "command": f"bipedal watch {shlex.quote(str(walk.run_dir))}",
        "rows": _gait_rows(gait),
    }


def _gait_rows(gait: Gait) -> list[tuple[str, str]]:
    rows = []
    for field in dataclasses.fields(gait):
        value = getattr(gait, field.name)
        if isinstance(value, bool):
            continue
        label, unit = GAIT_ROWS.get(field.name, (field.name.replace("_", " ").capitalize(), ""))
        text = f"{number(value, 2)} {unit if np.isfinite(value) else ''}".strip()
        rows.append((label, text.replace(" ", "\u00a0")))
    return rows


def _settings(run: Run) -> list[tuple[str, list[tuple[str, str]]]]:
    """Tables of config.json: heading and rows; those with rows."""
    tables = [
        (title, [(key, plain(value)) for key, value in run.config.get(name, {}).items()])
        for name, title in (
            ("config", "Hyperparameters"),
            ("versions", "Versions"),
            ("hardware", "Hardware"),
        )
    ]
    return [(title, rows) for title, rows in tables if rows]


def plain(value: object) -> str:
    """Text of a setting: a number, a word or a list of them; anything else is an ellipsis."""
    if isinstance(value, list):
        return ", ".join(_scalar(item) for item in value)[:MAX_TEXT]
    return _scalar(value)


def _scalar(value: object) -> str:
    if value is None:
        return "–"
    return str(value)[:MAX_TEXT] if isinstance(value, str | int | float) else "…"


def number(value: float, digits: int) -> str:
    """Text of a number with `digits` decimals; a dash for NaN and infinity."""
    return f"{value:,.{digits}f}" if np.isfinite(value) else "–"


def duration(seconds: float) -> str:
    """Text of a duration in s; a dash for NaN."""
    if not np.isfinite(seconds):
        return "–"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d} h" if hours else f"{minutes}:{rest:02d} min"


def _float(value: object) -> float:
    """Make a float of a number in a JSON file; NaN of anything else."""
    try:
        return float(value) if isinstance(value, int | float) else np.nan
    except OverflowError:
        return np.nan
