"""Engines that are closed, the robot's constants, and Gymnasium environments beside them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from typing import Any

import pytest

from bipedal.envs import ENV_IDS
from bipedal.physics.engine import WarpEngine, quiet_warp
from bipedal.physics.robot import make_robot

EngineMaker = Callable[..., WarpEngine]


@pytest.fixture(scope="session")
def robot() -> Any:
    """The constants of the robot, as kernels take them."""
    quiet_warp()
    return make_robot("cpu")


@pytest.fixture
def make_engine() -> Iterator[EngineMaker]:
    """A maker of engines, which are closed after the test."""
    with ExitStack() as stack:

        def make(
            env_id: str = ENV_IDS[0], num_envs: int = 4, seed: int = 7, *, threads: int = 1
        ) -> WarpEngine:
            return stack.enter_context(closing(WarpEngine(env_id, num_envs, seed, threads=threads)))

        yield make
