"""The ground: what its parameters do, and that a seed gives Gymnasium's, bit for bit."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import pytest
from gymnasium_start import read_terrain, reset_overheard
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from kernels import Array, make_ground
from numpy_engine import NumpyEngine

from bipedal.engines.reference import make_env
from bipedal.errors import UserError
from bipedal.physics.constants import TERRAIN_HEIGHT, TERRAIN_STARTPAD, TERRAIN_STEP
from bipedal.physics.terrain import (
    DIFFICULTIES,
    FLAT,
    HARDCORE,
    Difficulty,
    check_terrain,
    make_clouds,
)
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
            np.testing.assert_array_equal(height, TERRAIN_HEIGHT)
            assert len(boxes) == 0

    def test_the_start_is_level_whatever_follows(self, make_engine: EngineMaker) -> None:
        for height, boxes in generated(make_engine, HARDCORE):
            start = height[: TERRAIN_STARTPAD + 1]
            np.testing.assert_array_equal(start, TERRAIN_HEIGHT)
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

    def test_a_factor_changes_no_draw(self, make_engine: EngineMaker) -> None:
        """A curriculum moves sizes and leaves the rest of a seed's terrain as it is."""
        made = (
            generated(make_engine, HARDCORE),
            generated(make_engine, Difficulty(obstacles=1, stump_height=0.5)),
        )
        for (height, boxes), (other_height, other_boxes) in zip(*made, strict=True):
            np.testing.assert_array_equal(height, other_height)
            np.testing.assert_array_equal(boxes[:, :3], other_boxes[:, :3])

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
    """The seed and how many episodes came before; nothing else."""

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

    def test_on_the_seed_and_the_episode(self, make_engine: EngineMaker) -> None:
        lines = []
        for seed in (7, 12):
            engine = make_engine(ENV_IDS[0], 5, seed)
            engine.reset()
            lines += [height.tobytes() for height, _ in terrains(engine)]
            engine.begin_episodes(range(5))
            lines += [height.tobytes() for height, _ in terrains(engine)]
        assert len(set(lines)) == 20


class Start(NamedTuple):
    """What a reset draws."""

    height: Array
    boxes: Array
    clouds: list[Any]
    force: Any


class NoWorld:
    """Takes Gymnasium's bodies and keeps the corners of their shapes, which Box2D has rounded."""

    def __init__(self) -> None:
        self.corners: list[list[tuple[float, float]]] = []

    def CreateStaticBody(self, fixtures: Any) -> Any:  # noqa: N802
        self.corners.append(list(fixtures.shape.vertices))
        return SimpleNamespace()


class Starts:
    """The starts of Gymnasium's episodes, drawn by its own code without Box2D's world."""

    def __init__(self, env_id: str) -> None:
        self.walker: Any = make_env(env_id).unwrapped

    def seed(self, seed: int) -> None:
        self.walker.np_random = np.random.default_rng(seed)

    def next(self) -> Start:
        """The start of the following episode."""
        walker = self.walker
        walker.world = NoWorld()
        walker._generate_terrain(walker.hardcore)
        walker._generate_clouds()
        force = np.float32(walker.np_random.uniform(-5, 5))
        polygons = [np.array(corners) for corners in walker.world.corners if len(corners) == 4]
        boxes = [[*corners.min(axis=0), *corners.max(axis=0)] for corners in polygons]
        box = np.array(boxes, np.float32).reshape(-1, 4)
        return Start(np.array(walker.terrain_y), box, walker.cloud_poly, force)


def start_of(engine: NumpyEngine, row: int) -> Start:
    """The start of the episode in a row of the engine."""
    return Start(
        engine.ground.height.numpy()[row],
        engine.ground.box.numpy()[row, : engine.ground.box_count.numpy()[row]],
        make_clouds(engine.walkers.generator.numpy()[row]),
        engine.walkers.start_force.numpy()[row],
    )


def assert_same_start(ours: Start, theirs: Start) -> None:
    assert ours.height.dtype == np.float64
    np.testing.assert_array_equal(ours.height, theirs.height)
    np.testing.assert_array_equal(ours.boxes, theirs.boxes)
    assert ours.clouds == theirs.clouds
    assert ours.force == theirs.force


@pytest.mark.parametrize("env_id", ENV_IDS)
class TestGymnasiums:
    """Heights, boxes, clouds and push of `reset(seed=...)`, bit for bit."""

    @pytest.mark.reference
    @pytest.mark.parametrize(
        "seeds",
        [range(300), range(2**63 - 20, 2**63), pytest.param(range(10_000), marks=pytest.mark.slow)],
        ids=["few", "large", "many"],
    )
    def test_first_episodes(self, make_engine: EngineMaker, env_id: str, seeds: range) -> None:
        engine = make_engine(env_id, len(seeds), seeds)
        engine.reset()
        starts = Starts(env_id)
        for row, seed in enumerate(seeds):
            starts.seed(seed)
            assert_same_start(start_of(engine, row), starts.next())

    @pytest.mark.reference
    def test_later_episodes(self, make_engine: EngineMaker, env_id: str) -> None:
        engine = make_engine(env_id, 20, 3)
        starts = [Starts(env_id) for _ in range(20)]
        for row, one in enumerate(starts):
            one.seed(3 + row)
        for episode in range(5):
            if episode == 0:
                engine.reset()
            else:
                engine.begin_episodes(range(20))
            for row, one in enumerate(starts):
                assert_same_start(start_of(engine, row), one.next())

    @pytest.mark.reference
    def test_the_episode_after_a_fall(self, make_engine: EngineMaker, env_id: str) -> None:
        engine = make_engine(env_id, 4, 11)
        engine.reset()
        starts = Starts(env_id)
        rng = np.random.default_rng(0)
        for _ in range(300):
            over = engine.step(rng.uniform(-1, 1, (4, 4)).astype(np.float32)).terminated
            if over.any():
                break
        row = int(np.flatnonzero(over)[0])
        starts.seed(11 + row)
        starts.next()
        assert_same_start(start_of(engine, row), starts.next())

    @pytest.mark.reference
    def test_without_box2ds_world_it_draws_the_same(
        self, make_engine: EngineMaker, env_id: str
    ) -> None:
        starts = Starts(env_id)
        for seed in (0, 1, 2**40):
            env: Any = make_env(env_id)
            _, force = reset_overheard(env, seed)
            _, boxes = read_terrain(env)
            walker = env.unwrapped
            height, clouds = np.array(walker.terrain_y), walker.cloud_poly
            starts.seed(seed)
            assert_same_start(starts.next(), Start(height, boxes, clouds, np.float32(force)))


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
    numbers = st.floats(-100, 100)

    @given(st.data())
    @settings(deadline=None)
    def test_a_valid_terrain_comes_back_as_arrays(self, data: st.DataObject) -> None:
        height = data.draw(hnp.arrays(np.float64, 200, elements=self.numbers))
        n = data.draw(st.integers(0, 64))
        eighths = st.lists(st.integers(-800, 800), min_size=n, max_size=n).map(np.array)
        left = np.sort(data.draw(eighths)) / 8
        bottom = data.draw(eighths) / 8
        width, tall = data.draw(st.integers(1, 40)) / 8, data.draw(st.integers(1, 40)) / 8
        boxes = np.stack([left, bottom, left + width, bottom + tall], axis=1)
        line, box = check_terrain(height.tolist(), boxes)
        assert (line.dtype, box.dtype) == (np.float64, np.float32)
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
