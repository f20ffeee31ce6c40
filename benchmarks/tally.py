"""How many episodes, and steps of them, were the same in two engines."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from bipedal.conformance.answer import Difference


@dataclass
class Tally:
    """Counts of episodes that were played to their end or to their first difference."""

    episodes: int = 0
    steps: int = 0
    identical_episodes: int = 0
    identical_steps: int = 0
    first_differences: list[dict[str, Any]] = field(default_factory=list)

    def count(self, seed: int, steps: int, difference: Difference | None) -> None:
        """Count an episode; a difference was in the last of its steps, or in the reset."""
        self.episodes += 1
        self.steps += steps
        if difference is None:
            self.identical_episodes += 1
            self.identical_steps += steps
            return
        self.identical_steps += max(steps - 1, 0)
        self.first_differences.append(
            {"seed": seed, "step": steps, **asdict(difference), "size": difference.size}
        )

    def add(self, other: Tally) -> None:
        """Add another part of the same count."""
        for name, value in vars(other).items():
            setattr(self, name, getattr(self, name) + value)
