"""One self-contained HTML file about a run: how it learned, how it walks, a video.

`data` reads the run, `figures` draws it, `page` writes it down; this file plays one episode of the
best model and saves what they made.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from markupsafe import Markup

from bipedal.checkpoint import load_model
from bipedal.errors import RunFailedError, UserError
from bipedal.evaluation.episode import run_episode
from bipedal.files import atomic_write, exists, reason
from bipedal.live.share import render_page
from bipedal.report.data import Run, read_run
from bipedal.report.figures import plan_figures
from bipedal.report.page import Walk, make_page
from bipedal.report.svg import inline_svg
from bipedal.report.video import record_episode

SEED = 0
"""Of the episode shown, the first that `bipedal evaluate` plays."""

ShowProgress = Callable[[str, Iterable[Any], int], Iterable[Any]]
"""Passes items on and shows how many of a total have come, under a description."""


def write_report(
    run_dir: Path, progress: ShowProgress = lambda description, items, total: items
) -> Path:
    """Write `run_dir/report.html`, `plots/*.png` and `videos/best_model.mp4`; return the first.

    The episode shown is the best model's, greedy; diagram, gait table and video all show this one.
    What a run does not have yet (evaluations, a best model) is left out; where the video cannot be
    made, a sentence stands in its place. `progress` may show how far the work is.

    Raises:
        UserError: `run_dir` is no run, or cannot be written to.
        RunFailedError: the report could not be written: a full disk.
    """
    run_dir = Path(run_dir)
    if not exists(run_dir / "metrics.csv"):
        raise UserError(f"cannot report on '{run_dir}': it has no metrics.csv, so it is not a run")
    run = read_run(run_dir)
    plots = run_dir / "plots"
    try:
        plots.mkdir(exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot write the report of '{run_dir}': {error.strerror}") from None
    walk, missing = _play_best_model(run_dir, run, progress)
    try:
        drawings = _draw(run, walk, plots, progress)
        report = run_dir / "report.html"
        atomic_write((report, make_page(run, drawings, walk, missing).encode()))
    except OSError as error:
        raise RunFailedError(f"cannot write the report of '{run_dir}': {reason(error)}") from None
    return report


def _draw(run: Run, walk: Walk | None, plots: Path, progress: ShowProgress) -> dict[str, Markup]:
    """Draw the figures that there are, each as .png and as SVG by its name."""
    plans = plan_figures(run, None if walk is None else walk.trajectory)
    drawings = {}
    for plan in progress("drawing the figures", plans, len(plans)):
        figure = plan.draw()
        if figure is not None:
            figure.savefig(plots / f"{plan.name}.png", dpi=150, facecolor="white")
            figure.set_layout_engine("none")  # it is laid out, and that takes half of the time
            drawings[plan.name] = inline_svg(figure, plan.name, plan.alternative)
    return drawings


def _play_best_model(run_dir: Path, run: Run, progress: ShowProgress) -> tuple[Walk | None, str]:
    """Play and record the best model's episode; if there is no episode or no video, say why."""
    try:
        if not exists(run_dir / "saved_models" / "best_model.pth"):
            return None, "This run has not saved a best model yet."
        policy = load_model(run_dir)
        env_id = str(policy.info.get("env_id") or run.settings.get("env_id"))
        video = run_dir / "videos" / "best_model.mp4"
        filming = functools.partial(progress, "filming the best model")
        preparing = functools.partial(progress, "preparing the live page")
        live = render_page([(run.name, policy)], seed=SEED, progress=preparing, compact=True)
        try:
            recorded = record_episode(policy, env_id, SEED, video, progress=filming)
            return Walk(SEED, recorded.trajectory, video.read_bytes(), live, run_dir), ""
        except (UserError, RunFailedError, OSError) as error:
            trajectory = run_episode(policy, env_id, SEED).trajectory
            assert trajectory is not None
            return Walk(SEED, trajectory, b"", live, run_dir), f"There is no video: {error}."
    except (UserError, RunFailedError) as error:
        return None, f"The best model could not be shown: {error}"
