"""One walker on the batched engine as a `gymnasium.Env`.

import gymnasium
import bipedal

env = gymnasium.make("bipedal/BipedalWalker-v3")
"""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
import numpy.typing as npt
import torch
from gymnasium import logger
from gymnasium.error import ResetNeeded

from bipedal.engines.picture import check_render_mode, take_picture
from bipedal.engines.spaces import make_action_space, make_observation_space
from bipedal.engines.warp import Snapshot, WarpEngine
from bipedal.errors import UserError
from bipedal.physics.constants import FPS
from bipedal.rendering.canvas import Frame
from bipedal.rendering.window import Window
from bipedal.walker import HARDCORE_ID, WALKER_ID, FloatArray

State = dict[str, Any]
Info = dict[str, Any]


class WalkerEnv(gymnasium.Env[Any, Any]):
    """Gymnasium's BipedalWalker: the same observations, rewards, ends and frames.

    `np_random` is used as in Gymnasium: `reset(seed=...)` makes it anew, every `reset` draws the
    terrain, the clouds and the first push from it, and a step draws nothing. It must be a PCG64.

    As in Gymnasium the environment itself has no time limit, `gymnasium.make` adds that, and after
    an end it goes on as it is until `reset`. A copy, by `copy.deepcopy` or `pickle`, goes on
    exactly like the original.
    """

    metadata = {"render_modes": ["human", "rgb_array"], "render_fps": FPS}  # noqa: RUF012

    def __init__(self, render_mode: str | None = None, hardcore: bool = False) -> None:
        """Make the walker of BipedalWalker-v3, or of BipedalWalkerHardcore-v3 if `hardcore`.

        Raises `UserError` for an unknown `render_mode`, and for "human" without pygame.
        """
        check_render_mode(render_mode, self.metadata["render_modes"])
        self.render_mode = render_mode
        self.hardcore = hardcore
        self.observation_space = make_observation_space()
        self.action_space = make_action_space()
        self._frames = 0
        self._open()

    def _open(self) -> None:
        """Make what a copy does not share."""
        env_id = HARDCORE_ID if self.hardcore else WALKER_ID
        # Every reset brings the generator of its own, so the seed here is never used.
        self._engine = WarpEngine(env_id, 1, seed=0, threads=1, autoreset=False)
        self._window = Window("BipedalWalker", FPS) if self.render_mode == "human" else None

    def reset(
        self, *, seed: int | None = None, options: Info | None = None
    ) -> tuple[FloatArray, Info]:
        """Begin an episode: with a seed its first one, without one the next; `options` are unused.

        Returns the observation (24,) and an empty dictionary.
        """
        super().reset(seed=seed)
        self._engine.set_generators([0], [self.np_random])
        observation = self._engine.begin_episodes([0])
        (drawn,) = self._engine.generators([0])
        self.np_random.bit_generator.state = drawn.bit_generator.state
        self._frames = 0
        self._show()
        return _own(observation), {}

    def step(self, action: npt.ArrayLike) -> tuple[FloatArray, float, bool, bool, Info]:
        """Apply an action (4,), which is rounded to float32.

        Gymnasium computes with actions of float64 as they are, and so gets slightly other torques
        and rewards. Returns observation (24,), reward, whether the robot fell or reached the far
        end, False, and an empty dictionary. Raises `ValueError` before the first `reset`, and for
        an action of another shape or with NaN.
        """
        actions = torch.from_numpy(np.array(action, dtype=np.float32)[None])
        step = self._engine.step(actions)
        self._show()
        return _own(step.observation), step.reward.item(), bool(step.terminated), False, {}

    def render(self) -> Frame | None:
        """The frame (400, 600, 3) of render mode "rgb_array"; in mode "human" it is shown instead.

        As in Gymnasium the lidar's beams take turns from call to call.
        """
        if self.render_mode is None:
            logger.warn('render needs a render mode, such as render_mode="rgb_array"')
            return None
        if not self._engine.started:
            raise ResetNeeded("reset comes before the first render")
        self._frames += 1
        frame = take_picture(self._engine, 0, self._frames)
        if self._window is None:
            return frame
        self._window.show(frame)
        return None

    def _show(self) -> None:
        if self.render_mode == "human":
            self.render()

    def get_state(self) -> State:
        """Everything needed to go on exactly from here; a time limit's count is not in it."""
        if not self._engine.started:
            raise ResetNeeded("reset comes before the first state")
        return {
            "hardcore": self.hardcore,
            "engine": self._engine.state(),
            "np_random": self.np_random.bit_generator.state,
            "frames": self._frames,
        }

    def set_state(self, state: State) -> FloatArray:
        """Go back to a state of `get_state`; returns the observation (24,) at that moment.

        It may come from another environment, but not from the other world: `UserError` then.
        """
        if state["hardcore"] != self.hardcore:
            raise UserError("this state is of the other one of the two environments")
        observation = self._engine.restore(state["engine"])
        self.np_random.bit_generator.state = state["np_random"]
        self._frames = state["frames"]
        return _own(observation)

    def close(self) -> None:
        """Close the window, if there is one, and the engine."""
        self._engine.close()
        if self._window is not None:
            self._window.close()

    def __getstate__(self) -> State:
        """All but the engine and the window, and the engine's state instead."""
        kept = {name: value for name, value in vars(self).items() if name not in _NOT_COPIED}
        snapshot: Snapshot | None = self._engine.state() if self._engine.started else None
        return {"attributes": kept, "engine": snapshot}

    def __setstate__(self, state: State) -> None:
        """Make an engine and a window for the copy."""
        vars(self).update(state["attributes"])
        self._open()
        if state["engine"] is not None:
            self._engine.restore(state["engine"])


_NOT_COPIED = {"_engine", "_window"}


def _own(observation: torch.Tensor) -> FloatArray:
    """The only row, in memory that the next step does not overwrite."""
    own: FloatArray = observation.numpy()[0].copy()
    return own
