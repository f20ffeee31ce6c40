"""Where the time of a training run goes, phase by phase.

    python benchmarks/training_profile.py --total-timesteps 800000

Trains to the end, solved or not, and times the functions that do the work, each without what it
calls; what happens inside an update or an evaluation is all theirs.
Writes one JSON line: seconds by phase, their sum, and timesteps a second.
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
import json
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from bipedal import ppo, training_loop
from bipedal.engines.warp import WarpEngine
from bipedal.evaluation.selection import Evaluator
from bipedal.logs import RunLog
from bipedal.networks import Actor, Critic
from bipedal.normalizer import ObservationNormalizer, RewardScaler
from bipedal.presets import get_preset
from bipedal.processes import keep_freed_memory
from bipedal.rollout import Collector
from bipedal.trainer import Trainer

PHASES: list[tuple[str, Any, str]] = [
    ("engine", WarpEngine, "step"),
    ("engine, and acting between its steps", WarpEngine, "play"),
    ("actor and critic in the rollout", Actor, "forward"),
    ("actor and critic in the rollout", Critic, "forward"),
    ("normalisation", ObservationNormalizer, "forward"),
    ("normalisation", ObservationNormalizer, "update"),
    ("normalisation", RewardScaler, "forward"),
    ("collection loop itself", Collector, "collect"),
    ("advantages", ppo, "generalized_advantages"),
    ("update", ppo.Update, "__call__"),
    ("evaluation", Evaluator, "evaluate"),
    ("evaluation", Evaluator, "returns"),
    ("saving", training_loop, "save_run"),
    ("saving", Trainer, "_save_best_model"),
    ("saving", Trainer, "_save_checkpoint"),
    ("logging", RunLog, "write_metrics"),
    ("start", Trainer, "__init__"),
    ("rest", training_loop, "train"),
]


class Stopwatch:
    """Time by phase, of which what an inner phase takes is no part."""

    def __init__(self) -> None:
        """Nothing is running."""
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self._stack: list[str] = []
        self._since = 0.0

    def _switch(self) -> None:
        now = time.perf_counter()
        if self._stack:
            self.seconds[self._stack[-1]] += now - self._since
        self._since = now

    def timed(self, phase: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Wrap a function so that its time counts to `phase`."""

        @functools.wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            if self._stack and self._stack[-1] in ("update", "evaluation"):
                return function(*args, **kwargs)
            self._switch()
            self._stack.append(phase)
            try:
                return function(*args, **kwargs)
            finally:
                self._switch()
                self._stack.pop()

        return wrapper


def main() -> None:
    """Train once and print the breakdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--preset", default="default")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--total-timesteps", type=int)
    args = parser.parse_args()
    keep_freed_memory()
    watch = Stopwatch()
    for phase, owner, name in PHASES:
        setattr(owner, name, watch.timed(phase, getattr(owner, name)))
    preset = get_preset(args.preset)
    config = dataclasses.replace(preset, seed=args.seed, stop_when_solved=False)
    if args.total_timesteps:
        config = dataclasses.replace(config, total_timesteps=args.total_timesteps)
    with tempfile.TemporaryDirectory() as folder:
        outcome = training_loop.train(config, Path(folder) / "run")
    total = sum(watch.seconds.values())
    longest_first = sorted(watch.seconds.items(), key=lambda item: -item[1])
    print(
        json.dumps(
            {
                "preset": args.preset,
                "timesteps": outcome.timesteps,
                "seconds": {name: round(spent, 2) for name, spent in longest_first},
                "total_seconds": round(total, 2),
                "steps_per_second": round(outcome.timesteps / total),
                "torch_threads": torch.get_num_threads(),
            }
        )
    )


if __name__ == "__main__":
    main()
