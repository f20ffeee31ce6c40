"""Show the progress of a job on standard error: a live bar on a terminal, lines in a log."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    TextColumn,
    TimeRemainingColumn,
    track,
)

if TYPE_CHECKING:
    from bipedal.trainer import Progress as TrainingProgress

T = TypeVar("T")

LINE_SECONDS = 10.0
"""Time between two lines where there is no terminal."""
SPARKS = 16
"""Width of the curve of returns."""
WORST_RETURN = -110.0
"""About what a robot gets that falls over at once."""

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


@contextmanager
def starting() -> Iterator[None]:
    """Show on a terminal, within the `with` block, that something is going on."""
    if console.is_terminal and not console.quiet:
        with console.status("starting"):
            yield
    else:
        yield


class TrainingDisplay:
    """Shows a training run; a context manager that is also the run's `on_iteration`.

    On a terminal that is a bar: of the way to the goal where the run ends when it is reached, else
    of the timesteps.
    """

    def __init__(self, announcement: str, goal: float | None) -> None:
        """Make the display of a run that ends at a return of `goal`; nothing is drawn yet.

        The announcement is its first line, when the run has really begun.
        """
        self._announcement = announcement
        self._goal = goal
        self._returns: list[float] = []
        columns: list[ProgressColumn] = [
            TextColumn("[bold]{task.description}"),
            BarColumn(bar_width=None),
            TextColumn("{task.fields[numbers]}"),
        ]
        if goal is None:
            columns.append(TimeRemainingColumn(compact=True))
        self._bar = Progress(*columns, console=console, disable=not console.is_terminal)
        self._task = self._bar.add_task("training", total=None, numbers="starting")
        self._last_line = -LINE_SECONDS

    def __enter__(self) -> TrainingDisplay:
        """Start drawing the bar."""
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop drawing and leave the last state on the screen."""
        self._bar.stop()

    def phase(self, what: str) -> None:
        """Say what an iteration is about to do that takes longer than learning."""
        self._bar.update(self._task, description=what)
        self._bar.refresh()

    def __call__(self, progress: TrainingProgress) -> None:
        """Show the state after an iteration."""
        if self._announcement:
            say(self._announcement)
            self._announcement = ""
        if math.isfinite(progress.mean_return):
            self._returns.append(progress.mean_return)
        now = time.monotonic()
        last = progress.timesteps >= progress.total_timesteps
        if console.is_terminal:
            self._draw(progress)
        elif now - self._last_line >= LINE_SECONDS or last:
            self._last_line = now
            console.print(f"{progress.elapsed:7.1f} s  {self._numbers(progress)}", soft_wrap=True)

    def _draw(self, progress: TrainingProgress) -> None:
        """Move the bar, and write the numbers after it."""
        done, total = float(progress.timesteps), float(progress.total_timesteps)
        if self._goal is not None:
            best = max(self._returns, default=WORST_RETURN)
            done, total = best - WORST_RETURN, self._goal - WORST_RETURN
        self._bar.update(
            self._task,
            description=progress.stage or "training",
            completed=min(max(done, 0.0), total),
            total=total,
            numbers=f"{self._curve()}  {self._numbers(progress)}",
        )

    def _numbers(self, progress: TrainingProgress) -> str:
        limit = "" if self._goal is not None else f"/{progress.total_timesteps / 1e6:.2f}M"
        stage = "" if console.is_terminal else f"  {progress.stage}"
        return (
            f"{progress.timesteps / 1e6:.2f}M{limit} timesteps  "
            f"return {progress.mean_return:6.1f}  "
            f"{progress.steps_per_second:7,.0f} steps/s{stage}"
        )

    def _curve(self) -> str:
        """The returns so far as a line of bars, where the terminal can show them."""
        if not console.encoding.lower().startswith("utf"):
            return ""
        from bipedal.stage import sparkline

        return sparkline(self._returns, SPARKS, WORST_RETURN, self._goal or 320.0)


def track_items(description: str, items: Iterable[T], total: int) -> Iterator[T]:
    """Yield the items while showing how many of `total` have come."""
    yield from track(
        items, description, total=total, console=console, disable=not console.is_terminal
    )
