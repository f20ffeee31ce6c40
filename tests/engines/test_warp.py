"""The engine as a whole: its interface, reproducibility, and what must never happen."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import closing
from typing import Any

import numpy as np
import pytest
import torch
import warp as wp
from gymnasium_start import read_terrain, reset_overheard
from numpy_engine import ArrayStep, NumpyEngine, assert_same, assert_types, play, random_actions

from bipedal.engines.reference import make_env
from bipedal.engines.warp import WarpEngine, _device_rows
from bipedal.errors import UserError
from bipedal.physics.blocks import step_each
from bipedal.physics.constants import (
    FALL_REWARD,
    MAX_CONTACTS,
    POSITION_ITERATIONS,
    POSITION_STAGES,
    TERRAIN_STEP,
)
from bipedal.physics.robot import robot_arrays
from bipedal.walker import ENV_IDS, FloatArray

EngineMaker = Callable[..., NumpyEngine]


def rows(steps: list[ArrayStep], chosen: Any) -> list[ArrayStep]:
    return [ArrayStep._make(array[chosen] for array in step) for step in steps]


def keep(state: Mapping[str, Any]) -> dict[str, Any]:
    return {name: array.copy() for name, array in state.items()}


def limit_time(engine: NumpyEngine, steps: int) -> None:
    engine._rules.time_limit = steps
    engine.engine._launches = engine._record_launches()


class TestInterface:
    def test_shapes_and_types(self, make_engine: EngineMaker) -> None:
        engine = make_engine(num_envs=3)
        assert engine.reset().shape == (3, 24)
        assert_types(engine.step(random_actions(1, 3)[0]), 3)
        assert engine.poses().shape == (3, 5, 3)
        assert engine.touching().shape == (3, 5)
        assert engine.joint_torques().shape == (3, 4)

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (("CartPole-v1", 1, 0), "unknown environment 'CartPole-v1'"),
            ((ENV_IDS[0], 0, 0), "at least one environment, not 0"),
            ((ENV_IDS[0], 1, -1), "whole number from 0 to 2"),
            ((ENV_IDS[0], 2, 2**63 - 1), "whole number from 0 to 2"),
            ((ENV_IDS[0], 1, [0.5]), "whole number from 0 to 2"),
            ((ENV_IDS[0], 3, [1, 2]), "3 environments need as many seeds, not 2"),
        ],
    )
    def test_what_cannot_be_made_is_refused(
        self, make_engine: EngineMaker, arguments: tuple[Any, ...], message: str
    ) -> None:
        with pytest.raises(UserError, match=message):
            make_engine(*arguments)

    def test_a_device_that_is_not_there_is_refused(self) -> None:
        with pytest.raises(UserError, match="cannot run on 'cuda:99': Warp finds only cpu"):
            WarpEngine(ENV_IDS[0], 1, 0, device="cuda:99")

    def test_actions_of_another_shape_or_nan_are_refused(self, make_engine: EngineMaker) -> None:
        engine = make_engine(num_envs=3)
        engine.reset()
        for shape in ((4, 4), (3, 3), (4,), (1, 4)):
            with pytest.raises(ValueError, match=r"actions must be \(3, 4\)"):
                engine.step(np.zeros(shape, np.float32))
        before = keep(engine.state())
        action = np.zeros((3, 4), np.float32)
        action[1, 2] = np.nan
        with pytest.raises(ValueError, match="NaN"):
            engine.step(action)
        assert all(np.array_equal(array, before[name]) for name, array in engine.state().items())


class TestEpisodes:
    def test_a_fall_ends_one_and_the_next_begins_in_the_same_step(
        self, make_engine: EngineMaker
    ) -> None:
        engine = make_engine(num_envs=8)
        engine.reset()
        falls = 0
        for action in random_actions(200, 8):
            step = engine.step(action)
            going = ~step.terminated
            np.testing.assert_array_equal(step.observation[going], step.final_observation[going])
            np.testing.assert_array_equal(step.reward[step.terminated], FALL_REWARD)
            for row in np.flatnonzero(step.terminated):
                falls += 1
                first = step.observation[row]
                assert not np.array_equal(first, step.final_observation[row])
                # As after any reset: upright, hardly moving, both feet on the ground.
                np.testing.assert_allclose(first[:4], 0, atol=0.02)
                assert first[[8, 13]].tolist() == [1, 1]
                assert engine.poses()[row, 0, 0] == pytest.approx(10 * TERRAIN_STEP, abs=0.05)
            assert not step.truncated.any()
        assert falls >= 3

    def test_a_time_limit_truncates_and_does_not_terminate(self, make_engine: EngineMaker) -> None:
        engine = make_engine(num_envs=1, seed=3)
        limit_time(engine, 5)
        engine.reset()
        steps = play(engine, np.zeros((11, 1, 4), np.float32))
        assert [bool(step.truncated[0]) for step in steps] == ([False] * 4 + [True]) * 2 + [False]
        assert not any(step.terminated[0] for step in steps)
        assert not np.array_equal(steps[4].observation, steps[4].final_observation)

    @pytest.mark.reference
    def test_time_limits_are_gymnasiums(self, make_engine: EngineMaker) -> None:
        for env_id, limit in zip(ENV_IDS, (1600, 2000), strict=True):
            assert make_env(env_id).spec.max_episode_steps == limit  # type: ignore[union-attr]
            assert make_engine(env_id, 1)._rules.time_limit == limit

    def test_distance_is_the_hulls_way_since_the_start(self, make_engine: EngineMaker) -> None:
        engine = make_engine(num_envs=3)
        engine.reset()
        center = robot_arrays()["local_center"][0].astype(float)

        def hull_x() -> FloatArray:
            pose = engine.poses()[:, 0].astype(float)
            cos, sin = np.cos(pose[:, 2]), np.sin(pose[:, 2])
            x: FloatArray = pose[:, 0] - (cos * center[0] - sin * center[1])
            return x

        start = hull_x()
        steps = play(engine, random_actions(20, 3))
        np.testing.assert_allclose(steps[-1].distance, hull_x() - start, atol=1e-5)
        assert np.abs(steps[-1].distance).min() > 0

    def test_the_far_end_completes_one_without_a_fall(self, make_engine: EngineMaker) -> None:
        """Set down just before the end, a robot that falls over forwards crosses it."""
        engine = make_engine(num_envs=1)
        engine.set_start(0, np.full(200, 10 / 3), [], 0.0)
        engine.reset()
        body = engine.walkers.body.numpy()
        shift = np.float32(190 * TERRAIN_STEP - 0.05 - body["center"][0, 0, 0])
        body["center"][0, :, 0] += shift
        body["fat_box"][0, :, [0, 2]] += shift
        body["velocity"][0, :, 0] = 2.0
        engine.walkers.contact_count.numpy()[0] = 0
        steps = play(engine, np.zeros((4, 1, 4), np.float32))
        over = [bool(step.terminated[0]) for step in steps]
        assert over.count(True) == 1
        last = steps[over.index(True)]
        assert last.reward[0] > 0
        assert last.distance[0] == pytest.approx(190 * TERRAIN_STEP - 10 * TERRAIN_STEP, abs=0.1)

    def test_begin_episodes_begins_those_asked_for_only(self, make_engine: EngineMaker) -> None:
        engine = make_engine(num_envs=4)
        engine.reset()
        play(engine, random_actions(10, 4))
        before = engine.step(random_actions(1, 4)[0]).observation.copy()
        after = engine.begin_episodes([2]).copy()
        np.testing.assert_array_equal(after[[0, 1, 3]], before[[0, 1, 3]])
        assert not np.array_equal(after[2], before[2])
        assert engine.walkers.steps.numpy()[:4].tolist() == [11, 11, 0, 11]


class TestReward:
    def test_is_the_way_forward_less_the_torque(self, make_engine: EngineMaker) -> None:
        """130 / 30 a metre, less 5 a radian of lean, less 0.028 for each motor's full torque."""
        engine = make_engine(num_envs=4)
        observation = engine.reset().copy()
        distance = np.zeros(4)
        for action in random_actions(30, 4):
            step = engine.step(action).copy()
            forward = 130 / 30 * (step.distance - distance)
            lean = 5 * (np.abs(step.final_observation[:, 0]) - np.abs(observation[:, 0]))
            cost = 0.00035 * 80 * np.abs(action).sum(axis=1)
            going = ~step.terminated
            assert going.any()
            expected = (forward - lean - cost)[going]
            np.testing.assert_allclose(step.reward[going], expected, atol=1e-4)
            observation, distance = step.observation, np.where(going, step.distance, 0)

    def test_actions_out_of_range_count_as_1(self, make_engine: EngineMaker) -> None:
        actions = random_actions(40, 4, seed=1) * 3
        actions[::3, 0] = np.inf
        actions[1::3, 1] = -np.inf
        results = []
        for given in (actions, actions.clip(-1, 1)):
            engine = make_engine(num_envs=4)
            engine.reset()
            results.append(play(engine, given))
        assert_same(*results)
        assert all(np.isfinite(step.reward).all() for step in results[0])


class TestReproducibility:
    def test_the_number_of_threads_changes_nothing(self, make_engine: EngineMaker) -> None:
        actions = random_actions(120, 40)
        results = []
        for threads in (1, 2):
            engine = make_engine(ENV_IDS[1], 40, seed=1, threads=threads)
            assert len(engine._launches[False]) == threads
            engine.reset()
            results.append(play(engine, actions))
        assert_same(*results)
        assert any(step.terminated.any() for step in results[0])

    def test_other_environments_change_nothing(self, make_engine: EngineMaker) -> None:
        actions = random_actions(120, 40)
        few, many = make_engine(ENV_IDS[1], 20), make_engine(ENV_IDS[1], 40)
        np.testing.assert_array_equal(few.reset(), many.reset()[:20])
        assert_same(play(few, actions[:, :20]), rows(play(many, actions), slice(20)))

    def test_environment_i_has_the_seed_plus_i_or_the_one_given(
        self, make_engine: EngineMaker
    ) -> None:
        first = make_engine(num_envs=2, seed=1).reset().copy()
        second = make_engine(num_envs=2, seed=[5, 2]).reset().copy()
        assert not np.array_equal(first[0], first[1])
        np.testing.assert_array_equal(second[1], first[1])
        assert not np.array_equal(second[0], first[0])

    def test_begin_episodes_seeds_the_rows_asked_for_only(self, make_engine: EngineMaker) -> None:
        engine = make_engine(num_envs=4, seed=0)
        first = engine.reset().copy()
        second = engine.begin_episodes([1, 3], [2, 1]).copy()
        np.testing.assert_array_equal(second, first[[0, 2, 2, 1]])
        third = engine.begin_episodes([3, 1]).copy()
        engine.reset()
        np.testing.assert_array_equal(third[[1, 3]], engine.begin_episodes([1, 2])[[2, 1]])
        for seeds in ([1], [-1, 3]):
            with pytest.raises(UserError, match="seed"):
                engine.begin_episodes([0, 1], seeds)

    def test_reset_plays_the_same_again_and_takes_another_seed(
        self, make_engine: EngineMaker
    ) -> None:
        actions = random_actions(60, 4)
        engine = make_engine(seed=1)
        first = engine.reset().copy()
        played = play(engine, actions)
        np.testing.assert_array_equal(engine.reset(), first)
        assert_same(play(engine, actions), played)
        other = engine.reset(2).copy()
        np.testing.assert_array_equal(other, make_engine(seed=2).reset())
        assert not np.array_equal(other, first)
        np.testing.assert_array_equal(engine.reset([4, 3, 2, 1]), [*other[[2, 1, 0]], first[0]])


class TestSnapshots:
    def test_a_restored_engine_goes_on_bit_for_bit(self, make_engine: EngineMaker) -> None:
        actions = random_actions(200, 6)
        engine = make_engine(ENV_IDS[1], 6)
        engine.reset()
        play(engine, actions[:57])
        observation = engine.step(actions[57]).observation.copy()
        state = keep(engine.state())
        assert set(engine.walkers.steps.numpy()[:6]) != {0}
        expected = play(engine, actions[58:])
        assert any(step.terminated.any() for step in expected)
        for other in (engine, make_engine(ENV_IDS[1], 6)):
            np.testing.assert_array_equal(other.restore(state), observation)
            assert_same(play(other, actions[58:]), expected)

    def test_reading_the_state_changes_nothing(self, make_engine: EngineMaker) -> None:
        actions = random_actions(80, 3)
        results = []
        for look in (False, True):
            engine = make_engine(num_envs=3)
            engine.reset()
            steps = []
            for action in actions:
                steps += play(engine, action[None])
                if look:
                    engine.state(), engine.poses(), engine.touching(), engine.joint_torques()
            results.append(steps)
        assert_same(*results)

    def test_rows_can_be_cloned_into_other_rows(self, make_engine: EngineMaker) -> None:
        """Alike whatever happens: the generator of the next terrains is copied too."""
        actions = random_actions(100, 2, seed=2)
        source = make_engine(ENV_IDS[1], 3)
        source.reset()
        play(source, random_actions(20, 3))
        snapshot = keep(source.snapshot([2, 0]))
        target = make_engine(ENV_IDS[1], 40, seed=9)
        target.reset()
        play(target, random_actions(5, 40))
        target.restore_rows([17, 33], snapshot)
        target.restore_rows([18, 1], snapshot)
        ended = 0
        for action in actions:
            wide = np.zeros((40, 4), np.float32)
            wide[[17, 33]] = wide[[18, 1]] = action
            ours, theirs = target.step(wide), source.step(action[[1, 0, 0]])
            for copied in ([17, 33], [18, 1]):
                for name in ArrayStep._fields:
                    np.testing.assert_array_equal(
                        getattr(ours, name)[copied], getattr(theirs, name)[[2, 0]]
                    )
            ended += theirs.terminated[[2, 0]].sum()
        assert ended > 0
        assert theirs.distance[2] != theirs.distance[0]

    def test_other_rows_are_left_alone(self, make_engine: EngineMaker) -> None:
        actions = random_actions(40, 4)
        engine, disturbed = make_engine(), make_engine()
        for one in (engine, disturbed):
            one.reset()
            play(one, actions[:10])
        disturbed.restore_rows([1], keep(disturbed.snapshot([3])))
        others = [0, 2, 3]
        assert_same(
            rows(play(engine, actions[10:]), others), rows(play(disturbed, actions[10:]), others)
        )

    def test_a_state_of_another_size_or_version_is_refused(self, make_engine: EngineMaker) -> None:
        engine, other = make_engine(num_envs=3), make_engine(num_envs=2)
        engine.reset()
        state = keep(engine.state())
        with pytest.raises(UserError, match="3 environments, not 2"):
            other.restore(state)
        lacking = {name: array for name, array in state.items() if name != "joint"}
        longer = {**state, "body": np.pad(state["body"], ((0, 0), (0, 4)))}
        for wrong in (lacking, {**state, "more": state["steps"]}, longer):
            with pytest.raises(UserError, match="another version"):
                engine.restore(wrong)


@pytest.mark.parametrize("env_id", ENV_IDS)
class TestAsGymnasiumStarts:
    """On the same terrain, with the same push."""

    @pytest.mark.reference
    def test_the_first_observation_and_contacts_are_gymnasiums(
        self, make_engine: EngineMaker, env_id: str
    ) -> None:
        engine, observations, touching = make_engine(env_id, 6), [], []
        for row in range(6):
            env: Any = make_env(env_id)
            observation, force = reset_overheard(env, 40 + row)
            engine.set_start(row, *read_terrain(env), force)
            observations.append(observation)
            walker = env.unwrapped
            touched = {c.fixtureB.body for c in walker.world.contacts if c.touching}
            touching.append([body in touched for body in (walker.hull, *walker.legs)])
        np.testing.assert_allclose(engine.reset(), observations, atol=1e-5)
        np.testing.assert_array_equal(engine.touching(), touching)
        assert engine.touching()[:, [2, 4]].all()

    def test_every_episode_begins_there(self, make_engine: EngineMaker, env_id: str) -> None:
        engine = make_engine(env_id, 2)
        engine.set_start(1, np.full(200, 10 / 3), [(6, 3, 7, 4)], 2.0)
        first = engine.reset()[1].copy()
        play(engine, random_actions(10, 2))
        np.testing.assert_array_equal(engine.begin_episodes([1])[1], first)

    def test_an_impossible_terrain_is_refused(self, make_engine: EngineMaker, env_id: str) -> None:
        with pytest.raises(UserError, match="200 heights"):
            make_engine(env_id).set_start(0, np.zeros(199), [], 0.0)


class TestTensors:
    def test_what_a_step_returns_is_the_engines_own_memory(self, make_engine: EngineMaker) -> None:
        engine = make_engine(num_envs=5).engine
        observation = engine.reset()
        assert observation.shape == (5, 24)
        first = engine.step(torch.zeros(5, 4))
        assert first.observation.data_ptr() == observation.data_ptr()
        assert engine.observation.data_ptr() == observation.data_ptr()
        kept = first.reward.clone()
        assert not torch.equal(engine.step(torch.ones(5, 4)).reward, kept)
        assert not torch.equal(first.reward, kept)

    def test_a_state_is_the_callers_own(self, make_engine: EngineMaker) -> None:
        engine = make_engine(num_envs=5).engine
        engine.reset()
        state = engine.state()
        kept = {name: tensor.clone() for name, tensor in state.items()}
        engine.step(torch.ones(5, 4))
        assert all(torch.equal(state[name], kept[name]) for name in kept)


class TestClosing:
    @pytest.mark.parametrize("threads", [1, 2])
    def test_a_step_after_close_is_refused(self, threads: int) -> None:
        engine = WarpEngine(ENV_IDS[0], 64, 0, threads=threads)
        engine.reset()
        engine.close()
        with pytest.raises(ValueError, match="closed"):
            engine.step(torch.zeros(64, 4))


class TestWhatOneSees:
    def test_torques_are_bounded_by_the_actions(self, make_engine: EngineMaker) -> None:
        engine = make_engine(num_envs=8)
        engine.reset()
        for action in random_actions(60, 8):
            step = engine.step(action)
            going = ~step.terminated
            excess = np.abs(engine.joint_torques()) - 80 * np.abs(action)
            assert excess[going].max() < 1e-3
        engine.reset()
        engine.step(np.zeros((8, 4), np.float32))
        np.testing.assert_array_equal(engine.joint_torques(), 0)

    @pytest.mark.reference
    def test_poses_are_of_the_bodies_in_gymnasiums_order(self, make_engine: EngineMaker) -> None:
        engine = make_engine(num_envs=1)
        env: Any = make_env(ENV_IDS[0])
        _, force = reset_overheard(env, 3)
        engine.set_start(0, *read_terrain(env), force)
        engine.reset()
        action = np.array([0.5, -0.8, -1, 0.2], np.float32)
        engine.step(action[None])
        env.step(action)
        walker = env.unwrapped
        poses = [(*body.worldCenter, body.angle) for body in (walker.hull, *walker.legs)]
        np.testing.assert_allclose(engine.poses()[0], poses, atol=1e-4)
        torques = [joint.GetMotorTorque(50) for joint in walker.joints]
        np.testing.assert_allclose(engine.joint_torques()[0], torques, rtol=1e-3, atol=0.1)


def test_nothing_impossible_in_64000_random_steps(make_engine: EngineMaker) -> None:
    n = 32
    engine = make_engine(ENV_IDS[1], n)
    engine.reset()
    columns = np.arange(200) * TERRAIN_STEP
    most = 0
    for number, action in enumerate(random_actions(2000, n, seed=3)):
        step = engine.step(action)
        assert np.isfinite(step.observation).all() and np.isfinite(step.reward).all()
        most = max(most, int(engine.walkers.contact_count.numpy()[:n].max()))
        if number % 5:
            continue
        poses = engine.poses()
        height = engine.ground.height.numpy()
        box, count = engine.ground.box.numpy(), engine.ground.box_count.numpy()
        for row in range(n):
            x, y = poses[row, :, :2].T
            assert (y > np.interp(x, columns, height[row])).all()  # none has fallen through
            left, bottom, right, top = box[row, : count[row]].T[..., None]
            inside = (left < x) & (x < right) & (bottom < y) & (y < top)
            assert not inside.any()
    assert 15 < most < MAX_CONTACTS


def launch_step_each(engine: NumpyEngine, resetting: bool) -> ArrayStep:
    """A step by the kernel for GPUs, on this CPU; arguments as in `_record_launches`."""
    common = [engine._robot, engine.ground, engine.walkers, engine._difficulty, engine._rules]
    exchanged = [engine._actions, engine._outcome]
    inputs = [*common, engine._scratch, engine._floats, *exchanged, int(resetting)]
    wp.launch(step_each, engine.num_envs, inputs, device="cpu")
    return ArrayStep(*(tensor.numpy() for tensor in engine.engine._step))


@pytest.mark.parametrize("env_id", ENV_IDS)
def test_the_kernel_for_gpus_answers_the_same_bits(make_engine: EngineMaker, env_id: str) -> None:
    """One environment a thread, and scalars instead of vectors."""
    n = 64
    engine, other = make_engine(env_id, n), make_engine(env_id, n)
    engine.reset()
    other.reset()
    ended = 0
    for action in random_actions(100, n, seed=4):
        other._action.copy_(torch.from_numpy(action))
        theirs = launch_step_each(other, resetting=False)
        ours = engine.step(action)
        for name, array in ours._asdict().items():
            np.testing.assert_array_equal(array, getattr(theirs, name), name)
        ended += int(ours.terminated.sum())
    assert ended > 5


def test_the_kernel_for_gpus_begins_the_same_episodes(make_engine: EngineMaker) -> None:
    engine, other = make_engine(ENV_IDS[1], 20), make_engine(ENV_IDS[1], 20)
    active: Any = other._scratch.active
    active.fill_(1)
    observation = launch_step_each(other, resetting=True).observation
    np.testing.assert_array_equal(engine.reset(), observation)
    np.testing.assert_array_equal(engine.ground.box_count.numpy(), other.ground.box_count.numpy())


@pytest.mark.parametrize("name", ["body", "joint", "contact_count", "generator"])
def test_rows_are_copied_from_a_gpu_as_from_a_cpu(make_engine: EngineMaker, name: str) -> None:
    """The memory is this CPU's."""
    engine = make_engine(ENV_IDS[1], 20).engine
    engine.reset()
    expected = engine._rows(name, [17, 3])
    found = _device_rows(engine.walkers)[name].copy([17, 3], None)
    assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
    assert found.tobytes() == expected.tobytes()


def test_the_beginnings_of_rows_are_copied_too(make_engine: EngineMaker) -> None:
    engine = make_engine(ENV_IDS[1], 20)
    engine.reset()
    for action in random_actions(30, 20, seed=1):
        engine.step(action)
    expected = engine.engine._rows("contact", [17, 3], 4)
    found = _device_rows(engine.walkers)["contact"].copy([17, 3], 4)
    assert found.shape == (2, 4)
    assert expected["touching"].any()
    assert found.tobytes() == expected.tobytes()


def test_boxes_are_those_of_the_terrain(make_engine: EngineMaker) -> None:
    engine = make_engine(ENV_IDS[1], 5)
    engine.reset()
    for row, boxes in zip([4, 0], engine.engine.boxes([4, 0]), strict=True):
        np.testing.assert_array_equal(boxes, engine.terrain(row)[1])


class TestMistakes:
    def test_a_step_before_the_first_reset_is_refused(self, make_engine: EngineMaker) -> None:
        with pytest.raises(ValueError, match="reset"):
            make_engine(num_envs=2).step(np.zeros((2, 4), np.float32))

    @pytest.mark.parametrize("row", [-1, 2, 99])
    def test_an_environment_that_does_not_exist_is_refused(
        self, make_engine: EngineMaker, row: int
    ) -> None:
        engine = make_engine(num_envs=2)
        engine.reset()
        for call in (engine.snapshot, engine.begin_episodes):
            with pytest.raises(UserError, match="no environment"):
                call([row])
        with pytest.raises(UserError, match="no environment"):
            engine.set_start(row, np.zeros(200), [], 0.0)

    def test_a_force_that_is_not_finite_is_refused(self, make_engine: EngineMaker) -> None:
        with pytest.raises(UserError, match="force"):
            make_engine(num_envs=2).set_start(0, np.zeros(200), [], float("nan"))

    def test_the_state_of_another_engine_is_refused(self, make_engine: EngineMaker) -> None:
        with pytest.raises(UserError, match="another version"):
            make_engine(num_envs=2).restore({"episode": np.zeros((2, 1), np.uint8)})

    def test_fewer_than_one_environment_or_thread_is_refused(self) -> None:
        for num_envs, threads in ((0, 1), (1, 0), (1, -1)):
            with pytest.raises(UserError, match="at least one"):
                WarpEngine(ENV_IDS[0], num_envs, 0, threads=threads)


def test_the_stages_are_box2ds_iterations() -> None:
    assert sum(POSITION_STAGES) == POSITION_ITERATIONS == 60


@pytest.mark.parametrize("env_id", ENV_IDS)
def test_a_robot_at_rest_keeps_its_last_rows_and_the_others_their_bits(env_id: str) -> None:
    actions = torch.from_numpy(np.array(random_actions(160, 3)))
    with (
        closing(WarpEngine(env_id, 3, 5, autoreset=False)) as plain,
        closing(WarpEngine(env_id, 3, 5, autoreset=False, rest=True)) as resting,
    ):
        assert torch.equal(plain.reset(), resting.reset())
        over = torch.zeros(3, dtype=torch.bool)
        last: dict[int, list[torch.Tensor]] = {}
        for action in actions:
            expected, found = plain.step(action), resting.step(action)
            for row in range(3):
                mine = [tensor[row].clone() for tensor in found]
                theirs = last[row] if over[row] else [tensor[row].clone() for tensor in expected]
                assert all(torch.equal(*pair) for pair in zip(mine, theirs, strict=True))
                last[row] = mine
            over |= expected.done
        assert over.any() and not torch.equal(expected.observation, found.observation)
        (row, *_) = over.nonzero()[:, 0].tolist()
        first = resting.begin_episodes([row], [7])[row].clone()
        assert not resting.step(actions[0]).done[row]
    with closing(WarpEngine(env_id, 1, 7)) as fresh:
        assert torch.equal(fresh.reset()[0], first)
