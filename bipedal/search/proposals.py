"""Which candidate is next, by how the others did: Optuna's TPE sampler and median pruner."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import optuna
from optuna.trial import TrialState

from bipedal.config import TrainConfig
from bipedal.search.records import Tried
from bipedal.search.space import Space, distributions

UNPRUNED = 5
"""Candidates that are done before any is given up early."""


class Proposal(NamedTuple):
    """A candidate that is to be tried."""

    number: int
    changes: Mapping[str, Any]
    """Fields of `TrainConfig` that are not the preset's."""
    trial: optuna.trial.Trial | None
    """Optuna's; None for the preset itself."""


class Proposals:
    """Draws candidates and is told how they did, from any thread."""

    def __init__(self, preset: TrainConfig, space: Space, tried: Sequence[Tried]) -> None:
        """Know what was `tried` before."""
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._preset = preset
        self._space = space
        self._distributions = distributions(space)
        self._lock = threading.Lock()
        self._study = optuna.create_study(
            direction="maximize",
            sampler=optuna.samplers.TPESampler(seed=len(tried)),
            pruner=optuna.pruners.MedianPruner(n_startup_trials=UNPRUNED),
        )
        self._next = max((one.number for one in tried), default=-1) + 1
        for one in tried:
            self._remember(one)

    def draw(self) -> Proposal:
        """The next candidate; the first of all is the preset itself."""
        with self._lock:
            number = self._next
            self._next += 1
            if number == 0:
                return Proposal(number, {}, None)
            trial = self._study.ask(self._distributions)
            changes = {name: entry.value(trial.params[name]) for name, entry in self._space.items()}
            return Proposal(number, changes, trial)

    def is_hopeless(self, proposal: Proposal, areas: Sequence[float]) -> bool:
        """Whether a candidate that did so with its first seeds is to be given up."""
        if proposal.trial is None:
            return False
        with self._lock:
            proposal.trial.report(sum(areas) / len(areas), step=len(areas))
            return proposal.trial.should_prune()

    def tell(self, proposal: Proposal, tried: Tried) -> None:
        """Learn how a candidate did."""
        with self._lock:
            if proposal.trial is None:
                self._remember(tried)
            else:
                self._study.tell(proposal.trial, tried.value, _STATES[tried.status])

    def _remember(self, tried: Tried) -> None:
        """Learn of a candidate that was not drawn here; the preset may lie outside the space."""
        values = {name: getattr(self._preset, name) for name in self._space} | dict(tried.changes)
        totals = enumerate(itertools.accumulate(tried.areas), start=1)
        try:
            trial = optuna.trial.create_trial(
                state=_STATES[tried.status],
                params={name: entry.parameter(values[name]) for name, entry in self._space.items()},
                distributions=self._distributions,
                value=tried.value,
                intermediate_values={count: total / count for count, total in totals},
            )
        except ValueError:
            return
        self._study.add_trial(trial)


_STATES = {"done": TrialState.COMPLETE, "pruned": TrialState.PRUNED, "failed": TrialState.FAIL}
