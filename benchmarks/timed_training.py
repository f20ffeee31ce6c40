"""Train by the clock, score what came of it, and report every figure as soon as it is known."""

from __future__ import annotations

import json
import math
import time
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

from bipedal.checkpoint import load_model
from bipedal.config import TrainConfig
from bipedal.engines.warp import WarpEngine
from bipedal.evaluation.episode import begin, play_episodes
from bipedal.evaluation.score import Evaluation
from bipedal.files import atomic_write
from bipedal.trainer import Progress
from bipedal.training_loop import Outcome, train

CURVE_SECONDS = 2.0
"""From one point of a learning curve to the next."""
FRESH_SEED = 6_000_000
"""First seed of the episodes on which a training's model is scored."""


class Report:
    """The file, written anew with every figure."""

    def __init__(self, path: Path, facts: dict[str, Any]) -> None:
        """Begin with what is known of the machine."""
        self.path, self.contents = path, facts

    def add(self, part: str, figures: dict[str, Any]) -> None:
        """Add a row to a part of the report."""
        self.contents.setdefault(part, []).append(figures)
        self.write()
        print(part, json.dumps(figures), flush=True)

    def write(self) -> None:
        """Write what there is."""
        text = json.dumps(self.contents, indent=1, allow_nan=False) + "\n"
        atomic_write((self.path, text.encode()))


class Clock:
    """How long a part may still take."""

    def __init__(self, seconds: float) -> None:
        """Start now."""
        self._started, self._seconds = time.monotonic(), seconds

    @property
    def left(self) -> float:
        """Seconds, at least 0."""
        return max(0.0, self._started + self._seconds - time.monotonic())


class Curve(list[tuple[float, int, float | None, float | None]]):
    """Points of a training: seconds, timesteps, mean return in training, best of evaluations.

    What is not known yet is None.
    """

    def note(self, now: Progress) -> None:
        """Add a point, or put it in the place of the last one if that is young."""
        mean, best = (
            round(value, 4) if math.isfinite(value) else None
            for value in (now.mean_return, now.best_return)
        )
        point = (round(now.elapsed, 2), now.timesteps, mean, best)
        if len(self) < 2 or now.elapsed - self[-2][0] >= CURVE_SECONDS:
            self.append(point)
        else:
            self[-1] = point  # the last point is always the end


class Training(NamedTuple):
    """How a training ended."""

    outcome: Outcome
    seconds: float
    """From its launch."""
    curve: Curve


def train_for(config: TrainConfig, run: Path, seconds: float) -> Training:
    """Train until it is solved, or for so many seconds; the time of the start counts too."""
    clock, started, curve = Clock(seconds), time.perf_counter(), Curve()
    outcome = train(config, run, on_iteration=curve.note, should_stop=lambda: not clock.left)
    return Training(outcome, time.perf_counter() - started, curve)


def best_model(run: Path) -> Path:
    """The model that a run leaves, or the last one where it was stopped before any was the best."""
    models = run / "saved_models"
    best = models / "best_model.pth"
    if best.exists():
        return best
    return max(models.glob("checkpoint_*.pth"), key=lambda path: path.stat().st_mtime)


def score(model: Path, env_id: str, episodes: int, device: str) -> dict[str, Any]:
    """The greedy policy in fresh episodes, on the device."""
    policy = load_model(model).to(device)
    seeds = range(FRESH_SEED, FRESH_SEED + episodes)
    engine = WarpEngine(env_id, len(seeds), FRESH_SEED, device=device, autoreset=False)
    with closing(engine):
        played = [episode for _, episode in play_episodes(begin(policy), engine, seeds)]
    return Evaluation(env_id, FRESH_SEED, played).summary()
