import numpy as np
import pytest

from bipedal.evaluation.gait import GaitClass
from bipedal.report.figures import GAIT_COLOURS
from bipedal.studies.figures import curves_of, draw_curves, middle_of
from bipedal.studies.study import Row


def points(seed: int, *pairs: tuple[float, float]) -> list[Row]:
    return [
        {"seed": seed, "timesteps": at, "seconds": at / 10, "return": height}
        for at, height in pairs
    ]


def test_a_curve_a_seed_in_order() -> None:
    rows = [*points(8, (3, 30.0), (1, 10.0)), *points(7, (2, 5.0))]
    seven, eight = curves_of(rows, "timesteps")
    np.testing.assert_array_equal(seven, [[2.0], [5.0]])
    np.testing.assert_array_equal(eight, [[1.0, 3.0], [10.0, 30.0]])


def test_the_middle_is_where_all_curves_are() -> None:
    """Four straight lines: without the highest and the lowest the mean is 2.5 times the place."""
    curves = [np.array([[end, 10.0 + end], [end * s, (10.0 + end) * s]])
              for end, s in ((0.0, 1.0), (1.0, 2.0), (2.0, 3.0), (0.5, 100.0))]  # fmt: skip
    places, heights = middle_of(curves, log=False)
    assert (places[0], places[-1]) == (2.0, 10.0)
    np.testing.assert_allclose(heights, 2.5 * places)
    apart = middle_of(curves, log=True)[0]
    np.testing.assert_allclose(np.diff(np.log(apart)), np.log(5.0) / 199)


def test_the_middle_of_one_curve_is_itself() -> None:
    curve = np.array([[1.0, 2.0, 9.0], [0.0, 50.0, 3.0]])
    assert middle_of([curve], log=True) is curve


@pytest.mark.parametrize(("top", "solved"), [(100.0, 0), (299.0, 1)])
def test_a_thin_line_a_seed_and_a_bold_one(top: float, solved: int) -> None:
    groups = {
        "two": [*points(1, (1, 0.0), (5, top)), *points(2, (1, 0.0), (5, top))],
        "one": points(1, (1, 0.0), (5, 1.0)),
    }
    timesteps, seconds = draw_curves(groups).axes
    for axis in (timesteps, seconds):
        assert len(axis.lines) == 4 + solved
        assert [line.get_linewidth() for line in axis.lines[:4]] == [0.6, 0.6, 1.8, 1.8]
        assert axis.get_xscale() == "linear"
    longest = [float(np.max(axis.lines[0].get_xdata())) for axis in (timesteps, seconds)]
    assert longest[0] == 10 * longest[1]


def test_unequal_budgets_stand_on_a_logarithmic_axis() -> None:
    groups = {"short": points(1, (1, 0.0), (5, 1.0)), "long": points(1, (1, 0.0), (50, 1.0))}
    assert [axis.get_xscale() for axis in draw_curves(groups).axes] == ["log", "log"]


def test_every_gait_class_has_a_colour() -> None:
    assert set(GAIT_COLOURS) == {gait.value for gait in GaitClass}
