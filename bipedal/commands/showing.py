"""Commands for people who look: a video, a report, a page in which models walk."""

from __future__ import annotations

import functools
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from bipedal.commands.arguments import ModelArgument, RunArgument, parse
from bipedal.fields import Metavar, Positional


@dataclass(frozen=True)
class RecordArguments:
    """Record one greedy episode as a video; needs no screen."""

    model: ModelArgument
    """A .safetensors, .pth or .onnx, a run directory, pretrained:NAME, or another library's .zip,
    .cleanrl_model or .json."""
    out: Annotated[Path, Metavar("FILE")]
    """File to write, .mp4 or .gif."""
    env_id: Annotated[str | None, Metavar("ID")] = None
    """Environment, by default the model's, or Hardcore if another library's file has "hard" in its
    name."""
    seed: int = 0
    """Seed of the episode."""
    max_seconds: float | None = None
    """Length of the video at most, in seconds of the robot's time."""


def record(arguments: Sequence[str]) -> None:
    """Record a video."""
    args = parse(RecordArguments, "record", arguments)
    from bipedal.loading.load import load_policy
    from bipedal.progress import track_items
    from bipedal.report.video import record_episode

    policy = load_policy(args.model)
    recorded = record_episode(
        policy,
        args.env_id or policy.env_id,
        args.seed,
        args.out,
        max_seconds=args.max_seconds,
        progress=functools.partial(track_items, "filming"),
    )
    print(f"{recorded.path}: return {recorded.episodic_return:.1f}", file=sys.stderr)


@dataclass(frozen=True)
class ReportArguments:
    """Make one self-contained HTML page of a run: curves, gait, video."""

    run: RunArgument
    """Run directory."""


def report(arguments: Sequence[str]) -> None:
    """Write the report of a run."""
    args = parse(ReportArguments, "report", arguments)
    from bipedal.progress import track_items
    from bipedal.report.report import write_report

    print(write_report(args.run, progress=track_items))


@dataclass(frozen=True)
class ShareArguments:
    """Make one HTML file in which models walk, with the real physics; it needs no server."""

    models: Annotated[tuple[str, ...], Positional("MODEL")]
    """One to four of .safetensors or .pth files, run directories and pretrained:NAME."""
    out: Annotated[Path, Metavar("FILE")]
    """File to write, .html."""
    seed: int = 0
    """Seed of the episode that the page begins with."""


def share(arguments: Sequence[str]) -> None:
    """Write a page in which models walk."""
    args = parse(ShareArguments, "share", arguments)
    from bipedal.checkpoint import load_model
    from bipedal.live.share import write_page
    from bipedal.progress import track_items
    from bipedal.walker import check_seed

    check_seed(args.seed)
    models = [(name, load_model(name)) for name in args.models]
    progress = functools.partial(track_items, "playing")
    print(write_page(models, args.out, seed=args.seed, progress=progress))


@dataclass(frozen=True)
class WatchArguments:
    """Show models walking in a browser, and better ones as a run finds them. Ctrl-C ends it."""

    models: Annotated[tuple[str, ...], Positional("MODEL")] = ("pretrained:walker",)
    """One to four of .safetensors or .pth files, run directories and pretrained:NAME."""
    seed: int = 0
    """Seed of the episode that the page begins with."""
    browser: bool = True
    """Open the page in a browser."""


def watch(arguments: Sequence[str]) -> None:
    """Serve the page in which models walk."""
    args = parse(WatchArguments, "watch", arguments)
    from bipedal.live.watch import watch as serve
    from bipedal.progress import track_items
    from bipedal.walker import check_seed

    check_seed(args.seed)
    serve(
        args.models,
        seed=args.seed,
        browser=args.browser,
        progress=functools.partial(track_items, "playing"),
        say=functools.partial(print, flush=True),
    )
