"""Show the progress of a job on standard error: a live bar on a terminal, lines in a log."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn, track

if TYPE_CHECKING:
    from bipedal.trainer import Progress as TrainingProgress

T = TypeVar("T")

LINE_SECONDS = 10.0
"""Time between two lines where there is no terminal."""

console = Console(stderr=True, highlight=False)


def say(sentence: str) -> None:
    """Print a line on standard error as it is: a path may look like markup, and is copied whole."""
    console.print(sentence, markup=False, emoji=False, soft_wrap=True)


@contextmanager
def only_errors() -> Iterator[None]:
    """Show no progress and say nothing within the `with` block; how a command fails is still said.

    It is said by the command line, not by this module.
    """
    before, console.quiet = console.quiet, True
    try:
        yield
    finally:
        console.quiet = before


class TrainingDisplay:
    """Shows a training run; a context manager that is also the run's `on_iteration`."""

    def __init__(self, start: str | None = None) -> None:
        """Make the display; nothing is drawn yet. The first line names the model to start from."""
        self._start = start
        self._bar = Progress(
            TextColumn("[bold]{task.description}"),
            BarColumn(bar_width=None),
            TextColumn("{task.fields[numbers]}"),
            TimeRemainingColumn(compact=True),
            console=console,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task("training", total=None, numbers="starting environments")
        self._last_line = -LINE_SECONDS

    def __enter__(self) -> TrainingDisplay:
        """Start drawing the bar."""
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop drawing and leave the last state on the screen."""
        self._bar.stop()

    def __call__(self, progress: TrainingProgress) -> None:
        """Show the state after an iteration."""
        if self._start is not None:
            say(f"starting from {self._start}")
            self._start = None
        numbers = (
            f"{progress.timesteps / 1e6:.2f}M/{progress.total_timesteps / 1e6:.2f}M timesteps  "
            f"return {progress.mean_return:6.1f}  std {progress.std:.2f}  "
            f"{progress.steps_per_second:,.0f} steps/s"
        )
        self._bar.update(
            self._task,
            completed=progress.timesteps,
            total=progress.total_timesteps,
            numbers=numbers,
        )
        now = time.monotonic()
        last = progress.timesteps == progress.total_timesteps
        if not console.is_terminal and (last or now - self._last_line >= LINE_SECONDS):
            self._last_line = now
            console.print(f"{progress.elapsed:7.1f} s  {numbers}", soft_wrap=True)


def track_items(description: str, items: Iterable[T], total: int) -> Iterator[T]:
    """Yield the items while showing how many of `total` have come."""
    yield from track(
        items, description, total=total, console=console, disable=not console.is_terminal
    )
