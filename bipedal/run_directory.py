"""A run's directory: made for a new run, checked for one that goes on; its `config.json`."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import platform
from importlib.metadata import version
from pathlib import Path

import torch

from bipedal.checkpoint import atomic_write
from bipedal.config import TrainConfig, config_from_json, config_to_json
from bipedal.envs import usable_cores
from bipedal.errors import UserError

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
        (run_dir / "saved_models").mkdir(parents=True, exist_ok=True)
        _write_config(run_dir, config)
    except OSError as error:
        raise UserError(f"cannot write to {run_dir}: {error.strerror}") from None


def continue_run(run_dir: Path, config: TrainConfig) -> None:
    """Check that a run can go on with `config`: only its length may have changed."""
    stored = read_run_config(run_dir)
    if dataclasses.replace(config, total_timesteps=stored.total_timesteps) != stored:
        ours, theirs = config_to_json(config), config_to_json(stored)
        odd = next(
            f"{name} {theirs[name]} -> {ours[name]}"
            for name in ours
            if ours[name] != theirs[name] and name != "total_timesteps"
        )
        raise UserError(f"--resume goes on as the run was started; it cannot change {odd}")
    config.validate()
    if config != stored:
        _write_config(run_dir, config)


def discard_run(run_dir: Path) -> None:
    """Undo `prepare_run` for a run that could not begin; whatever else lies there stays."""
    (run_dir / "config.json").unlink(missing_ok=True)
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
