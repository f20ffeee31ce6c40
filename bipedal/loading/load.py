"""Find out which library wrote a policy file, and read it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from torch import nn

from bipedal.checkpoint import MAX_FILE_BYTES, describe_model, load_model
from bipedal.files import read_file
from bipedal.foreign_policy import ForeignPolicy
from bipedal.loading.cleanrl import load_cleanrl
from bipedal.loading.evolved import load_evolved
from bipedal.loading.onnx_file import OnnxPolicy, load_onnx
from bipedal.loading.stable_baselines import load_stable_baselines
from bipedal.normalizer import ObservationNormalizer
from bipedal.policy import Policy
from bipedal.walker import HARDCORE_ID, OBSERVATION_DIM, WALKER_ID

LoadedPolicy = Policy | ForeignPolicy
"""What the files of a policy become."""
Reader = Callable[[Path, bool], tuple[nn.Sequential, ObservationNormalizer | None]]
"""Reads a file; the flag says whether the statistics of its observations may be missing."""
READERS: Mapping[str, tuple[str, Reader]] = {
    ".zip": ("Stable-Baselines3", load_stable_baselines),
    ".cleanrl_model": ("CleanRL", load_cleanrl),
    ".json": ("Evolving Stable Strategies", load_evolved),
}
"""Suffix to the library that writes such files, and their reader."""


def load_policy(spec: str | Path, *, allow_missing_statistics: bool = False) -> LoadedPolicy:
    """Read a policy of this project or of another library; the file's suffix says which.

    `.onnx` is what `bipedal export` writes, `.zip` is Stable-Baselines3's, `.cleanrl_model`
    CleanRL's, `.json` one of *Evolving Stable Strategies*; for everything else see `load_model`.
    Files of others do not say which walker they were trained on: it is Hardcore's if the file's
    name contains "hard". Raises `UserError` for anything that is not a sound policy of this robot,
    and where the statistics of its observations are missing, unless `allow_missing_statistics`.
    """
    path = Path(spec)
    suffix = path.suffix.lower()
    if suffix == ".onnx":
        return load_onnx(path)
    if suffix not in READERS:
        return load_model(spec, allow_missing_statistics=allow_missing_statistics)
    source, read = READERS[suffix]
    net, normalizer = read(path, allow_missing_statistics)
    env_id = HARDCORE_ID if "hard" in path.stem.lower() else WALKER_ID
    return ForeignPolicy(net, normalizer, source=source, env_id=env_id)


def describe_policy(spec: str | Path) -> dict[str, Any]:
    """Say what a policy's files hold, in plain types; statistics may be missing, nothing is run."""
    policy = load_policy(spec, allow_missing_statistics=True)
    if isinstance(policy, Policy):
        return describe_model(spec)
    path = Path(spec)
    digest = hashlib.sha256(read_file(path, MAX_FILE_BYTES)).hexdigest()
    facts = {"path": str(path), "sha256": digest, "source": policy.source, "env_id": policy.env_id}
    if isinstance(policy, OnnxPolicy):
        return {**policy.metadata, **facts}
    linear = [layer for layer in policy.net if isinstance(layer, nn.Linear)]
    others = [repr(layer) for layer in policy.net if not isinstance(layer, nn.Linear)]
    normalizer = policy.normalizer
    return {
        **facts,
        "layers": "-".join(map(str, (OBSERVATION_DIM, *(layer.out_features for layer in linear)))),
        "activations": others,
        "policy_parameters": sum(p.numel() for layer in linear for p in layer.parameters()),
        "observation_count": None if normalizer is None else float(normalizer.count),
        "observation_mean": None if normalizer is None else normalizer.mean.tolist(),
        "observation_std": None if normalizer is None else normalizer.var.sqrt().tolist(),
    }
