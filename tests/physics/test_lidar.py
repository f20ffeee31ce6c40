from typing import Any

import numpy as np
import pytest
from gymnasium_start import read_terrain
from kernels import box_fractions, edge_fractions, lidar, make_ground

from bipedal.engines.reference import make_env
from bipedal.walker import ENV_IDS


class TestRayAndEdge:
    @pytest.mark.parametrize(
        ("ray", "start", "end", "fraction"),
        [
            ((0, -4), (-1, 2), (1, 2), 0.5),
            ((0, -4), (1, 2), (-1, 2), 0.5),  # either end first
            ((0, -4), (-1, 1), (1, 3), 0.5),  # a slope
            ((3, -4), (0, 0), (10, 0), 1.0),  # hit at the ray's very end
            ((0, -4), (-1, -1), (1, -1), 1.0),  # too far
            ((0, -4), (-1, 5), (1, 5), 1.0),  # behind
            ((0, -4), (0.5, 2), (1, 2), 1.0),  # beside
            ((0, -4), (0, 2), (1, 2), 0.5),  # its very end
            ((0, -4), (1, 0), (1, 5), 1.0),  # parallel
            ((0, -4), (0, 0), (0, 5), 1.0),  # along it
        ],
    )
    def test_by_hand(self, ray: Any, start: Any, end: Any, fraction: float) -> None:
        hit = edge_fractions([(0, 4)], [ray], [start], [end])
        assert hit == pytest.approx(fraction)

    def test_an_edge_has_two_sides(self) -> None:
        up, down = edge_fractions([(0, 0), (0, 4)], [(0, 4), (0, -4)], [(-1, 1)] * 2, [(1, 1)] * 2)
        assert (up, down) == (0.25, 0.75)


class TestRayAndBox:
    @pytest.mark.parametrize(
        ("origin", "ray", "fraction"),
        [
            ((1.5, 4), (0, -4), 0.5),  # onto the top
            ((0, 1.5), (2, 0), 0.5),  # from the left
            ((1.5, 0), (0, 4), 0.25),  # from below
            ((0, 3), (2, -2), 0.5),  # at a corner's point
            ((0, 3.5), (2, -2), 0.75),  # on the top, falling
            ((0, 4.5), (2, -2), 1.0),  # over it
            ((1.5, 4), (0, -1), 1.0),  # too short
            ((1.5, 1.5), (0, -4), 1.0),  # from inside
            ((0, 2.5), (4, 0), 1.0),  # above it, level
            ((3, 1.5), (2, 0), 1.0),  # away
        ],
    )
    def test_by_hand(self, origin: Any, ray: Any, fraction: float) -> None:
        hit = box_fractions([origin], [ray], [(1, 1, 2, 2)])
        assert hit == pytest.approx(fraction)


@pytest.mark.reference
@pytest.mark.parametrize("env_id", ENV_IDS)
def test_like_box2ds_rays_wherever_the_hull_may_be(env_id: str) -> None:
    """Over, in and under the ground and its boxes, and beyond its ends."""
    import box2d_physics

    rng = np.random.default_rng(3)
    env = make_env(env_id)
    env.reset(seed=3)
    heights, boxes = read_terrain(env)
    x = rng.uniform(-1, 94, 150)
    y = np.interp(x, np.arange(200) * 14 / 30, heights) + rng.uniform(-1, 4, 150)
    origins = np.stack([x, y], axis=1).astype(np.float32)
    theirs = [box2d_physics.lidar(env.unwrapped.world, origin) for origin in origins]  # type: ignore[attr-defined]
    ours = lidar(make_ground((heights, boxes)), origins)
    np.testing.assert_allclose(ours, theirs, atol=1e-5)
    assert 0.2 < (ours == 1).mean() < 0.8


def test_a_plain_by_hand() -> None:
    """From 2 m above level ground: 2 m / cos(0.15 i), while that is within 5.33 m."""
    ground = make_ground((np.full(200, 3.0), []))
    length = 2 / np.cos(0.15 * np.arange(10)) / (160 / 30)
    np.testing.assert_allclose(lidar(ground, [(40, 5)])[0], np.minimum(length, 1), rtol=1e-5)
