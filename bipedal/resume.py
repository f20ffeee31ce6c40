"""The state of a run on disk, `saved_models/resume.pt`: all that an exact continuation needs."""

from __future__ import annotations

from pathlib import Path

from bipedal.checkpoint import load_state, save_state
from bipedal.errors import UserError
from bipedal.trainer import Trainer


def state_path(run_dir: Path) -> Path:
    """Where the state of a run is kept."""
    return run_dir / "saved_models" / "resume.pt"


def save_run(trainer: Trainer) -> None:
    """Write the state of a run. Reads it only: a run that saves goes on as if it had not."""
    save_state(state_path(trainer.run_dir), trainer.state())


def restore_run(trainer: Trainer) -> None:
    """Go on from the last saved state; nothing saved means from the beginning.

    Raises `UserError` if the state does not fit the run's configuration.
    """
    path = state_path(trainer.run_dir)
    if not path.exists():
        return
    state = load_state(path)
    try:
        trainer.restore(state)
    except (KeyError, RuntimeError, ValueError, TypeError, AttributeError):
        raise UserError(f"{path} does not fit this run's configuration") from None
