"""Obstacles read off boxes, and which of them an episode crossed."""

from __future__ import annotations

import math

import numpy as np
import pytest
from gymnasium_start import read_terrain

from bipedal.engines.reference import make_env
from bipedal.engines.warp import WarpEngine
from bipedal.evaluation.obstacles import (
    NONE,
    Kind,
    Obstacle,
    count_crossings,
    find_obstacles,
    obstacle_at,
)
from bipedal.physics.constants import TERRAIN_STEP

S = TERRAIN_STEP


def test_boxes_become_obstacles() -> None:
    boxes = [
        (10.0, 5.0, 10.0 + 2 * S, 5.0 + 2 * S),  # a stump
        (15.0, 5.0 - 4 * S, 15.0 + S, 5.0),  # the walls of a pit
        (15.0 + 3 * S, 5.0 - 4 * S, 15.0 + 4 * S, 5.0),
        (20.0, 5.0 - S, 20.0 + 4 * S, 5.0),  # a flight of two stairs
        (20.0 + 4 * S, 5.0, 20.0 + 8 * S, 5.0 + S),
        (30.0, 5.0 - S, 30.0 + 4 * S, 5.0),  # another flight
    ]
    found = find_obstacles(np.array(boxes, dtype=np.float32))
    assert [obstacle.kind for obstacle in found] == [
        Kind.STUMP, Kind.PIT, Kind.STAIRS, Kind.STAIRS,
    ]  # fmt: skip
    assert math.isclose(found[1].left, 15.0, rel_tol=1e-6)
    assert math.isclose(found[1].right, 15.0 + 4 * S, rel_tol=1e-6)
    assert math.isclose(found[2].right, 20.0 + 8 * S, rel_tol=1e-6)


def test_no_boxes_are_no_obstacles() -> None:
    assert find_obstacles(np.empty((0, 4))) == []


def test_crossings_are_counted_by_kind() -> None:
    way = [
        Obstacle(Kind.STUMP, 10.0, 11.0),
        Obstacle(Kind.PIT, 20.0, 22.0),
        Obstacle(Kind.STUMP, 30.0, 31.0),
    ]
    first = count_crossings(way, 21.0)
    assert first.met.tolist() == [1, 0, 1]
    assert first.crossed.tolist() == [1, 0, 0]
    both = first + count_crossings(way, 40.0)
    assert both.rates() == {"stump": 1.0, "stairs": None, "pit": 0.5}
    assert NONE.met.tolist() == [0, 0, 0]
    assert [obstacle_at(way, x) for x in (8.9, 9.1, 12.0, 12.1, 21.0)] == [
        None, Kind.STUMP, Kind.STUMP, None, Kind.PIT,
    ]  # fmt: skip


@pytest.mark.reference
def test_gymnasiums_own_terrain_has_obstacles_of_each_kind() -> None:
    kinds = []
    for seed in range(3):
        env = make_env("BipedalWalkerHardcore-v3")
        env.reset(seed=seed)
        found = find_obstacles(read_terrain(env)[1])
        assert [o.left for o in found] == sorted(o.left for o in found)
        for obstacle in found:
            steps = (obstacle.right - obstacle.left) / S
            possible = {Kind.STUMP: (1, 2), Kind.PIT: (4, 5), Kind.STAIRS: (12, 16, 20)}
            assert min(abs(steps - width) for width in possible[obstacle.kind]) < 0.01
        kinds += [obstacle.kind for obstacle in found]
    assert set(kinds) == set(Kind)


def test_the_engines_terrain_has_them_too() -> None:
    engine = WarpEngine("BipedalWalkerHardcore-v3", 3, seed=1)
    engine.reset()
    ways = [find_obstacles(engine.terrain(row)[1]) for row in range(3)]
    assert len(ways) == 3
    assert {obstacle.kind for way in ways for obstacle in way} == set(Kind)
    engine.close()
