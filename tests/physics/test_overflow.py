"""An environment that does not fit into an array of fixed size is an error, never silent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from kernels import Array
from numpy_engine import NumpyEngine

from bipedal.errors import RunFailedError
from bipedal.physics.constants import (
    HULL,
    MAX_BOXES,
    MAX_CONTACTS,
    MAX_TOUCHING,
    SCALE,
    START_X,
    START_Y,
    TERRAIN_HEIGHT,
)
from bipedal.physics.state import Overflow, describe_overflow
from bipedal.physics.terrain import Difficulty

EngineMaker = Callable[..., NumpyEngine]

LEVEL = np.full(200, TERRAIN_HEIGHT)
BELOW_HULL = START_Y - 8 / SCALE
"""m, the underside of a hull just created."""
NONE = np.zeros((3, 4), np.float32)
ROW = 1
"""The environment of three that does not fit."""


def under_the_nose(count: int, top: float) -> list[tuple[float, ...]]:
    """The same box `count` times, under the front of the hull and out of reach of the legs."""
    return [(START_X + 0.8, top - 0.5, START_X + 1.0, top)] * count


def with_boxes(make_engine: EngineMaker, boxes: list[tuple[float, ...]]) -> NumpyEngine:
    """Three environments on level ground, one of them with boxes."""
    engine = make_engine(num_envs=3)
    for row in range(3):
        engine.set_start(row, LEVEL, boxes if row == ROW else [], 0.0)
    return engine


def flights(stairs: int) -> Difficulty:
    """Terrains with nothing but flights of so many stairs; of 50 or more only one begins."""
    return Difficulty(obstacles=1, stump_weight=0, pit_weight=0, stair_min=stairs, stair_max=stairs)


def throw(engine: NumpyEngine, x: float, y: float, *, lift: float = 0.0) -> None:
    """Set the velocity (m/s) of the robot that does not fit, some metres higher than it is."""
    body = engine.walkers.body.numpy()
    body["velocity"][ROW] = (x, y)
    body["center"][ROW, :, 1] += lift


def step(engine: NumpyEngine) -> bool:
    """One step without torque; whether the episode of the environment that does not fit is over."""
    return bool(engine.step(NONE).terminated[ROW])


def touched_by_hull(engine: NumpyEngine) -> int:
    """Number of pieces of ground that the hull touched when contacts were last evaluated."""
    contact: Array = engine.walkers.contact.numpy()[ROW]
    contact = contact[: engine.walkers.contact_count.numpy()[ROW]]
    return int(((contact["body"] == HULL) & (contact["touching"] == 1)).sum())


class TestBoxes:
    def test_as_many_as_fit(self, make_engine: EngineMaker) -> None:
        engine = make_engine(num_envs=3)
        engine.set_difficulty([ROW], flights(MAX_BOXES))
        engine.reset()
        assert engine.ground.box_count.numpy()[ROW] == MAX_BOXES

    def test_one_more(self, make_engine: EngineMaker) -> None:
        engine = make_engine(num_envs=3)
        engine.set_difficulty([ROW], flights(MAX_BOXES + 1))
        with pytest.raises(RunFailedError, match="environment 1 has more than 64 boxes"):
            engine.reset()

    def test_in_a_reset_within_a_step(self, make_engine: EngineMaker) -> None:
        engine = make_engine(num_envs=3)
        engine.reset()
        engine.set_difficulty([ROW], flights(MAX_BOXES + 1))
        engine.walkers.hull_down.numpy()[ROW] = 1
        with pytest.raises(RunFailedError, match="environment 1 has more than 64 boxes"):
            step(engine)


class TestContacts:
    near = BELOW_HULL - 0.15
    """m, a top that the hull's fat box reaches and the hull does not."""

    def others(self, make_engine: EngineMaker) -> int:
        """Number of contacts after a reset on ground without boxes."""
        engine = with_boxes(make_engine, [])
        engine.reset()
        return int(engine.walkers.contact_count.numpy()[ROW])

    def test_as_many_as_fit(self, make_engine: EngineMaker) -> None:
        count = MAX_CONTACTS - self.others(make_engine)
        engine = with_boxes(make_engine, under_the_nose(count, self.near))
        engine.reset()
        assert engine.walkers.contact_count.numpy()[ROW] == MAX_CONTACTS

    def test_one_more(self, make_engine: EngineMaker) -> None:
        count = MAX_CONTACTS - self.others(make_engine) + 1
        engine = with_boxes(make_engine, under_the_nose(count, self.near))
        with pytest.raises(RunFailedError, match="environment 1 has more than 40 pairs"):
            engine.reset()

    def test_in_a_step(self, make_engine: EngineMaker) -> None:
        wall = (START_X + 6, TERRAIN_HEIGHT, START_X + 7, START_Y + 1)
        engine = with_boxes(make_engine, [wall] * 20)
        engine.reset()
        throw(engine, 90.0, 0.0)
        with pytest.raises(RunFailedError, match="environment 1 has more than 40 pairs"):
            for _ in range(5):
                step(engine)


class TestTouching:
    inside = BELOW_HULL + 0.1
    """m, a top that a hull just created overlaps."""
    lift = 3.0
    """m, from where the legs reach no ground."""
    below = BELOW_HULL + lift - 0.05
    """m, a top that a hull lifted and thrown down at 8 m/s hits within a step."""

    def test_as_many_as_fit(self, make_engine: EngineMaker) -> None:
        engine = with_boxes(make_engine, under_the_nose(MAX_TOUCHING, self.inside))
        engine.reset()
        assert touched_by_hull(engine) == MAX_TOUCHING

    def test_one_more(self, make_engine: EngineMaker) -> None:
        engine = with_boxes(make_engine, under_the_nose(MAX_TOUCHING + 1, self.inside))
        with pytest.raises(RunFailedError, match="environment 1 has a body that touches more than"):
            engine.reset()

    @pytest.mark.parametrize(("count", "fits"), [(MAX_TOUCHING, True), (MAX_TOUCHING + 1, False)])
    def test_at_an_impact(self, make_engine: EngineMaker, count: int, fits: bool) -> None:
        """The hull touches nothing when the step begins and is stopped at the boxes within it."""
        engine = with_boxes(make_engine, under_the_nose(count, self.below))
        engine.reset()
        assert touched_by_hull(engine) == 0
        throw(engine, 0.0, -8.0, lift=self.lift)
        if fits:
            assert step(engine)  # it fell on them
        else:
            with pytest.raises(RunFailedError, match="environment 1 has a body that touches"):
                step(engine)


class TestFlag:
    def test_is_cleared_once_it_was_told(self, make_engine: EngineMaker) -> None:
        engine = with_boxes(make_engine, under_the_nose(50, TestContacts.near))
        with pytest.raises(RunFailedError):
            engine.reset()
        engine.check_overflow()
        engine.set_start(ROW, LEVEL, [], 0.0)
        engine.reset()
        step(engine)

    def test_stays_until_it_is_told(self, make_engine: EngineMaker) -> None:
        """A step on CUDA does not check it, so the steps that follow must leave it set."""
        engine = with_boxes(make_engine, [])
        engine.reset()
        engine.walkers.overflow.numpy()[ROW] = Overflow.CONTACTS
        with pytest.raises(RunFailedError, match="environment 1 has more than 40 pairs"):
            step(engine)

    def test_is_no_part_of_a_saved_state(self, make_engine: EngineMaker) -> None:
        engine = make_engine(num_envs=3)
        engine.reset()
        assert "overflow" not in engine.state()


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ([0, Overflow.BOXES, Overflow.CONTACTS], "environment 1 has more than 64 boxes"),
        ([0, 0, Overflow.TOUCHING], "environment 2 has a body that touches more than 8"),
        ([Overflow.CONTACTS | Overflow.TOUCHING], "environment 0 has more than 40 pairs"),
    ],
)
def test_the_first_one_is_told(flags: list[Any], message: str) -> None:
    assert describe_overflow(np.array(flags, dtype=np.int32)).startswith(message)
