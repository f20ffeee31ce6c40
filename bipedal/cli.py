"""The command line: parse, call, print. One function per command, no logic.

Exit codes: 0 done (or stopped as asked, and saved), 1 the job failed, 2 the request was wrong.
Results go to standard output, everything else to standard error. Heavy imports stand inside the
functions: environment processes import this module again and need none of them.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import functools
import io
import json
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from bipedal import __version__, options
from bipedal.config import TrainConfig
from bipedal.config_file import config_text, read_config_file
from bipedal.errors import RunFailedError, UserError
from bipedal.fields import Metavar, Positional, Section, between, check_limits
from bipedal.files import reason
from bipedal.presets import check_start, get_preset
from bipedal.processes import interrupted_once

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

HUB_SECONDS = 20.0
"""Of the video that goes with a shared model."""
ModelArgument = Annotated[str, Positional("MODEL")]
RunArgument = Annotated[Path, Positional("RUN")]


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
    from bipedal.progress import only_errors
    from bipedal.run_directory import read_run_config
    from bipedal.session import find_latest_run, new_run_dir, train_and_score

    if args.resume:
        run_dir = args.run_dir or find_latest_run()
        config = dataclasses.replace(read_run_config(run_dir), **given)
    else:
        config = dataclasses.replace(_preset(given), **given)
        check_start(config)
        run_dir = args.run_dir or new_run_dir(config)
    with only_errors() if args.quiet else contextlib.nullcontext():
        train_and_score(config, run_dir, resume=args.resume)


def _preset(given: Mapping[str, Any]) -> TrainConfig:
    """Defaults that options of `train` change."""
    return get_preset(given.get("preset", TrainConfig.preset))


@dataclass(frozen=True)
class EvaluateArguments:
    """Score the greedy policy: raw reward, the episodes of fresh Gymnasium environments."""

    model: ModelArgument
    """A .safetensors or .pth file, a run directory, pretrained:NAME, an exported .onnx, or another
    library's .zip, .cleanrl_model or .json."""
    env_id: Annotated[str | None, Metavar("ID")] = None
    """Environment, by default the model's, or Hardcore if another library's file has "hard" in its
    name."""
    episodes: Annotated[int, between(1, 1_000_000)] = 100
    """Number of episodes."""
    seed: int = 0
    """Seed of the first episode. Episode i is reset(seed=SEED + i) of a fresh environment."""
    statistics: Literal["saved", "none", "fresh"] = "saved"
    """Observation statistics: saved with the model, none, or estimated anew each episode."""
    reference: bool = False
    """Play the episodes in Gymnasium's own environment too, and compare the returns."""
    json: bool = False
    """Print one JSON object instead of a table."""


def evaluate(arguments: Sequence[str]) -> None:
    """Score a model."""
    args = _parse(EvaluateArguments, "evaluate", arguments)
    from bipedal.engines.reference import check_box2d
    from bipedal.evaluation.reference import compare_with_gymnasium
    from bipedal.evaluation.score import evaluate as play
    from bipedal.loading.load import load_policy
    from bipedal.progress import track_items

    if args.reference:
        check_box2d()
    model = load_policy(args.model, allow_missing_statistics=args.statistics != "saved")
    evaluation = play(
        model,
        args.env_id,
        episodes=args.episodes,
        seed=args.seed,
        statistics=args.statistics,
        progress=functools.partial(track_items, "evaluating"),
    )
    result = evaluation.to_json()
    if args.reference:
        result["reference"] = compare_with_gymnasium(
            model,
            evaluation,
            statistics=args.statistics,
            progress=functools.partial(track_items, "playing in Gymnasium"),
        )
    _print(result, args.json)


@dataclass(frozen=True)
class RecordArguments:
    """Record one greedy episode as a video; needs no screen."""

    model: ModelArgument
    """A .safetensors or .pth file, a run directory, pretrained:NAME, an exported .onnx, or another
    library's .zip, .cleanrl_model or .json."""
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
    args = _parse(RecordArguments, "record", arguments)
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
    args = _parse(ReportArguments, "report", arguments)
    from bipedal.progress import track_items
    from bipedal.report.report import write_report

    print(write_report(args.run, progress=track_items))


@dataclass(frozen=True)
class RunsArguments:
    """List the runs in a directory, the best score first, to compare them."""

    folder: Annotated[Path, Positional("DIR")] = Path("runs")
    """Directory that holds the runs, by default runs/."""
    json: bool = False
    """Print one JSON object instead of a table."""


def runs(arguments: Sequence[str]) -> None:
    """List runs."""
    args = _parse(RunsArguments, "runs", arguments)
    from bipedal.report.runs import list_runs, runs_text

    found = list_runs(args.folder)
    print(json.dumps({"runs": found}, allow_nan=False) if args.json else runs_text(found))


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
    args = _parse(ShareArguments, "share", arguments)
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
    args = _parse(WatchArguments, "watch", arguments)
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


@dataclass(frozen=True)
class ExportArguments:
    """Write a policy as one file, with its normalisation inside, to use without this package."""

    model: ModelArgument
    """A .safetensors or .pth file, a run directory (its best model) or pretrained:NAME."""
    out: Annotated[Path, Metavar("FILE")]
    """File to write, .onnx, or .h for a C header that needs no library."""
    episodes: Annotated[int, between(0, 100_000)] = 100
    """Episodes that are played to note a score in the file; 0 for none."""


def export(arguments: Sequence[str]) -> None:
    """Write a model as a file for other programs."""
    args = _parse(ExportArguments, "export", arguments)
    from bipedal.checkpoint import load_model
    from bipedal.evaluation.score import evaluate as play
    from bipedal.export.export import check_format, export_policy
    from bipedal.progress import track_items

    check_format(args.out)
    policy = load_model(args.model)
    progress = functools.partial(track_items, "scoring")
    score = play(policy, episodes=args.episodes, progress=progress) if args.episodes else None
    print(export_policy(policy, args.out, score))


@dataclass(frozen=True)
class PushArguments:
    """Share a model: write a folder with its files, score, video and card, and upload it."""

    model: ModelArgument
    """A .safetensors or .pth file, a run directory (its best model) or pretrained:NAME."""
    repo: Annotated[str, Positional("REPO")]
    """Where to upload it on the Hugging Face Hub: OWNER/NAME."""
    out: Annotated[Path | None, Metavar("DIR")] = None
    """Folder to write, by default the repository's NAME below runs/shared/."""
    episodes: Annotated[int, between(1, 100_000)] = 100
    """Episodes of the score."""
    dry_run: bool = False
    """Write the folder and upload nothing."""


def push(arguments: Sequence[str]) -> None:
    """Write a model's folder for others, and upload it."""
    args = _parse(PushArguments, "push", arguments)
    from bipedal.checkpoint import load_model
    from bipedal.evaluation.score import evaluate as play
    from bipedal.export import hub
    from bipedal.progress import track_items
    from bipedal.report.video import record_episode

    folder = args.out or Path("runs") / "shared" / Path(args.repo).name
    hub.check_request(args.repo, folder)
    policy, config = load_model(args.model), hub.config_beside(args.model)
    progress = functools.partial(track_items, "scoring")
    score = play(policy, episodes=args.episodes, progress=progress)
    hub.write_files(folder, policy, score, config)
    filming = functools.partial(track_items, "filming")
    record_episode(policy, policy.env_id, 0, folder / hub.VIDEO, HUB_SECONDS, filming)
    print(folder if args.dry_run else hub.upload(folder, args.repo))


@dataclass(frozen=True)
class InfoArguments:
    """Say what is in a model's files, without trusting them."""

    model: ModelArgument
    """A .safetensors or .pth file, a run directory, pretrained:NAME, an exported .onnx, or another
    library's .zip, .cleanrl_model or .json."""
    json: bool = False
    """Print one JSON object instead of a table."""


def info(arguments: Sequence[str]) -> None:
    """Describe a model."""
    args = _parse(InfoArguments, "info", arguments)
    from bipedal.loading.load import describe_policy

    _print(describe_policy(args.model), args.json)


@dataclass(frozen=True)
class ConformanceArguments:
    """Compare an environment with Gymnasium's walker, bit for bit, over recorded episodes.

    Exit code 1 if a single bit differs.
    """

    env_id: Annotated[str, Positional("ENV_ID")]
    """What gymnasium.make takes: NAME, or MODULE:NAME to import a module first."""
    reference: Annotated[str | None, Metavar("ID")] = None
    """Gymnasium's environment that it should equal, by default Hardcore if its name says so."""
    json: bool = False
    """Print one JSON object instead of a table."""


def conformance(arguments: Sequence[str]) -> None:
    """Compare an environment with the recorded episodes."""
    args = _parse(ConformanceArguments, "conformance", arguments)
    from bipedal.conformance.check import check_conformance
    from bipedal.progress import track_items

    verdict = check_conformance(
        args.env_id, args.reference, progress=functools.partial(track_items, "comparing")
    )
    print(json.dumps(verdict.to_json(), allow_nan=False) if args.json else verdict)
    complaint = verdict.complaint()
    if complaint is not None:
        raise RunFailedError(complaint)


@dataclass(frozen=True)
class StudyArguments:
    """Run an experiment over many seeds; writes its tables, figures and verdicts below --out."""

    name: Annotated[str, Positional("NAME")]
    """One of dynamics, kneeling, statistics, algorithms, hardcore, hardcore-levers, seeds."""
    out: Annotated[Path | None, Metavar("DIR")] = None
    """Its directory (below results/ or runs/). By default results/studies/NAME in the repository,
    and runs/studies/NAME elsewhere."""
    seeds: int | None = None
    """Number of seeds, by default the study's."""
    first_seed: int = 1000
    """The first seed."""
    arms: tuple[str, ...] = ()
    """Only these arms, by default all."""
    timesteps: int | None = None
    """Training of a trial, by default the study's."""
    jobs: int | None = None
    """Trials at once, by default as many as fit."""
    cores: int = 1
    """Cores of each trial."""
    address: str | None = None
    """Ray cluster, or "local" to start one here."""
    resume: bool = False
    """Run what is not done yet."""
    page_only: bool = False
    """Make the page anew from its tables."""


def study(arguments: Sequence[str]) -> None:
    """Run a study and write its page."""
    args = _parse(StudyArguments, "study", arguments)
    from bipedal.studies.runner import rewrite_page, run_study

    if args.page_only:
        if args != StudyArguments(args.name, args.out, page_only=True):
            raise UserError("--page-only goes with --out and nothing else")
        print(rewrite_page(args.name, args.out))
    else:
        options = {name: value for name, value in vars(args).items() if name != "page_only"}
        print(run_study(**options))


@dataclass(frozen=True)
class CompletionArguments:
    """Print a script that completes commands and options in bash and zsh."""


def completion(arguments: Sequence[str]) -> None:
    """Print the script."""
    _parse(CompletionArguments, "completion", arguments)
    from bipedal.completion import completion_script

    print(completion_script({name: help_text(name) for name in COMMANDS}), end="")


COMMANDS: Mapping[str, Callable[[Sequence[str]], None]] = {
    "train": train,
    "evaluate": evaluate,
    "record": record,
    "report": report,
    "runs": runs,
    "share": share,
    "watch": watch,
    "export": export,
    "push": push,
    "info": info,
    "conformance": conformance,
    "study": study,
    "completion": completion,
}

USAGE = """usage: bipedal COMMAND ...

  train                      teach a robot to walk
  evaluate MODEL             score a policy over 100 episodes
  record MODEL --out FILE    make a video (.mp4 or .gif)
  report RUN                 make one HTML page of a run
  runs [DIR]                 list runs and compare their scores
  share MODEL ... --out FILE make one HTML page in which models walk
  watch [MODEL ...]          show that page now, and better models as a run finds them
  export MODEL --out FILE    write a policy for other programs (.onnx or .h)
  push MODEL REPO            share a model with its score, video and card
  info MODEL                 say what is in a model's files
  conformance ENV_ID         compare an environment with Gymnasium's, bit for bit
  study NAME                 put a claim to the test over many seeds
  completion                 complete commands in a shell: eval "$(bipedal completion)"

MODEL is a .safetensors or .pth file, a run directory (its best model) or pretrained:NAME. evaluate,
record and info also take the .onnx of export, a .zip of Stable-Baselines3 (with its
vecnormalize.pkl beside it), CleanRL's .cleanrl_model, and the .json of Evolving Stable Strategies.
bipedal COMMAND --help lists a command's options."""


def help_text(name: str) -> str:
    """What `bipedal NAME --help` prints."""
    with contextlib.redirect_stdout(io.StringIO()) as printed, contextlib.suppress(SystemExit):
        COMMANDS[name](["--help"])
    return printed.getvalue().rstrip()


def _parse(kind: type[Any], name: str, arguments: Sequence[str]) -> Any:
    """Make a command's dataclass of its arguments; `UserError` if they make no sense."""
    defaults = {field.name: field.default for field in dataclasses.fields(kind)}
    parsed = kind(**options.parse(name, (kind,), arguments, lambda given: defaults))
    check_limits(parsed)
    return parsed


def _print(result: Mapping[str, Any], as_json: bool) -> None:
    """Print a result on standard output, as one JSON object or as aligned lines."""
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


# Ends and streams ---------------------------------------------------------------------------------


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns its exit code. Without `arguments` it is what this process is for."""
    _open_streams()
    with (
        interrupted_once(ending=arguments is None),
        contextlib.redirect_stderr(_lossy(sys.stderr)),
    ):
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):  # a terminal without γ shows \u03b3
                stream.reconfigure(errors="backslashreplace")
        try:
            _run(sys.argv[1:] if arguments is None else arguments)
            sys.stdout.flush()
            return 0
        except (Exception, KeyboardInterrupt) as error:
            end = _end(error)
            if end is None:
                raise
            code, sentence = end
            if sentence is not None:
                _complain(sentence)
            return code


def _run(arguments: Sequence[str]) -> None:
    name = arguments[0] if arguments else "--help"
    if name in ("-h", "--help"):
        print(USAGE)
    elif name == "--version":
        print(f"bipedal {__version__}")
    elif name in COMMANDS:
        with contextlib.suppress(SystemExit):  # --help
            COMMANDS[name](arguments[1:])
    else:
        raise UserError(f"unknown command {name!r}: choose one of {', '.join(COMMANDS)}")


NO_MORE_PROCESSES = "the system allows no more processes or threads: end some, or see `ulimit -u`"


def _end(error: BaseException) -> tuple[int, str | None] | None:
    """Exit code and sentence of a command that ended so; None for a fault of this program."""
    match error:
        case UserError():
            return 2, str(error)
        case RunFailedError():
            return 1, str(error)
        case KeyboardInterrupt():
            return 128 + signal.SIGINT, "interrupted"
        case BrokenPipeError():  # the reader, head for one, has seen enough
            _drop_output()
            return 1, None
        case OSError(errno=errno.EAGAIN):
            return 1, NO_MORE_PROCESSES
        case OSError():
            _drop_output()
            return 1, reason(error)
        case MemoryError():
            return 1, "there is not enough memory"
        case RuntimeError() if "can't start new thread" in str(error):
            return 1, NO_MORE_PROCESSES
    return None


def _complain(sentence: str) -> None:
    """Print one line on standard error; a file's name may hold line ends and worse."""
    text = "".join(c if c.isprintable() else " " for c in sentence)
    print(f"bipedal: {text}", file=sys.stderr, flush=True)


def _drop_output() -> None:
    """Send what standard output does not take nowhere: else Python complains at the exit."""
    try:
        sys.stdout.flush()
    except OSError:
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _open_streams() -> None:
    """Give streams that were closed before the start (`2>&-`) somewhere to go.

    In this order each gets the descriptor that is its own, and no file of a run does.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115


class _LossyFile(io.FileIO):
    """A file that takes everything: what cannot be written is lost."""

    def write(self, data: ReadableBuffer, /) -> int:
        """Write, or lose, all of the data; returns its length in bytes."""
        try:
            return super().write(data)
        except OSError:
            return memoryview(data).nbytes


def _lossy(stream: Any) -> Any:
    """Make standard error one that no job depends on.

    Its reader may leave, its terminal may be closed, its disk may be full: a training goes on and
    saves all the same, and a mistake has its exit code.
    """
    buffer = getattr(stream, "buffer", None)
    raw = getattr(buffer, "raw", buffer)
    if not isinstance(raw, io.FileIO):  # a test's or a notebook's own
        return stream
    file = io.BufferedWriter(_LossyFile(raw.fileno(), "w", closefd=False))
    return io.TextIOWrapper(file, encoding=stream.encoding, line_buffering=True)


if __name__ == "__main__":
    sys.exit(main())
