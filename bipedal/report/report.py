"""One self-contained HTML file about a run: how it learned, how it walks, a video.

`data` reads the run, `figures` draws it, `page` writes it down with the pieces of `markup`; this
file plays one episode of the best model and saves what they made.
"""

from __future__ import annotations

import os
from pathlib import Path

from bipedal.checkpoint import load_model
from bipedal.errors import UserError
from bipedal.evaluation.episode import Episode, run_episode
from bipedal.files import atomic_write
from bipedal.report.data import Run, read_run
from bipedal.report.figures import draw_run
from bipedal.report.page import make_page
from bipedal.report.video import record_episode

MAX_VIDEO_SECONDS = 25.0
"""Keeps the embedded video well below 3 MB."""


def write_report(run_dir: Path, seed: int = 0, video_seconds: float = MAX_VIDEO_SECONDS) -> Path:
    """Write `run_dir/report.html`, `plots/*.png` and `videos/best_model.mp4`; return the first.

    The episode shown is the best model's, greedy, from `reset(seed=seed)`; diagram, gait table and
    video all show this one. What a run does not have yet (evaluations, a best model) is left out.

    Raises:
        UserError: `run_dir` has no metrics.csv or cannot be written.
    """
    run_dir = Path(run_dir)
    if not os.path.isfile(run_dir / "metrics.csv"):  # False also where the path is impossible
        raise UserError(f"cannot report on '{run_dir}': it has no metrics.csv, so it is not a run")
    run = read_run(run_dir)
    report, plots = run_dir / "report.html", run_dir / "plots"
    try:
        plots.mkdir(exist_ok=True)
        episode, video, missing = _play_best_model(run_dir, run, seed, video_seconds)
        figures = draw_run(run, None if episode is None else episode.trajectory)
        for name, figure in figures.items():
            figure.savefig(plots / f"{name}.png", dpi=150, facecolor="white")
        page = make_page(run, figures, episode, video, missing)
        atomic_write((report, page.encode()))
    except OSError as error:
        raise UserError(f"cannot write the report of '{run_dir}': {error}") from error
    return report


def _play_best_model(
    run_dir: Path, run: Run, seed: int, video_seconds: float
) -> tuple[Episode | None, bytes, str]:
    """Play and record the best model's episode; without one, None and the reason in a sentence."""
    if not (run_dir / "saved_models" / "best_model.pth").is_file():
        return None, b"", "This run has not saved a best model yet."
    try:
        model = load_model(run_dir)
        env_id = str(model.info.get("env_id") or run.settings.get("env_id"))
        video = run_dir / "videos" / "best_model.mp4"
        record_episode(model, env_id, seed, video, video_seconds)
        return run_episode(model, env_id, seed), video.read_bytes(), ""
    except UserError as error:
        return None, b"", f"The best model could not be shown: {error}"
