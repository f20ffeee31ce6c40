"""What a study is: a claim, arms that test it, and what is measured of each trial.

A *trial* is one arm with one seed: most often one training run and its score. It gives rows, each
of one *condition*: as a rule the arm itself; where one trained model is tried in several ways, an
arm gives several conditions.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

Row = Mapping[str, Any]
"""Plain values by column."""
FIRST_SEED = 1000
"""Reporting seeds count from here; what a study was tuned with is below 100."""


class Trial(NamedTuple):
    """What one trial is told."""

    arm: str
    seed: int
    timesteps: int
    """Budget of training, in timesteps."""
    folder: Path
    """Its own, empty: whatever it leaves there is kept."""
    cores: int = 1
    """That it has to itself."""


class Result(NamedTuple):
    """What one trial found."""

    rows: Sequence[Row]
    """One for each condition; `condition` is the arm where a row names none."""
    curve: Sequence[Row] = ()
    """How it got there: rows with `timesteps`, `seconds` and `return`."""


@dataclass(frozen=True)
class Measure:
    """A column of the rows that is summarised over seeds."""

    column: str
    title: str
    """With its unit."""
    statistic: Literal["iqm", "share"] = "iqm"
    """Interquartile mean; or for what is true or false, the share of seeds where it is true."""
    digits: int = 1
    bounds: tuple[float, float] = (-math.inf, math.inf)
    """What the column cannot leave, so that an interval does not either."""


@dataclass(frozen=True)
class Claim:
    """One condition is said to have more of a measure than another; or several, pair by pair.

    It is put to the probability of improvement, averaged over the pairs: `supported` or
    `contradicted` if an exact test, corrected for the number of claims, says that chance alone does
    not explain it; otherwise `not supported`: these seeds do not show it. With few seeds there is
    no verdict.
    """

    text: str
    measure: str
    """Column."""
    more: Sequence[str]
    """Conditions said to have more of it ..."""
    less: Sequence[str]
    """... than these, one by one."""
    paired: bool = False
    """Whether the two conditions (one pair only) are of the same runs: then run by run."""


@dataclass(frozen=True)
class Study:
    """A claim put to the test."""

    name: str
    title: str
    claimed: str
    """What was claimed, and where."""
    method: str
    """What a trial does and what it may cost, in a paragraph."""
    arms: Sequence[str]
    trial: Callable[[Trial], Result]
    configure: Callable[[str, int], Mapping[str, Any]]
    """All that decides what a trial does, apart from its seed, by arm and timesteps, as plain
    values: trials that differ in it never stand in one table."""
    timesteps: int
    """Training of one trial, by default."""
    seeds: int
    """Number of reporting seeds, by default."""
    measures: Sequence[Measure]
    claims: Sequence[Claim]
    conditions: Sequence[str] = ()
    """In the order of the tables; empty where they are the arms."""
    classes: Sequence[str] = ()
    """Columns with one of `GaitClass`, drawn as shares of seeds."""
    requires: Sequence[str] = ()
    """Modules that the package itself does not need (extra `studies`)."""

    @property
    def shown(self) -> Sequence[str]:
        """Conditions in the order of the tables."""
        return self.conditions or self.arms
