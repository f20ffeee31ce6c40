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

from bipedal.physics.constants import MODULE_OPTIONS
from bipedal.physics.lanes import LANES, Real

wp.set_module_options(MODULE_OPTIONS)

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
"""C++: sine `s` and cosine `c` of the angle less the nearest number of quarter turns."""
_SINE = "(float)((quarter & 2) ? -((quarter & 1) ? c : s) : ((quarter & 1) ? c : s))"
_COSINE = "(float)(((quarter + 1) & 2) ? -((quarter & 1) ? s : c) : ((quarter & 1) ? s : c))"

Rotations = wp.types.vector(length=2 * LANES, dtype=wp.float32)
"""The cosines of all lanes, then their sines."""


@wp.func_native(f"""
const float angle_i = angle;
{_REDUCE}
return wp::vec_t<2, wp::float32>({_COSINE}, {_SINE});
""")
def rotation_of(angle: float) -> wp.vec2:
    """(cos, sin) of an angle in rad, of at most 120."""
    ...


@wp.func_native(f"""
wp::vec_t<{2 * LANES}, wp::float32> result;
for (int i = 0; i < {LANES}; ++i) {{
    const float angle_i = angle.c[i];
    {_REDUCE}
    result.c[i] = {_COSINE};
    result.c[{LANES} + i] = {_SINE};
}}
return result;
""")
def rotation_of(angle: Real) -> Rotations:  # type: ignore[no-redef]  # noqa: F811
    """Cosine and sine in every lane."""
    ...


@wp.func
def cosine_of(rotation: wp.vec2) -> float:
    """The cosine of a `rotation_of`."""
    return rotation[0]


@wp.func_native(f"""
wp::vec_t<{LANES}, wp::float32> result;
for (int i = 0; i < {LANES}; ++i) result.c[i] = rotation.c[i];
return result;
""")
def cosine_of(rotation: Rotations) -> Real:  # type: ignore[no-redef]  # noqa: F811
    """The cosines of a `rotation_of`."""
    ...


@wp.func
def sine_of(rotation: wp.vec2) -> float:
    """The sine of a `rotation_of`."""
    return rotation[1]


@wp.func_native(f"""
wp::vec_t<{LANES}, wp::float32> result;
for (int i = 0; i < {LANES}; ++i) result.c[i] = rotation.c[{LANES} + i];
return result;
""")
def sine_of(rotation: Rotations) -> Real:  # type: ignore[no-redef]  # noqa: F811
    """The sines of a `rotation_of`."""
    ...
