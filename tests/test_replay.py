"""Terrains of falls come back, and an environment's own stream of terrains waits for them."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch

from bipedal.engines.warp import WarpEngine
from bipedal.replay import REMEMBERED, FallReplay
from bipedal.rollout import EpisodeStatistics
from bipedal.walker import WALKER_ID

Heights = npt.NDArray[np.float64]


def ended(env: int, fell: bool) -> EpisodeStatistics:
    return EpisodeStatistics(env, 0.0, 1, 0.0, fell)


@pytest.fixture
def engine() -> Iterator[WarpEngine]:
    engine = WarpEngine(WALKER_ID, 2, seed=5, autoreset=False)
    engine.reset()
    yield engine
    engine.close()


@pytest.fixture
def stream() -> list[Heights]:
    """Terrains of environment 0 where nothing is replayed, from its first episode on."""
    engine = WarpEngine(WALKER_ID, 2, seed=5, autoreset=False)
    engine.reset()
    terrains = []
    for _ in range(6):
        terrains.append(engine.terrain(0)[0].copy())
        engine.begin_episodes([0])
    engine.close()
    return terrains


def begin_next(engine: WarpEngine, replay: FallReplay, fell: bool) -> Heights:
    """End environment 0's episode as a rollout would; returns the terrain of the next one."""
    engine.begin_episodes([0])
    replay.learn([ended(0, fell)])
    return engine.terrain(0)[0].copy()


def make(engine: WarpEngine, share: float) -> FallReplay:
    return FallReplay(engine, share, torch.Generator().manual_seed(0))


def number(terrain: Heights, stream: list[Heights]) -> int:
    """Which terrain of the stream it is."""
    (place,) = [i for i, known in enumerate(stream) if np.array_equal(known, terrain)]
    return place


def test_a_terrain_of_a_fall_is_played_after_the_next_one(
    engine: WarpEngine, stream: list[Heights]
) -> None:
    """Whether it falls in episodes 0 to 7, and what it plays then."""
    replay = make(engine, 1.0)
    falls = [True, True, False, False, False]
    played = [number(begin_next(engine, replay, fell), stream) for fell in falls]
    assert played == [1, 2, 1, 1, 1]


def test_its_own_stream_goes_on_where_it_was(engine: WarpEngine, stream: list[Heights]) -> None:
    replay = make(engine, 1.0)
    falls = [False, True, False]
    played = [number(begin_next(engine, replay, fell), stream) for fell in falls]
    replay._share = 0.0
    played += [number(begin_next(engine, replay, False), stream) for _ in range(3)]
    assert played == [1, 2, 1, 1, 3, 4]


def test_without_falls_every_terrain_is_its_own(engine: WarpEngine, stream: list[Heights]) -> None:
    replay = make(engine, 1.0)
    played = [number(begin_next(engine, replay, False), stream) for _ in range(5)]
    assert played == [1, 2, 3, 4, 5]


def test_what_ended_twice_in_a_rollout_is_not_remembered(engine: WarpEngine) -> None:
    replay = make(engine, 1.0)
    begin_next(engine, replay, False)
    engine.begin_episodes([0])
    engine.begin_episodes([0])
    replay.learn([ended(0, True), ended(0, True)])
    begin_next(engine, replay, True)  # drawn by a generator that nobody has seen
    assert len(replay.state()["falls"]) == 0


def test_the_share_is_that_of_the_episodes(engine: WarpEngine, stream: list[Heights]) -> None:
    replay = make(engine, 0.25)
    begin_next(engine, replay, False)
    begin_next(engine, replay, True)
    again = [np.array_equal(begin_next(engine, replay, False), stream[1]) for _ in range(200)]
    assert 30 < sum(again) < 70


def test_only_the_latest_falls_are_remembered(engine: WarpEngine) -> None:
    replay = make(engine, 0.0)
    for _ in range(REMEMBERED + 20):
        begin_next(engine, replay, True)
    falls = replay.state()["falls"]
    assert falls.shape == (REMEMBERED, 40)
    assert len(torch.unique(falls, dim=0)) == REMEMBERED


def test_it_goes_on_from_its_state(engine: WarpEngine) -> None:
    generator = torch.Generator().manual_seed(0)
    replay = FallReplay(engine, 0.5, generator)
    for fell in (True, True, False, True):
        begin_next(engine, replay, fell)
    saved, drawn, world = replay.state(), generator.get_state(), engine.state()
    expected = [begin_next(engine, replay, fell) for fell in (False, True, False, True)]
    engine.restore(world)
    other = FallReplay(engine, 0.5, generator)
    other.restore(saved)
    generator.set_state(drawn)
    found = [begin_next(engine, other, fell) for fell in (False, True, False, True)]
    assert all(map(np.array_equal, found, expected))


@pytest.mark.parametrize(
    "falls", [torch.zeros(3, 39, dtype=torch.uint8), torch.zeros(3, 40), torch.zeros(40)]
)
def test_an_odd_state_is_refused(engine: WarpEngine, falls: Any) -> None:
    replay = make(engine, 0.5)
    with pytest.raises(ValueError, match="not the states of generators"):
        replay.restore({**replay.state(), "falls": falls})
