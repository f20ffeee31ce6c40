"""Read what CleanRL's scripts for continuous actions save with `--save-model`.

`ppo_continuous_action` saves the agent's state_dict, `td3_` and `ddpg_continuous_action` a tuple of
state_dicts, the actor's first. `sac_` and `rpo_continuous_action` save nothing themselves, but
their agents look alike, so these are taken in the same two forms. PPO and RPO normalise
observations and do not save the statistics.
"""

from __future__ import annotations

from pathlib import Path

from torch import Tensor, nn

from bipedal.checkpoint import MAX_FILE_BYTES
from bipedal.errors import UserError
from bipedal.files import read_file
from bipedal.loading.layers import (
    CLIPPED,
    SQUASHED,
    float_weights,
    linear_layers,
    make_net,
    numbered,
)
from bipedal.torch_archive import read_torch


def load_cleanrl(path: Path, allow_missing_statistics: bool) -> tuple[nn.Sequential, None]:
    """Read the network of a `.cleanrl_model`; there are never statistics.

    Raises `UserError` if it is none of a policy with continuous actions, and for one that was
    trained on normalised observations unless `allow_missing_statistics`.
    """
    contents = read_torch(path, read_file(path, MAX_FILE_BYTES))
    actor = contents[0] if isinstance(contents, list | tuple) and contents else contents
    weights = float_weights(actor, path)
    if "actor_logstd" in weights:
        if not allow_missing_statistics:
            raise UserError(
                f"{path} was trained on normalised observations, and CleanRL does not save their "
                "statistics: evaluate it with --statistics fresh, which estimates them anew"
            )
        layers = linear_layers(path, weights, numbered(weights, "actor_mean"))
        return make_net(path, layers, nn.Tanh, CLIPPED), None
    last = next((name for name in ("fc_mu", "fc_mean") if f"{name}.weight" in weights), None)
    if last is None:
        raise UserError(
            f"{path} holds no policy with continuous actions of CleanRL's PPO, RPO, TD3, DDPG or "
            "SAC"
        )
    if not (_are_all(weights, "action_scale", 1.0) and _are_all(weights, "action_bias", 0.0)):
        raise UserError(f"{path} has actions in another range than ±1, so is not of this robot")
    layers = linear_layers(path, weights, ("fc1", "fc2", last))
    return make_net(path, layers, nn.ReLU, SQUASHED), None


def _are_all(weights: dict[str, Tensor], name: str, value: float) -> bool:
    return name in weights and bool((weights[name] == value).all())
