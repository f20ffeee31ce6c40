"""Gymnasium's own walker, one environment at a time: what everything else is compared with.

This is the only place that needs Box2D, which an ordinary installation does not have.
"""

from __future__ import annotations

from typing import Any

import gymnasium
from gymnasium.error import DependencyNotInstalled

from bipedal.errors import UserError
from bipedal.walker import check_env_id

NO_BOX2D = (
    "Gymnasium's own walker needs Box2D: install it with "
    "python -m pip install 'gymnasium[box2d]>=1.4,<1.5' (on Python 3.13 or older)"
)


def make_env(env_id: str, render_mode: str | None = None) -> gymnasium.Env[Any, Any]:
    """Make one fresh Gymnasium environment with its time limit.

    Raises `UserError` if it is not ours and where Box2D is missing.
    """
    check_env_id(env_id)
    try:
        return gymnasium.make(env_id, render_mode=render_mode, disable_env_checker=True)
    except DependencyNotInstalled:
        raise UserError(NO_BOX2D) from None


def check_box2d() -> None:
    """UserError where Box2D is missing, for those who would only find out in another process."""
    try:
        import gymnasium.envs.box2d  # noqa: F401
    except DependencyNotInstalled:
        raise UserError(NO_BOX2D) from None
