"""Read what Stable-Baselines3 saves: the policy in a .zip, its VecNormalize in a pickle beside it.

The zip's `data` is JSON. What JSON cannot hold stands there pickled, and as plain text beside the
pickle. Only the text is looked at. It says which class the policy is of, its activation, and
whether it was trained on normalised observations; the sizes are those of the weights.
"""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import nn

from bipedal.checkpoint import MAX_FILE_BYTES
from bipedal.errors import UserError
from bipedal.files import read_file
from bipedal.loading.layers import (
    CLIPPED,
    SQUASHED,
    Layer,
    Weights,
    float_weights,
    linear_layers,
    make_net,
    numbered,
)
from bipedal.loading.vec_normalize import MAX_STATISTICS_BYTES, parse_vec_normalize
from bipedal.normalizer import ObservationNormalizer
from bipedal.torch_archive import read_entries, read_torch

ON_POLICY = "stable_baselines3.common.policies"
"""Where the policy of PPO, A2C and TRPO is defined."""
MAX_DATA_BYTES = 4 << 20
"""The last observations of all environments are in it."""
MLP_POLICIES = "the MlpPolicy of PPO, A2C, TRPO, SAC, TD3, DDPG, TQC and CrossQ"
ACTIVATIONS: Mapping[str, type[nn.Module]] = {
    kind.__name__: kind for kind in (nn.Tanh, nn.ReLU, nn.ELU, nn.LeakyReLU, nn.SiLU, nn.GELU)
}
FLATTEN = "FlattenExtractor"
"""The class that extracts features, by default."""
CLIP_MEAN = 2.0
"""Bound of the mean before tanh under generalised state-dependent exploration, by default."""
RENORM_EPSILON = 1e-3
"""Epsilon of CrossQ's batch renormalisation, by default."""


def load_stable_baselines(
    path: Path, allow_missing_statistics: bool
) -> tuple[nn.Sequential, ObservationNormalizer | None]:
    """Read a policy and the statistics of its observations, if it was trained on normalised ones.

    These are in the first of `X_vecnormalize.pkl`, `vecnormalize.pkl` and `vec_normalize.pkl` that
    stands beside `X.zip`. A policy of PPO, A2C or TRPO says whether it needs them; one of another
    algorithm does not say, and is taken to need them if they are there. Raises `UserError` if it is
    no policy that can be played here, and if statistics that it needs are missing, unless
    `allow_missing_statistics`.
    """
    entries = read_entries(path, read_file(path, MAX_FILE_BYTES))
    if not {"data", "policy.pth"} <= entries.keys():
        raise UserError(f"{path} is not what Stable-Baselines3 saves: it lacks data or policy.pth")
    said = _read_data(path, entries["data"])
    net = _make_net(path, said, read_torch(path, entries["policy.pth"]))
    names = (f"{path.stem}_vecnormalize.pkl", "vecnormalize.pkl", "vec_normalize.pkl")
    found = next((place for place in map(path.with_name, names) if os.path.exists(place)), None)
    if said.normalized is False:
        return net, None
    if found is not None:
        return net, parse_vec_normalize(read_file(found, MAX_STATISTICS_BYTES), str(found))
    if said.normalized and not allow_missing_statistics:
        raise UserError(
            f"{path} was trained with VecNormalize, whose file is missing: put it beside the model "
            f"as {names[0]} or {names[1]} (only evaluate runs without: --statistics none or fresh)"
        )
    return net, None


# What the text says -------------------------------------------------------------------------------


class _Said(NamedTuple):
    """What the text in `data` says of a policy."""

    module: str
    """Where its class is defined."""
    flat: bool
    """Whether it is shown the observation itself, rather than features of it."""
    activation: str | None
    """Where it is not the default."""
    squashed: bool
    """Whether a policy of PPO, A2C or TRPO ends in tanh."""
    clip_mean: float
    renorm_epsilon: float
    normalized: bool | None
    """Whether its environments were wrapped in VecNormalize; None where the text does not say."""


def _read_data(path: Path, data: bytes) -> _Said:
    try:
        if len(data) > MAX_DATA_BYTES:
            raise ValueError("too large")
        facts = json.loads(data)
        module = facts["policy_class"]["__module__"]
        options = facts["policy_kwargs"]
        if not isinstance(options, dict) or not isinstance(module, str):
            raise ValueError("not as Stable-Baselines3 writes it")
        return _Said(
            module=module,
            flat=FLATTEN in str(options.get("features_extractor_class", FLATTEN)),
            activation=_class_name(options.get("activation_fn")),
            squashed=options.get("squash_output") is True,
            clip_mean=_number(options.get("clip_mean", CLIP_MEAN)),
            renorm_epsilon=_number(options.get("batch_norm_eps", RENORM_EPSILON)),
            # Algorithms with a replay buffer set it in either case.
            normalized=facts["_last_original_obs"] is not None if module == ON_POLICY else None,
        )
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError):
        raise UserError(f"the data in {path} is not as Stable-Baselines3 writes it") from None


def _class_name(text: object) -> str | None:
    """`ReLU` of "<class 'torch.nn.modules.activation.ReLU'>"; all of it if it is anything else."""
    if text is None:
        return None
    match = re.fullmatch(r"<class 'torch\.nn\.modules\.activation\.(\w+)'>", str(text))
    return match[1] if match else str(text)


def _number(value: object) -> float:
    if not isinstance(value, int | float) or not 0 <= value < math.inf:
        raise ValueError("not a number of this kind")
    return float(value)


# The network --------------------------------------------------------------------------------------


def _make_net(path: Path, said: _Said, state: object) -> nn.Sequential:
    if said.module not in _MAKERS:
        raise UserError(
            f"{path} holds a policy of {said.module[:80]!a}, which cannot be played here: taken is "
            f"{MLP_POLICIES}"
        )
    names = [str(name) for name in state] if isinstance(state, Mapping) else []
    if not said.flat or any("features_extractor." in name for name in names):
        raise UserError(
            f"{path} extracts features from its observations, as CnnPolicy does: taken is "
            f"{MLP_POLICIES}"
        )
    return _MAKERS[said.module](path, said, state)


def _on_policy(path: Path, said: _Said, state: object) -> nn.Sequential:
    """Make the actor of PPO, A2C or TRPO."""
    weights = float_weights(state, path)
    if "log_std" not in weights:
        raise UserError(f"{path} chooses among discrete actions, and this robot's are continuous")
    names = [*numbered(weights, "mlp_extractor.policy_net"), "action_net"]
    layers = linear_layers(path, weights, names)
    bounds = SQUASHED if said.squashed else CLIPPED
    return make_net(path, layers, _activation(path, said, nn.Tanh), bounds)


def _deterministic(path: Path, said: _Said, state: object) -> nn.Sequential:
    """Make the actor of TD3 or DDPG."""
    weights = float_weights(state, path, "actor.")
    layers = linear_layers(path, weights, numbered(weights, "mu"))
    return make_net(path, layers, _activation(path, said, nn.ReLU), SQUASHED)


def _soft(path: Path, said: _Said, state: object) -> nn.Sequential:
    """Make the actor of SAC, TQC or CrossQ."""
    weights = float_weights(state, path, "actor.")
    bounds = SQUASHED
    mean = "mu"
    if "mu.0.weight" in weights and said.clip_mean > 0:  # generalised state-dependent exploration
        mean = "mu.0"
        bounds = (nn.Hardtanh(-said.clip_mean, said.clip_mean), *SQUASHED)
    layers = linear_layers(path, weights, [*numbered(weights, "latent_pi"), mean])
    renorms = numbered(weights, "latent_pi", "ra_mean")
    if renorms:
        layers = _fold(path, layers, weights, renorms, said.renorm_epsilon)
    return make_net(path, layers, _activation(path, said, nn.ReLU), bounds)


_MAKERS: Mapping[str, Callable[[Path, _Said, object], nn.Sequential]] = {
    ON_POLICY: _on_policy,
    "stable_baselines3.td3.policies": _deterministic,
    "stable_baselines3.sac.policies": _soft,
    "sb3_contrib.tqc.policies": _soft,
    "sb3_contrib.crossq.policies": _soft,
}


def _activation(path: Path, said: _Said, default: type[nn.Module]) -> type[nn.Module]:
    if said.activation is None:
        return default
    if said.activation not in ACTIVATIONS:
        raise UserError(
            f"{path} has the activation {said.activation[:80]!a}: taken are "
            f"{', '.join(ACTIVATIONS)}"
        )
    return ACTIVATIONS[said.activation]


def _fold(
    path: Path, layers: Sequence[Layer], weights: Weights, renorms: Sequence[str], epsilon: float
) -> list[Layer]:
    """Put CrossQ's batch renormalisations, one before each layer, into the layers.

    A policy that plays normalises with running statistics: y = scale (x - mean) / std + bias.
    """
    folded = []
    try:
        for (matrix, bias), name in zip(layers, renorms, strict=True):
            mean, var, gain, offset = (
                weights[f"{name}.{part}"].double().expand(matrix.shape[1])
                for part in ("ra_mean", "ra_var", "scale", "bias")
            )
            scale = gain / torch.sqrt(var + epsilon)
            shift = offset - scale * mean
            wide = matrix.double()
            folded.append((wide * scale, bias.double() + wide @ shift))
    except (LookupError, ValueError, RuntimeError):
        raise UserError(f"the layers in {path} do not fit one another") from None
    return folded
