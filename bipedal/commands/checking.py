"""Commands that compare: an environment with Gymnasium's, claims over seeds."""

from __future__ import annotations

import functools
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from bipedal.commands.arguments import parse
from bipedal.errors import RunFailedError, UserError
from bipedal.fields import Metavar, Positional


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
    args = parse(ConformanceArguments, "conformance", arguments)
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
    args = parse(StudyArguments, "study", arguments)
    from bipedal.studies.runner import rewrite_page, run_study

    if args.page_only:
        if args != StudyArguments(args.name, args.out, page_only=True):
            raise UserError("--page-only goes with --out and nothing else")
        print(rewrite_page(args.name, args.out))
    else:
        options = {name: value for name, value in vars(args).items() if name != "page_only"}
        print(run_study(**options))
