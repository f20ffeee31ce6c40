"""Commands that score a model, describe it, and take it elsewhere."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from bipedal.commands.arguments import ModelArgument, parse, print_result
from bipedal.fields import Metavar, Positional, between

HUB_SECONDS = 20.0
"""Of the video that goes with a shared model."""


@dataclass(frozen=True)
class EvaluateArguments:
    """Score the greedy policy: raw reward, the episodes of fresh Gymnasium environments."""

    model: ModelArgument
    """A .safetensors, .pth or .onnx, a run directory, pretrained:NAME, or another library's .zip,
    .cleanrl_model or .json."""
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
    args = parse(EvaluateArguments, "evaluate", arguments)
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
    print_result(result, args.json)


@dataclass(frozen=True)
class InfoArguments:
    """Say what is in a model's files, without trusting them."""

    model: ModelArgument
    """A .safetensors, .pth or .onnx, a run directory, pretrained:NAME, or another library's .zip,
    .cleanrl_model or .json."""
    json: bool = False
    """Print one JSON object instead of a table."""


def info(arguments: Sequence[str]) -> None:
    """Describe a model."""
    args = parse(InfoArguments, "info", arguments)
    from bipedal.loading.load import describe_policy

    print_result(describe_policy(args.model), args.json)


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
    args = parse(ExportArguments, "export", arguments)
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
    args = parse(PushArguments, "push", arguments)
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
