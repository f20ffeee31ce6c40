"""What a report says, section by section."""

from __future__ import annotations

import base64
import dataclasses
import html
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from bipedal.physics.constants import TIMESTEP
from bipedal.report.data import Run, last, points
from bipedal.report.figures import CHARTS, gait_colour
from bipedal.report.markup import (
    NO_DATA,
    PAGE,
    card,
    duration,
    inline_svg,
    number,
    plain,
    section,
    table,
    tile,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from bipedal.evaluation.episode import Episode

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


def make_page(
    run: Run, figures: Mapping[str, Figure], episode: Episode | None, video: bytes, missing: str
) -> str:
    """Put the page together.

    `figures` are those of `draw_run`, `video` is the .mp4 of `episode`; without an episode,
    `missing` says in a sentence why there is none.
    """

    def chart(name: str, layout: str = "scroll") -> str:
        if name not in figures:
            return NO_DATA
        return f'<div class="{layout}">{inline_svg(figures[name], name)}</div>'

    sections = [section("Learning curve", card(chart("learning_curve")))]
    if episode is None:
        sections.append(section("The walk", card(f'<p class="none">{html.escape(missing)}</p>')))
    else:
        sections += [
            section("The walk", _walk(episode, video), "two"),
            section("Gait diagram", card(chart("gait_diagram"))),
        ]
    if "obstacles" in figures:
        sections.append(section("Obstacles", card(chart("obstacles"))))
    training = "".join(card(chart(name, "chart"), title) for name, title, _ in CHARTS)
    sections += [
        section("Gait over training", card(chart("gait_over_training"))),
        section("Training", training, "grid"),
        section("Settings", _settings(run), "grid"),
    ]
    return PAGE.substitute(
        name=html.escape(run.name),
        subtitle=_subtitle(run),
        tiles=_tiles(run, episode),
        sections="\n".join(sections),
    )


def _subtitle(run: Run) -> str:
    settings = run.settings
    parts = [
        str(settings.get("env_id", "")),
        f"preset {settings['preset']}" if "preset" in settings else "",
        f"seed {settings['seed']}" if "seed" in settings else "",
        *(value for value in run.config.get("hardware", {}).values() if isinstance(value, str)),
    ]
    return " · ".join(html.escape(part) for part in parts if part)


def _tiles(run: Run, episode: Episode | None) -> str:
    """Summary of the run, a tile for each number, the one that counts first."""
    tiles = [_score_tile(run), *_evaluation_tiles(run)]
    training = last(run.metrics, "charts/episodic_return_mean")
    tiles.append(tile("Training return", number(training, 1), "mean of recent episodes"))
    timesteps, elapsed = last(run.metrics, "timesteps"), last(run.metrics, "time/elapsed")
    total = run.settings.get("total_timesteps")
    of_total = f"of {total / 1e6:.2f} M" if isinstance(total, int | float) else ""
    tiles.append(tile("Timesteps", f"{number(timesteps / 1e6, 2)} M", of_total))
    speed = f"{timesteps / elapsed:,.0f} timesteps/s" if elapsed > 0 else ""
    tiles.append(tile("Wall time", duration(elapsed), speed))
    tiles.append(_gait_tile(run, episode))
    return "".join(tiles)


def _score_tile(run: Run) -> str:
    """Mean return over fresh episodes, and whether the environment is solved; empty without."""
    mean, episodes = run.score.get("mean_return"), run.score.get("episodes")
    if not isinstance(mean, int | float):
        return ""
    solved = "solved" if run.score.get("solved") is True else "not solved"
    return tile("Score", number(mean, 1), f"{solved} · mean over {episodes} fresh episodes")


def _evaluation_tiles(run: Run) -> list[str]:
    """Best and last greedy evaluation during training; none without."""
    x, scores = points(run.evaluations, "mean_return")
    if not scores.size:
        return []
    best = int(np.argmax(scores))
    verdict = ""
    if run.reward_threshold is not None:
        # Not "solved": the best of many short evaluations flatters; the score decides.
        side = "below" if scores[best] < run.reward_threshold else "above"
        verdict = f"{side} {run.reward_threshold:.0f} · "
    return [
        tile("Best evaluation", f"{scores[best]:.1f}", f"{verdict}at {x[best]:.2f} M"),
        tile("Last evaluation", f"{scores[-1]:.1f}", "greedy policy"),
    ]


def _gait_tile(run: Run, episode: Episode | None) -> str:
    classes = run.evaluations.get("gait/class", np.empty(0, dtype=np.str_))
    if episode is not None:
        return tile("Gait", str(episode.gait.gait_class), "best model")
    if classes.size:
        return tile("Gait", str(classes[-1]) or "–", "last evaluation")
    return tile("Gait", "–", "")


def _walk(episode: Episode, video: bytes) -> str:
    """Video and gait table of the episode, side by side."""
    encoded = base64.b64encode(video).decode("ascii")
    gait = str(episode.gait.gait_class)
    ending = "fell" if episode.fell else "did not fall"
    caption = (
        f"Best model, greedy, seed {episode.seed}: return {episode.episodic_return:.1f}, "
        f"{episode.length} timesteps ({episode.length * TIMESTEP:.1f} s), "
        f"{episode.distance:.1f} m, {ending}."
    )
    player = (
        '<video controls autoplay muted loop playsinline width="600" height="400" '
        f'src="data:video/mp4;base64,{encoded}"></video>'
        f'<p><span class="badge" style="background:{gait_colour(gait)}">{html.escape(gait)}</span>'
        f"{html.escape(caption)}</p>"
    )
    rows = []
    for field in dataclasses.fields(episode.gait):
        value = getattr(episode.gait, field.name)
        if isinstance(value, bool) or not isinstance(value, int | float | np.number):
            continue
        label, unit = GAIT_ROWS.get(field.name, (field.name.replace("_", " ").capitalize(), ""))
        rows.append((label, f"{number(float(value), 2)} {unit if np.isfinite(value) else ''}"))
    return card(player) + card(table(rows), "How it walks")


def _settings(run: Run) -> str:
    def group(name: str, title: str) -> str:
        rows = [(str(key), plain(value)) for key, value in run.config.get(name, {}).items()]
        return card(table(rows) if rows else NO_DATA, title)

    machine = group("versions", "Versions") + group("hardware", "Hardware")
    return group("config", "Hyperparameters") + f'<div class="stack">{machine}</div>'
