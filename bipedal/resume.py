"""The state of a run on disk, `saved_models/resume.pt`: all that an exact continuation needs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bipedal.checkpoint import load_state, save_state
from bipedal.errors import UserError
from bipedal.trainer import Trainer


def state_path(run_dir: Path) -> Path:
    """Where the state of a run is kept."""
    return run_dir / "saved_models" / "resume.pt"


def save_run(trainer: Trainer) -> None:
    """Write the state of a run. Reads it only: a run that saves goes on as if it had not."""
    policy, curriculum = trainer.policy, trainer.curriculum
    save_state(
        state_path(trainer.run_dir),
        {
            "iteration": trainer.iteration,
            "timesteps": trainer.timesteps,
            "episodes": trainer.episodes,
            "elapsed": trainer.elapsed,
            "recent_returns": list(trainer.recent_returns),
            "selection": trainer.selection.state(),
            "gain": policy.gain,
            "std_bounds": list(policy.actor.std_bounds),
            "actor": policy.actor.state_dict(),
            "critic": policy.critic.state_dict(),
            "actor_optimizer": trainer.actor_optimizer.state_dict(),
            "critic_optimizer": trainer.critic_optimizer.state_dict(),
            "generator": trainer.generator.get_state(),
            "collector": trainer.collector.state(),
            "curriculum": None if curriculum is None else curriculum.state(),
        },
    )


def restore_run(trainer: Trainer) -> None:
    """Go on from the last saved state; nothing saved means from the beginning.

    Raises `UserError` if the state does not fit the run's configuration.
    """
    path = state_path(trainer.run_dir)
    if not path.exists():
        return
    state = load_state(path)
    try:
        _restore(trainer, state)
    except (KeyError, RuntimeError, ValueError, TypeError, AttributeError):
        raise UserError(f"{path} does not fit this run's configuration") from None


def _restore(trainer: Trainer, state: dict[str, Any]) -> None:
    actor, critic = trainer.policy.actor, trainer.policy.critic
    trainer.iteration = state["iteration"]
    trainer.timesteps = state["timesteps"]
    trainer.episodes = state["episodes"]
    trainer.elapsed = state["elapsed"]
    trainer.recent_returns.extend(state["recent_returns"])
    trainer.selection.restore(state["selection"])
    trainer.policy.gain = state["gain"]
    std_min, std_max = state["std_bounds"]
    actor.std_bounds = (std_min, std_max)
    actor.load_state_dict(state["actor"])
    critic.load_state_dict(state["critic"])
    trainer.actor_optimizer.load_state_dict(state["actor_optimizer"])
    trainer.critic_optimizer.load_state_dict(state["critic_optimizer"])
    trainer.generator.set_state(state["generator"])
    trainer.collector.restore(state["collector"])
    if trainer.curriculum is not None:
        trainer.curriculum.restore(state["curriculum"])
