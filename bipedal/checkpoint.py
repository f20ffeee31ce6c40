"""The only room that touches model files: written atomically, read without trust.

A model is one file or two. `X.safetensors` holds everything, and no pickle
(`bipedal.tensor_file`). Or `X.pth` holds `{"policy": state_dict, "critic": state_dict, ...}` with
further keys of plain types; `X_stats.pkl` beside it a pickled
`gymnasium.wrappers.utils.RunningMeanStd`, the observation statistics. That is what the notebook
this project grew from wrote, and its files can be read here and ours there. Ours also carry the
SHA-256 of the statistics they belong with, so that a model can never be run with those of
another.

Reading runs no code from a file: the weights of a pair come through `bipedal.torch_archive`, its
statistics through the unpickler of `bipedal.safe_pickle`.
"""

from __future__ import annotations

import hashlib
import io
import os
import pickle
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

import torch
from gymnasium.wrappers.utils import RunningMeanStd as GymnasiumRunningMeanStd
from torch import Tensor

from bipedal.config import MAX_FRAMES, MAX_HIDDEN_LAYERS, MAX_SPAN, MAX_WIDTH
from bipedal.errors import UserError
from bipedal.files import atomic_write, read_file, temporary_path
from bipedal.history import FrameStack
from bipedal.networks import Activation, Actor, Critic, may_overflow
from bipedal.normalizer import ObservationNormalizer
from bipedal.policy import Policy
from bipedal.safe_pickle import check_statistics, parse_statistics
from bipedal.tensor_file import pack, unpack
from bipedal.torch_archive import read_torch
from bipedal.walker import ACTION_DIM, OBSERVATION_DIM

MAX_FILE_BYTES = 1 << 30
MAX_STATISTICS_BYTES = 1 << 14
"""The pickle of 24 means and variances takes less than 1 KiB."""
READ_ATTEMPTS = 10
"""A model and statistics that do not fit are read again, as a save may be under way."""
PRETRAINED = Path(__file__).parent / "pretrained"
SINGLE = ".safetensors"
"""Suffix of a model in one file."""


# Writing -----------------------------------------------------------------------------------------


def statistics_path(model_path: Path) -> Path:
    """Return the place of the statistics of `X.pth`: `X_stats.pkl`."""
    return model_path.with_name(model_path.stem + "_stats.pkl")


def _to_bytes(contents: Mapping[str, Any]) -> bytes:
    buffer = io.BytesIO()
    torch.save(dict(contents), buffer)
    return buffer.getvalue()


def _statistics_to_bytes(normalizer: ObservationNormalizer) -> bytes:
    statistics = GymnasiumRunningMeanStd(shape=tuple(normalizer.mean.shape))
    statistics.mean = normalizer.mean.cpu().numpy().copy()
    statistics.var = normalizer.var.cpu().numpy().copy()
    statistics.count = float(normalizer.count)
    return pickle.dumps(statistics, protocol=4)


def save_model(path: Path, policy: Policy) -> None:
    """Write one file if `path` ends in `.safetensors`, else `path` (.pth) and its statistics.

    The gain goes into the weights. Two renames cannot be one. A reader between them, or after a
    power cut there, finds new statistics, an old model and the new model still under its temporary
    name; the digest tells it that these two belong together (see `load_model`). The next save first
    makes the rename that was missed, so that it may be cut off as well.
    """
    policy = policy.with_gain_in_weights()
    if _is_single(path):
        atomic_write((path, _single_to_bytes(policy)))
        return
    if _read_unrenamed(path) is not None:
        os.replace(temporary_path(path), path)
    statistics = _statistics_to_bytes(policy.normalizer)
    digest = hashlib.sha256(statistics).hexdigest()
    weights = _to_bytes(
        {**policy.info, **_networks_of(policy), **_facts_of(policy), "statistics_sha256": digest}
    )
    atomic_write((statistics_path(path), statistics), (path, weights))


def save_best_model(models_dir: Path, policy: Policy) -> None:
    """Write `best_model` in both forms.

    The single file is absent while the pair changes: where both are, they are the same model.
    """
    single = models_dir / f"best_model{SINGLE}"
    single.unlink(missing_ok=True)
    save_model(models_dir / "best_model.pth", policy)
    save_model(single, policy)


def _is_single(path: Path) -> bool:
    return path.suffix.lower() == SINGLE


def _single_to_bytes(policy: Policy) -> bytes:
    said = {
        name: value
        for name, value in policy.info.items()
        if isinstance(name, str) and is_plain(name) and (value is None or is_plain(value))
    }
    parts = {**_networks_of(policy), "statistics": policy.normalizer.state_dict()}
    return pack(parts, {**said, **_facts_of(policy)})


def _networks_of(policy: Policy) -> dict[str, dict[str, Tensor]]:
    return {
        part: {name: tensor.cpu() for name, tensor in network.state_dict().items()}
        for part, network in (("policy", policy.actor), ("critic", policy.critic))
    }


def _facts_of(policy: Policy) -> dict[str, Any]:
    """What the weights of a policy do not say."""
    return {
        "activation": policy.actor.activation,
        "std_bounds": list(policy.actor.std_bounds),
        "memory": list(policy.frame_stack),
    }


def save_state(path: Path, state: Mapping[str, Any]) -> None:
    """Write everything an exact resume needs, one file: tensors and plain types."""
    atomic_write((path, _to_bytes(state)))


# Reading -----------------------------------------------------------------------------------------


def _read_contents(path: Path, data: bytes) -> dict[str, Any]:
    """Load a torch archive that holds a dictionary."""
    contents = read_torch(path, data)
    if not isinstance(contents, dict):
        raise UserError(f"{path} does not hold the dictionary that a model file holds")
    return contents


def load_state(path: Path) -> dict[str, Any]:
    """Read what `save_state` wrote."""
    return _read_contents(path, read_file(path, MAX_FILE_BYTES))


def resolve_model_path(spec: str | Path) -> Path:
    """Find the file of a MODEL: the file itself, a run directory's best, or `pretrained:NAME`."""
    text = str(spec)
    if text.startswith("pretrained:"):
        name = text.removeprefix("pretrained:")
        names = sorted(path.stem for path in PRETRAINED.glob("*.pth"))
        if name not in names:
            raise UserError(f"there is no {text}: known are {', '.join(names) or 'none'}")
        return PRETRAINED / f"{name}.pth"
    path = Path(text)
    if os.path.isdir(path):  # Path.is_dir raises for a name that is too long
        best = path / "saved_models" / "best_model.pth"
        if not os.path.exists(best):
            raise UserError(f"{path} holds no saved_models/best_model.pth: is it a run directory?")
        return best
    if not os.path.exists(path):
        raise UserError(
            f"there is no model {text}: give a .safetensors or .pth file, a run directory or "
            "pretrained:NAME"
        )
    return path


def _read_pair(path: Path) -> tuple[dict[str, Any], bytes | None]:
    """Read a model and the statistics that belong to it (None where there is no such file)."""
    for attempt in range(READ_ATTEMPTS):
        weights = read_file(path, MAX_FILE_BYTES)
        if not os.path.exists(statistics_path(path)):
            return _read_contents(path, weights), None
        # Right after the weights, before these are unpacked: a save may come in between.
        statistics = read_file(statistics_path(path), MAX_STATISTICS_BYTES)
        contents = _read_contents(path, weights)
        digest = hashlib.sha256(statistics).hexdigest()
        if contents.get("statistics_sha256", digest) == digest:
            return contents, statistics
        unrenamed = _read_unrenamed(path)
        if unrenamed is not None and unrenamed.get("statistics_sha256") == digest:
            return unrenamed, statistics
        if attempt < READ_ATTEMPTS - 1:
            time.sleep(0.03)  # a save may be under way
    raise UserError(
        f"{statistics_path(path)} are not the statistics that {path} was saved with (damaged, or "
        "of another model)"
    )


def _read_unrenamed(path: Path) -> dict[str, Any] | None:
    """Read the model of a save that ended between its two renames; None if there was none."""
    try:
        contents = _read_contents(path, read_file(temporary_path(path), MAX_FILE_BYTES))
        digest = hashlib.sha256(read_file(statistics_path(path), MAX_STATISTICS_BYTES)).hexdigest()
    except UserError:
        return None
    return contents if contents.get("statistics_sha256") == digest else None


def load_model(spec: str | Path, *, allow_missing_statistics: bool = False) -> Policy:
    """Read a model: a `.safetensors` or `.pth` file, a run directory or `pretrained:NAME`.

    Sizes and LayerNorm are read off the weights, so the notebook's files need no configuration.
    Raises `UserError` for anything that is not a sound model of this robot with its own
    statistics; with `allow_missing_statistics` the file of those of a `.pth` may be absent
    (observations then go in as they are, clipped to ±10).
    """
    path = resolve_model_path(spec)
    if _is_single(path):
        return _build(path, *_read_single(path))
    contents, statistics = _read_pair(path)
    if statistics is not None:
        normalizer = parse_statistics(statistics, str(statistics_path(path)))
    elif allow_missing_statistics:
        normalizer = ObservationNormalizer((OBSERVATION_DIM,))
    else:
        raise UserError(
            f"{statistics_path(path)} is missing: without its statistics a policy sees another "
            "world and falls; put the file back (only evaluate runs without: --statistics none)"
        )
    return _build(path, contents, normalizer)


def _read_single(path: Path) -> tuple[dict[str, Any], ObservationNormalizer]:
    """Read a `.safetensors` file: what a `.pth` holds, and the statistics."""
    parts, facts = unpack(path, read_file(path, MAX_FILE_BYTES))
    try:
        numbers = check_weights(parts.pop("statistics"))
        mean, var, count = (numbers[name].double().numpy() for name in ("mean", "var", "count"))
    except (LookupError, ValueError, TypeError, RuntimeError):
        raise UserError(f"{path} holds no observation statistics: copy or train it again") from None
    return {**facts, **parts}, check_statistics(mean, var, count, str(path))


def _build(path: Path, contents: Mapping[str, Any], normalizer: ObservationNormalizer) -> Policy:
    frame_stack = _frame_stack(path, contents.get("memory", [1, 1]))
    actor, critic = _networks(path, contents, frame_stack)
    own = ("policy", "critic", "activation", "std_bounds", "memory", "statistics_sha256")
    info = {
        name: value
        for name, value in contents.items()
        if isinstance(name, str) and name not in own and _is_fact(value)
    }
    return Policy(actor, critic, normalizer, frame_stack, info=info)


def describe_model(spec: str | Path) -> dict[str, Any]:
    """Say what a model's files hold, in plain types; statistics may be missing, nothing is run."""
    path = resolve_model_path(spec)
    policy = load_model(path, allow_missing_statistics=True)
    place = path if _is_single(path) else statistics_path(path)
    found = os.path.exists(place)
    width = policy.frame_stack.frames * OBSERVATION_DIM
    facts = {
        "path": str(path),
        "sha256": hashlib.sha256(read_file(path, MAX_FILE_BYTES)).hexdigest(),
        "statistics": str(place) if found else "missing",
        "layers": "-".join(map(str, (width, *policy.actor.hidden_sizes, ACTION_DIM))),
        "frames": policy.frame_stack.frames,
        "frame_stride": policy.frame_stack.stride,
        "activation": policy.actor.activation,
        "layer_norm": policy.actor.layer_norm,
        "policy_parameters": sum(p.numel() for p in policy.actor.parameters()),
        "critic_parameters": sum(p.numel() for p in policy.critic.parameters()),
        "action_std": policy.actor.bounded_log_std().exp().tolist(),
        "observation_count": float(policy.normalizer.count) if found else None,
        "observation_mean": policy.normalizer.mean.tolist() if found else None,
        "observation_std": policy.normalizer.var.sqrt().tolist() if found else None,
    }
    said = {k: v for k, v in policy.info.items() if k not in facts and is_plain(k) and is_plain(v)}
    return {**facts, **said}


def _is_fact(value: object) -> bool:
    """Whether a model may say this of itself: no containers, which may be deeper than a stack."""
    return value is None or isinstance(value, str | int | float)


def is_plain(value: object) -> bool:
    """Whether a value out of a file may be shown: a number, or a short text without controls."""
    if isinstance(value, str):
        return len(value) <= 200 and value.isprintable()
    return isinstance(value, int | float) and abs(value) < 1e300  # not NaN, not a page of digits


def check_weights(state: object) -> dict[str, Tensor]:
    """Check that a state_dict out of a file holds plain float tensors; ValueError if not."""
    if not isinstance(state, dict):
        raise ValueError("not a state_dict")
    for tensor in state.values():
        plain = type(tensor) in (Tensor, torch.nn.Parameter) and tensor.layout is torch.strided
        if not plain or tensor.device.type != "cpu" or not tensor.is_floating_point():
            raise ValueError("not weights")
        if not tensor.is_contiguous():  # a few bytes can be viewed as a tensor of any size
            raise ValueError("a view")
    return dict(state)


def _layer_sizes(weights: Mapping[str, Tensor]) -> tuple[list[int], bool]:
    """Widths from input to output, and whether there is LayerNorm, from `net.N.weight` keys."""
    names = [name for name in weights if name.startswith("net.") and name.endswith(".weight")]
    names.sort(key=lambda name: int(name.split(".")[1]))
    linear = [weights[name].shape for name in names if weights[name].dim() == 2]
    sizes = [linear[0][1], *(shape[0] for shape in linear)]
    if not all(0 < size <= MAX_WIDTH for size in sizes) or len(sizes) > MAX_HIDDEN_LAYERS + 2:
        raise ValueError("larger than any network of this project")
    return sizes, len(linear) < len(names)


def _std_bounds(value: object) -> tuple[float, float]:
    """Check the bounds of the standard deviation out of a file; ValueError if they make none."""
    if not isinstance(value, list | tuple):
        raise ValueError("not two numbers")
    std_min, std_max = value
    if not isinstance(std_min, int | float) or not isinstance(std_max, int | float):
        raise ValueError("not two numbers")
    if not 0 < std_min <= std_max < 1e300:
        raise ValueError("not a range")
    return float(std_min), float(std_max)


def _frame_stack(path: Path, value: object) -> FrameStack:
    """Check which observations a policy out of a file is shown."""
    if isinstance(value, list) and len(value) == 2 and all(type(part) is int for part in value):
        stack = FrameStack(*value)
        if (
            min(value) > 0
            and stack.frames <= MAX_FRAMES
            and max(stack.stride, stack.span) <= MAX_SPAN
        ):
            return stack
    raise UserError(f"{path} does not say which observations its policy is shown")


def _networks(
    path: Path, contents: Mapping[str, Any], frame_stack: FrameStack
) -> tuple[Actor, Critic]:
    """Build both networks in the sizes of their weights and load them."""
    try:
        policy = check_weights(contents["policy"])
        value = check_weights(contents["critic"])
        policy["log_std"] = policy["log_std"].reshape(-1)
        policy_sizes, policy_norm = _layer_sizes(policy)
        value_sizes, value_norm = _layer_sizes(value)
        ends = (policy_sizes[0], policy_sizes[-1], value_sizes[0], value_sizes[-1])
        activation: Activation = contents.get("activation", "relu")
        if activation not in get_args(Activation):
            raise ValueError("unknown activation")
        std_min, std_max = _std_bounds(contents.get("std_bounds", (1e-3, 1.0)))
    except (KeyError, IndexError, ValueError, TypeError, AttributeError):
        raise UserError(
            f"{path} does not hold the weights of a policy and a critic as this project writes them"
        ) from None
    width = frame_stack.frames * OBSERVATION_DIM
    if ends != (width, ACTION_DIM, width, 1):
        raise UserError(
            f"{path} has a policy from {ends[0]} to {ends[1]} and a critic from {ends[2]} to "
            f"{ends[3]} numbers; this robot needs {width} to {ACTION_DIM} and {width} to 1"
        )
    try:
        actor = Actor(
            width,
            ACTION_DIM,
            hidden_sizes=policy_sizes[1:-1],
            activation=activation,
            layer_norm=policy_norm,
            std_min=std_min,
            std_max=std_max,
        )
        critic = Critic(
            width,
            hidden_sizes=value_sizes[1:-1],
            activation=activation,
            layer_norm=value_norm,
        )
        actor.load_state_dict(policy)
        critic.load_state_dict(value)
    except (RuntimeError, ValueError, TypeError):
        raise UserError(f"the layers in {path} do not fit one another") from None
    if not all(torch.isfinite(p).all() for p in (*actor.parameters(), *critic.parameters())):
        raise UserError(f"{path} holds weights that are not finite")
    if any(may_overflow(net, ObservationNormalizer.clip) for net in (actor.net, critic.net)):
        raise UserError(f"{path} holds weights that are too large to compute with")
    return actor, critic
