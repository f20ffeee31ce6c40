"""Commands that train, and that list what was trained."""

from __future__ import annotations

import contextlib
import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from bipedal import options
from bipedal.commands.arguments import parse
from bipedal.config import TrainConfig
from bipedal.config_file import config_text, read_config_file
from bipedal.fields import Metavar, Positional, Section, between
from bipedal.presets import check_start, get_preset
from bipedal.trackers import TrackerName


@dataclass(frozen=True)
class TrainArguments:
    """Train a policy with PPO. Ctrl-C stops cleanly; --resume goes on exactly where it was."""

    run_dir: Annotated[Path | None, Section("Run"), Metavar("DIR")] = None
    """Directory of this run, by default a new one under runs/, or with --resume the latest."""
    resume: bool = False
    """Go on with the run in --run-dir from its last save."""
    config: Annotated[Path | None, Metavar("FILE")] = None
    """TOML file with values for the options below; those given here come first."""
    dump_config: bool = False
    """Print such a file with all values, and do not train."""
    quiet: bool = False
    """Show no progress, only what goes wrong."""
    log_to: TrackerName | None = None
    """Also send the run's figures to this experiment tracker. Its package must be installed."""


def train(arguments: Sequence[str]) -> None:
    """Train, then score the best model."""
    given = options.parse(
        "train", (TrainArguments, TrainConfig), arguments, lambda given: vars(_preset(given))
    )
    own = {field.name for field in dataclasses.fields(TrainArguments)}
    args = TrainArguments(**{name: value for name, value in given.items() if name in own})
    given = {name: value for name, value in given.items() if name not in own}
    if args.config is not None:
        given = {**read_config_file(args.config), **given}
    if args.dump_config:
        config = dataclasses.replace(_preset(given), **given)
        config.validate()
        print(config_text(config, options.explanations(TrainConfig)), end="")
        return
    from bipedal.progress import only_errors, starting
    from bipedal.run_names import find_latest_run, new_run_dir

    if args.resume:
        from bipedal.run_directory import read_run_config

        run_dir = args.run_dir or find_latest_run()
        config = dataclasses.replace(read_run_config(run_dir), **given)
    else:
        config = dataclasses.replace(_preset(given), **given)
        check_start(config)
        run_dir = args.run_dir or new_run_dir(config)
    with only_errors() if args.quiet else contextlib.nullcontext():
        with starting():
            from bipedal.session import train_and_score  # PyTorch comes with it, and takes seconds
        train_and_score(config, run_dir, resume=args.resume, log_to=args.log_to)


def _preset(given: Mapping[str, Any]) -> TrainConfig:
    """Defaults that options of `train` change."""
    return get_preset(given.get("preset", TrainConfig.preset))


@dataclass(frozen=True)
class SearchArguments:
    """Search for better hyperparameters; writes every candidate and the best one below --out.

    Candidates train with the same seeds. They are compared by the mean, over the timesteps, of the
    best greedy evaluation so far.
    """

    out: Annotated[Path, Metavar("DIR")]
    """Directory to write to: trials.csv, and best.toml for train --config."""
    preset: str = "default"
    """What to improve. It is the first candidate."""
    space: Annotated[Path | None, Metavar("FILE")] = None
    """TOML file with the hyperparameters to change and their limits, by default eight of PPO's."""
    candidates: Annotated[int, between(1, 100_000)] = 30
    """Number of candidates."""
    seeds: Annotated[int, between(1, 1000)] = 4
    """Seeds that each candidate trains with."""
    first_seed: Annotated[int, between(0, 1_000_000)] = 0
    """The first of them. Do not report on these seeds later."""
    timesteps: Annotated[int, between(1, 1_000_000_000)] = 2_000_000
    """Training of a candidate with one seed, at most."""
    jobs: Annotated[int | None, between(1, 10_000)] = None
    """Candidates at once, by default as many as fit."""
    cores: Annotated[int, between(1, 1000)] = 1
    """Cores of each run."""
    address: str | None = None
    """Ray cluster, or "local" to start one here."""
    resume: bool = False
    """Go on with the search in --out."""


def search(arguments: Sequence[str]) -> None:
    """Search for better hyperparameters."""
    args = parse(SearchArguments, "search", arguments)
    from bipedal.search.search import run_search

    print(run_search(**vars(args)))


@dataclass(frozen=True)
class RunsArguments:
    """List the runs in a directory, the best score first, to compare them."""

    folder: Annotated[Path, Positional("DIR")] = Path("runs")
    """Directory that holds the runs, by default runs/."""
    json: bool = False
    """Print one JSON object instead of a table."""


def runs(arguments: Sequence[str]) -> None:
    """List runs."""
    args = parse(RunsArguments, "runs", arguments)
    from bipedal.report.runs import list_runs, runs_text

    found = list_runs(args.folder)
    print(json.dumps({"runs": found}, allow_nan=False) if args.json else runs_text(found))
