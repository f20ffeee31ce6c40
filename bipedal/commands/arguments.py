"""What every command does with its arguments and its result."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from bipedal import options
from bipedal.fields import Positional, check_limits

ModelArgument = Annotated[str, Positional("MODEL")]
RunArgument = Annotated[Path, Positional("RUN")]


def parse(kind: type[Any], name: str, arguments: Sequence[str]) -> Any:
    """Make a command's dataclass of its arguments; `UserError` if they make no sense."""
    defaults = {field.name: field.default for field in dataclasses.fields(kind)}
    parsed = kind(**options.parse(name, (kind,), arguments, lambda given: defaults))
    check_limits(parsed)
    return parsed


def print_result(result: Mapping[str, Any], as_json: bool) -> None:
    """Print a result on standard output, as one JSON object or as aligned lines."""
    if as_json:
        print(json.dumps(result, allow_nan=False))
        return
    for name, value in result.items():
        if isinstance(value, Mapping):
            print(f"{name}:")
            for key, part in value.items():
                print(f"  {key:28} {_text(part)}")
        else:
            print(f"{name:30} {_text(value)}")


def _text(value: object) -> str:
    if isinstance(value, list):
        return " ".join(_text(part) for part in value)
    return f"{value:.3f}" if isinstance(value, float) else str(value)
