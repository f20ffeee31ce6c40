"""Every constant of the robot against the bodies that Gymnasium makes in Box2D."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gymnasium
import numpy as np
import pytest

from bipedal.physics.robot import Floats, centroid_of, mass_properties, robot_arrays, side_normals

ROBOT = robot_arrays()
BODIES = range(5)


@pytest.fixture(scope="module")
def walker() -> Iterator[Any]:
    env = gymnasium.make("BipedalWalker-v3")
    env.reset(seed=1)
    env.step(np.ones(4, np.float32))
    yield env.unwrapped
    env.close()


@pytest.fixture(scope="module")
def bodies(walker: Any) -> list[Any]:
    return [walker.hull, *walker.legs]


def outline(body: int) -> Floats:
    return ROBOT["vertices"][body, : ROBOT["vertex_count"][body]]


@pytest.mark.reference
def test_masses_and_inertias_have_box2ds_bits(bodies: list[Any]) -> None:
    """Box2D tells the inertia about the origin: mass * center^2 more than it works with."""
    for index, body in enumerate(bodies):
        mass, center = np.float32(body.mass), np.array(tuple(body.localCenter), np.float32)
        assert ROBOT["inverse_mass"][index] == np.float32(1) / mass
        np.testing.assert_array_equal(ROBOT["local_center"][index], center)
        shift = mass * (center[0] * center[0] + center[1] * center[1])
        inertia = np.float32(1) / ROBOT["inverse_inertia"][index]
        assert inertia + shift == pytest.approx(body.inertia, rel=1e-7)


@pytest.mark.reference
def test_vertices_stand_in_box2ds_order(bodies: list[Any]) -> None:
    for body in BODIES:
        np.testing.assert_array_equal(
            outline(body), np.float32(bodies[body].fixtures[0].shape.vertices), str(body)
        )


@pytest.mark.reference
def test_normals_and_centroids(bodies: list[Any]) -> None:
    for body in BODIES:
        shape = bodies[body].fixtures[0].shape
        normals = ROBOT["normals"][body, : shape.vertexCount]
        np.testing.assert_array_equal(normals, np.float32(shape.normals))
        np.testing.assert_array_equal(
            ROBOT["centroid"][body], np.array(tuple(shape.centroid), np.float32)
        )


def test_reach_is_the_farthest_corner_from_the_centre_of_mass() -> None:
    # A lower leg: half of 0.8 * 8 / 30 m by half of 34 / 30 m.
    assert ROBOT["reach"][2] == pytest.approx(np.hypot(0.4 * 8, 17) / 30)
    for body in BODIES:
        away = np.linalg.norm(outline(body) - ROBOT["local_center"][body], axis=1)
        assert ROBOT["reach"][body] == pytest.approx(away.max())


@pytest.mark.reference
def test_friction_with_the_ground_is_mixed_like_box2ds(walker: Any, bodies: list[Any]) -> None:
    own = np.array([body.fixtures[0].friction for body in bodies])
    np.testing.assert_allclose(ROBOT["friction"], np.sqrt(2.5 * own), rtol=1e-6)
    mixed = {
        contact.friction for contact in walker.world.contacts if contact.fixtureB.body in bodies[1:]
    }
    assert mixed == {float(ROBOT["friction"][2])}


@pytest.mark.reference
def test_joints(walker: Any, bodies: list[Any]) -> None:
    for index, joint in enumerate(walker.joints):
        a, b = ROBOT["body_a"][index], ROBOT["body_b"][index]
        assert (joint.bodyA, joint.bodyB) == (bodies[a], bodies[b])
        for side, body, local in (
            ("anchor_a", a, joint.GetLocalAnchorA()),
            ("anchor_b", b, joint.GetLocalAnchorB()),
        ):
            about_center = np.array(local) - np.array(bodies[body].localCenter)
            np.testing.assert_allclose(ROBOT[side][index], about_center, atol=1e-7)
        assert ROBOT["reference_angle"][index] == np.float32(joint.GetReferenceAngle())
        assert ROBOT["lower_limit"][index] == np.float32(joint.lowerLimit)
        assert ROBOT["upper_limit"][index] == np.float32(joint.upperLimit)
        assert ROBOT["motor_speed"][index] == joint.motorSpeed  # after an action of 1
        assert joint.GetMaxMotorTorque() == 80


def test_mass_of_a_shape_known_by_heart() -> None:
    """A 2 m by 1 m rectangle with its lower left corner at the origin."""
    vertices = np.array([(0, 0), (2, 0), (2, 1), (0, 1)], np.float32)
    inverse_mass, center, inverse_inertia = mass_properties(vertices, 3.0)
    assert 1 / inverse_mass == pytest.approx(6)
    np.testing.assert_allclose(center, [1, 0.5])
    np.testing.assert_allclose(centroid_of(vertices), [1, 0.5])
    assert 1 / inverse_inertia == pytest.approx(6 * (2**2 + 1**2) / 12)
    np.testing.assert_array_equal(side_normals(vertices), [(0, -1), (1, 0), (0, 1), (-1, 0)])
