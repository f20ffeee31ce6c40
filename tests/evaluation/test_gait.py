"""Gait metrics against hand-computed trajectories, and against the robot itself."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from gymnasium_start import read_terrain
from numpy.typing import NDArray

from bipedal.engines.reference import make_env
from bipedal.engines.warp import WarpEngine
from bipedal.evaluation.gait import (
    THRESHOLDS,
    Gait,
    GaitClass,
    Legwork,
    Posture,
    analyse,
    classify,
    summarise,
)
from bipedal.evaluation.recorder import Recorder
from bipedal.evaluation.trajectory import Trajectory, ground_height
from bipedal.physics.constants import (
    GRAVITY,
    LEG_HEIGHT,
    LEG_LENGTH,
    ROBOT_MASS,
    STANDING_HEIGHT,
    TIMESTEP,
)
from bipedal.walker import HARDCORE_ID, WALKER_ID

Policy = Callable[[NDArray[np.float32]], NDArray[np.float64]]


def make_trajectory(
    foot_contact: Any,
    *,
    speed: float = 0.0,
    foot_x: Any = None,
    upper_contact: Any = None,
    knee_height: float = 1.0,
    foot_height: float = 0.0,
    leg_angle: float = 0.0,
    hull_height: float = 2.2,
    torque: float = 0.0,
    joint_speed: float = 0.0,
    fell: bool = False,
) -> Trajectory:
    """A hull that moves at constant speed on flat ground at height 1, from x = 5."""
    contact = np.array(foot_contact, dtype=bool).reshape(-1, 2)
    steps = len(contact)
    x = 5.0 + speed * TIMESTEP * np.arange(1, steps + 1)
    feet = np.zeros((steps, 2, 2))
    feet[:, :, 0] = x[:, None] if foot_x is None else foot_x
    return Trajectory(
        foot_contact=contact,
        upper_contact=np.zeros((steps, 2), bool) if upper_contact is None else upper_contact,
        foot_position=feet,
        foot_height=np.full((steps, 2), foot_height),
        knee_height=np.full((steps, 2), knee_height),
        leg_angle=np.full((steps, 2), leg_angle),
        hull_position=np.stack([x, np.full(steps, 1.0 + hull_height)], axis=1),
        hull_velocity=np.tile([speed, 0.0], (steps, 1)),
        hull_angle=np.zeros(steps),
        ground_height=np.ones(steps),
        joint_angles=np.zeros((steps, 4)),
        joint_speeds=np.full((steps, 4), joint_speed),
        joint_torques=np.full((steps, 4), torque),
        rewards=np.zeros(steps),
        boxes=np.empty((0, 4)),
        start_x=5.0,
        terminated=fell,
        truncated=not fell,
        fell=fell,
    )


def alternating(
    *, stance: int, lag: int = 20, period: int = 40, strides: int = 10, speed: float = 2.5
) -> Trajectory:
    """Each foot stands for `stance` of `period` timesteps, foot 1 `lag` timesteps after foot 0.

    A foot stands still, then swings forward evenly by one stride.
    """
    time = np.arange(strides * period)[:, None] - np.array([1, 1 + lag])
    phase, stride = time % period, time // period
    swing = np.clip((phase - stance) / (period - stance), 0, 1)
    foot_x = (stride + swing) * speed * period * TIMESTEP + np.array([0, lag]) * speed * TIMESTEP
    return make_trajectory(phase < stance, speed=speed, foot_x=foot_x)


class TestMetrics:
    def test_alternating_walk(self) -> None:
        gait = analyse(alternating(stance=24))
        assert gait.duty_factor == pytest.approx(0.6)
        assert gait.flight_fraction == 0
        assert gait.double_support_fraction == pytest.approx(2 * 0.6 - 1)
        assert gait.limb_phase == pytest.approx(0.5)
        assert gait.symmetry == pytest.approx(1)
        assert gait.step_symmetry == pytest.approx(1)
        # 10 footfalls of each foot in 8 s, 20 timesteps of 0.02 s at 2.5 m/s apart.
        assert gait.step_frequency == pytest.approx(20 / 8)
        assert gait.step_length == pytest.approx(1.0)
        assert gait.speed == pytest.approx(2.5)
        assert gait.froude_number == pytest.approx(2.5**2 / (10 * 68 / 30))
        assert gait.hull_height == pytest.approx(2.2)
        assert gait.slide_share == 0
        assert gait.upper_contact_share == gait.knee_down_share == 0

    def test_flight_of_a_run(self) -> None:
        gait = analyse(alternating(stance=14))
        assert gait.duty_factor == pytest.approx(0.35)
        assert gait.flight_fraction == pytest.approx(1 - 2 * 0.35)
        assert gait.double_support_fraction == 0

    def test_limb_phase_is_the_lag_of_foot_1(self) -> None:
        assert analyse(alternating(stance=24, lag=10)).limb_phase == pytest.approx(0.25)

    def test_limb_phase_of_a_hop_is_a_circular_mean(self) -> None:
        # Foot 1 lands 0.1 of a stride after, then 0.1 before foot 0: mean 0, not 0.5.
        contact = np.zeros((50, 2), bool)
        for start in (10, 20, 30):
            contact[start : start + 3, 0] = True
        for start in (11, 29):
            contact[start : start + 3, 1] = True
        phase = analyse(make_trajectory(contact)).limb_phase
        assert min(phase, 1 - phase) == pytest.approx(0, abs=1e-9)
        assert 0 <= phase < 1

    def test_step_symmetry(self) -> None:
        # Steps that end on foot 1 take 10 of 40 timesteps, those on foot 0 take 30.
        gait = analyse(alternating(stance=24, lag=10))
        assert gait.step_symmetry == pytest.approx(1 - (30 - 10) / 40)
        assert gait.symmetry == pytest.approx(1)

    def test_step_symmetry_of_a_trailing_leg_is_zero(self) -> None:
        trajectory = alternating(stance=24)
        foot_x = trajectory.foot_position.copy()
        foot_x[:, 1, 0] -= 1.5  # a step is 1 m long: foot 1 lands 0.5 m behind foot 0
        gait = analyse(replace(trajectory, foot_position=foot_x))
        assert gait.step_symmetry == 0

    def test_stance_symmetry(self) -> None:
        contact = np.zeros((100, 2), bool)
        contact[:60, 0] = True
        contact[:20, 1] = True
        gait = analyse(make_trajectory(contact))
        assert gait.symmetry == pytest.approx(1 - 40 / 80)
        assert gait.duty_factor == pytest.approx(0.4)

    def test_debouncing(self) -> None:
        bits = "0011101100001000011"  # a gap of one is filled, a contact of one dropped
        contact = np.zeros((len(bits), 2), bool)
        contact[:, 0] = [bit == "1" for bit in bits]
        gait = analyse(make_trajectory(contact))
        assert gait.step_frequency == pytest.approx(2 / (len(bits) * TIMESTEP))
        assert gait.duty_factor == pytest.approx(8 / len(bits) / 2)  # as it is

    def test_cost_of_transport(self) -> None:
        # 4 joints, 3 N m against 2 rad/s, for 100 timesteps at 2 m/s.
        trajectory = make_trajectory(np.ones((100, 2)), speed=2.0, torque=-3.0, joint_speed=2.0)
        work, distance = 4 * 3 * 2 * 100 * TIMESTEP, 2.0 * 100 * TIMESTEP
        expected = work / (ROBOT_MASS * GRAVITY * distance)
        assert analyse(trajectory).cost_of_transport == pytest.approx(expected)

    def test_slide_share_is_the_worse_foot(self) -> None:
        # Foot 0 is dragged, foot 1 travels half of its way in the air.
        contact = np.ones((101, 2), bool)
        contact[51:, 1] = False
        gait = analyse(make_trajectory(contact, speed=1.0))
        assert gait.slide_share == 1
        contact[:, 0] = False
        gait = analyse(make_trajectory(contact, speed=1.0))
        assert gait.slide_share == pytest.approx(0.5)

    def test_shares_of_knee_and_upper_leg(self) -> None:
        upper = np.zeros((10, 2), bool)
        upper[:3, 0] = upper[2:4, 1] = True
        trajectory = make_trajectory(np.ones((10, 2)), upper_contact=upper)
        gait = analyse(trajectory)
        assert gait.upper_contact_share == gait.knee_down_share == pytest.approx(0.4)
        knees = trajectory.knee_height.copy()
        knees[3:6, 0] = THRESHOLDS.knee_height - 0.01
        gait = analyse(replace(trajectory, knee_height=knees))
        assert gait.upper_contact_share == pytest.approx(0.4)
        assert gait.knee_down_share == pytest.approx(0.6)


class TestClasses:
    def test_walking(self) -> None:
        assert analyse(alternating(stance=24)).gait_class is GaitClass.WALKING

    def test_running(self) -> None:
        assert analyse(alternating(stance=14)).gait_class is GaitClass.RUNNING

    def test_hopping_on_both_feet_is_running(self) -> None:
        gait = analyse(alternating(stance=24, lag=0))
        assert gait.duty_factor == pytest.approx(0.6)
        assert gait.flight_fraction == pytest.approx(0.4)
        assert gait.gait_class is GaitClass.RUNNING

    def test_standing(self) -> None:
        assert analyse(make_trajectory(np.ones((200, 2)))).gait_class is GaitClass.STANDING

    def test_kneeling_while_still_or_moving(self) -> None:
        for speed in (0.0, 2.0):
            trajectory = make_trajectory(np.ones((200, 2)), speed=speed, knee_height=0.1)
            assert analyse(trajectory).gait_class is GaitClass.KNEELING

    def test_a_running_robot_that_lunges_on_its_shin_kneels(self) -> None:
        """The shin lies in every third timestep, while no knee and no upper leg is down."""
        run = alternating(stance=14)
        angle = run.leg_angle.copy()
        angle[::3, 1] = THRESHOLDS.lying_angle + 0.01
        height = np.full_like(run.knee_height, THRESHOLDS.lying_height - 0.01)
        gait = analyse(replace(run, leg_angle=angle, knee_height=height))
        assert gait.lying_share == pytest.approx(1 / 3, abs=0.01)
        assert gait.knee_down_share == 0
        assert gait.gait_class is GaitClass.KNEELING
        assert gait.posture is Posture.KNEELING

    @pytest.mark.parametrize(
        ("part", "value"),
        [("leg_angle", 0.9), ("knee_height", 0.5), ("foot_height", 0.5)],
        ids=["upright", "knee in the air", "foot in the air"],
    )
    def test_a_leg_lies_if_it_is_flat_and_both_ends_are_low(self, part: str, value: float) -> None:
        lying = make_trajectory(np.ones((50, 2)), knee_height=0.2, foot_height=0.1, leg_angle=-1.5)
        assert analyse(lying).lying_share == 1
        change: dict[str, Any] = {part: np.full((50, 2), value)}
        changed = replace(lying, **change)
        assert analyse(changed).lying_share == 0

    def test_posture(self) -> None:
        walk = analyse(alternating(stance=24))
        at = THRESHOLDS
        assert walk.posture is Posture.UPRIGHT
        low = replace(walk, hull_height=at.upright_height - 1e-6)
        assert low.posture is Posture.CROUCHED
        assert replace(low, lying_share=at.lying_share).posture is Posture.KNEELING
        assert replace(walk, knee_down_share=at.knee_down_share).posture is Posture.KNEELING

    def test_legwork(self) -> None:
        walk = analyse(alternating(stance=24))
        at = THRESHOLDS
        assert walk.legwork is Legwork.ALTERNATING
        for phase in (0.0, 0.1, 0.9):
            assert replace(walk, limb_phase=phase).legwork is Legwork.HOPPING
        for lame in (
            replace(walk, step_symmetry=at.limping_step_symmetry - 1e-6),
            replace(walk, symmetry=at.limping_symmetry - 1e-6),
            replace(walk, step_symmetry=math.nan),
        ):
            assert lame.legwork is Legwork.LIMPING

    def test_crawling_on_an_upper_leg(self) -> None:
        upper = np.zeros((400, 2), bool)
        upper[::3, 0] = True
        trajectory = replace(alternating(stance=24), upper_contact=upper)
        assert analyse(trajectory).gait_class is GaitClass.KNEELING

    def test_fallen_keeps_its_metrics(self) -> None:
        gait = analyse(replace(alternating(stance=24), fell=True))
        assert gait.gait_class is GaitClass.FALLEN
        assert gait.duty_factor == pytest.approx(0.6)

    @pytest.mark.parametrize(
        "trajectory",
        [
            pytest.param(alternating(stance=24, speed=0.4), id="creeping"),
            pytest.param(alternating(stance=24, speed=1.1), id="tiny steps"),
            pytest.param(alternating(stance=32), id="double support"),
            pytest.param(make_trajectory([[1, 0]] * 400, speed=2.0), id="dragging one leg"),
            pytest.param(make_trajectory(np.ones((400, 2)), speed=2.0), id="sliding"),
        ],
    )
    def test_shuffling(self, trajectory: Trajectory) -> None:
        assert analyse(trajectory).gait_class is GaitClass.SHUFFLING

    def test_thresholds_decide(self) -> None:
        walk = analyse(alternating(stance=24))
        at = THRESHOLDS
        assert classify(replace(walk, duty_factor=at.running_duty_factor)) == "walking"
        assert classify(replace(walk, duty_factor=at.running_duty_factor - 1e-6)) == "running"
        assert classify(replace(walk, flight_fraction=at.running_flight_fraction)) == "walking"
        assert classify(replace(walk, slide_share=at.slide_share + 1e-6)) == "shuffling"
        assert classify(replace(walk, froude_number=at.creeping_froude - 1e-6)) == "shuffling"
        assert classify(replace(walk, froude_number=at.standing_froude - 1e-6)) == "standing"
        assert classify(replace(walk, knee_down_share=at.knee_down_share)) == "kneeling/crawling"


class TestEdgeCases:
    @pytest.mark.parametrize("contact", [[[0, 0]], [[1, 1]], [[1, 0]]])
    def test_one_timestep(self, contact: list[list[int]]) -> None:
        gait = analyse(make_trajectory(contact))
        assert gait.gait_class is GaitClass.STANDING
        assert gait.step_frequency == 0
        for value in (gait.step_length, gait.limb_phase, gait.cost_of_transport, gait.slide_share):
            assert math.isnan(value)

    def test_no_footfalls(self) -> None:
        gait = analyse(make_trajectory(np.zeros((50, 2))))
        assert gait.flight_fraction == 1
        assert math.isnan(gait.symmetry)
        assert math.isnan(gait.step_length)

    def test_one_foot_only(self) -> None:
        trajectory = alternating(stance=14)
        contact = trajectory.foot_contact & np.array([True, False])
        gait = analyse(replace(trajectory, foot_contact=contact))
        assert gait.symmetry == 0
        assert math.isnan(gait.limb_phase)
        assert math.isnan(gait.step_symmetry)
        assert gait.step_length == pytest.approx(2.0)

    def test_never_moving_has_no_cost_of_transport(self) -> None:
        gait = analyse(make_trajectory(np.ones((50, 2)), torque=1.0, joint_speed=1.0))
        assert math.isnan(gait.cost_of_transport)


class TestSummarise:
    def test_shares_and_means(self) -> None:
        walk, run = analyse(alternating(stance=24)), analyse(alternating(stance=14))
        summary = summarise([walk, run, run, replace(run, fell=True)])
        assert summary["class"] == "running"
        assert summary["classes"] == {
            "fallen": 0.25,
            "kneeling/crawling": 0,
            "standing": 0,
            "shuffling": 0,
            "running": 0.5,
            "walking": 0.25,
        }
        assert (summary["posture"], summary["legwork"]) == ("upright", "alternating")
        assert summary["postures"] == {"kneeling/crawling": 0, "crouched": 0, "upright": 1}
        assert summary["legworks"] == {"hopping": 0, "limping": 0, "alternating": 1}
        assert summary["duty_factor"] == pytest.approx((0.6 + 3 * 0.35) / 4)

    def test_nan_is_left_out_or_none(self) -> None:
        walk = analyse(alternating(stance=24))
        still = analyse(make_trajectory([[0, 0]]))
        summary = summarise([walk, still])
        assert summary["step_length"] == pytest.approx(walk.step_length)
        assert summarise([still])["step_length"] is None
        assert json.loads(json.dumps(summarise([still]), allow_nan=False))["class"] == "standing"

    def test_limb_phase_is_averaged_around_the_circle(self) -> None:
        walk = analyse(alternating(stance=24))
        phase = summarise([replace(walk, limb_phase=0.9), replace(walk, limb_phase=0.2)])
        assert phase["limb_phase"] == pytest.approx(0.05)

    def test_nothing_to_summarise(self) -> None:
        with pytest.raises(ValueError, match="at least one"):
            summarise([])


def episode(
    policy: Policy, seed: int, steps: int = 10_000, env_id: str = WALKER_ID
) -> tuple[Trajectory, Gait]:
    with closing(WarpEngine(env_id, 1, seed, autoreset=False)) as engine:
        observation = engine.reset()
        recorder = Recorder(engine, [0])
        recorder.begin(0)
        for _ in range(steps):
            action = policy(observation[0].numpy()).astype(np.float32)
            step = engine.step(torch.from_numpy(action)[None])
            recorder.record(step)
            if step.done:
                break
        trajectory = recorder.finish(0)
    return trajectory, analyse(trajectory)


def hold(targets: list[float]) -> Policy:
    """Spring the joints to targets, in rad: hip, knee of leg 0, hip, knee of leg 1."""

    def policy(observation: NDArray[np.float32]) -> NDArray[np.float64]:
        angles = observation[[4, 6, 9, 11]] - np.array([0, 1, 0, 1])
        action: NDArray[np.float64] = np.array([1.5, 3.0, 1.5, 3.0]) * (targets - angles)
        action -= 0.25 * observation[[5, 7, 10, 12]]
        action[[0, 2]] += 0.9 * observation[0] + 1.5 * observation[1]  # keep the hull level
        return action.clip(-1, 1)

    return policy


def make_heuristic() -> Policy:
    from gymnasium.envs.box2d.bipedal_walker import BipedalWalkerHeuristics

    controller: Any = BipedalWalkerHeuristics()
    policy: Policy = controller.step_heuristic
    return policy


@pytest.fixture(scope="module")
def heuristic() -> tuple[Trajectory, Gait]:
    """Seed 6 reaches the end of the course, after 1544 timesteps, with a return of 315."""
    return episode(make_heuristic(), seed=6)


class TestRealRobot:
    @pytest.mark.reference
    def test_heuristic_walks(self, heuristic: tuple[Trajectory, Gait]) -> None:
        trajectory, gait = heuristic
        assert trajectory.rewards.sum() > 250
        assert not trajectory.fell
        assert gait.gait_class is GaitClass.WALKING
        assert gait.duty_factor == pytest.approx(0.53, abs=0.02)
        assert gait.upper_contact_share == gait.knee_down_share == 0
        assert gait.symmetry > 0.85
        assert gait.speed == pytest.approx(2.6, abs=0.3)
        assert gait.cost_of_transport == pytest.approx(0.5, abs=0.05)

    @pytest.mark.reference
    def test_trajectory_is_consistent(self, heuristic: tuple[Trajectory, Gait]) -> None:
        trajectory, _ = heuristic
        steps = len(trajectory.rewards)
        assert trajectory.foot_contact.shape == trajectory.upper_contact.shape == (steps, 2)
        assert trajectory.foot_position.shape == (steps, 2, 2)
        assert trajectory.start_x == pytest.approx(14 / 30 * 10, abs=0.1)
        assert np.abs(trajectory.joint_torques).max() <= 80 + 1e-3
        height = trajectory.hull_position[:, 1] - trajectory.ground_height
        assert height == pytest.approx(2.2, abs=0.6)
        # Hip, knee and tip hang together; Box2D's joints give way by up to 0.1 m in a landing.
        hip = trajectory.hull_position[:, None] + 8 / 30 * np.stack(
            [np.sin(trajectory.hull_angle), -np.cos(trajectory.hull_angle)], axis=-1
        ).reshape(steps, 1, 2)
        reach = np.linalg.norm(trajectory.foot_position - hip, axis=-1)
        knee = trajectory.joint_angles[:, [1, 3]]
        assert reach == pytest.approx(2 * LEG_HEIGHT * np.cos(knee / 2), abs=0.15)

    def test_standing(self) -> None:
        """One leg behind and one before, all motors at full torque."""
        trajectory, gait = episode(lambda _: np.array([-1.0, 1.0, 1.0, 1.0]), seed=0)
        assert trajectory.truncated
        assert gait.gait_class is GaitClass.STANDING

    def test_kneeling(self) -> None:
        _, gait = episode(hold([-0.77, -1.1, 0.68, -1.12]), seed=0, steps=400)
        assert gait.gait_class is GaitClass.KNEELING
        assert gait.knee_down_share > 0.5

    def test_no_action_falls(self) -> None:
        trajectory, gait = episode(lambda _: np.zeros(4), seed=0)
        assert trajectory.fell
        assert trajectory.rewards[-1] == -100
        assert gait.gait_class is GaitClass.FALLEN

    @pytest.mark.reference
    def test_true_contact_is_not_the_flag(self) -> None:
        controller, flags = make_heuristic(), []

        def policy(observation: NDArray[np.float32]) -> NDArray[np.float64]:
            flags.append(observation[[8, 13]] > 0)
            return controller(observation)

        contact = episode(policy, seed=0, steps=300)[0].foot_contact[:-1]
        seen = np.array(flags[1:])  # what a timestep led to is seen in the next
        missed = (contact & ~seen).sum() / contact.sum()
        assert 0.1 < missed < 0.6

    def test_torque_is_the_action_when_the_motor_stalls(self) -> None:
        actions = np.array([0.01, -0.02, -0.01, 0.02])
        torques = episode(lambda _: actions, seed=0, steps=5)[0].joint_torques
        assert torques == pytest.approx(np.tile(80 * actions, (5, 1)), rel=1e-4)

    @pytest.mark.reference
    def test_hardcore_ground_includes_blocks_and_pits(self) -> None:
        env = make_env(HARDCORE_ID)
        env.reset(seed=0)
        walker: Any = env.unwrapped
        places = np.linspace(1.03, 90.0, 400)
        surface = []
        for x in places:  # a ray from the sky finds the top of whatever is there
            ray = walker.lidar[0]
            ray.fraction = 1.0
            walker.world.RayCast(ray, (float(x), 30.0), (float(x), -20.0))
            surface.append(30.0 - 50.0 * ray.fraction)
        edges = np.array([walker.terrain_x, walker.terrain_y])
        ground = ground_height(places, edges, read_terrain(env)[1].astype(np.float64))
        # The ray is exact to float32; it may miss a block's side by a hair.
        assert np.mean(np.abs(ground - surface) < 1e-3) > 0.99
        assert (ground > np.interp(places, *edges) + 0.3).any()
        assert ground.min() < 400 / 30 / 4 - 1.0
        env.close()

    @pytest.mark.reference
    def test_constants_match_the_robot(self) -> None:
        env = make_env(WALKER_ID)
        env.reset(seed=0)
        walker: Any = env.unwrapped
        bodies = [walker.hull, *walker.legs]
        assert sum(body.mass for body in bodies) == pytest.approx(ROBOT_MASS, rel=1e-6)
        assert -walker.world.gravity.y == GRAVITY
        hip, knee = walker.joints[:2]
        assert knee.GetLocalAnchorB().y == pytest.approx(LEG_HEIGHT / 2)
        assert LEG_LENGTH - hip.GetLocalAnchorA().y == pytest.approx(STANDING_HEIGHT)
        env.close()
