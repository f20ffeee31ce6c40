"""Generators as rows: what numpy would draw goes in and comes out."""

from typing import Any

import numpy as np
from gymnasium.utils.seeding import np_random

from bipedal.physics.random import Generator
from bipedal.physics.seeding import GENERATOR, generator_of, row_of, seed_generators


def test_a_row_is_what_kernels_take() -> None:
    struct: Any = Generator
    assert struct.numpy_dtype() == GENERATOR


def test_seeds_are_gymnasiums() -> None:
    seeds = [0, 1, 2**32, 2**63 - 1]
    for row, seed in zip(seed_generators(seeds), seeds, strict=True):
        assert row == row_of(np_random(seed)[0])


def test_a_generator_goes_on_from_its_row() -> None:
    generator = np.random.default_rng(5)
    generator.integers(3)  # keeps half of the bits
    again: Any = generator_of(row_of(generator))
    assert again.integers(3, size=99).tolist() == generator.integers(3, size=99).tolist()
    assert again.random(9).tolist() == generator.random(9).tolist()
