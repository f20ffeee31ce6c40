"""Damage to files: bytes, and what stands in JSON, in tables, in archives and in their pickles."""

from __future__ import annotations

import copy
import io
import json
import math
import zipfile
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

import torch

Mutator = Callable[[bytes, Random], bytes]
"""Makes a damaged file of a sound one."""

TOKENS = (
    *(number.to_bytes(size, "little") for size in (1, 2, 4, 8) for number in (0, 1, 255)),
    *(b"\xff" * size for size in (2, 4, 8)),
    *(b"\xff" * (size - 1) + b"\x7f" for size in (2, 4, 8)),
    *(b"NaN", b"Infinity", b"-1", b"1e999", b"9" * 400, b"null", b'"', b"{}", b"[" * 3000),
    *(b",", b"\r\n", b"\n", b"\0", b"\xef\xbb\xbf", b"\xff\xfe", b"../..", b"\x1b[2J"),
    *(b"\x80\x05", b"]" * 500, b"})", b"R", b"b", b"u.", b"Q", b"0", b"2", b"q\x00", b"h\x00"),
    *(b"\x85" * 500, b"\x8e" + b"\xff" * 8, b"\x96" + b"\x00" * 7 + b"\x7f", b"cos\nsystem\n("),
)
"""Pieces that readers of pickles, JSON, tables and numbers may stumble over."""

ODD: tuple[Any, ...] = (
    None, True, 0, -1, 1, 2**31, 2**63, 10**30, 10**400, 0.0, -0.5, 1e308, math.inf, math.nan, "",
    "text", "\x1b[2J", "a\nb", "x" * 5000, [], {}, [[]] * 3, [0] * 1000, {"a": {"b": {}}},
)  # fmt: skip
"""Values that stand where another one was expected."""

MAX_SIZE = 1 << 20


def change_bytes(data: bytes, rng: Random) -> bytes:
    """Flip, cut, double, move or overwrite pieces; a few times."""
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 3, 8))):
        start = rng.randrange(len(changed) + 1)
        end = min(len(changed), start + rng.choice((1, 1, 2, 4, 8, 30, 300, 5000)))
        match rng.randrange(8):
            case 0 | 1 if start < len(changed):
                changed[start] ^= 1 << rng.randrange(8)
            case 2 if start < len(changed):
                changed[start] = rng.randrange(256)
            case 3:
                del changed[start:end]
            case 4:
                changed[start:start] = changed[start:end] * rng.choice((1, 1, 2, 50))
            case 5:
                changed[start:start] = rng.choice(TOKENS)
            case 6:
                token = rng.choice(TOKENS)
                changed[start : start + len(token)] = token
            case _:
                if rng.random() < 0.3:
                    del changed[start:]
    return bytes(changed[:MAX_SIZE])


# Values -------------------------------------------------------------------------------------------


def change_value(value: Any, rng: Random, odd: Sequence[Any] = ODD) -> Any:
    """Put something odd in some place of nested dictionaries and lists; changes nothing in them."""
    if not (isinstance(value, dict | list) and value) or rng.random() < 0.1:
        return copy.deepcopy(rng.choice(odd))
    changed = copy.copy(value)
    place = rng.choice(list(value) if isinstance(value, dict) else range(len(value)))
    match rng.randrange(8):
        case 0:
            del changed[place]
        case 1 if isinstance(changed, dict):
            changed[rng.choice(["", "a", "x" * 1000, "\n", place])] = rng.choice(odd)
        case 2 if isinstance(changed, dict):
            changed[place] = changed[rng.choice(list(changed))]
        case _:
            changed[place] = change_value(changed[place], rng, odd)
    return changed


def change_json(data: bytes, rng: Random) -> bytes:
    """Change a value of a JSON document."""
    value = json.loads(data)
    for _ in range(rng.choice((1, 1, 2, 5))):
        value = change_value(value, rng)
    return json.dumps(value).encode()


def change_table(data: bytes, rng: Random) -> bytes:
    """Change cells, lines and columns of a table."""
    lines = [line.split(b",") for line in data.splitlines()]
    for _ in range(rng.choice((1, 1, 2, 5))):
        line = rng.choice(lines)
        place = rng.randrange(len(line))
        match rng.randrange(7):
            case 0:
                line.append(rng.choice(line))
            case 1:
                lines.append(list(rng.choice(lines)))
            case 2 if len(line) > 1:
                del line[place]
            case 3:
                for each in lines:
                    each.insert(place, rng.choice(TOKENS))
            case 4:
                line[place] = rng.choice(line)
            case _:
                line[place] = rng.choice((str(rng.choice(ODD)).encode(), rng.choice(TOKENS)))
    return b"\r\n".join(map(b",".join, lines)) + b"\r\n"


# Containers ---------------------------------------------------------------------------------------

ODD_TENSORS = tuple(
    torch.full(shape, value, dtype=dtype)
    for shape in ((), (0,), (4,), (24,), (3, 5))
    for value, dtype in (
        (math.nan, torch.float32), (1e38, torch.float32), (2**40, torch.int64),
        (-1, torch.int32), (255, torch.uint8), (1e300, torch.float64),
    )
)  # fmt: skip


def change_torch(data: bytes, rng: Random) -> bytes:
    """Change a value that `torch.save` wrote, or some numbers of a tensor."""
    value = torch.load(io.BytesIO(data), weights_only=True)
    for _ in range(rng.choice((1, 1, 2, 5))):
        tensors = _tensors(value)
        if tensors and rng.random() < 0.3:
            flat = rng.choice(tensors).view(-1)
            if len(flat) and not flat.is_complex():
                odd = (0, 1, -1, 7, 127, 1e30, math.nan, math.inf)
                number = rng.choice(odd if flat.is_floating_point() else odd[:5])
                flat[rng.randrange(len(flat))] = number
        else:
            value = change_value(value, rng, (*ODD, *ODD_TENSORS))
    buffer = io.BytesIO()
    torch.save(value, buffer)
    return buffer.getvalue()


def _tensors(value: Any) -> list[torch.Tensor]:
    """All contiguous tensors in nested containers."""
    if isinstance(value, torch.Tensor):
        return [value] if value.is_contiguous() and value.dtype != torch.bool else []
    parts = value.values() if isinstance(value, dict) else value
    return [each for part in parts for each in _tensors(part)] if _is_container(value) else []


def _is_container(value: Any) -> bool:
    return isinstance(value, dict | list | tuple)


def change_archive(inner: dict[str, Mutator]) -> Mutator:
    """A mutator of a zip archive's entries; `inner` has those for names with a certain end.

    The checksums are made anew, as a forger would.
    """

    def change(data: bytes, rng: Random) -> bytes:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = {name: archive.read(name) for name in archive.namelist()}
        for name in rng.sample(list(entries), rng.choice((1, 1, 2))):
            ending = next((end for end in inner if name.endswith(end)), None)
            mutator = change_bytes if ending is None else inner[ending]
            match rng.randrange(10):
                case 0:
                    entries[name] = entries[rng.choice(list(entries))]
                case 1 if len(entries) > 1:
                    del entries[name]
                case 2:
                    entries[name] = bytes(rng.choice((0, 1, 100_000)))
                case _:
                    entries[name] = mutator(entries[name], rng)
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            for name, content in entries.items():
                archive.writestr(name, content)
        return buffer.getvalue()

    return change


def change_safetensors(data: bytes, rng: Random) -> bytes:
    """Change the header, and count its bytes anew."""
    size = int.from_bytes(data[:8], "little")
    header = data[8 : 8 + size]
    mutator = rng.choice((change_json, change_bytes, _change_metadata))
    header = mutator(header, rng)
    return len(header).to_bytes(8, "little") + header + data[8 + size :]


def _change_metadata(header: bytes, rng: Random) -> bytes:
    """Change one of the texts of JSON."""
    value = json.loads(header)
    facts = value["__metadata__"]
    name = rng.choice(list(facts))
    mutator = rng.choice((change_json, change_bytes))
    facts[name] = mutator(facts[name].encode(), rng).decode(errors="replace")
    return json.dumps(value).encode()


def one_of(*mutators: Mutator) -> Mutator:
    """Any of these, each as often as it is given."""

    def change(data: bytes, rng: Random) -> bytes:
        return rng.choice(mutators)(data, rng)

    return change
