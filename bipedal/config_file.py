"""A training configuration as a TOML file, for people to keep and to change."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_origin

from bipedal.config import TrainConfig, config_to_json
from bipedal.errors import UserError
from bipedal.fields import field_types, suggest
from bipedal.files import read_file

MAX_CONFIG_BYTES = 1 << 20


def read_config_file(path: Path) -> dict[str, Any]:
    """Read fields of `TrainConfig` from a TOML file; those that it does not have are left out.

    Raises `UserError` for a file that is not TOML, for a name that is no field, and for a value of
    another type. Limits are not checked.
    """
    written = read_toml(path)
    types = field_types(TrainConfig)
    for name in written:
        if name not in types:
            raise UserError(f"{path} has an unknown option {name!r}{suggest(name, types)}")
    return {name: field_value(path, name, value, types[name][0]) for name, value in written.items()}


def read_toml(path: Path) -> dict[str, Any]:
    """What a TOML file says; UserError if it is none."""
    try:
        return tomllib.loads(read_file(path, MAX_CONFIG_BYTES).decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UserError(f"{path} is not TOML: {error}") from None


def field_value(path: Path, name: str, value: object, kind: Any) -> Any:
    """A value that stands in a TOML file as a field of this type has it; UserError if it cannot."""
    if get_origin(kind) is tuple and isinstance(value, list):
        if all(type(part) is int for part in value):
            return tuple(value)
    elif kind is float and type(value) is int:
        return float(value)
    elif type(value) is (kind if kind in (bool, int, float) else str):
        return value
    raise UserError(f"{path}: {name} cannot be {value!r}")


def config_text(config: TrainConfig, comments: Mapping[str, str]) -> str:
    """The file that `read_config_file` reads as this configuration, a comment above each value."""
    # JSON writes these values as TOML does. What is None is left out: TOML has no such value.
    return "\n".join(
        f"# {comments[name]}\n{name} = {json.dumps(value)}\n"
        for name, value in config_to_json(config).items()
        if value is not None
    )
