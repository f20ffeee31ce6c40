import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from bipedal.evaluation.score import interquartile_mean
from bipedal.studies.statistics import (
    bootstrap,
    matched_improvement,
    probability_of_improvement,
    share,
)

samples = st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=25).map(np.array)


def test_the_probability_of_improvement_by_hand() -> None:
    # 2 > 1; 2 = 2; 2 < 3; 4 beats all: 1 + 0.5 + 0 + 3 of 6.
    ours, theirs = np.array([2.0, 4.0]), np.array([1.0, 2.0, 3.0])
    assert probability_of_improvement(ours, theirs) == 4.5 / 6


@given(samples, samples)
def test_the_probability_of_improvement_is_scipys_mann_whitney_u(
    ours: np.ndarray, theirs: np.ndarray
) -> None:
    u = stats.mannwhitneyu(ours, theirs, method="asymptotic").statistic
    expected = u / (len(ours) * len(theirs))
    assert probability_of_improvement(ours, theirs) == pytest.approx(expected)


@given(samples, samples)
def test_somebody_wins(ours: np.ndarray, theirs: np.ndarray) -> None:
    there = probability_of_improvement(ours, theirs)
    back = probability_of_improvement(theirs, ours)
    assert there + back == pytest.approx(1.0)


@pytest.mark.parametrize("size", [5, 10, 40])
def test_the_interval_is_scipys_percentile_bootstrap(size: int) -> None:
    values = np.random.default_rng(size).normal(250.0, 40.0, size)
    ours = bootstrap(interquartile_mean, values)
    theirs = stats.bootstrap(
        (values,),
        lambda x, axis: stats.trim_mean(x, 0.25, axis=axis),
        n_resamples=10_000,
        method="percentile",
        rng=np.random.default_rng(1),
    ).confidence_interval
    width = theirs.high - theirs.low
    assert ours.low == pytest.approx(theirs.low, abs=0.05 * width)
    assert ours.high == pytest.approx(theirs.high, abs=0.05 * width)


def test_two_samples_are_resampled_apart() -> None:
    generator = np.random.default_rng(7)
    ours, theirs = generator.normal(1.0, 1.0, 12), generator.normal(0.0, 1.0, 9)
    estimate = bootstrap(probability_of_improvement, ours, theirs)
    interval = stats.bootstrap(
        (ours, theirs),
        lambda x, y, axis: stats.mannwhitneyu(x, y, axis=axis).statistic / (12 * 9),
        n_resamples=2_000,
        method="percentile",
        rng=np.random.default_rng(1),
    ).confidence_interval
    assert estimate.low == pytest.approx(interval.low, abs=0.03)
    assert estimate.high == pytest.approx(interval.high, abs=0.03)


def test_a_table_made_twice_is_the_same_table() -> None:
    values = np.arange(9.0)
    assert bootstrap(interquartile_mean, values) == bootstrap(interquartile_mean, values)


def test_equal_values_leave_no_doubt() -> None:
    assert bootstrap(interquartile_mean, np.full(10, 3.0)) == (3.0, 3.0, 3.0)


def test_no_values_are_refused() -> None:
    with pytest.raises(ValueError, match="no values"):
        bootstrap(interquartile_mean, np.empty(0))
    with pytest.raises(ValueError, match="no values"):
        share(np.empty(0))


@given(st.integers(1, 40), st.data())
def test_a_share_has_scipys_wilson_interval(count: int, data: st.DataObject) -> None:
    ones = data.draw(st.integers(0, count))
    values = np.array([1.0] * ones + [0.0] * (count - ones))
    interval = stats.binomtest(ones, count).proportion_ci(method="wilson")
    expected = (ones / count, interval.low, interval.high)
    assert share(values) == pytest.approx(expected, abs=1e-12)


def test_matched_pairs_are_averaged() -> None:
    """One pair where ours always wins, one where it never does: unmatched it would be 0.25."""
    low, middle, high = np.zeros(3), np.ones(3), np.full(3, 2.0)
    assert matched_improvement(middle, low, middle, high) == 0.5
