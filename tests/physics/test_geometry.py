import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from kernels import there_and_back

angles = st.floats(-50, 50, width=32)
metres = st.floats(-100, 100, width=32)


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
