"""A curriculum for Hardcore: every environment's obstacles grow with its own success.

After Rudin, Hoeller, Reist & Hutter 2021, "Learning to walk in minutes using massively parallel
deep reinforcement learning": an episode that gets far without a fall moves its environment a level
up, a fall moves it a level down; standing about does neither. So the terrains stay where about
every second episode succeeds, until the last level, Gymnasium's own distribution, holds them all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from bipedal.engines.warp import WarpEngine
    from bipedal.physics.terrain import Difficulty
    from bipedal.rollout import EpisodeStatistics

LEVELS = 10
"""From level 0, where nothing is in the way, to this one, which is Gymnasium's."""
FAR = 42.0
"""Half of the way, in metres: an episode of less is no success."""


def difficulty_of(level: int) -> Difficulty:
    """Stumps and stairs as high, pits as wide, and obstacles as frequent as the level says."""
    from bipedal.physics.terrain import Difficulty

    share = level / LEVELS
    return Difficulty(
        obstacles=min(1.0, 2.0 * share),
        stump_height=share,
        stair_height=share,
        pit_width=share,
    )


class Curriculum:
    """The level of every environment of an engine; takes effect with their next terrains."""

    def __init__(self, engine: WarpEngine) -> None:
        """Begin everywhere at level 0; before the engine's first reset."""
        self._engine = engine
        self._levels = [0] * engine.num_envs
        self._over = False
        engine.set_difficulty(range(engine.num_envs), difficulty_of(0))

    @property
    def difficulty(self) -> float:
        """Mean level, from 0 to 1."""
        return sum(self._levels) / len(self._levels) / LEVELS

    def learn(self, episodes: Sequence[EpisodeStatistics]) -> None:
        """Move the environments in which these episodes ended up or down."""
        for episode in episodes if not self._over else ():
            step = -1 if episode.fell else int(episode.distance >= FAR)
            self._set(episode.env, min(LEVELS, max(0, self._levels[episode.env] + step)))

    def end(self) -> None:
        """From now on every terrain is Gymnasium's."""
        self._over = True
        for env in range(len(self._levels)):
            self._set(env, LEVELS)

    def _set(self, env: int, level: int) -> None:
        if level != self._levels[env]:
            self._levels[env] = level
            self._engine.set_difficulty([env], difficulty_of(level))

    def state(self) -> dict[str, Any]:
        """What an exact resume needs: levels (N,) and whether it is over; terrains are the
        engine's to keep."""
        return {"levels": torch.tensor(self._levels), "over": self._over}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go back to a saved state."""
        self._levels = state["levels"].tolist()
        self._over = state["over"]
