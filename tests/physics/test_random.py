"""Random numbers in kernels are numpy's."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kernels import DOUBLE, INTEGERS, UNIFORM, draw, random_bits

from bipedal.engines.warp import quiet_warp
from bipedal.physics.seeding import row_of, seed_generators

Plan = list[tuple[int, int, int]]
"""Draws: kind, low, high."""


@pytest.fixture(scope="module", autouse=True)
def quiet() -> None:
    quiet_warp()


def draw_by_numpy(seed: int, plan: Plan) -> tuple[list[float], np.void]:
    """The same by numpy."""
    generator = np.random.default_rng(seed)
    draws: dict[int, Callable[[int, int], float]] = {
        DOUBLE: lambda low, high: generator.random(),
        UNIFORM: generator.uniform,
        INTEGERS: generator.integers,
    }
    return [float(draws[kind](low, high)) for kind, low, high in plan], row_of(generator)


def assert_numpys(seeds: list[int], plan: Plan) -> None:
    """Every number, and every generator afterwards, is numpy's."""
    ours, generators = draw(seeds, plan)
    for row, seed in enumerate(seeds):
        theirs, after = draw_by_numpy(seed, plan)
        assert ours[row].tolist() == theirs
        assert generators[row] == after


def test_bits_are_numpys() -> None:
    seeds = [*range(300), 2**32 - 1, 2**32, 2**63 - 1]
    expected = [np.random.PCG64(np.random.SeedSequence(seed)).random_raw(200) for seed in seeds]
    np.testing.assert_array_equal(random_bits(seeds, 200), expected)


def test_what_a_terrain_draws_is_numpys() -> None:
    plan = [(UNIFORM, -1, 1), (INTEGERS, 3, 5), (INTEGERS, 4, 5), (DOUBLE, 0, 1), (INTEGERS, 1, 4),
            (UNIFORM, -5, 5), (INTEGERS, 5, 10), (INTEGERS, 1, 3)]  # fmt: skip
    assert_numpys(list(range(500)), plan * 20)


def test_large_ranges_in_which_many_numbers_are_rejected_are_numpys() -> None:
    plan = [(INTEGERS, 0, 2**31 - 1), (INTEGERS, -(2**30), 2**29 + 5), (INTEGERS, 7, 1_431_655_780)]
    assert_numpys(list(range(200)), plan * 10)


a_draw = st.tuples(
    st.sampled_from([DOUBLE, UNIFORM, INTEGERS]),
    st.integers(-(2**29), 2**29),
    st.integers(1, 2**30),
).map(lambda draw: (draw[0], draw[1], draw[1] + draw[2]))


@given(seed=st.integers(0, 2**63 - 1), plan=st.lists(a_draw, min_size=1, max_size=40))
@settings(deadline=None)
def test_any_draws_are_numpys(seed: int, plan: Plan) -> None:
    assert_numpys([seed], plan)


def test_a_range_of_one_number_draws_nothing() -> None:
    ours, generators = draw([3], [(INTEGERS, 4, 5)] * 5)
    assert (ours == 4).all()
    assert generators[0] == seed_generators([3])[0]
