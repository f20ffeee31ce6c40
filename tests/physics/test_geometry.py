import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from kernels import rotations, there_and_back

angles = st.floats(-50, 50, width=32)
metres = st.floats(-100, 100, width=32)


@given(st.lists(angles, min_size=1, max_size=40))
@settings(deadline=None)
def test_a_rotation_is_the_cosine_and_sine_rounded_once(angle: list[float]) -> None:
    """To half a unit in the last place of what lies between 1/2 and 1, and a little."""
    exact = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    np.testing.assert_allclose(rotations(angle), exact, rtol=0, atol=2.0**-25 * 1.1)


def test_right_angles_are_turned_into_the_right_quadrant() -> None:
    angle = np.float32(np.pi / 2) * np.arange(-5, 6, dtype=np.float32)
    expected = [(0, -1), (1, 0), (0, 1), (-1, 0)]
    rounded = np.round(rotations(angle)).tolist()
    assert [(x, y) for x, y in rounded] == [expected[i % 4] for i in range(11)]


def test_turning_by_hand() -> None:
    turned, _, carried, _ = there_and_back([[10, 20, np.pi / 2]], [[3, 1]])[0]
    np.testing.assert_allclose(turned, [-1, 3], atol=1e-6)
    np.testing.assert_allclose(carried, [9, 23], atol=1e-6)


@given(st.lists(st.tuples(metres, metres, angles, metres, metres), min_size=1, max_size=40))
@settings(deadline=None)
def test_there_and_back_again_is_where_it_was(rows: list[tuple[float, ...]]) -> None:
    place, point = np.array(rows)[:, :3], np.array(rows)[:, 3:]
    out = there_and_back(place, point)
    np.testing.assert_allclose(out[:, 1], point, atol=2e-4)
    np.testing.assert_allclose(out[:, 3], point, atol=2e-4)
    np.testing.assert_allclose(
        np.linalg.norm(out[:, 0], axis=1), np.linalg.norm(point, axis=1), atol=2e-4
    )
