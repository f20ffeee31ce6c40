"""What a search may change, and within which limits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_origin

from bipedal.config import TrainConfig
from bipedal.config_file import field_value, read_toml
from bipedal.errors import UserError
from bipedal.fields import field_types, suggest

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

FIXED = ("preset", "seed", "total_timesteps", "init_from", "device", "env_id", "stop_when_solved")
"""Fields that say what is searched for: they are no hyperparameters."""


@dataclass(frozen=True)
class Range:
    """Numbers from `low` to `high`, both included."""

    low: float
    high: float
    log: bool = False
    """Whether equal factors are equally likely, rather than equal distances."""

    def distribution(self, whole: bool) -> BaseDistribution:
        """The same for Optuna; `whole` for an integer."""
        from optuna.distributions import FloatDistribution, IntDistribution

        if whole:
            return IntDistribution(int(self.low), int(self.high), log=self.log)
        return FloatDistribution(self.low, self.high, log=self.log)

    def value(self, parameter: Any) -> Any:
        """The field's value by what Optuna drew."""
        return parameter

    def parameter(self, value: Any) -> Any:
        """Undo `value`."""
        return value


@dataclass(frozen=True)
class Choice:
    """One of these values, none of which is nearer to another."""

    values: tuple[Any, ...]

    def distribution(self, whole: bool) -> BaseDistribution:
        """Their places for Optuna, which takes no sequences as values."""
        from optuna.distributions import CategoricalDistribution

        return CategoricalDistribution(range(len(self.values)))

    def value(self, parameter: Any) -> Any:
        """The field's value by what Optuna drew."""
        return self.values[parameter]

    def parameter(self, value: Any) -> Any:
        """Undo `value`; ValueError for one that is not among the choices."""
        return self.values.index(value)


Space = Mapping[str, Range | Choice]
"""What each field of `TrainConfig` that a search changes may be."""

DEFAULT_SPACE: Space = {
    "policy_learning_rate": Range(1e-4, 3e-3, log=True),
    "critic_learning_rate": Range(1e-4, 3e-3, log=True),
    "minibatch_size": Choice((1024, 2048, 4096)),
    "epochs": Range(4, 12),
    "gae_lambda": Range(0.9, 0.98),
    "clip_range": Range(0.1, 0.3),
    "final_gamma": Range(0.994, 0.999),
    "initial_log_std": Range(-1.2, -0.5),
}
"""What `bipedal search` changes by default: what moves PPO most, around the values of `default`."""


def read_space(path: Path) -> Space:
    """Read a space from a TOML file: a table for each hyperparameter.

    It has `low` and `high`, and perhaps `log = true`; or `choices`, a list. Raises `UserError` for
    anything else, for names that are no hyperparameters and for values of another type.
    """
    tables = read_toml(path)
    if not tables:
        raise UserError(f"{path} names no hyperparameter")
    return {name: _entry(path, name, table) for name, table in tables.items()}


def _entry(path: Path, name: str, table: object) -> Range | Choice:
    types = field_types(TrainConfig)
    if name not in types or name in FIXED:
        known = [field for field in types if field not in FIXED]
        raise UserError(f"{path}: {name!r} is no hyperparameter{suggest(name, known)}")
    kind = types[name][0]
    if isinstance(table, Mapping) and set(table) == {"choices"}:
        choices = table["choices"]
        if isinstance(choices, list) and choices:
            return Choice(tuple(field_value(path, name, value, kind) for value in choices))
    numeric = get_origin(kind) is None and kind in (int, float)
    if isinstance(table, Mapping) and {"low", "high"} <= set(table) <= {"low", "high", "log"}:
        if not numeric:
            raise UserError(f"{path}: {name} is no number: give it choices")
        low, high = (field_value(path, name, table[end], kind) for end in ("low", "high"))
        log = table.get("log", False)
        if low < high and isinstance(log, bool) and (low > 0 or not log):
            return Range(low, high, log)
        raise UserError(f"{path}: {name} needs low < high, and with log = true a low above 0")
    raise UserError(f"{path}: {name} needs low and high, or choices")


def distributions(space: Space) -> dict[str, BaseDistribution]:
    """A space for Optuna."""
    types = field_types(TrainConfig)
    return {name: entry.distribution(types[name][0] is int) for name, entry in space.items()}
