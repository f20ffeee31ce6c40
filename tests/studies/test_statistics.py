import itertools
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from bipedal.evaluation.score import interquartile_mean
from bipedal.studies.statistics import (
    Values,
    holm,
    middle,
    permutation_p,
    probability_of_improvement,
    share,
    sign_p,
    wins,
)

samples = st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=25).map(np.array)
distinct = st.lists(st.integers(-500, 500), min_size=2, max_size=14, unique=True)


# The middle ---------------------------------------------------------------------------------------


def test_the_interval_of_the_middle_by_hand() -> None:
    # The middle three are 2, 3, 4. All: mean 5, squares 16 + 9 + 4 + 1 + 100, s² = 130 / 4.
    # Student's t(4) at 97.5 % is 2.776.
    found = middle(np.array([15.0, 1.0, 4.0, 2.0, 3.0]))
    spread = 2.776 * np.sqrt(1.5 * 32.5 / 5)
    assert found == pytest.approx((3.0, 3.0 - spread, 3.0 + spread), abs=1e-2)


def test_equal_values_and_single_ones_have_no_interval() -> None:
    assert middle(np.full(10, 3.0)) == (3.0, None, None)
    assert middle(np.array([7.0])) == (7.0, None, None)


def test_no_values_are_refused() -> None:
    for statistic in (middle, share):
        with pytest.raises(ValueError, match="no values"):
            statistic(np.empty(0))


def draw(kind: str, generator: np.random.Generator, size: tuple[int, int]) -> Values:
    """Samples as training runs give them, and worse."""
    if kind == "with failures":  # one seed of five does not learn
        failed = generator.random(size) < 0.2
        return np.where(failed, generator.normal(100, 60, size), generator.normal(305, 8, size))
    draws: dict[str, Callable[[tuple[int, int]], Values]] = {
        "normal": generator.standard_normal,
        "uniform": generator.random,
        "skewed": generator.standard_exponential,
        "lognormal": lambda size: generator.lognormal(size=size),
        "heavy tails": lambda size: generator.standard_t(3, size),
    }
    return draws[kind](size)


@pytest.mark.slow
@pytest.mark.parametrize("count", range(4, 11))
@pytest.mark.parametrize(
    ("kind", "least"),
    [
        ("normal", 0.96),
        ("uniform", 0.935),
        ("skewed", 0.945),
        ("lognormal", 0.945),
        ("heavy tails", 0.96),
        ("with failures", 0.96),
    ],
)
def test_the_interval_of_the_middle_covers(kind: str, least: float, count: int) -> None:
    generator = np.random.default_rng(count)
    truth = float(interquartile_mean(draw(kind, generator, (1, 2_000_000)).ravel()))
    found = [middle(sample) for sample in draw(kind, generator, (4_000, count))]
    covered = [f.low <= truth <= f.high for f in found]  # type: ignore[operator]
    assert np.mean(covered) >= least


# The chance ---------------------------------------------------------------------------------------


def test_the_chance_by_hand() -> None:
    # 2 > 1; 2 = 2; 2 < 3; 4 beats all: 1 + 0.5 + 0 + 3 of 6.
    pair = (np.array([2.0, 4.0]), np.array([1.0, 2.0, 3.0]))
    assert probability_of_improvement([pair]).value == 4.5 / 6


@given(samples, samples)
def test_the_chance_is_scipys_mann_whitney_u(ours: Values, theirs: Values) -> None:
    u = stats.mannwhitneyu(ours, theirs, method="asymptotic").statistic
    found = probability_of_improvement([(ours, theirs)])
    assert found.value == pytest.approx(u / (len(ours) * len(theirs)))


@given(samples, samples)
def test_somebody_wins(ours: Values, theirs: Values) -> None:
    there = probability_of_improvement([(ours, theirs)])
    back = probability_of_improvement([(theirs, ours)])
    expected = (1 - there.value, 1 - there.high, 1 - there.low)  # type: ignore[operator]
    assert back == pytest.approx(expected)


def test_pairs_are_averaged() -> None:
    """One pair where ours always wins, one where it never does: unmatched it would be 0.25."""
    low, high, own = np.zeros(3), np.full(3, 2.0), np.ones(3)
    assert probability_of_improvement([(own, low), (own, high)]).value == 0.5


@pytest.mark.parametrize(("count", "low"), [(4, 0.582), (5, 0.643), (8, 0.756), (10, 0.800)])
def test_samples_that_lie_apart_leave_doubt(count: int, low: float) -> None:
    """The limit is 1.96 of its own standard deviations from 1."""
    low_half = np.arange(count, dtype=np.float64)
    apart = (low_half + 100.0, low_half)
    found = probability_of_improvement([apart])
    assert found == pytest.approx((1.0, low, 1.0), abs=1e-3)
    theta = found.low
    assert theta is not None
    part = (1 - theta) / (2 - theta) + theta / (1 + theta)
    deviation = np.sqrt(theta * (1 - theta) * (1 + (count - 1) * part)) / count
    assert 1.0 - theta == pytest.approx(1.96 * deviation, abs=1e-3)
    both = probability_of_improvement([apart, apart])
    assert both.low is not None and theta < both.low < 1.0


@pytest.mark.slow
@pytest.mark.parametrize("count", [4, 5, 6, 8, 10])
@pytest.mark.parametrize("truth", [0.5, 0.7, 0.8, 0.9, 0.95, 0.99])
def test_the_interval_of_the_chance_covers(truth: float, count: int) -> None:
    """Two normal distributions that far apart; 2,000 samples leave an error of 0.005."""
    generator = np.random.default_rng(count)
    apart = stats.norm.ppf(truth) * np.sqrt(2.0)
    covered = 0
    for _ in range(2_000):
        pair = (generator.normal(apart, 1.0, count), generator.normal(0.0, 1.0, count))
        found = probability_of_improvement([pair])
        covered += found.low <= truth <= found.high  # type: ignore[operator]
    assert covered / 2_000 >= 0.93


# Tests --------------------------------------------------------------------------------------------


@given(distinct, st.data())
def test_p_is_scipys_exact_mann_whitney_test(values: list[int], data: st.DataObject) -> None:
    cut = data.draw(st.integers(1, len(values) - 1))
    ours, theirs = np.array(values[:cut], float), np.array(values[cut:], float)
    expected = stats.mannwhitneyu(ours, theirs, method="exact").pvalue
    assert permutation_p([(ours, theirs)]) == pytest.approx(min(1.0, expected))


def all_deals(pool: Values, count: int) -> list[float]:
    """U of every way to choose `count` of the values."""
    everybody = range(len(pool))
    return [
        float(wins(pool[list(own)][:, None], np.delete(pool, own)[None, :]).mean())
        for own in itertools.combinations(everybody, count)
    ]


def test_p_of_two_pairs_with_ties_by_counting() -> None:
    pairs = [
        (np.array([1.0, 1.0, 2.0, 3.0]), np.array([0.0, 1.0, 2.0])),
        (np.array([5.0, 9.0]), np.array([5.0, 4.0, 4.0])),
    ]
    first, second = (all_deals(np.concatenate(pair), len(pair[0])) for pair in pairs)
    found = abs(probability_of_improvement(pairs).value - 0.5)
    every = [abs((a + b) / 2 - 0.5) for a in first for b in second]
    expected = np.mean([far >= found - 1e-12 for far in every])
    assert permutation_p(pairs) == pytest.approx(expected)


def test_p_of_samples_that_lie_apart() -> None:
    five = (np.arange(5.0) + 10, np.arange(5.0))
    assert permutation_p([five]) == pytest.approx(2 / 252)
    assert permutation_p([five, five]) == pytest.approx(2 / 252**2)
    assert permutation_p([(np.ones(4), np.ones(6))]) == 1.0


def test_the_sign_test_by_hand() -> None:
    assert sign_p(np.array([1.0] * 5)) == pytest.approx(2 / 2**5)
    assert sign_p(np.array([1.0, 1.0, 1.0, 0.0, 0.5])) == pytest.approx(10 / 2**4)
    assert sign_p(np.array([0.5, 0.5])) == 1.0


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.6, 0.001, 0.5]) == pytest.approx([1.0, 0.003, 1.0])
    assert holm([]) == []


# Shares -------------------------------------------------------------------------------------------


@given(st.integers(1, 40), st.data())
def test_a_share_has_scipys_wilson_interval(count: int, data: st.DataObject) -> None:
    ones = data.draw(st.integers(0, count))
    values = np.array([1.0] * ones + [0.0] * (count - ones))
    interval = stats.binomtest(ones, count).proportion_ci(method="wilson")
    expected = (ones / count, interval.low, interval.high)
    assert share(values) == pytest.approx(expected, abs=1e-12)
