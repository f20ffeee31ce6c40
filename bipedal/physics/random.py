"""numpy's random numbers in kernels: PCG64 as `numpy.random.Generator` uses it, bit for bit.

A generator is an element of an array, and each draw moves it on. `seeding` makes the arrays.

PCG64 (O'Neill 2014, "PCG: A family of simple fast space-efficient statistically good algorithms for
random number generation") is a linear congruential generator of 128 bits whose two halves are
combined into a number of 64 bits. Integers of a small range take 32 of these and keep the other 32
for the next time.

Doubles round as numpy's do if nothing is fused: a kernel that draws some needs the module option
`fuse_fp` False, at least on a GPU.
"""

from __future__ import annotations

import warp as wp

from bipedal.physics.constants import MODULE_OPTIONS

wp.set_module_options(MODULE_OPTIONS)

_MULTIPLIER_HIGH = wp.constant(wp.uint64(0x2360ED051FC65DA4))
_MULTIPLIER_LOW = wp.constant(wp.uint64(0x4385DF649FCCF645))
_MASK_32 = wp.constant(wp.uint64(0xFFFFFFFF))
_BITS_32 = wp.constant(wp.uint64(32))


@wp.struct
class Generator:
    """State of a PCG64; `seeding.GENERATOR` is the same for the host."""

    state_high: wp.uint64
    state_low: wp.uint64
    increment_high: wp.uint64
    increment_low: wp.uint64
    kept: wp.uint32
    """The second half of a number whose first half was drawn, if `has_kept` is 1."""
    has_kept: wp.uint32


@wp.func
def multiply_high(a: wp.uint64, b: wp.uint64) -> wp.uint64:
    """Upper 64 bits of a product of 128."""
    a_high, a_low = a >> _BITS_32, a & _MASK_32
    b_high, b_low = b >> _BITS_32, b & _MASK_32
    middle = a_high * b_low + ((a_low * b_low) >> _BITS_32)
    carry = (a_low * b_high + (middle & _MASK_32)) >> _BITS_32
    return a_high * b_high + (middle >> _BITS_32) + carry


@wp.func
def advance(generators: wp.array(dtype=Generator), env: int):
    """Move a generator on by one number of 64 bits: multiply its state and add the increment."""
    high = generators[env].state_high
    low = generators[env].state_low
    increment_low = generators[env].increment_low
    product_high = (
        multiply_high(low, _MULTIPLIER_LOW) + high * _MULTIPLIER_LOW + low * _MULTIPLIER_HIGH
    )
    next_low = low * _MULTIPLIER_LOW + increment_low
    carry = wp.where(next_low < increment_low, wp.uint64(1), wp.uint64(0))
    generators[env].state_high = product_high + generators[env].increment_high + carry
    generators[env].state_low = next_low


@wp.func
def next_uint64(generators: wp.array(dtype=Generator), env: int) -> wp.uint64:
    """The next 64 random bits (the output function XSL-RR)."""
    advance(generators, env)
    high = generators[env].state_high
    mixed = high ^ generators[env].state_low
    turn = high >> wp.uint64(58)
    back = (wp.uint64(64) - turn) & wp.uint64(63)
    return (mixed >> turn) | (mixed << back)


@wp.func
def next_uint32(generators: wp.array(dtype=Generator), env: int) -> wp.uint32:
    """The next 32 random bits."""
    if generators[env].has_kept == wp.uint32(1):
        generators[env].has_kept = wp.uint32(0)
        return generators[env].kept
    bits = next_uint64(generators, env)
    generators[env].kept = wp.uint32(bits >> _BITS_32)
    generators[env].has_kept = wp.uint32(1)
    return wp.uint32(bits & _MASK_32)


@wp.func
def next_double(generators: wp.array(dtype=Generator), env: int) -> wp.float64:
    """`Generator.random()`: uniform in [0, 1)."""
    bits = next_uint64(generators, env) >> wp.uint64(11)
    return wp.float64(bits) * (wp.float64(1.0) / wp.float64(9007199254740992.0))  # 2^53


@wp.func
def uniform(
    generators: wp.array(dtype=Generator), env: int, low: wp.float64, high: wp.float64
) -> wp.float64:
    """`Generator.uniform(low, high)`."""
    return low + (high - low) * next_double(generators, env)


@wp.func
def integers(generators: wp.array(dtype=Generator), env: int, low: int, high: int) -> int:
    """`Generator.integers(low, high)`: from `low` to `high - 1`, by Lemire's method.

    The range must hold fewer than 2^31 numbers. If it holds one only, nothing is drawn.
    """
    count = wp.uint64(high - low)
    if count == wp.uint64(1):
        return low
    product = wp.uint64(next_uint32(generators, env)) * count
    if (product & _MASK_32) < count:
        # Some numbers would come up once too often: draw again where the product is below 2^32
        # modulo the count.
        threshold = (_MASK_32 - (count - wp.uint64(1))) % count
        while (product & _MASK_32) < threshold:
            product = wp.uint64(next_uint32(generators, env)) * count
    return low + int(product >> _BITS_32)
