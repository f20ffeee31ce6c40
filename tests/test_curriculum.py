import dataclasses
from collections.abc import Iterator

import numpy as np
import pytest
import torch

from bipedal.curriculum import LEVELS, Curriculum, difficulty_of
from bipedal.engines.warp import WarpEngine
from bipedal.errors import UserError
from bipedal.physics.terrain import HARDCORE
from bipedal.presets import DEFAULT
from bipedal.rollout import EpisodeStatistics
from bipedal.walker import HARDCORE_ID


def ended(env: int, *, fell: bool, distance: float = 84.0) -> EpisodeStatistics:
    return EpisodeStatistics(env, 0.0, 100, distance, fell)


@pytest.fixture
def engine() -> Iterator[WarpEngine]:
    engine = WarpEngine(HARDCORE_ID, 3, seed=0)
    yield engine
    engine.close()


def difficulties(engine: WarpEngine) -> torch.Tensor:
    return engine.snapshot(range(3))["difficulty"].view(torch.float32)


def test_the_last_level_is_gymnasiums() -> None:
    assert difficulty_of(LEVELS) == HARDCORE


def test_the_first_level_has_nothing_in_the_way(engine: WarpEngine) -> None:
    Curriculum(engine)
    engine.reset()
    assert not engine.ground.box_count.numpy()[:3].any()


def test_success_moves_up_and_a_fall_down(engine: WarpEngine) -> None:
    curriculum = Curriculum(engine)
    curriculum.learn([ended(0, fell=False), ended(0, fell=False), ended(1, fell=False)])
    curriculum.learn([ended(1, fell=True), ended(2, fell=True)])
    assert curriculum.state()["levels"].tolist() == [2, 0, 0]
    assert curriculum.difficulty == pytest.approx(2 / 3 / LEVELS)
    expected = np.stack([difficulty_of(level).row() for level in (2, 0, 0)])
    np.testing.assert_array_equal(difficulties(engine), expected)


def test_levels_stay_within_their_ends(engine: WarpEngine) -> None:
    curriculum = Curriculum(engine)
    curriculum.learn([ended(0, fell=False)] * (LEVELS + 3) + [ended(1, fell=True)])
    assert curriculum.state()["levels"].tolist() == [LEVELS, 0, 0]


def test_standing_about_is_no_success(engine: WarpEngine) -> None:
    curriculum = Curriculum(engine)
    curriculum.learn([ended(0, fell=False), ended(0, fell=False, distance=3.0)])
    assert curriculum.state()["levels"].tolist() == [1, 0, 0]


def test_a_restored_curriculum_goes_on(engine: WarpEngine) -> None:
    curriculum = Curriculum(engine)
    curriculum.learn([ended(0, fell=False)] * 3 + [ended(2, fell=False)])
    state, terrains = curriculum.state(), engine.state()
    curriculum.learn([ended(0, fell=True), ended(1, fell=False)])
    expected = curriculum.state()["levels"].tolist(), difficulties(engine)

    other_engine = WarpEngine(HARDCORE_ID, 3, seed=0)
    other = Curriculum(other_engine)
    other_engine.restore(terrains)
    other.restore(state)
    other.learn([ended(0, fell=True), ended(1, fell=False)])
    assert other.state()["levels"].tolist() == expected[0]
    np.testing.assert_array_equal(difficulties(other_engine), expected[1])
    other_engine.close()


def test_the_end_is_gymnasiums_everywhere(engine: WarpEngine) -> None:
    curriculum = Curriculum(engine)
    curriculum.end()
    assert curriculum.difficulty == 1.0
    np.testing.assert_array_equal(difficulties(engine), np.tile(HARDCORE.row(), (3, 1)))
    curriculum.learn([ended(0, fell=True)])
    again = Curriculum(engine)
    again.restore(curriculum.state())
    again.end()
    again.learn([ended(0, fell=True)])
    assert curriculum.difficulty == again.difficulty == 1.0


@pytest.mark.parametrize(
    "change",
    [
        {"env_id": "BipedalWalker-v3"},
        {"engine": "gymnasium"},
        {"curriculum_share": 1.5},
        {"best_by": "training"},
    ],
)
def test_it_needs_obstacles_on_our_engine(change: dict[str, object]) -> None:
    config = dataclasses.replace(DEFAULT, env_id=HARDCORE_ID, curriculum_share=0.5)
    config.validate()
    with pytest.raises(UserError, match="curriculum-share"):
        dataclasses.replace(config, **change).validate()  # type: ignore[arg-type]
