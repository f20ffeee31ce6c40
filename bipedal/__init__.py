"""The home of the bipedal walker: its world, and PPO written from scratch in PyTorch.

    import bipedal

    policy = bipedal.load_model("pretrained:walker")
    print(bipedal.evaluate(policy, episodes=10).mean_return)

The names in `__all__` are the public ones; everything else may change. They are imported when they
are first used, so this import takes milliseconds. It also tells Gymnasium of
`bipedal/BipedalWalker-v3` and `bipedal/BipedalWalkerHardcore-v3`, for `gymnasium.make` and
`gymnasium.make_vec`, and changes nothing else in your program.

The rooms, from the top: `cli` runs one of the `commands` and `api` is for programs, `session`
watches a run at a terminal, `training_loop` loops, `trainer` does one iteration, `rollout` collects
from `engines` with a `policy`, `ppo` holds the mathematics; `evaluation` scores, selects and says
how the robot walks; `loading` reads policies of other libraries, `export` writes policies for
others; `report` and `live` are for people who look, `studies` puts claims to the test.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from bipedal.gymnasium_hook import register_environments

if TYPE_CHECKING:
    from bipedal import presets
    from bipedal.api import analyse_gait, evaluate, load_model, make, make_vec, record, train
    from bipedal.config import TrainConfig
    from bipedal.policy import Policy

__version__ = "0.1.0"
__all__ = [
    "Policy",
    "TrainConfig",
    "analyse_gait",
    "evaluate",
    "load_model",
    "make",
    "make_vec",
    "presets",
    "record",
    "train",
]

_MODULES = {"Policy": "bipedal.policy", "TrainConfig": "bipedal.config"}
"""Where public names come from that are not from `bipedal.api`."""


register_environments()


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for."""
    if name not in __all__:
        raise AttributeError(f"module 'bipedal' has no attribute {name!r}")
    if name == "presets":
        return importlib.import_module("bipedal.presets")
    return getattr(importlib.import_module(_MODULES.get(name, "bipedal.api")), name)


def __dir__() -> list[str]:
    """All names, also those that were not imported yet."""
    return sorted({*globals(), *__all__})
