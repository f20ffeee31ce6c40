"""A model as one safetensors file, which holds no pickle.

Policy, critic and observation statistics are tensors, from `policy.net.0.weight` to
`statistics.count`. What a model says of itself is the header's metadata: each fact a text of JSON.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

from bipedal.errors import UserError

MAX_HEADER_BYTES = 1 << 18
"""The header of the deepest network takes 15 kB."""

Parts = dict[str, dict[str, Tensor]]
"""Tensors of the parts of a model, by their names: `parts["policy"]["net.0.weight"]`."""


def pack(parts: Mapping[str, Mapping[str, Tensor]], facts: Mapping[str, Any]) -> bytes:
    """The contents of a file with these parts; facts are plain values that JSON has."""
    tensors = {
        f"{part}.{name}": tensor.detach().cpu().clone(memory_format=torch.contiguous_format)
        for part, named in parts.items()
        for name, tensor in named.items()
    }
    return safetensors.torch.save(
        tensors, {name: json.dumps(value) for name, value in facts.items()}
    )


def unpack(path: Path, data: bytes) -> tuple[Parts, dict[str, Any]]:
    """Undo `pack`; `path` is for messages.

    The library holds every tensor against the bytes that are there before it makes one. Raises
    `UserError` for anything that is not such a file.
    """
    size = int.from_bytes(data[:8], "little")
    if size > MAX_HEADER_BYTES:
        raise _damaged(path)
    try:
        tensors = safetensors.torch.load(data)
        metadata = json.loads(data[8 : 8 + size]).get("__metadata__", {})
        facts = {name: json.loads(text) for name, text in metadata.items()}
    except Exception:
        raise _damaged(path) from None
    parts: Parts = {}
    for name, tensor in tensors.items():
        part, _, rest = name.partition(".")
        parts.setdefault(part, {})[rest] = tensor
    return parts, facts


def _damaged(path: Path) -> UserError:
    return UserError(f"{path} is not a safetensors file, or it is damaged: copy it again")
