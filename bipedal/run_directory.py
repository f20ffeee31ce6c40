"""A run's directory: made for a new run, checked for one that goes on; its `config.json`."""

from __future__ import annotations

import contextlib
import json
import platform
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import torch

from bipedal.config import TrainConfig, config_from_json, config_to_json
from bipedal.errors import UserError
from bipedal.files import atomic_write
from bipedal.processes import usable_cores

RECORDED_PACKAGES = ("bipedal", "torch", "gymnasium", "box2d", "numpy")


def prepare_run(run_dir: Path, config: TrainConfig) -> None:
    """Make a new run directory with its `config.json`; refuses one that already holds a run."""
    config.validate()
    try:
        if (run_dir / "config.json").exists():
            raise UserError(
                f"{run_dir} already holds a run: add --resume to continue it, or choose another "
                "--run-dir"
            )
        models = run_dir / "saved_models"
        models.mkdir(parents=True, exist_ok=True)
        if any(models.iterdir()):
            raise UserError(f"{models} already holds models: choose another --run-dir")
        _write_config(run_dir, config)
    except OSError as error:
        raise UserError(f"cannot write to {run_dir}: {error.strerror}") from None


CHANGEABLE = ("total_timesteps", "stop_when_solved", "device")
"""What may change when a run goes on."""


def continue_run(run_dir: Path, config: TrainConfig) -> None:
    """Check that a run can go on with `config`: only its end and its device may have changed."""
    stored = read_run_config(run_dir)
    ours, theirs = config_to_json(config), config_to_json(stored)
    for name in ours:
        if ours[name] != theirs[name] and name not in CHANGEABLE:
            raise UserError(
                "--resume goes on as the run was started; it cannot change "
                f"{name} {theirs[name]} -> {ours[name]}"
            )
    config.validate()
    if config != stored:
        _write_config(run_dir, config)


@contextlib.contextmanager
def lock_run(run_dir: Path) -> Iterator[None]:
    """Keep a run to one process; the system lets go of it even after `kill -9`.

    UserError if another process is at it. Without `fcntl` (Windows) nothing is locked.
    """
    try:
        import fcntl
    except ImportError:
        yield
        return
    try:
        file = open(run_dir / "lock", "w")  # noqa: SIM115
    except OSError:
        raise UserError(f"{run_dir} holds no run to resume") from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise UserError(f"{run_dir} is being trained by another process") from None
        yield


def discard_run(run_dir: Path) -> None:
    """Undo `prepare_run` for a run that could not begin; whatever else lies there stays."""
    for path in (run_dir / "config.json", run_dir / "lock"):
        path.unlink(missing_ok=True)
    for path in (run_dir / "saved_models").glob("checkpoint_0*"):
        path.unlink()
    for directory in (run_dir / "saved_models", run_dir):
        with contextlib.suppress(OSError):  # not empty: then it is not ours alone
            directory.rmdir()


def read_run_config(run_dir: Path) -> TrainConfig:
    """Read the configuration a run was started with; UserError if there is no run."""
    try:
        return config_from_json(json.loads((run_dir / "config.json").read_text())["config"])
    except OSError:
        raise UserError(f"{run_dir} holds no run to resume") from None
    except (ValueError, KeyError, TypeError):
        raise UserError(f"{run_dir / 'config.json'} is damaged") from None


def _write_config(run_dir: Path, config: TrainConfig) -> None:
    description = {
        "config": config_to_json(config),
        "versions": {
            "python": platform.python_version(),
            **{name: version(name) for name in RECORDED_PACKAGES},
        },
        "hardware": {
            "machine": platform.machine(),
            "system": platform.system(),
            "cores": usable_cores(),
            "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else "none",
        },
    }
    atomic_write((run_dir / "config.json", json.dumps(description, indent=2).encode()))
