import pytest

from bipedal import schedules


def test_geometric_schedule() -> None:
    path = [schedules.geometric(4.0, 1.0, p) for p in (0.0, 0.5, 1.0, 1.5)]
    assert path == pytest.approx([4.0, 2.0, 1.0, 1.0])


def test_a_geometric_schedule_between_equal_ends_is_constant_to_the_bit() -> None:
    assert {schedules.geometric(0.61, 0.61, step / 1000) for step in range(1001)} == {0.61}


def test_linear_schedule() -> None:
    rates = [schedules.linear_learning_rate(4.0, 0.0, p) for p in (0.0, 0.25, 1.0, 1.1)]
    assert rates == [4, 3, 0, 0]
    assert [schedules.linear_learning_rate(4.0, 2.0, p) for p in (0.0, 0.5, 1.5)] == [4, 3, 2]


@pytest.mark.parametrize(
    ("kl", "expected"), [(0.021, 2e-3), (0.02, 3e-3), (0.005, 3e-3), (0.0049, 4.5e-3)]
)
def test_adaptive_schedule(kl: float, expected: float) -> None:
    assert schedules.adaptive_learning_rate(3e-3, kl, target_kl=0.01) == pytest.approx(expected)


def test_adaptive_schedule_stays_in_bounds() -> None:
    assert schedules.adaptive_learning_rate(1e-2, 0.0, 0.01) == 1e-2
    assert schedules.adaptive_learning_rate(1e-5, 1.0, 0.01) == 1e-5
