"""What the velocity and position iterations must come to, seen from outside."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from gymnasium_start import read_terrain, reset_overheard
from kernels import Array
from numpy_engine import NumpyEngine

from bipedal.engines.reference import make_env
from bipedal.physics.constants import ANGULAR_SLOP, DT, TERRAIN_HEIGHT
from bipedal.physics.robot import robot_arrays
from bipedal.walker import ENV_IDS

EngineMaker = Callable[..., NumpyEngine]

ROBOT = robot_arrays()
MASS = 1 / ROBOT["inverse_mass"].astype(float)
SPLITS = np.array([-1, 1, 1, 1], np.float32)
"""Full torque that holds one leg behind, one before and both knees straight: the robot stands."""


def joint_angles(engine: NumpyEngine) -> Array:
    """Angles (N, 4) rad."""
    angle = engine.poses()[:, :, 2]
    bent: Array = angle[:, ROBOT["body_b"]] - angle[:, ROBOT["body_a"]] - ROBOT["reference_angle"]
    return bent


def pin_gaps(engine: NumpyEngine) -> Array:
    """Distances (N, 4) in m between the two ends of each pin."""
    poses = engine.poses()
    ends = []
    for side in "ab":
        body, arm = ROBOT[f"body_{side}"], ROBOT[f"anchor_{side}"]
        cos, sin = np.cos(poses[:, body, 2]), np.sin(poses[:, body, 2])
        turned = [cos * arm[:, 0] - sin * arm[:, 1], sin * arm[:, 0] + cos * arm[:, 1]]
        ends.append(poses[:, body, :2] + np.stack(turned, axis=-1))
    gaps: Array = np.linalg.norm(ends[0] - ends[1], axis=-1)
    return gaps


def mean_motion(engine: NumpyEngine) -> tuple[Array, Array]:
    """Place and velocity (N, 2) of the whole robot's centre of mass."""
    body = engine.walkers.body.numpy()[: engine.num_envs]
    share = (MASS / MASS.sum())[:, None]
    return (body["center"] * share).sum(axis=1), (body["velocity"] * share).sum(axis=1)


def test_in_free_fall_motors_move_the_limbs_but_not_their_centre_of_mass(
    make_engine: EngineMaker,
) -> None:
    """Far above any ground: gravity, and the push at the start, are all there is."""
    engine = make_engine(num_envs=3)
    pushes = np.array([5.0, -3.0, 0.0])
    for row, push in enumerate(pushes):
        engine.set_start(row, np.full(200, -1000.0), [], push)
    observation = engine.reset()
    np.testing.assert_array_equal(observation[:, 14:], 1)  # the lidar sees nothing either
    start, velocity = mean_motion(engine)
    np.testing.assert_allclose(velocity[:, 0], pushes * DT / MASS.sum(), atol=1e-6)
    rng = np.random.default_rng(0)
    angles = []
    for n in range(1, 41):
        place, velocity = mean_motion(engine)
        np.testing.assert_allclose(velocity[:, 1], -10 * DT * n, rtol=1e-4)
        np.testing.assert_allclose(velocity[:, 0], pushes * DT / MASS.sum(), atol=1e-5)
        engine.step(rng.uniform(-1, 1, (3, 4)).astype(np.float32))
        angles.append(joint_angles(engine))
    # Symplectic Euler from the second step on: -g dt^2 (2 + 3 + ... + 40) in 39 steps.
    assert place[:, 1] - start[:, 1] == pytest.approx(-10 * DT**2 * (40 * 41 / 2 - 1), rel=1e-4)
    assert np.ptp(angles, axis=0).min() > 0.3
    assert not engine.touching().any()


@pytest.fixture
def standing(make_engine: EngineMaker) -> NumpyEngine:
    """A robot that does the splits on level ground, just before it falls asleep."""
    engine = make_engine(num_envs=1)
    engine.set_start(0, np.full(200, TERRAIN_HEIGHT), [], 0.0)
    engine.reset()
    for _ in range(58):
        engine.step(SPLITS[None])
    return engine


def test_at_rest_the_ground_carries_the_weight(standing: NumpyEngine) -> None:
    _, velocity = mean_motion(standing)
    np.testing.assert_allclose(velocity, 0, atol=1e-3)
    assert standing.touching()[0].tolist() == [False, False, True, False, True]
    count = standing.walkers.contact_count.numpy()[0]
    contact = standing.walkers.contact.numpy()[0, :count]
    contact = contact[contact["touching"] == 1]
    np.testing.assert_allclose(contact["manifold"]["normal"], [(0, 1)] * len(contact))
    impulse = contact["impulse_0"].sum(axis=0)
    impulse += contact["impulse_1"][contact["manifold"]["count"] == 2].sum(axis=0)
    assert impulse[0] / DT == pytest.approx(10 * MASS.sum(), rel=1e-3)
    assert impulse[1] / DT == pytest.approx(0, abs=0.1)  # the feet push against each other
    assert np.abs(contact["impulse_0"][:, 1]).min() / DT > 1


def test_a_joint_pressed_against_its_limit_stays_there(standing: NumpyEngine) -> None:
    limits = np.where(SPLITS > 0, ROBOT["upper_limit"], ROBOT["lower_limit"])
    angles = joint_angles(standing)[0]
    np.testing.assert_allclose(angles, limits, atol=ANGULAR_SLOP + 1e-3)
    assert (angles - limits)[[0, 2]] == pytest.approx([-ANGULAR_SLOP, ANGULAR_SLOP], abs=0.01)
    np.testing.assert_allclose(np.abs(standing.joint_torques()), 80, rtol=1e-5)
    assert standing.walkers.joint.numpy()["at_limit"][0].tolist() == [-1, 1, 1, 1]


@pytest.mark.reference
def test_half_a_second_at_rest_is_sleep_as_in_gymnasium(make_engine: EngineMaker) -> None:
    """Orders to the motors wake a robot, so it is stopped dead once every 25 steps."""
    n = 8
    engine, envs = make_engine(num_envs=n), []
    for row in range(n):
        env: Any = make_env(ENV_IDS[0])
        _, force = reset_overheard(env, 100 + row)
        engine.set_start(row, *read_terrain(env), force)
        envs.append(env)
    engine.reset()
    ours, theirs = np.zeros((130, n), dtype=bool), np.zeros((130, n), dtype=bool)
    for step in range(130):
        engine.step(np.tile(SPLITS, (n, 1)))
        body = engine.walkers.body.numpy()[:n]
        ours[step] = (body["velocity"] == 0).all(axis=(1, 2)) & (body["spin"] == 0).all(axis=1)
        for row, env in enumerate(envs):
            env.step(SPLITS)
            bodies = [env.unwrapped.hull, *env.unwrapped.legs]
            theirs[step, row] = not any(
                b.linearVelocity.length or b.angularVelocity for b in bodies
            )
    asleep = ours.any(axis=0)
    assert asleep.sum() >= n - 1
    for column in ours.T[asleep]:
        assert set(np.diff(np.flatnonzero(column))) == {25}
    # Coming to rest takes a second or more of contact: a last bit can shift when it counts.
    assert (ours == theirs).all(axis=0).sum() >= n - 2


def test_friction_never_exceeds_its_share_of_the_normal_force(make_engine: EngineMaker) -> None:
    engine = make_engine(ENV_IDS[1], 16)
    engine.reset()
    rng = np.random.default_rng(5)
    normal, excess = [], []
    for _ in range(150):
        engine.step(rng.uniform(-1, 1, (16, 4)).astype(np.float32))
        contact = engine.walkers.contact.numpy()[:16]
        listed = np.arange(contact.shape[1]) < engine.walkers.contact_count.numpy()[:16, None]
        contact = contact[listed & (contact["touching"] == 1)]
        for point in range(2):
            touched = contact[contact["manifold"]["count"] > point]
            impulse = touched[f"impulse_{point}"]
            bound = ROBOT["friction"][touched["body"]] * impulse[:, 0]
            normal += impulse[:, 0].tolist()
            excess += (np.abs(impulse[:, 1]) - bound).tolist()
    assert min(normal) >= 0
    # The bound is the normal impulse of the iteration before the last: 2 mN s in Box2D as well.
    assert np.quantile(excess, 0.99) < 5e-3
    assert (np.array(excess) > -1e-5).mean() > 0.05  # some are at the bound


def test_limbs_stay_together_in_a_rollout(make_engine: EngineMaker) -> None:
    """Nearly always. An impact moves one body alone, so in Gymnasium too pins then come apart."""
    n = 32
    engine = make_engine(ENV_IDS[1], n)
    engine.reset()
    rng = np.random.default_rng(6)
    gaps, beyond = [], []
    for _ in range(300):
        engine.step(rng.uniform(-1, 1, (n, 4)).astype(np.float32))
        gaps.append(pin_gaps(engine))
        angle = joint_angles(engine)
        beyond.append(np.maximum(ROBOT["lower_limit"] - angle, angle - ROBOT["upper_limit"]))
    assert np.median(gaps) < 1e-3
    assert np.quantile(gaps, 0.95) < 0.02
    assert np.median(beyond) < 0
    assert np.quantile(beyond, 0.95) < ANGULAR_SLOP + 0.01
    assert np.quantile(beyond, 0.98) < 0.1
