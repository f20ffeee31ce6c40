"""Sine and cosine with the same bits on every machine: those of the C library that Box2D calls.

The C library of Linux (glibc since 2.28) reduces the angle and evaluates a polynomial in double
precision, and rounds once. This does the same operations, without fused multiply-adds. Of the
1,123,024,896 floats from 0 to 120 rad the result differs from glibc's for 6 sines and 11 cosines,
the first of them beyond 4 rad; there glibc itself differs between processors with and without
fused multiply-adds. It is written in C++, so that it serves whole vectors of lanes; Warp has no
vectors of mixed precision.
"""

from __future__ import annotations

import warp as wp

from bipedal.physics.lanes import LANES, Real

wp.set_module_options({"enable_backward": False, "max_unroll": 1})

_REDUCE = """
    const double scaled = (double)angle_i * 0x1.45F306DC9C883p+23;  // 2^24 quarter turns
    const int quarter = ((int)scaled + 0x800000) >> 24;
    const double x = (double)angle_i - (double)quarter * 0x1.921FB54442D18p0;
    const double x2 = x * x;
    const double x3 = x * x2;
    const double x4 = x2 * x2;
    const double s_low = x + x3 * -0x1.555545995a603p-3;
    const double s_high = 0x1.1107605230bc4p-7 + x2 * -0x1.994eb3774cf24p-13;
    const double s = s_low + (x3 * x2) * s_high;
    const double c_low = 1.0 + x2 * -0x1.ffffffd0c621cp-2;
    const double c_mid = c_low + x4 * 0x1.55553e1068f19p-5;
    const double c_high = -0x1.6c087e89a359dp-10 + x2 * 0x1.99343027bf8c3p-16;
    const double c = c_mid + (x4 * x2) * c_high;
"""
"""Sine `s` and cosine `c` of the angle less the nearest number of quarter turns."""
_SINE = _REDUCE + "const double even = (quarter & 1) ? c : s;"
_COSINE = _REDUCE + "const double even = (quarter & 1) ? s : c;"
_SIGNED_SINE = _SINE + "const float value = (float)((quarter & 2) ? -even : even);"
_SIGNED_COSINE = _COSINE + "const float value = (float)(((quarter + 1) & 2) ? -even : even);"


def _one(body: str) -> str:
    """C++ for one number."""
    return f"const float angle_i = angle; {body} return value;"


def _lanes(body: str) -> str:
    """C++ for every lane of a vector."""
    return (
        f"wp::vec_t<{LANES}, wp::float32> result;"
        f"for (int i = 0; i < {LANES}; ++i) {{"
        f"const float angle_i = angle.c[i]; {body} result.c[i] = value; }}"
        "return result;"
    )


@wp.func_native(_one(_SIGNED_SINE))
def sine(angle: float) -> float:
    """Sine of an angle in rad, of at most 120."""
    ...


@wp.func_native(_lanes(_SIGNED_SINE))
def sine(angle: Real) -> Real:  # noqa: F811
    """Sine in every lane."""
    ...


@wp.func_native(_one(_SIGNED_COSINE))
def cosine(angle: float) -> float:
    """Cosine of an angle in rad, of at most 120."""
    ...


@wp.func_native(_lanes(_SIGNED_COSINE))
def cosine(angle: Real) -> Real:  # noqa: F811
    """Cosine in every lane."""
    ...
