"""A run's figures in an experiment tracker: Weights & Biases, or Trackio, which works alike."""

from __future__ import annotations

import importlib
import re
import secrets
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from bipedal.config import TrainConfig, config_to_json
from bipedal.errors import UserError
from bipedal.files import atomic_write, exists, read_file

TrackerName = Literal["wandb", "trackio"]
PROJECT = "bipedal"
IDENTITY = "tracker-id"
"""File in a run's directory: what the tracker knows the run by, so that it goes on there too."""


class Tracker:
    """A run in a tracker. What it refuses while the run goes on is warned of once, and left."""

    def __init__(self, name: TrackerName, run_dir: Path, config: TrainConfig) -> None:
        """Begin there, or go on, in the project "bipedal".

        Raises `UserError` if the package is missing or does not let a run begin.
        """
        module = import_tracker(name)
        self._name = name
        self._refused = False
        identity = _known_identity(run_dir) or _new_identity(run_dir)
        settings: dict[str, Any] = {"name": identity}
        if name == "wandb":
            settings = {"name": run_dir.name, "id": identity, "dir": str(run_dir)}
        try:
            self._run: Any = module.init(
                project=PROJECT, config=config_to_json(config), resume="allow", **settings
            )
        except Exception as error:  # its own, the network's, its server's
            raise UserError(f"--log-to {name}: {str(error) or type(error).__name__}") from None
        atomic_write((run_dir / IDENTITY, identity.encode()))

    def log(self, values: Mapping[str, float], step: int) -> None:
        """Add values after `step` timesteps."""
        self._try(self._run.log, dict(values), step=step)

    def close(self) -> None:
        """Send what has not been sent."""
        self._try(self._run.finish)

    def _try(self, function: Any, *args: Any, **options: Any) -> None:
        try:
            function(*args, **options)
        except Exception as error:
            if not self._refused:
                warnings.warn(f"training goes on without {self._name}: {error}", stacklevel=2)
            self._refused = True


def import_tracker(name: TrackerName) -> Any:
    """The tracker's package; `UserError` if it is not installed."""
    try:
        return importlib.import_module(name)
    except ImportError:
        raise UserError(f"--log-to {name} needs the package {name}: pip install {name}") from None


def _known_identity(run_dir: Path) -> str | None:
    """What a tracker calls this run, if it was there before."""
    path = run_dir / IDENTITY
    text = read_file(path, 100).decode(errors="replace") if exists(path) else ""
    return text if re.fullmatch(r"[\w.-]{1,64}", text, re.ASCII) else None


def _new_identity(run_dir: Path) -> str:
    """The run's name and eight random digits; a name may be long and hold what trackers refuse."""
    name = re.sub(r"[^\w.-]", "_", run_dir.name, flags=re.ASCII)[:48]
    return f"{name}-{secrets.token_hex(4)}"
