"""Where bodies touch the ground: by hand, and like Box2D itself in many poses."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from kernels import Array, collide, make_ground

from bipedal.physics.constants import HULL, LOWER_0, MAX_BOXES, TERRAIN_STEP
from bipedal.physics.robot import robot_arrays

HALF_WIDTH, HALF_HEIGHT = 0.4 * 8 / 30, 17 / 30
"""Of a lower leg."""
EDGE = MAX_BOXES + 20
START, END = 20 * TERRAIN_STEP, 21 * TERRAIN_STEP
MIDDLE = (START + END) / 2
LEVEL: tuple[Any, Any] = (np.ones(200), [])
BLOCK: tuple[Any, Any] = (np.zeros(200), [(10, 1, 11, 2)])
FACE, VERTEX = 1, 0


def feature(ground: int, body: int, ground_type: int, body_type: int) -> int:
    """Box2D's id of a contact point."""
    return ground | body << 8 | ground_type << 16 | body_type << 24


def leg_on(
    robot: Any, terrain: tuple[Any, Any], piece: int, x: float, y: float, angle: float = 0
) -> Any:
    """Manifold of a lower leg."""
    return collide(robot, make_ground(terrain), piece, LOWER_0, [(x, y, angle)])[0]


class TestEdge:
    def test_a_leg_that_stands_flat_touches_with_both_corners(self, robot: Any) -> None:
        manifold = leg_on(robot, LEVEL, EDGE, MIDDLE, 1 + HALF_HEIGHT + 0.01)
        assert (manifold["count"], manifold["on_ground"]) == (2, 1)
        np.testing.assert_allclose(manifold["normal"], (0, 1))
        np.testing.assert_allclose(manifold["plane"], (END, 1), atol=1e-6)
        np.testing.assert_allclose(manifold["point_0"], (-HALF_WIDTH, -HALF_HEIGHT), atol=1e-6)
        np.testing.assert_allclose(manifold["point_1"], (HALF_WIDTH, -HALF_HEIGHT), atol=1e-6)
        assert manifold["id_0"] == feature(0, 0, FACE, VERTEX)
        assert manifold["id_1"] == feature(0, 1, FACE, VERTEX)

    def test_a_leg_that_lies_is_clipped_to_the_edge(self, robot: Any) -> None:
        """Turned by a right angle its left side is below: y of the leg is x of the world."""
        manifold = leg_on(robot, LEVEL, EDGE, MIDDLE, 1 + HALF_WIDTH + 0.004, np.pi / 2)
        assert (manifold["count"], manifold["on_ground"]) == (2, 1)
        points = [manifold[f"point_{i}"] for i in range(2)]
        np.testing.assert_allclose([x for x, _ in points], -HALF_WIDTH, atol=1e-5)
        half = TERRAIN_STEP / 2
        np.testing.assert_allclose(sorted(y for _, y in points), (-half, half), atol=1e-5)
        # Cut by the edge's ends, vertices 0 and 1 of the ground, out of side 3 of the leg.
        assert {int(manifold["id_0"]), int(manifold["id_1"])} == {
            feature(0, 3, VERTEX, FACE),
            feature(1, 3, VERTEX, FACE),
        }

    @pytest.mark.parametrize(("gap", "count"), [(0.0199, 2), (0.0201, 0), (-0.1, 2)])
    def test_the_two_skins_are_two_centimetres_thick(
        self, robot: Any, gap: float, count: int
    ) -> None:
        assert leg_on(robot, LEVEL, EDGE, MIDDLE, 1 + HALF_HEIGHT + gap)["count"] == count

    def test_a_leg_on_one_corner_touches_with_one_point(self, robot: Any) -> None:
        angle = 0.3
        lowest = -np.sin(angle) * HALF_WIDTH - np.cos(angle) * HALF_HEIGHT
        manifold = leg_on(robot, LEVEL, EDGE, MIDDLE, 1 - lowest, angle)
        assert (manifold["count"], manifold["on_ground"]) == (1, 1)
        np.testing.assert_allclose(manifold["point_0"], (-HALF_WIDTH, -HALF_HEIGHT), atol=1e-6)

    @pytest.mark.parametrize(("beyond", "count"), [(0.019, 1), (0.021, 0)])
    def test_a_leg_beyond_the_end_touches_with_its_side(
        self, robot: Any, beyond: float, count: int
    ) -> None:
        """The edge's end pokes the leg: its face is the reference, the point is the ground's."""
        manifold = leg_on(robot, LEVEL, EDGE, END + HALF_WIDTH + beyond, 1)
        assert manifold["count"] == count
        if count:
            assert manifold["on_ground"] == 0
            np.testing.assert_allclose(manifold["normal"], (-1, 0))
            np.testing.assert_allclose(manifold["plane"], (-HALF_WIDTH, HALF_HEIGHT), atol=1e-6)
            np.testing.assert_allclose(manifold["point_0"], (END, 1), atol=1e-6)
            assert manifold["id_0"] == feature(3, 0, FACE, VERTEX)  # the body's first, as in Box2D

    def test_from_below_the_normal_points_down(self, robot: Any) -> None:
        manifold = leg_on(robot, LEVEL, EDGE, MIDDLE, 1 - HALF_HEIGHT + 0.002)
        assert manifold["count"] == 2
        np.testing.assert_allclose(manifold["normal"], (0, -1))

    def test_the_edge_is_where_the_ground_line_is(self, robot: Any) -> None:
        height = np.zeros(200)
        height[20:22] = 3.0
        assert leg_on(robot, (height, []), EDGE, MIDDLE, 3 + HALF_HEIGHT)["count"] == 2
        assert leg_on(robot, (height, []), EDGE - 5, MIDDLE, 3 + HALF_HEIGHT)["count"] == 0


class TestBox:
    def test_a_leg_on_top_of_a_block(self, robot: Any) -> None:
        manifold = leg_on(robot, BLOCK, 0, 10.3, 2 + HALF_HEIGHT + 0.005)
        assert (manifold["count"], manifold["on_ground"]) == (2, 1)
        np.testing.assert_allclose(manifold["normal"], (0, 1))
        np.testing.assert_allclose(manifold["plane"], (10.5, 2))
        np.testing.assert_allclose(manifold["point_0"], (-HALF_WIDTH, -HALF_HEIGHT), atol=1e-6)
        np.testing.assert_allclose(manifold["point_1"], (HALF_WIDTH, -HALF_HEIGHT), atol=1e-6)
        assert manifold["id_0"] == feature(1, 0, FACE, VERTEX)  # side 1 is the top

    def test_a_leg_beside_a_block(self, robot: Any) -> None:
        manifold = leg_on(robot, BLOCK, 0, 10 - HALF_WIDTH - 0.01, 2)
        assert manifold["count"] == 2
        np.testing.assert_allclose(manifold["normal"], (-1, 0))
        # The leg reaches from y = 1.43 up beyond the top at 2, plus the two skins.
        heights = sorted([manifold["point_0"][1], manifold["point_1"][1]])
        np.testing.assert_allclose(heights, (-HALF_HEIGHT, 0.02), atol=1e-5)

    def test_a_leg_away_from_a_block(self, robot: Any) -> None:
        assert leg_on(robot, BLOCK, 0, 10.3, 2 + HALF_HEIGHT + 0.021)["count"] == 0
        assert leg_on(robot, BLOCK, 0, 9.5, 2)["count"] == 0

    def test_a_block_under_a_lying_leg_is_poked_by_no_corner(self, robot: Any) -> None:
        """The leg is longer than this block is wide: the points are the block's corners."""
        block = (np.zeros(200), [(10, 1, 10.5, 2)])
        manifold = leg_on(robot, block, 0, 10.25, 2 + HALF_WIDTH, np.pi / 2)
        assert (manifold["count"], manifold["on_ground"]) == (2, 1)
        ends = sorted([manifold["point_0"][1], manifold["point_1"][1]])
        np.testing.assert_allclose(ends, (-0.27, 0.27), atol=1e-5)


def poses_near(
    rng: np.random.Generator, body: int, start: Array, end: Array, n: int
) -> list[tuple[float, float, float]]:
    """Poses in which a corner of the body comes close to the segment, from either side."""
    vertices = robot_arrays()["vertices"][body, : robot_arrays()["vertex_count"][body]]
    along = (end - start) / np.linalg.norm(end - start)
    away = np.array([-along[1], along[0]])
    poses = []
    for _ in range(n):
        angle = rng.uniform(-np.pi, np.pi)
        c, s = np.cos(angle), np.sin(angle)
        corners = vertices @ np.array([[c, s], [-s, c]])
        side = away * (1 if rng.random() < 0.8 else -1)
        deepest = corners[np.argmin(corners @ side)]
        share = rng.uniform(-0.2, 1.2)
        target = start + share * (end - start) + rng.uniform(-0.1, 0.025) * side
        poses.append((*(target - deepest), angle))
    return poses


def assert_same_manifold(ours: Any, theirs: Any) -> None:
    assert ours["count"] == (0 if theirs is None else theirs.pointCount)
    if ours["count"]:
        assert ours["on_ground"] == (theirs.type_ == 1)
        np.testing.assert_allclose(ours["normal"], tuple(theirs.localNormal), atol=1e-5)
        np.testing.assert_allclose(ours["plane"], tuple(theirs.localPoint), atol=1e-5)
    for i in range(ours["count"]):
        point = theirs.points[i]
        np.testing.assert_allclose(ours[f"point_{i}"], tuple(point.localPoint), atol=1e-5)
        assert ours[f"id_{i}"] == np.uint32(point.id.key).astype(np.int32)


@pytest.mark.reference
@pytest.mark.parametrize("body", [HULL, LOWER_0])
class TestLikeBox2D:
    """Many random poses, most of them touching."""

    def test_on_edges(self, robot: Any, body: int) -> None:
        import box2d_physics

        rng = np.random.default_rng(1)
        height = rng.uniform(1, 1.4, 200).astype(np.float32)
        corners = np.stack([np.arange(200) * TERRAIN_STEP, height], axis=1).astype(np.float32)
        counts = []
        for edge in range(40):
            start, end = corners[edge], corners[edge + 1]
            poses = poses_near(rng, body, start, end, 3)
            ours = collide(robot, make_ground(*[(height, [])] * 3), MAX_BOXES + edge, body, poses)
            shape = box2d_physics.ground_shape((start, end))
            for manifold, pose in zip(ours, poses, strict=True):
                assert_same_manifold(manifold, box2d_physics.manifold(shape, body, pose))
                counts.append((int(manifold["count"]), int(manifold["on_ground"])))
        assert {(0, 0), (1, 0), (1, 1), (2, 1)} <= set(counts)
        assert sum(count > 0 for count, _ in counts) > 60

    def test_on_boxes(self, robot: Any, body: int) -> None:
        import box2d_physics

        rng = np.random.default_rng(2)
        counts = []
        for index in range(40):
            left, bottom = rng.uniform(5, 6, 2)
            width, height = rng.choice([(1, 1), (2, 2), (4, 1), (1, 4)]) * TERRAIN_STEP
            box = np.array([left, bottom, left + width, bottom + height], np.float32)
            corners = box[[2, 1, 2, 3, 0, 3, 0, 1]].reshape(4, 2)
            side = index % 4
            poses = poses_near(rng, body, corners[(side + 1) % 4], corners[side], 10)
            ground = make_ground(*[(np.zeros(200), [box])] * 10)
            shape = box2d_physics.ground_shape(corners)
            for manifold, pose in zip(collide(robot, ground, 0, body, poses), poses, strict=True):
                assert_same_manifold(manifold, box2d_physics.manifold(shape, body, pose))
                counts.append((int(manifold["count"]), int(manifold["on_ground"])))
        assert {(0, 0), (1, 0), (1, 1), (2, 0), (2, 1)} <= set(counts)
        assert sum(count > 0 for count, _ in counts) > 200


@pytest.mark.reference
@pytest.mark.parametrize(
    ("steps", "pose"),
    [
        ((2, 2), (5.598, 4.945, 1.477)),
        ((4, 1), (5.596, 5.042, -0.15)),
        ((1, 4), (5.364, 5.702, 1.441)),
    ],
)
def test_the_search_for_the_best_side_may_take_two_steps(
    robot: Any, steps: tuple[int, int], pose: tuple[float, float, float]
) -> None:
    """It begins at the side that faces the other centre; here the hull's top separates most."""
    import box2d_physics

    right, top = (5 + np.array(steps) * TERRAIN_STEP).astype(np.float32).tolist()
    ours = collide(robot, make_ground((np.zeros(200), [(5, 5, right, top)])), 0, HULL, [pose])[0]
    shape = box2d_physics.ground_shape([(right, 5), (right, top), (5, top), (5, 5)])
    assert_same_manifold(ours, box2d_physics.manifold(shape, HULL, pose))
    assert (ours["on_ground"], *ours["normal"].tolist()) == (0, 0, 1)
