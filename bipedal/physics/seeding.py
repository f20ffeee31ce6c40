"""numpy's PCG64 generators as rows of an array: seeds in, generators out.

Here numpy itself does the work; `random` draws from such rows inside kernels. Nothing here imports
Warp, because processes that step Gymnasium's environments need none.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

GENERATOR = np.dtype(
    [
        ("state_high", np.uint64),
        ("state_low", np.uint64),
        ("increment_high", np.uint64),
        ("increment_low", np.uint64),
        ("kept", np.uint32),
        ("has_kept", np.uint32),
    ]
)
"""The fields of `random.Generator`."""
_HALF = 2**64


def seed_generators(seeds: Iterable[int]) -> npt.NDArray[Any]:
    """Generators (n,) of type `GENERATOR` as `reset(seed=...)` of Gymnasium makes them."""
    rows = [_row(np.random.PCG64(np.random.SeedSequence(seed))) for seed in seeds]
    return np.array(rows, dtype=GENERATOR)


def row_of(generator: np.random.Generator) -> np.void:
    """State of a PCG64 generator as a value of type `GENERATOR`."""
    row: np.void = np.array([_row(generator.bit_generator)], dtype=GENERATOR)[0]
    return row


def generator_of(row: np.void) -> np.random.Generator:
    """Make numpy's generator that goes on from a value of type `GENERATOR`."""
    high, low, increment_high, increment_low, kept, has_kept = row.item()
    bits = np.random.PCG64()
    bits.state = {
        "bit_generator": "PCG64",
        "state": {"state": high * _HALF + low, "inc": increment_high * _HALF + increment_low},
        "uinteger": kept,
        "has_uint32": has_kept,
    }
    return np.random.Generator(bits)


def _row(bits: Any) -> tuple[int, ...]:
    """The values of `GENERATOR`."""
    state = bits.state
    return (
        *divmod(state["state"]["state"], _HALF),
        *divmod(state["state"]["inc"], _HALF),
        state["uinteger"],
        state["has_uint32"],
    )
