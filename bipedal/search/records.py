"""What a search has found: a record for each candidate, a table, and the best as a file."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bipedal import options
from bipedal.config import TrainConfig
from bipedal.config_file import config_text
from bipedal.errors import RunFailedError, UserError
from bipedal.files import atomic_write, exists, read_file
from bipedal.search.candidate import describe, with_changes
from bipedal.studies.configuration import describe_difference
from bipedal.tables import write_table

MAX_RECORD_BYTES = 1 << 20


@dataclass(frozen=True)
class Tried:
    """A candidate and how it did."""

    number: int
    """In the order in which they began; 0 is the preset as it is."""
    status: str
    """`done`; `pruned`, given up after some of its seeds; or `failed`."""
    changes: Mapping[str, Any]
    """Fields of `TrainConfig` that are not the preset's."""
    areas: Sequence[float]
    """One for each seed played (`candidate.area`)."""
    bests: Sequence[float]
    """Best greedy evaluations of the same."""
    seconds: float
    error: str | None = None

    @property
    def value(self) -> float | None:
        """Mean of the areas, higher is better; None for one that is not done."""
        return sum(self.areas) / len(self.areas) if self.status == "done" else None


def open_records(out: Path, settings: Mapping[str, Any], *, resume: bool) -> list[Tried]:
    """Begin a search in a directory, or go on with one; returns what was tried before.

    Raises `UserError` if there is one already and `resume` is not asked for, or if it has other
    settings.
    """
    path = out / "search.json"
    settings = json.loads(json.dumps(settings))  # tuples become the lists they are read as
    if not exists(path):
        (out / "trials").mkdir(parents=True, exist_ok=True)
        atomic_write((path, json.dumps(settings, indent=2).encode()))
        return []
    if not resume:
        raise UserError(
            f"{out} already holds a search: add --resume to go on with it, or choose another --out"
        )
    recorded = _read(path)
    if recorded != settings:
        difference = describe_difference(recorded, settings)
        raise UserError(f"the search in {out} had other settings: {difference}")
    found = [_tried(file) for file in sorted((out / "trials").glob("*.json"))]
    return sorted(found, key=lambda one: one.number)


def _read(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(read_file(path, MAX_RECORD_BYTES))
    except (ValueError, RecursionError):
        data = None
    if not isinstance(data, dict):
        raise RunFailedError(f"{path} is damaged: remove it")
    return data


def _tried(path: Path) -> Tried:
    try:
        return Tried(**_read(path))
    except TypeError:
        raise RunFailedError(f"{path} is damaged: remove it") from None


def write_tried(out: Path, tried: Tried) -> None:
    """Write a candidate down, whole or not at all."""
    data = json.dumps(asdict(tried)).encode()
    atomic_write((out / "trials" / f"{tried.number:05}.json", data))


def write_table_of(out: Path, tried: Sequence[Tried]) -> None:
    """Write `trials.csv`, the best candidate first, those that were not done last."""
    rows = [
        {
            "number": one.number,
            "status": one.status,
            "value": None if one.value is None else round(one.value, 2),
            "best": round(sum(one.bests) / len(one.bests), 2) if one.bests else None,
            "seeds": len(one.areas),
            "seconds": one.seconds,
            **{name: _cell(value) for name, value in one.changes.items()},
            "error": one.error,
        }
        for one in sorted(tried, key=_rank)
    ]
    write_table(out / "trials.csv", rows)


def _cell(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, (list, tuple)) else value


def _rank(tried: Tried) -> tuple[bool, float, int]:
    value = tried.value
    return value is None, -(value or 0.0), tried.number


def best_of(tried: Sequence[Tried]) -> Tried | None:
    """The candidate with the highest value, the first of equal ones."""
    done = [one for one in tried if one.value is not None]
    return min(done, key=_rank) if done else None


def write_best(out: Path, preset: str, best: Tried) -> Path:
    """Write `best.toml`, which `bipedal train --config` reads; returns its path."""
    path = out / "best.toml"
    config = with_changes(describe(preset, best.changes))
    text = config_text(config, options.explanations(TrainConfig))
    atomic_write((path, text.encode()))
    return path
