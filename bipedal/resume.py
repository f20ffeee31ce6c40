"""The state of a run on disk, `saved_models/resume.pt`: all that an exact continuation needs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from bipedal.checkpoint import load_state, save_state
from bipedal.errors import UserError
from bipedal.files import exists
from bipedal.trainer import Trainer


def state_path(run_dir: Path) -> Path:
    """Where the state of a run is kept."""
    return run_dir / "saved_models" / "resume.pt"


def save_run(trainer: Trainer) -> None:
    """Write the state of a run. Reads it only: a run that saves goes on as if it had not."""
    save_state(state_path(trainer.run_dir), trainer.state())


def restore_run(trainer: Trainer) -> None:
    """Go on from the last saved state; nothing saved means from the beginning.

    Raises `UserError` if the state cannot be read or does not fit the run's configuration.
    """
    path = state_path(trainer.run_dir)
    if not exists(path):
        return
    state = load_state(path)
    try:
        check_like(state, trainer.state())
        trainer.restore(state)
    except (LookupError, RuntimeError, ValueError, TypeError, AttributeError, OverflowError):
        raise UserError(f"{path} does not fit this run's configuration") from None


CHECKED_BY_THEIR_OWNERS = ("engine", "falls", "generator")
"""Parts of a state whose shape depends on how far a run has come, or on its device."""


def check_like(state: Any, like: Any) -> None:
    """Raise `ValueError` if a state out of a file is not built like one of this run.

    Dictionaries have the same keys, tensors the same shape and dtype, numbers the same type. A run
    directory may come from anybody: nothing is copied into a run before it is known to fit.
    """
    if isinstance(like, Mapping):
        if not isinstance(state, Mapping) or state.keys() != like.keys():
            raise ValueError("another dictionary")
        for key, value in like.items():
            if key not in CHECKED_BY_THEIR_OWNERS:
                check_like(state[key], value)
    elif isinstance(like, Tensor):
        if type(state) is not Tensor or (state.shape, state.dtype) != (like.shape, like.dtype):
            raise ValueError("another tensor")
    elif isinstance(like, list):
        if type(state) is not list or not all(type(item) is float for item in state):
            raise ValueError("not a list of numbers")
    elif type(state) is not type(like) or (type(like) is int and not 0 <= state < 1 << 62):
        raise ValueError("another kind of value")
    elif type(like) is float and math.isnan(state):
        raise ValueError("not a number")
