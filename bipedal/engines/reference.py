"""Gymnasium's own walker, one environment at a time: what everything else is compared with."""

from __future__ import annotations

from typing import Any

import gymnasium

from bipedal.walker import check_env_id


def make_env(env_id: str, render_mode: str | None = None) -> gymnasium.Env[Any, Any]:
    """Make one fresh Gymnasium environment with its time limit; UserError if it is not ours."""
    check_env_id(env_id)
    return gymnasium.make(env_id, render_mode=render_mode, disable_env_checker=True)
