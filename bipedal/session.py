"""A training run at a terminal: its directory, its progress, how it is stopped, its score."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import shlex
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from bipedal.checkpoint import load_model
from bipedal.config import TrainConfig
from bipedal.evaluation.score import evaluate
from bipedal.files import atomic_write
from bipedal.presets import next_preset
from bipedal.processes import HANGUP, interrupt_once, keep_freed_memory
from bipedal.progress import TrainingDisplay, say, track_items
from bipedal.seeds import FINAL_SEED
from bipedal.trackers import TrackerName
from bipedal.training_loop import train
from bipedal.walker import REWARD_THRESHOLD


def command(*arguments: object) -> str:
    """Write a command of this program so that it can be copied, called as it was called."""
    called = Path(sys.argv[0])
    if called.parts[-2:] == ("bipedal", "__main__.py"):
        program = ["python", "-m", "bipedal"]
    else:
        program = [str(called) if called.name == "bipedal" else "bipedal"]
    return shlex.join([*program, *map(_argument, arguments)])


def _argument(value: object) -> str:
    """Write an argument; a path that begins with a dash would be taken for an option."""
    text = str(value)
    return f"./{text}" if isinstance(value, Path) and text.startswith("-") else text


class StopRequest:
    """Becomes true when the user asks to stop: Ctrl-C, SIGTERM, or a terminal that is closed.

    A second Ctrl-C stops at once.
    """

    def __init__(self) -> None:
        """Nobody has asked yet."""
        self.asked = False
        self._at_once = False

    def __call__(self) -> bool:
        """Whether somebody has asked."""
        return self.asked

    def _ask(self, number: int, frame: FrameType | None) -> None:
        again, self.asked = self.asked, True
        if number == signal.SIGINT and (again or self._at_once):
            interrupt_once(number, frame)
        elif self._at_once:
            signal.raise_signal(signal.SIGINT)  # which an engine answers between two steps
        else:
            # Not through rich: the signal may have come in the middle of its own writing. And the
            # terminal may be gone.
            with contextlib.suppress(OSError):
                os.write(2, b"\nstopping after this iteration; everything will be saved\n")

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Handle the signals within the `with` block; `nohup` has hangups ignored."""
        numbers = [signal.SIGINT, signal.SIGTERM]
        numbers += [number for number in HANGUP if signal.getsignal(number) != signal.SIG_IGN]
        before = [signal.signal(number, self._ask) for number in numbers]
        try:
            yield
        finally:
            for number, handler in zip(numbers, before, strict=True):
                if signal.getsignal(number) != signal.SIG_IGN:  # see interrupt_once
                    signal.signal(number, handler)

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """Let a request, also an earlier one, raise KeyboardInterrupt within the `with` block."""
        self._at_once = True
        try:
            if self.asked:
                raise KeyboardInterrupt
            yield
        finally:
            self._at_once = False


def train_and_score(
    config: TrainConfig, run_dir: Path, *, resume: bool, log_to: TrackerName | None = None
) -> None:
    """Train while showing progress; at the end score the best model on fresh episodes."""
    keep_freed_memory()
    stop = StopRequest()
    with stop.listening():
        goal = REWARD_THRESHOLD if config.stop_when_solved else None
        with TrainingDisplay(_announcement(config, run_dir, resume), goal) as display:
            outcome = train(
                config, run_dir, resume=resume, on_iteration=display, on_phase=display.phase,
                should_stop=stop, log_to=log_to,
            )  # fmt: skip
        if not outcome.finished:
            say(
                f"stopped at {outcome.timesteps:,} timesteps; "
                f"go on with: {command('train', '--resume', '--run-dir', run_dir)}"
            )
            return
        verb = "solved after" if outcome.solved else "trained"
        say(f"{verb} {outcome.timesteps:,} timesteps in {outcome.elapsed:.0f} s: {run_dir}")
        if config.final_episodes:
            try:
                with stop.at_once():
                    _score(config, run_dir)
            except KeyboardInterrupt:
                say(f"stopped without a score; get one with: {command('evaluate', run_dir)}")
    say(f"next: {command('report', run_dir)}")
    following = next_preset(config)
    if following is not None:
        training = command("train", "--preset", following, "--init-from", run_dir)
        say(f"or train on from here: {training}")


def _announcement(config: TrainConfig, run_dir: Path, resume: bool) -> str:
    """What a run says first."""
    what = f"{config.env_id}, preset {config.preset}, seed {config.seed}"
    if resume:
        return f"going on with {run_dir}: {what}"
    start = "" if config.init_from is None else f", starting from {config.init_from}"
    return f"training {what}{start}; Ctrl-C stops and saves"


def _score(config: TrainConfig, run_dir: Path) -> None:
    """Score the best model on fresh episodes and write `score.json`."""
    score = evaluate(
        load_model(run_dir),
        config.env_id,
        episodes=config.final_episodes,
        seed=FINAL_SEED,
        progress=functools.partial(track_items, "scoring the best model"),
    ).to_json()
    atomic_write((run_dir / "score.json", json.dumps(score, indent=2).encode()))
    interval = score["interval_return"]
    bounds = "" if interval is None else f" [{interval[0]:.1f}, {interval[1]:.1f}]"
    say(
        f"best model: mean return {score['mean_return']:.1f}{bounds} over {score['episodes']} "
        f"fresh episodes ({'solved' if score['solved'] else 'not solved'}), falls in "
        f"{score['fall_rate']:.0%}, {score['mean_speed']:.2f} m/s, {score['gait']['class']}"
    )
