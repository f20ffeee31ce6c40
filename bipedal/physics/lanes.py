"""Eight environments side by side: vector arithmetic for the CPU's hot loops.

Most of a step's time goes into the velocity iterations, and much of the rest into the position
iterations. A CPU runs them for `LANES` environments at once in its vector registers. A GPU runs one
environment in each thread.

The solvers are written once for both. A number is a vector of `LANES` floats (`Real`) on a CPU and
a single float on a GPU. A module that imports `add`, `sub`, `mul` and `div` can use the operators
`+ - * /` on either; they work lane by lane.
"""

from __future__ import annotations

from typing import Any

import warp as wp

from bipedal.physics.constants import MODULE_OPTIONS

wp.set_module_options(MODULE_OPTIONS)

LANES = 8
Real = wp.types.vector(length=LANES, dtype=wp.float32)


@wp.func
def mul(a: Real, b: Real) -> Real:
    """Lane-wise product; Warp calls it for `a * b`."""
    return wp.cw_mul(a, b)


@wp.func
def div(a: Real, b: Real) -> Real:
    """Lane-wise quotient; Warp calls it for `a / b`."""
    return wp.cw_div(a, b)


@wp.func
def add(a: Real, b: float) -> Real:
    """Add a number to every lane; Warp calls it for `a + b`."""
    return wp.add(a, Real(b))


@wp.func
def sub(a: Real, b: float) -> Real:
    """Subtract a number from every lane; Warp calls it for `a - b`."""
    return wp.sub(a, Real(b))


@wp.func
def clamp(a: Real, low: float, high: float) -> Real:
    """Clamp every lane to [low, high]."""
    return wp.min(wp.max(a, Real(low)), Real(high))


@wp.func
def clamp(a: float, low: float, high: float) -> float:  # noqa: F811
    """Clamp to [low, high]."""
    return wp.clamp(a, low, high)


@wp.func_native(f"""
wp::vec_t<{LANES}, wp::float32> result;
for (int i = 0; i < {LANES}; ++i) result.c[i] = condition.c[i] >= 0.0f ? a.c[i] : b.c[i];
return result;
""")
def choose(condition: Real, a: Real, b: Real) -> Real:
    """`a` in the lanes where `condition` is at least 0, else `b`."""
    ...


@wp.func
def choose(condition: float, a: float, b: float) -> float:  # noqa: F811
    """`a` if `condition` is at least 0, else `b`."""
    return wp.where(condition >= 0.0, a, b)


@wp.func
def largest(value: Any) -> float:
    """The largest lane."""
    return wp.max(value)


@wp.func
def largest(value: float) -> float:  # noqa: F811
    """The number itself: a float has one lane."""
    return value
