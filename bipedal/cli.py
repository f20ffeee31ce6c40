"""The command line: parse, call, print. One function a command, no logic.

Exit codes: 0 done (or stopped as asked, and saved), 1 the job failed, 2 the request was wrong.
Results go to standard output, everything else to standard error. Heavy imports stand inside the
functions: environment processes import this module again and need none of them.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import itertools
import json
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn

import tyro

from bipedal import __version__
from bipedal.config import TrainConfig
from bipedal.errors import RunFailedError, UserError
from bipedal.presets import get_preset

ModelArgument = Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="MODEL")]
RunArgument = Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")]


@dataclass(frozen=True)
class TrainArguments:
    """Train a policy with PPO; Ctrl-C stops cleanly, --resume goes on exactly where it was."""

    config: Annotated[TrainConfig, tyro.conf.arg(name="")]
    run_dir: Path | None = None
    """Directory of this run (default: a new one under runs/, or with --resume the latest)."""
    resume: bool = False
    """Continue the run in --run-dir from its last save."""


def train(arguments: Sequence[str]) -> None:
    """Train, then score the best model."""
    from bipedal.run_directory import read_run_config
    from bipedal.session import find_latest_run, new_run_dir, train_and_score

    # All defaults come from the preset, or from the run to resume: those are looked for first.
    first = _FirstLook(add_help=False, allow_abbrev=False)
    first.add_argument("--help", "-h", action="store_true")
    first.add_argument("--preset", default=TrainConfig.preset)
    first.add_argument("--run-dir", "--run_dir", type=Path)
    first.add_argument("--resume", action="store_true")
    asked = first.parse_known_args(arguments)[0]
    if asked.resume and not asked.help:
        run_dir = asked.run_dir or find_latest_run()
        default = read_run_config(run_dir)
    else:
        run_dir = asked.run_dir
        default = get_preset(asked.preset)
    args = _parse(TrainArguments, "train", arguments, TrainArguments(default))
    train_and_score(args.config, run_dir or new_run_dir(args.config), resume=args.resume)


class _FirstLook(argparse.ArgumentParser):
    """A parser that complains as the rest of the command line does."""

    def error(self, message: str) -> NoReturn:
        """Raise UserError."""
        raise UserError(f"{message} (see bipedal train --help)")


@dataclass(frozen=True)
class EvaluateArguments:
    """Score the greedy policy in Gymnasium's own environment: raw reward, fresh episodes."""

    model: ModelArgument
    env_id: str | None = None
    """Environment (default: the one the model was trained in)."""
    episodes: int = 100
    """Number of episodes; episode i is reset(seed=SEED + i) of a fresh environment."""
    seed: int = 0
    """Seed of the first episode."""
    statistics: Literal["saved", "none", "fresh"] = "saved"
    """Observation statistics: saved with the model, none at all, or estimated anew each episode."""
    json: bool = False
    """Print one JSON object instead of a table."""


def evaluate(arguments: Sequence[str]) -> None:
    """Score a model."""
    args = _parse(EvaluateArguments, "evaluate", arguments)
    from bipedal.checkpoint import load_model
    from bipedal.session import evaluate_on_all_cores

    model = load_model(args.model, allow_missing_statistics=args.statistics != "saved")
    result = evaluate_on_all_cores(
        model,
        args.env_id or model.env_id,
        episodes=args.episodes,
        seed=args.seed,
        statistics=args.statistics,
    )
    _print(result.to_json(), args.json)


@dataclass(frozen=True)
class RecordArguments:
    """Record one greedy episode as a video; needs no screen."""

    model: ModelArgument
    out: Path
    """File to write, .mp4 or .gif."""
    env_id: str | None = None
    """Environment (default: the one the model was trained in)."""
    seed: int = 0
    """Seed of the episode."""
    max_seconds: float | None = None
    """Stop after this many seconds of the robot's time."""


def record(arguments: Sequence[str]) -> None:
    """Record a video."""
    args = _parse(RecordArguments, "record", arguments)
    from bipedal.checkpoint import load_model
    from bipedal.report.video import record_episode

    model = load_model(args.model)
    recorded = record_episode(
        model,
        args.env_id or model.env_id,
        args.seed,
        args.out,
        max_seconds=args.max_seconds,
    )
    print(f"{recorded.path}: return {recorded.episodic_return:.1f}", file=sys.stderr)


@dataclass(frozen=True)
class ReportArguments:
    """Make one self-contained HTML page of a run: curves, gait, video."""

    run: RunArgument
    """Run directory."""


def report(arguments: Sequence[str]) -> None:
    """Write the report of a run."""
    args = _parse(ReportArguments, "report", arguments)
    from bipedal.report.report import write_report

    print(write_report(args.run))


@dataclass(frozen=True)
class InfoArguments:
    """Say what is in a model's files, without trusting them."""

    model: ModelArgument
    json: bool = False
    """Print one JSON object instead of a table."""


def info(arguments: Sequence[str]) -> None:
    """Describe a model."""
    args = _parse(InfoArguments, "info", arguments)
    from bipedal.checkpoint import describe_model

    _print(describe_model(args.model), args.json)


@dataclass(frozen=True)
class StudyArguments:
    """Put a claim to the test over many seeds; writes results/studies/NAME."""

    name: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="NAME")]
    """One of dynamics, kneeling, statistics, algorithms, hardcore."""
    seeds: int | None = None
    """Number of seeds, from 1000 upward (default: the study's)."""
    jobs: int | None = None
    """Trials at once (default: one a core)."""
    resume: bool = False
    """Go on with the trials in runs/studies/NAME, or where that is gone with those of the
    published tables: none that is done is run again."""
    address: str | None = None
    """Run the trials on this Ray cluster ("local" starts one here) instead of in processes."""
    timesteps: int | None = None
    """Training of one trial (default: the study's)."""
    arms: tuple[str, ...] = ()
    """Only these arms (default: all)."""


def study(arguments: Sequence[str]) -> None:
    """Run a study and write its page."""
    args = _parse(StudyArguments, "study", arguments)
    from bipedal.studies.runner import run_study

    print(run_study(**vars(args)))


COMMANDS: Mapping[str, Callable[[Sequence[str]], None]] = {
    "train": train,
    "evaluate": evaluate,
    "record": record,
    "report": report,
    "info": info,
    "study": study,
}

USAGE = """usage: bipedal COMMAND ...

  train                      teach a robot to walk
  evaluate MODEL             score a policy over 100 episodes
  record MODEL --out FILE    make a video (.mp4 or .gif)
  report RUN                 make one HTML page of a run
  info MODEL                 say what is in a model's files
  study NAME                 put a claim to the test over many seeds

MODEL is a .pth file, a run directory (its best model) or pretrained:NAME.
bipedal COMMAND --help lists a command's options."""


def _parse(kind: type[Any], name: str, arguments: Sequence[str], default: Any = None) -> Any:
    """Parse with tyro; its boxed complaint becomes one sentence."""
    complaint = io.StringIO()
    try:
        with contextlib.redirect_stderr(complaint):
            return tyro.cli(
                kind,
                prog=f"bipedal {name}",
                args=list(arguments),
                default=default,
                config=(tyro.conf.FlagCreatePairsOff,),
            )
    except SystemExit as ended:
        if not ended.code:  # --help
            raise
        raise UserError(f"{_unbox(complaint.getvalue())} (see bipedal {name} --help)") from None


def _unbox(complaint: str) -> str:
    """Take the first section out of tyro's box: what is between the title and the next rule.

    The box is drawn with │ and ─, or where the terminal has none with spaces and -.
    """
    lines = [line.strip("│ ") for line in complaint.splitlines()[1:]]
    parts = itertools.groupby(lines, key=lambda line: set(line) <= set("─-"))
    sections = [list(part) for is_rule, part in parts if not is_rule]
    return " ".join(sections[0]) if sections else "the arguments cannot be read"


def _print(result: Mapping[str, Any], as_json: bool) -> None:
    """Print a result, on standard output: as one JSON object or as aligned lines."""
    if as_json:
        print(json.dumps(result, allow_nan=False))
        return
    for name, value in result.items():
        if isinstance(value, Mapping):
            print(f"{name}:")
            for key, part in value.items():
                print(f"  {key:28} {_text(part)}")
        else:
            print(f"{name:30} {_text(value)}")


def _text(value: object) -> str:
    if isinstance(value, list):
        return " ".join(_text(part) for part in value)
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def _complain(sentence: object) -> None:
    """Print one line on standard error; a file's name may hold line ends and worse."""
    text = "".join(c if c.isprintable() else " " for c in str(sentence))
    print(f"bipedal: {text}", file=sys.stderr)


def _run(arguments: Sequence[str]) -> int:
    name = arguments[0] if arguments else "--help"
    try:
        if name in ("-h", "--help"):
            print(USAGE)
        elif name == "--version":
            print(f"bipedal {__version__}")
        elif name in COMMANDS:
            COMMANDS[name](arguments[1:])
        else:
            raise UserError(f"unknown command {name!r}: choose one of {', '.join(COMMANDS)}")
        return 0
    except UserError as error:
        _complain(error)
        return 2
    except RunFailedError as error:
        _complain(error)
        return 1
    except SystemExit:  # --help
        return 0
    except KeyboardInterrupt:
        _complain("interrupted")
        return 128 + signal.SIGINT


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns its exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal without γ shows \u03b3
            stream.reconfigure(errors="backslashreplace")
    try:
        code = _run(sys.argv[1:] if arguments is None else arguments)
        print(end="", flush=True)
        return code
    except OSError as error:
        if not isinstance(error, BrokenPipeError):  # the reader, head for one, has seen enough
            _complain(error)
        with contextlib.suppress(OSError):  # or Python tries again at exit, and complains
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


if __name__ == "__main__":
    sys.exit(main())
