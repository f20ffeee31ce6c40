"""Many runs side by side: what each was asked, how far it is, and what it scored."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bipedal.config import config_to_json
from bipedal.errors import UserError
from bipedal.presets import DEFAULT, PRESETS
from bipedal.report.data import Json, Run, read_run
from bipedal.tables import MAX_NUMBER

RunFacts = dict[str, Any]
MAX_TEXT = 60
"""Characters that are shown of a value."""


def list_runs(folder: Path) -> list[RunFacts]:
    """Facts of every run in a folder, the best score first; `UserError` if it holds none.

    They are plain types, None where a run has no such fact (yet). `best_evaluation` is the largest
    mean return of an evaluation during training; `mean_return`, `interval_return`, `fall_rate` and
    `gait` are of the score of its best model; `changes` are the options that are not the preset's.
    """
    found = sorted(path.parent for path in folder.glob("*/config.json"))
    if not found:
        raise UserError(f"{folder} holds no run: give the directory that holds the runs")
    facts = [_facts(read_run(path), path) for path in found]
    return sorted(facts, key=_rank, reverse=True)


def _rank(facts: RunFacts) -> tuple[bool, float]:
    """Scored runs come first, then the others by their best evaluation."""
    scored = facts["mean_return"] is not None
    value = facts["mean_return"] if scored else facts["best_evaluation"]
    return scored, -np.inf if value is None else value


def _facts(run: Run, path: Path) -> RunFacts:
    settings, score = run.settings, run.score
    interval, gait = score.get("interval_return"), score.get("gait")
    bounds = [_finite(bound) for bound in interval] if isinstance(interval, list) else []
    return {
        "run": path.name,
        **{name: _text(settings.get(name)) for name in ("preset", "env_id")},
        "seed": settings["seed"] if type(settings.get("seed")) is int else None,
        "timesteps": _largest(run.metrics.get("timesteps")),
        "best_evaluation": _largest(run.evaluations.get("mean_return")),
        "mean_return": _finite(score.get("mean_return")),
        "interval_return": bounds if len(bounds) == 2 and None not in bounds else None,
        "fall_rate": _finite(score.get("fall_rate")),
        "gait": _text(gait.get("class")) if isinstance(gait, dict) else None,
        "changes": _changes(settings),
    }


def _finite(value: object) -> float | None:
    """A number out of a file that somebody else may have written."""
    if isinstance(value, int | float) and abs(value) <= MAX_NUMBER:  # not NaN
        return float(value)
    return None


def _text(value: object) -> str | None:
    """A value out of such a file as a short text without line ends."""
    text = "".join(c for c in str(value) if c.isprintable())
    return None if value is None else text[:MAX_TEXT]


def _largest(column: Any) -> float | None:
    """Largest number of a column; None for none."""
    numbers = np.array([]) if column is None else column[np.isfinite(column)]
    return float(numbers.max()) if len(numbers) else None


def _changes(settings: Json) -> RunFacts:
    """Options that differ from the preset, its seed aside; all of them for an unknown preset."""
    preset = PRESETS.get(str(settings.get("preset")))
    defaults = config_to_json(preset) if preset is not None else {}
    return {
        name: _text(settings[name])
        for name in config_to_json(DEFAULT)
        if name not in ("preset", "seed", "env_id")
        and name in settings
        and defaults.get(name) != settings[name]
    }


COLUMNS = ("run", "preset", "seed", "timesteps", "evaluation", "score", "falls", "gait", "changes")


def runs_text(runs: Sequence[RunFacts]) -> str:
    """The runs as an aligned table."""
    rows = [COLUMNS, *(_cells(facts) for facts in runs)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(COLUMNS))]
    lines = ("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)
    return "\n".join(lines)


def _cells(facts: RunFacts) -> tuple[str, ...]:
    interval = facts["interval_return"]
    bounds = f" [{interval[0]:.1f}, {interval[1]:.1f}]" if interval else ""
    changes = " ".join(f"{name}={value}" for name, value in facts["changes"].items())
    cells = (
        _text(facts["run"]),
        facts["preset"],
        facts["seed"],
        _number(facts["timesteps"], ",.0f"),
        _number(facts["best_evaluation"], ".1f"),
        _number(facts["mean_return"], ".1f") + bounds,
        _number(facts["fall_rate"], ".1%"),
        facts["gait"],
        changes,
    )
    return tuple("-" if cell in (None, "") else str(cell) for cell in cells)


def _number(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)
