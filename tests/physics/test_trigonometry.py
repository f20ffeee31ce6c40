"""Sine and cosine against the C library's, bit for bit, and against what they mean."""

from __future__ import annotations

import ctypes
import ctypes.util
import platform

import numpy as np
import pytest
from kernels import Array, lane_rotations, rotations

GOLDEN = {
    # angle: cosine and sine of glibc 2.36, as hexadecimal floats
    "0x0p+0": ("0x1p+0", "0x0p+0"),
    "0x1.99999ap-5": ("0x1.ff5c32p-1", "0x1.996deap-5"),
    "-0x1.99999ap-1": ("0x1.64b6bep-1", "-0x1.6f494cp-1"),
    "0x1.19999ap+0": ("0x1.d07b7ep-2", "0x1.c84c56p-1"),
    "0x1.8p+1": ("-0x1.fae04cp-1", "0x1.210386p-3"),
    "-0x1.4p+3": ("-0x1.ad9ac8p-1", "0x1.1689fp-1"),
}
"""So that machines without that library are held to it too."""


def from_c_library(angles: Array) -> Array:
    """(cos, sin) of angles (n,) by glibc's single-precision functions."""
    library = ctypes.CDLL(ctypes.util.find_library("m"))
    out = np.empty((len(angles), 2), np.float32)
    for column, name in enumerate(("cosf", "sinf")):
        function = getattr(library, name)
        function.argtypes, function.restype = [ctypes.c_float], ctypes.c_float
        out[:, column] = [function(angle) for angle in angles.tolist()]
    return out


def test_known_values_have_their_bits() -> None:
    angles = np.array([float.fromhex(angle) for angle in GOLDEN], np.float32)
    expected = [[float.fromhex(value) for value in values] for values in GOLDEN.values()]
    np.testing.assert_array_equal(rotations(angles), np.array(expected, np.float32))
    np.testing.assert_array_equal(lane_rotations(angles), np.array(expected, np.float32))


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the C library is not glibc")
def test_the_bits_are_those_of_the_c_library() -> None:
    """A joint or body turns by a fraction of a radian, a tumbling robot by a few turns."""
    rng = np.random.default_rng(0)
    angles = np.concatenate(
        [
            rng.uniform(-4, 4, 100_000),
            rng.normal(0, 0.3, 100_000),
            rng.uniform(-1e-3, 1e-3, 20_000),
            np.pi / 4 * np.arange(-5, 6),
        ]
    ).astype(np.float32)
    expected = from_c_library(angles)
    np.testing.assert_array_equal(rotations(angles), expected)
    np.testing.assert_array_equal(lane_rotations(angles), expected)


def test_large_angles_are_right_to_the_last_bit_but_one() -> None:
    angles = np.random.default_rng(1).uniform(-119, 119, 10_000).astype(np.float32)
    exact = np.stack([np.cos(angles.astype(float)), np.sin(angles.astype(float))], axis=1)
    np.testing.assert_allclose(rotations(angles), exact, rtol=0, atol=2.0**-24)


def test_right_angles_are_turned_into_the_right_quadrant() -> None:
    angle = np.float32(np.pi / 2) * np.arange(-5, 6, dtype=np.float32)
    expected = [(0, -1), (1, 0), (0, 1), (-1, 0)]
    rounded = np.round(rotations(angle)).tolist()
    assert [(x, y) for x, y in rounded] == [expected[i % 4] for i in range(11)]
