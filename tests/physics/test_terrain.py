"""The ground's law: what its parameters do, and that it is Gymnasium's."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from kernels import Array, make_ground
from numpy_engine import NumpyEngine

from bipedal.engines.reference import make_env
from bipedal.engines.synchronise import read_terrain
from bipedal.errors import UserError
from bipedal.physics.constants import TERRAIN_HEIGHT, TERRAIN_STARTPAD, TERRAIN_STEP
from bipedal.physics.terrain import DIFFICULTIES, FLAT, HARDCORE, Difficulty, check_terrain
from bipedal.walker import ENV_IDS

EngineMaker = Callable[..., NumpyEngine]

Terrains = list[tuple[Array, Array]]
LEVEL = np.zeros(200)


def terrains(engine: NumpyEngine) -> Terrains:
    """Heights (200,) and boxes (B, 4) of every environment."""
    height, box = engine.ground.height.numpy(), engine.ground.box.numpy()
    count = engine.ground.box_count.numpy()
    return [(height[row].copy(), box[row, : count[row]].copy()) for row in range(engine.num_envs)]


def size(box: Array) -> tuple[int, int]:
    """Width and height in terrain steps."""
    width, height = np.round((box[2:] - box[:2]) / TERRAIN_STEP).astype(int).tolist()
    return width, height


def kind(box: Array) -> str:
    """What a box of Gymnasium's belongs to."""
    return {(1, 4): "pit", (4, 1): "stairs", (1, 1): "stump", (2, 2): "stump"}[size(box)]


def obstacles(boxes: Array) -> Counter[str]:
    """Numbers of stumps, flights of stairs and pits; a pit has two walls."""
    kinds = [kind(box) for box in boxes]
    flights = sum(
        kinds[i] == "stairs"
        and (i == 0 or kinds[i - 1] != "stairs" or abs(boxes[i, 0] - boxes[i - 1, 2]) > 1e-3)
        for i in range(len(kinds))
    )
    return Counter(stump=kinds.count("stump"), stairs=flights, pit=-(-kinds.count("pit") // 2))


class TestDifficulty:
    @pytest.mark.parametrize(
        ("values", "message"),
        [
            ({"roughness": -1}, "finite and not negative"),
            ({"pit_depth": float("nan")}, "finite and not negative"),
            ({"stump_height": float("inf")}, "finite and not negative"),
            ({"obstacles": 1.1}, "at most 1"),
            ({"stump_weight": 0, "stairs_weight": 0, "pit_weight": 0}, "at least one kind"),
            ({"stair_min": 0}, "whole numbers"),
            ({"stair_min": 3.5}, "whole numbers"),
            ({"stair_max": 2}, "whole numbers"),
        ],
    )
    def test_what_makes_no_terrain_is_refused(self, values: dict[str, float], message: str) -> None:
        with pytest.raises(UserError, match=message):
            Difficulty(**values)

    def test_gymnasiums_two_environments_are_two_of_them(self) -> None:
        assert dict(zip(ENV_IDS, (FLAT, HARDCORE), strict=True)) == DIFFICULTIES
        assert Difficulty(obstacles=1.0) == HARDCORE


def generated(make_engine: EngineMaker, difficulty: Difficulty, n: int = 24) -> Terrains:
    engine = make_engine(num_envs=n)
    engine.set_difficulty(range(n), difficulty)
    engine.reset()
    return terrains(engine)


class TestLaw:
    def test_without_roughness_and_obstacles_the_ground_is_level(
        self, make_engine: EngineMaker
    ) -> None:
        for height, boxes in generated(make_engine, Difficulty(roughness=0)):
            np.testing.assert_array_equal(height, np.float32(TERRAIN_HEIGHT))
            assert len(boxes) == 0

    def test_the_start_is_level_whatever_follows(self, make_engine: EngineMaker) -> None:
        for height, boxes in generated(make_engine, HARDCORE):
            start = height[: TERRAIN_STARTPAD + 1]
            np.testing.assert_array_equal(start, np.float32(TERRAIN_HEIGHT))
            assert boxes[0, 0] == pytest.approx(TERRAIN_STARTPAD * TERRAIN_STEP)

    def test_only_hardcore_has_obstacles(self, make_engine: EngineMaker) -> None:
        assert all(len(boxes) == 0 for _, boxes in generated(make_engine, FLAT))
        assert all(10 < len(boxes) < 64 for _, boxes in generated(make_engine, HARDCORE))

    @pytest.mark.parametrize("only", ["stump", "stairs", "pit"])
    def test_a_weight_alone_makes_one_kind(self, make_engine: EngineMaker, only: str) -> None:
        weights = {f"{name}_weight": float(name == only) for name in ("stump", "stairs", "pit")}
        made = generated(make_engine, Difficulty(obstacles=1, **weights))
        assert {kind(box) for _, boxes in made for box in boxes} == {only}

    def test_obstacles_is_the_share_of_grass_that_one_follows(
        self, make_engine: EngineMaker
    ) -> None:
        def count(share: float) -> int:
            difficulty = Difficulty(
                obstacles=share, stairs_weight=0, pit_weight=0, stump_height=0.5
            )
            return sum(len(boxes) for _, boxes in generated(make_engine, difficulty, 48))

        # A stretch of grass is 7 steps on average and a stump 1.5: of 180 steps come
        # 180 / (7 + 1.5) stumps with share 1, and 180 / (7 / 0.25 + 1.5) with 0.25.
        # (After a stump there is a stretch of grass in any case.)
        assert count(1) == pytest.approx(48 * 180 / 8.5, rel=0.1)
        assert count(0.25) == pytest.approx(48 * 180 / 29.5, rel=0.25)

    def test_roughness_scales_the_ground(self, make_engine: EngineMaker) -> None:
        steps = [
            np.abs(np.diff([height for height, _ in made], axis=1)).mean()
            for made in (
                generated(make_engine, Difficulty(roughness=roughness)) for roughness in (1, 3)
            )
        ]
        assert 2 < steps[1] / steps[0] < 4

    def test_pit_depth_and_width(self, make_engine: EngineMaker) -> None:
        difficulty = Difficulty(
            roughness=0, obstacles=1, stump_weight=0, stairs_weight=0, pit_depth=2, pit_width=2
        )
        widths = set()
        for height, boxes in generated(make_engine, difficulty):
            depth = 2 * TERRAIN_STEP
            assert height.min() == pytest.approx(TERRAIN_HEIGHT - depth)
            np.testing.assert_allclose(boxes[:, 3], TERRAIN_HEIGHT, rtol=1e-6)
            np.testing.assert_allclose(boxes[:, 3] - boxes[:, 1], depth, rtol=1e-5)
            for first, second in zip(boxes[0::2], boxes[1::2], strict=True):
                widths.add(round(float(second[0] - first[0]) / TERRAIN_STEP))
        assert widths == {6, 8}

    def test_stair_height_and_number(self, make_engine: EngineMaker) -> None:
        difficulty = Difficulty(
            roughness=0,
            obstacles=1,
            stump_weight=0,
            pit_weight=0,
            stair_height=0.5,
            stair_min=2,
            stair_max=2,
        )
        rises = []
        for _, boxes in generated(make_engine, difficulty):
            first, second = boxes[0 : len(boxes) // 2 * 2 : 2], boxes[1::2]
            np.testing.assert_allclose(first[:, 2], second[:, 0], atol=1e-4)
            rises += ((second[:, 1] - first[:, 1]) / TERRAIN_STEP).tolist()
        np.testing.assert_allclose(np.abs(rises), 0.5, atol=1e-4)
        assert len({round(rise, 1) for rise in rises}) == 2  # up and down

    def test_stump_height(self, make_engine: EngineMaker) -> None:
        difficulty = Difficulty(obstacles=1, stairs_weight=0, pit_weight=0, stump_height=0.5)
        for _, boxes in generated(make_engine, difficulty):
            shape = boxes[:, 2:] - boxes[:, :2]
            np.testing.assert_allclose(shape[:, 1], shape[:, 0] / 2, rtol=1e-4)

    def test_difficulty_is_of_one_environment_and_its_next_episodes(
        self, make_engine: EngineMaker
    ) -> None:
        engine = make_engine(num_envs=4)
        engine.reset()
        engine.set_difficulty([1, 2], HARDCORE)
        assert not engine.ground.box_count.numpy()[:4].any()
        engine.begin_episodes([1, 3])
        assert (engine.ground.box_count.numpy()[:4] > 0).tolist() == [False, True, False, False]


class TestWhatItDependsOn:
    """Seed, number of the environment, number of the episode; nothing else."""

    def test_not_on_other_environments_nor_on_actions(self, make_engine: EngineMaker) -> None:
        few, many = make_engine(ENV_IDS[1], 3), make_engine(ENV_IDS[1], 20)
        few.reset()
        rng = np.random.default_rng(0)
        for _ in range(5):
            few.step(rng.uniform(-1, 1, (3, 4)).astype(np.float32))
        few.begin_episodes(range(3))
        many.set_difficulty(range(3, 20), FLAT)
        many.reset()
        many.begin_episodes(range(20))
        for ours, theirs in zip(terrains(few), terrains(many), strict=False):
            np.testing.assert_array_equal(ours[0], theirs[0])
            np.testing.assert_array_equal(ours[1], theirs[1])

    def test_on_each_of_the_three(self, make_engine: EngineMaker) -> None:
        lines = []
        for seed in (7, 8):
            engine = make_engine(ENV_IDS[0], 5, seed)
            engine.reset()
            lines += [height.tobytes() for height, _ in terrains(engine)]
            engine.begin_episodes(range(5))
            lines += [height.tobytes() for height, _ in terrains(engine)]
        assert len(set(lines)) == 20


def shapes_of_obstacles(made: Terrains) -> set[tuple[Any, ...]]:
    """The sizes of the boxes, each with the ground line along it, in quarters of a step."""
    found = set()
    for height, boxes in made:
        for box in boxes:
            left, right = np.round(box[[0, 2]] / TERRAIN_STEP).astype(int)
            if right < 200:
                line = np.round((height[left : right + 1] - box[3]) / TERRAIN_STEP * 4)
                found.add((size(box), tuple(line.astype(int).tolist())))
    return found


def stretches_of_grass(made: Terrains) -> list[int]:
    """Lengths, in steps, between obstacles. A pit goes on for a step after its second wall."""
    lengths = []
    for _, boxes in made:
        for box, after in itertools.pairwise(boxes):
            length = round(float(after[0] - box[2]) / TERRAIN_STEP) - (kind(box) == "pit")
            if length > 2:  # else two stairs of a flight, or the walls of a pit
                lengths.append(length)
    return lengths


def draws_of_slope(height: Array) -> Array:
    """What the random numbers were, by the law; where a stretch begins the ground goes level."""
    slope = np.diff(height.astype(np.float64))
    before = height[:-1][slope != 0]
    slope = slope[slope != 0]
    kept = 0.8 * np.concatenate([[0], slope[:-1]])
    draws: Array = slope - kept - 0.01 * np.sign(np.float32(TERRAIN_HEIGHT) - before)
    return draws


def gymnasium_terrains(env_id: str, n: int) -> Terrains:
    made = []
    for seed in range(n):
        env = make_env(env_id)
        env.reset(seed=seed)
        made.append(read_terrain(env))
    return made


def assert_equal_means(ours: list[float], theirs: list[float]) -> None:
    """Within five standard errors."""
    error = np.hypot(np.std(ours) / len(ours) ** 0.5, np.std(theirs) / len(theirs) ** 0.5)
    assert abs(np.mean(ours) - np.mean(theirs)) < 5 * error


@pytest.fixture(scope="module")
def hardcore() -> Terrains:
    return gymnasium_terrains(ENV_IDS[1], 40)


@pytest.fixture(scope="module")
def grass() -> Terrains:
    return gymnasium_terrains(ENV_IDS[0], 20)


class TestLikeGymnasium:
    def test_obstacles_have_the_same_shapes(
        self, make_engine: EngineMaker, hardcore: Terrains
    ) -> None:
        ours = generated(make_engine, HARDCORE, 200)
        assert shapes_of_obstacles(ours) == shapes_of_obstacles(hardcore)

    def test_obstacles_have_the_same_shares(
        self, make_engine: EngineMaker, hardcore: Terrains
    ) -> None:
        ours = [obstacles(boxes) for _, boxes in generated(make_engine, HARDCORE, 300)]
        theirs = [obstacles(boxes) for _, boxes in hardcore]
        total = sum(ours, Counter())
        n = total.total()
        for name in ("stump", "stairs", "pit"):
            assert_equal_means([count[name] for count in ours], [count[name] for count in theirs])
            assert abs(total[name] - n / 3) < 5 * (n * 2 / 9) ** 0.5
        flights_up = [
            float(np.sign(boxes[i + 1, 1] - boxes[i, 1]))
            for _, boxes in generated(make_engine, HARDCORE, 100)
            for i in range(len(boxes) - 1)
            if kind(boxes[i]) == kind(boxes[i + 1]) == "stairs"
            and abs(boxes[i, 2] - boxes[i + 1, 0]) < 1e-3
        ]
        assert abs(np.mean(flights_up)) < 5 / (len(flights_up) / 3) ** 0.5

    def test_grass_between_obstacles_is_five_to_nine_steps_long(
        self, make_engine: EngineMaker, hardcore: Terrains
    ) -> None:
        for made in (generated(make_engine, HARDCORE, 100), hardcore):
            assert set(stretches_of_grass(made)) == {5, 6, 7, 8, 9}

    def test_slopes_follow_the_same_law(self, make_engine: EngineMaker, grass: Terrains) -> None:
        """Each is 0.8 of the last, 0.01 towards the start's height, and up to 1/30 at random."""
        for made in (generated(make_engine, FLAT, 40), grass):
            draws = np.concatenate([draws_of_slope(height) for height, _ in made]) * 30
            assert 0.99 < np.abs(draws).max() < 1 + 1e-3
            assert abs(draws.mean()) < 5 * (1 / 3 / len(draws)) ** 0.5
            assert draws.std() == pytest.approx((1 / 3) ** 0.5, rel=0.05)

    def test_grass_is_as_rough_and_as_hilly(
        self, make_engine: EngineMaker, grass: Terrains
    ) -> None:
        ours = generated(make_engine, FLAT, 200)
        for statistic in (
            lambda height: np.abs(np.diff(height, 2)).mean(),
            np.ptp,
            np.mean,
            lambda height: height[-1],
        ):
            assert_equal_means(
                [float(statistic(height)) for height, _ in ours],
                [float(statistic(height)) for height, _ in grass],
            )


def test_first_box_is_the_first_that_ends_to_the_right(make_engine: EngineMaker) -> None:
    engine = make_engine(ENV_IDS[1], 16)
    engine.reset()
    index = engine.ground.first_box.numpy()
    for row, (_, boxes) in enumerate(terrains(engine)):
        for column, first in enumerate(index[row]):
            x = (column - 1) * TERRAIN_STEP  # where some boxes end, to the last bit or two
            assert (boxes[:first, 2] < x + 1e-4).all()
            assert (boxes[first:, 2] > x - 1e-4).all()


def test_first_box_by_hand() -> None:
    boxes = [(1, 0, 2, 1), (4, 0, 5, 1)]
    first = make_ground((LEVEL, boxes)).first_box.numpy()[0]
    # Column i looks from x = (i - 1) * 0.4667: 2 lies behind column 6, 5 behind column 12.
    assert first.tolist() == [0] * 6 + [1] * 6 + [2] * 188


class TestCheck:
    numbers = st.floats(-100, 100, width=32)

    @given(st.data())
    @settings(deadline=None)
    def test_a_valid_terrain_comes_back_in_single_precision(self, data: st.DataObject) -> None:
        height = data.draw(hnp.arrays(np.float64, 200, elements=self.numbers))
        n = data.draw(st.integers(0, 64))
        eighths = st.lists(st.integers(-800, 800), min_size=n, max_size=n).map(np.array)
        left = np.sort(data.draw(eighths)) / 8
        bottom = data.draw(eighths) / 8
        width, tall = data.draw(st.integers(1, 40)) / 8, data.draw(st.integers(1, 40)) / 8
        boxes = np.stack([left, bottom, left + width, bottom + tall], axis=1)
        line, box = check_terrain(height.tolist(), boxes)
        assert (line.dtype, box.dtype) == (np.float32, np.float32)
        np.testing.assert_array_equal(line, height)
        np.testing.assert_array_equal(box, boxes)

    def test_no_boxes_may_be_an_empty_list(self) -> None:
        assert check_terrain(LEVEL, [])[1].shape == (0, 4)

    @pytest.mark.parametrize(
        ("height", "boxes", "message"),
        [
            pytest.param(LEVEL[1:], [], "200 heights", id="too short"),
            pytest.param(LEVEL[None], [], "200 heights", id="two axes"),
            pytest.param([np.nan] * 200, [], "finite", id="nan"),
            pytest.param(LEVEL, [(0, 0, np.inf, 1)], "finite", id="infinite box"),
            pytest.param(LEVEL, [(1, 0, 1, 1)], "left < right", id="no width"),
            pytest.param(LEVEL, [(0, 1, 1, 0)], "bottom < top", id="upside down"),
            pytest.param(LEVEL, [(2, 0, 3, 1), (0, 0, 4, 1)], "in order", id="left sides"),
            pytest.param(LEVEL, [(0, 0, 9, 1), (1, 0, 2, 1)], "in order", id="right sides"),
            pytest.param(LEVEL, [(0, 0, 1, 1)] * 65, "at most 64", id="too many"),
        ],
    )
    def test_an_invalid_one_is_refused(self, height: Any, boxes: Any, message: str) -> None:
        with pytest.raises(UserError, match=message):
            check_terrain(height, boxes)


@pytest.mark.parametrize(
    "boxes", [np.arange(5.0), np.arange(8.0), [[0, 0], [1, 1]], [[0, 0, 1, 1], [1]], ["a"]]
)
def test_boxes_of_another_shape_are_refused(boxes: Any) -> None:
    with pytest.raises(UserError, match="boxes"):
        check_terrain(np.zeros(200), boxes)
