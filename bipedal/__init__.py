"""The home of the bipedal walker: its world, and PPO written from scratch in PyTorch.

    import bipedal

    policy = bipedal.load_model("pretrained:walker")
    print(bipedal.evaluate(policy, episodes=10).mean_return)

Importing this also tells Gymnasium of `bipedal/BipedalWalker-v3` and
`bipedal/BipedalWalkerHardcore-v3`, for `gymnasium.make` and `gymnasium.make_vec`. The names in
`__all__` are imported when they are first used, so that a process that steps environments never
pays for an `import torch`.

The rooms, from the top: `cli` parses, `session` watches a run at a terminal, `train` loops,
`trainer` does one iteration, `rollout` collects from `engines` with a `policy`, `ppo` holds the
mathematics; `evaluation` scores, selects and says how the robot walks; `loading` reads policies of
other libraries; `report` is for people who look, `studies` puts claims to the test.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from bipedal.engines.registration import register_environments

if TYPE_CHECKING:
    from bipedal.checkpoint import load_model
    from bipedal.engines import make_vec
    from bipedal.evaluation.score import evaluate
    from bipedal.policy import Policy
    from bipedal.report.video import record_episode as record

__version__ = "0.1.0"
__all__ = ["Policy", "evaluate", "load_model", "make_vec", "record"]

_PLACES = {
    "Policy": ("bipedal.policy", "Policy"),
    "evaluate": ("bipedal.evaluation.score", "evaluate"),
    "load_model": ("bipedal.checkpoint", "load_model"),
    "make_vec": ("bipedal.engines", "make_vec"),
    "record": ("bipedal.report.video", "record_episode"),
}


register_environments()


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for."""
    if name not in _PLACES:
        raise AttributeError(f"module 'bipedal' has no attribute {name!r}")
    module, attribute = _PLACES[name]
    return getattr(importlib.import_module(module), attribute)


def __dir__() -> list[str]:
    """All names, also those that were not imported yet."""
    return sorted({*globals(), *__all__})
