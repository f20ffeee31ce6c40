"""Distances and times of impact: by hand, and like Box2D's in random sweeps."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from kernels import distances, impacts, make_ground

from bipedal.physics.constants import HULL, LOWER_0, MAX_BOXES, TERRAIN_STEP
from bipedal.physics.robot import robot_arrays

HALF_WIDTH, HALF_HEIGHT = 0.4 * 8 / 30, 17 / 30
"""Of a lower leg."""
EDGE = MAX_BOXES + 20
START, END = 20 * TERRAIN_STEP, 21 * TERRAIN_STEP
MIDDLE = (START + END) / 2
LEVEL: tuple[Any, Any] = (np.ones(200), [])
BLOCK: tuple[Any, Any] = (np.zeros(200), [(10, 1, 11, 2)])


@pytest.mark.parametrize(
    ("terrain", "piece", "place", "distance"),
    [
        pytest.param(LEVEL, EDGE, (MIDDLE, 1.3 + HALF_HEIGHT, 0), 0.3, id="above"),
        pytest.param(LEVEL, EDGE, (MIDDLE, 0.6 - HALF_HEIGHT, 0), 0.4, id="below"),
        pytest.param(LEVEL, EDGE, (END + 0.2 + HALF_WIDTH, 1, 0), 0.2, id="beside the end"),
        pytest.param(
            LEVEL, EDGE, (START - 0.3 - HALF_WIDTH, 1.4 + HALF_HEIGHT, 0), 0.5, id="diagonal"
        ),
        pytest.param(LEVEL, EDGE, (MIDDLE, 1.3 + HALF_WIDTH, np.pi / 2), 0.3, id="lying"),
        pytest.param(BLOCK, 0, (10.5, 2.1 + HALF_HEIGHT, 0), 0.1, id="above a block"),
        pytest.param(
            BLOCK, 0, (11.3 + HALF_WIDTH, 2.4 + HALF_HEIGHT, 0), 0.5, id="at a block's corner"
        ),
        pytest.param(BLOCK, 0, (10.5, 1.9 + HALF_HEIGHT, 0), 0, id="in a block"),
        pytest.param(LEVEL, EDGE, (MIDDLE, 1, 0), 0, id="across an edge"),
    ],
)
def test_distance_by_hand(
    robot: Any, terrain: Any, piece: int, place: tuple[float, ...], distance: float
) -> None:
    found = distances(robot, make_ground(terrain), piece, LOWER_0, [place])[0]
    assert found == pytest.approx(distance, abs=1e-5)


def fall(robot: Any, start: Any, end: Any, terrain: Any = LEVEL, piece: int = EDGE) -> float:
    """Time of impact of a lower leg."""
    return float(impacts(robot, make_ground(terrain), piece, LOWER_0, [start], [end])[0][0])


class TestTimeOfImpact:
    """A body is stopped 5 mm before it touches, give or take a quarter of that."""

    def test_of_a_straight_fall(self, robot: Any) -> None:
        share = fall(robot, (MIDDLE, 1.3 + HALF_HEIGHT, 0), (MIDDLE, 0.8 + HALF_HEIGHT, 0))
        assert share == pytest.approx((0.3 - 0.005) / 0.5, abs=0.00125 / 0.5)

    def test_of_a_run_into_a_block(self, robot: Any) -> None:
        x = 10 - HALF_WIDTH
        share = fall(robot, (x - 0.4, 1.5, 0), (x + 0.6, 1.5, 0), BLOCK, 0)
        assert share == pytest.approx(0.4 - 0.005, abs=0.00125)

    def test_through_an_edge_and_out_again(self, robot: Any) -> None:
        """What is apart at both ends has still flown through."""
        share = fall(robot, (MIDDLE, 1.5 + HALF_HEIGHT, 0), (MIDDLE, -0.5 - HALF_HEIGHT, 0))
        assert share == pytest.approx(0.495 / (2 + 2 * HALF_HEIGHT), abs=0.002)

    def test_of_a_turn(self, robot: Any) -> None:
        """A standing leg that tips over: a lower corner comes down by its turning alone."""
        reach, corner = np.hypot(HALF_WIDTH, HALF_HEIGHT), np.arctan2(HALF_WIDTH, HALF_HEIGHT)
        height = HALF_HEIGHT + 0.01
        share = fall(robot, (MIDDLE, 1 + height, 0), (MIDDLE, 1 + height, 0.2))
        turn = corner - np.arccos((height - 0.005) / reach)
        assert 0 < turn < 0.2
        assert share * 0.2 == pytest.approx(turn, abs=0.01)

    def test_of_a_miss_is_1(self, robot: Any) -> None:
        beside = END + HALF_WIDTH + 0.1
        assert fall(robot, (beside, 2, 0), (beside, 0, 0)) == 1
        assert fall(robot, (MIDDLE, 3, 0), (MIDDLE, 1.02 + HALF_HEIGHT, 0)) == 1
        assert fall(robot, (MIDDLE, 1.1 + HALF_HEIGHT, 0), (MIDDLE, 2, 0)) == 1

    def test_of_an_overlap_is_1(self, robot: Any) -> None:
        """Box2D gives up on what is in the ground already."""
        assert fall(robot, (MIDDLE, 1, 0), (MIDDLE, 0.5, 0)) == 1


def test_a_swing_between_two_clear_ends_does_not_stay_clear(robot: Any) -> None:
    """A leg that leans left, then right: upright in between it would reach below the ground."""
    y = 1 + HALF_HEIGHT - 0.007
    start, end = (MIDDLE, y, 0.6), (MIDDLE, y, -0.6)
    lowest = y - HALF_HEIGHT * np.cos(0.6) - HALF_WIDTH * np.sin(0.6)
    assert lowest > 1.03  # clear at both ends
    ground = make_ground(LEVEL)
    assert not impacts(robot, ground, EDGE, LOWER_0, [start], [end])[1][0]
    assert impacts(robot, ground, EDGE, LOWER_0, [start], [start])[1][0]


@pytest.mark.reference
@pytest.mark.parametrize("body", [HULL, LOWER_0])
@pytest.mark.parametrize("boxes", [False, True], ids=["edges", "boxes"])
def test_like_box2d_in_random_sweeps(robot: Any, body: int, boxes: bool) -> None:
    """Distances and times of impact; and nothing that Box2D would stop is passed over."""
    import box2d_physics

    rng = np.random.default_rng(4)
    n = 300
    height = rng.uniform(1, 1.4, 200).astype(np.float32)
    columns = rng.integers(5, 100, n)
    x = (columns * TERRAIN_STEP).astype(np.float32)
    start = np.stack([x, np.full(n, 1.2), np.zeros(n)], axis=1)
    start = (start + rng.uniform((-1, -0.3, -8), (1.5, 2, 8), (n, 3))).astype(np.float32)
    end = (start + rng.uniform((-0.5, -2, -0.6), (0.5, 0.3, 0.6), (n, 3))).astype(np.float32)
    block = np.stack([x, np.ones(n), x + TERRAIN_STEP, np.full(n, 1 + TERRAIN_STEP)], axis=1)
    block = block.astype(np.float32)
    local = robot_arrays()["local_center"][body]
    times, gaps = [], []
    for i, column in enumerate(columns):
        if boxes:
            corners = block[i][[2, 1, 2, 3, 0, 3, 0, 1]].reshape(4, 2)
            shape = box2d_physics.ground_shape(corners)
        else:
            ends = [
                (float(np.float32(c * TERRAIN_STEP)), float(height[c]))
                for c in (column, column + 1)
            ]
            shape = box2d_physics.ground_shape(ends)
        times.append(box2d_physics.time_of_impact(shape, body, local, start[i], end[i]))
        gaps.append(box2d_physics.distance(shape, body, start[i]))
    pieces = 0 if boxes else MAX_BOXES + columns
    ground = make_ground(*[(height, [box]) for box in block])
    share, clear = impacts(robot, ground, pieces, body, start, end)
    np.testing.assert_allclose(share, times, atol=1e-4)
    np.testing.assert_allclose(distances(robot, ground, pieces, body, start), gaps, atol=2e-5)
    assert not (clear & (np.array(times) < 1)).any()
    assert not (clear & (share < 1)).any()
    assert (share < 1).sum() > 30 < clear.sum()
