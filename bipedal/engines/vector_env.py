"""N walkers on the batched engine as a `gymnasium.vector.VectorEnv`.

import gymnasium
import bipedal

envs = gymnasium.make_vec("bipedal/BipedalWalker-v3", num_envs=1024)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from gymnasium import logger
from gymnasium.error import ResetNeeded
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from bipedal.engines.picture import check_render_mode, take_picture
from bipedal.engines.spaces import make_action_space, make_observation_space
from bipedal.engines.warp import WarpEngine
from bipedal.errors import UserError
from bipedal.physics.constants import FPS
from bipedal.rendering.canvas import Frame
from bipedal.walker import HARDCORE_ID, WALKER_ID, BoolArray, FloatArray

Info = dict[str, Any]
Rewards = npt.NDArray[np.float64]


class WalkerVectorEnv(VectorEnv[FloatArray, npt.ArrayLike, npt.NDArray[Any]]):
    """What `gymnasium.vector.SyncVectorEnv` makes of N of Gymnasium's walkers, and faster.

    Observations, rewards, ends, infos and frames are the same, in all three `AutoresetMode`s. The
    arrays returned are the caller's own. `engine` has the rest: snapshots, poses, contacts,
    terrains.
    """

    def __init__(
        self,
        num_envs: int = 1,
        *,
        hardcore: bool = False,
        max_episode_steps: int | None = None,
        render_mode: str | None = None,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        device: str = "cpu",
        threads: int | None = None,
    ) -> None:
        """Make the walkers of BipedalWalker-v3, or of BipedalWalkerHardcore-v3 if `hardcore`.

        An episode is truncated after `max_episode_steps` (default: Gymnasium's limit). `device`
        and `threads` are those of `WarpEngine`. Raises `UserError` for a value that is impossible.
        """
        self.num_envs = num_envs
        self.metadata = {
            "render_modes": ["rgb_array"],
            "render_fps": FPS,
            "autoreset_mode": _autoreset_mode(autoreset_mode),
        }
        check_render_mode(render_mode, self.metadata["render_modes"])
        self.render_mode = render_mode
        self.engine = WarpEngine(
            HARDCORE_ID if hardcore else WALKER_ID,
            num_envs,
            int(np.random.default_rng().integers(2**62)),
            device=device,
            threads=threads,
            autoreset=self._mode == AutoresetMode.SAME_STEP,
            time_limit=max_episode_steps,
        )
        self.single_observation_space = make_observation_space()
        self.single_action_space = make_action_space()
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self._over = np.zeros(num_envs, dtype=np.bool_)
        """Which environments have ended and were not reset."""
        self._frames = np.zeros(num_envs, dtype=np.int64)
        """Drawn of each environment's episode."""

    @property
    def _mode(self) -> AutoresetMode:
        mode: AutoresetMode = self.metadata["autoreset_mode"]
        return mode

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: Info | None = None
    ) -> tuple[FloatArray, Info]:
        """Begin an episode: with a seed its first one, without one the next.

        Environment i has the seed `seed + i`, or the i-th of a list, where None means no seed. As
        long as an environment has had none, its episodes are any. `options["reset_mask"]` (N,) bool
        says where to begin one, everywhere by default. Returns the observations (N, 24) of all
        environments and an empty dictionary. Raises `UserError` for a list of another length, for
        a seed that is not from 0 to 2^63 - 1 and for a mask that is none, and `ResetNeeded` if the
        first reset leaves environments out.
        """
        mask = self._mask_of(options or {})
        if not self.engine.started and not mask.all():
            raise ResetNeeded("the first reset must begin an episode in every environment")
        rows = np.flatnonzero(mask).tolist()
        seeds = self._seeds_of(seed)
        seeded = {row: one for row in rows if (one := seeds[row]) is not None}
        self.engine.begin_episodes(seeded, list(seeded.values()))
        self.engine.begin_episodes([row for row in rows if row not in seeded])
        self._over[mask] = False
        self._frames[mask] = 0
        return _own(self.engine.observation), {}

    def _seeds_of(self, seed: int | Sequence[int | None] | None) -> Sequence[int | None]:
        """The seed of each environment."""
        if seed is None:
            return [None] * self.num_envs
        if isinstance(seed, int | np.integer):
            return range(int(seed), int(seed) + self.num_envs)
        if len(seed) != self.num_envs:
            raise UserError(f"{self.num_envs} environments need as many seeds, not {len(seed)}")
        return seed

    def _mask_of(self, options: Info) -> BoolArray:
        """Where to begin an episode."""
        mask = options.get("reset_mask", np.ones(self.num_envs, dtype=np.bool_))
        if not (
            isinstance(mask, np.ndarray)
            and mask.dtype == np.bool_
            and mask.shape == (self.num_envs,)
            and mask.any()
        ):
            raise UserError(
                f"reset_mask must be an array of {self.num_envs} bool, at least one of them True"
            )
        return mask

    def step(
        self, actions: npt.ArrayLike
    ) -> tuple[FloatArray, Rewards, BoolArray, BoolArray, Info]:
        """Apply actions (N, 4), rounded to float32.

        Returns observations (N, 24), rewards, terminated, truncated (N,) and infos. With
        `SAME_STEP` the infos have `final_obs` where an episode ended, and with `NEXT_STEP` an
        environment that ended is reset in the next step, whatever its action. Raises
        `ResetNeeded` for one that ended and was not reset with `DISABLED`.
        """
        if self._mode == AutoresetMode.DISABLED and self._over.any():
            raise ResetNeeded(f"reset environments {np.flatnonzero(self._over).tolist()} first")
        step = self.engine.step(torch.from_numpy(np.array(actions, dtype=np.float32)))
        reward = _own(step.reward)
        terminated, truncated = _own(step.terminated), _own(step.truncated)
        info: Info = {}
        if self._mode == AutoresetMode.SAME_STEP:
            done = terminated | truncated
            self._frames[done] = 0
            final = step.final_observation
            for row in np.flatnonzero(done).tolist():
                ended = {"final_obs": _own(final[row]), "final_info": {}}
                info = self._add_info(info, ended, row)
        else:
            if self._over.any():
                self.engine.begin_episodes(np.flatnonzero(self._over).tolist())
                for array in (reward, terminated, truncated, self._frames):
                    array[self._over] = 0
            self._over = terminated | truncated
        return _own(step.observation), reward, terminated, truncated, info

    def render(self) -> tuple[Frame, ...] | None:
        """A frame (400, 600, 3) of each environment, with `render_mode="rgb_array"`.

        With `SAME_STEP` an episode that has just ended is not seen, but the next one.
        """
        if self.render_mode is None:
            logger.warn('render needs render_mode="rgb_array"')
            return None
        if not self.engine.started:
            raise ResetNeeded("reset comes before the first render")
        self._frames += 1
        return tuple(
            take_picture(self.engine, row, int(number)) for row, number in enumerate(self._frames)
        )

    def close_extras(self, **kwargs: Any) -> None:
        """End the engine's threads."""
        self.engine.close()


def _autoreset_mode(mode: AutoresetMode | str) -> AutoresetMode:
    """The mode itself or the one with this value; `UserError` if there is none."""
    try:
        return AutoresetMode(mode)
    except ValueError:
        known = ", ".join(repr(known.value) for known in AutoresetMode)
        raise UserError(f"unknown autoreset mode {mode!r}: choose one of {known}") from None


def _own(tensor: torch.Tensor) -> npt.NDArray[Any]:
    """A copy that the next step does not overwrite."""
    return tensor.cpu().numpy().copy()
