"""A run's directory: made for a new run, checked for one that goes on; its `config.json`."""

from __future__ import annotations

import contextlib
import errno
import json
import platform
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch
from filelock import FileLock, Timeout

from bipedal import __version__
from bipedal.config import TrainConfig, config_from_json, config_to_json
from bipedal.config_file import MAX_CONFIG_BYTES
from bipedal.errors import UserError
from bipedal.fields import shorten
from bipedal.files import atomic_write, exists, read_file
from bipedal.processes import usable_cores

RECORDED_PACKAGES = ("torch", "gymnasium", "warp-lang", "box2d", "numpy")


def check_run_name(run_dir: Path) -> None:
    """Refuse a name that is no text in the system's encoding: TensorBoard cannot write there."""
    try:
        str(run_dir).encode()
    except UnicodeEncodeError:
        raise UserError(
            f"the name {str(run_dir)!a} is no text in this system's encoding: choose another "
            "--run-dir, or set LC_ALL=C.UTF-8"
        ) from None


def make_run_dir(run_dir: Path) -> None:
    """Make the directories of a new run; refuses one that already holds a run or models."""
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
    except OSError as error:
        raise UserError(f"cannot write to {run_dir}: {error.strerror}") from None


def prepare_run(run_dir: Path, config: TrainConfig) -> None:
    """Make a new run directory with its `config.json`; refuses one that already holds a run.

    Only the process that has the lock may: the configuration must be that of the run.
    """
    config.validate()
    make_run_dir(run_dir)
    try:
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


NO_LOCKS = (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS)
"""What a file system says that has no locks."""


@contextlib.contextmanager
def lock_run(run_dir: Path) -> Iterator[None]:
    """Keep a run to one process; the system lets go of it even after `kill -9`.

    Raises `UserError` if another process has it, or if it cannot be locked.
    """
    if not exists(run_dir):  # the lock would make one
        raise UserError(f"{run_dir} holds no run to resume")
    lock = FileLock(run_dir / "lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise UserError(f"{run_dir} is being trained by another process") from None
    except OSError as error:
        advice = "; choose a directory on another disk" if error.errno in NO_LOCKS else ""
        raise UserError(f"cannot lock {run_dir}: {error.strerror}{advice}") from None
    try:
        yield
    finally:
        lock.release()


def discard_run(run_dir: Path) -> None:
    """Undo `prepare_run` for a run that could not begin; whatever else lies there stays."""
    models = run_dir / "saved_models"
    for path in (run_dir / "config.json", run_dir / "lock", *models.glob("checkpoint_0*")):
        with contextlib.suppress(OSError):  # why the run could not begin says more
            path.unlink()
    for directory in (models, run_dir):
        with contextlib.suppress(OSError):  # not empty: then it is not ours alone
            directory.rmdir()


def read_run_config(run_dir: Path) -> TrainConfig:
    """Read the configuration a run was started with; `UserError` if it cannot be read."""
    path = run_dir / "config.json"
    if not exists(path):
        raise UserError(f"{run_dir} holds no run to resume")
    data = read_file(path, MAX_CONFIG_BYTES)
    try:
        return config_from_json(json.loads(data)["config"])
    except UserError as error:
        raise UserError(f"{path}: {shorten(str(error))}") from None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise UserError(f"{path} is damaged") from None


def _write_config(run_dir: Path, config: TrainConfig) -> None:
    description = {
        "config": config_to_json(config),
        "versions": {
            "python": platform.python_version(),
            **installed_versions(),
        },
        "hardware": {
            "machine": platform.machine(),
            "system": platform.system(),
            "cores": usable_cores(),
            "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else "none",
        },
    }
    atomic_write((run_dir / "config.json", json.dumps(description, indent=2).encode()))


def installed_versions() -> dict[str, str]:
    """Versions of this package and of `RECORDED_PACKAGES`; Box2D need not be there."""
    versions = {"bipedal": __version__}
    for name in RECORDED_PACKAGES:
        with contextlib.suppress(PackageNotFoundError):
            versions[name] = version(name)
    return versions
