"""Read a live Gymnasium BipedalWalker into the engine's arrays, for the proof of parity.

Everything that decides the next step is there to be read, but for two things that Box2D does not
show: how long a body has been at rest and its fat box. The engine's own are left in place: it
computes them itself when it is stepped along with the environment it is synchronised to.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from bipedal.physics.constants import MAX_BOXES, TERRAIN_STEP

_FACE_A = 1


def read_terrain(env: Any) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Terrain of a reset environment: heights (200,) and boxes (B, 4) in m."""
    walker = env.unwrapped
    shapes = [body.fixtures[0].shape for body in reversed(walker.terrain)]
    corners = [np.array(shape.vertices, dtype=np.float32) for shape in shapes]
    boxes = [[*box.min(axis=0), *box.max(axis=0)] for box in corners if len(box) == 4]
    edges = [edge for edge in corners if len(edge) == 2]
    heights = np.array([*(edge[0, 1] for edge in edges), edges[-1][1, 1]], dtype=np.float32)
    return heights, np.array(boxes, dtype=np.float32).reshape(-1, 4)


class _Overheard(np.random.Generator):
    """A generator that remembers the last number it gave."""

    last: float = 0.0

    def uniform(self, *args: Any, **kwargs: Any) -> Any:
        """Draw, and remember."""
        self.last = super().uniform(*args, **kwargs)
        return self.last


def reset_overheard(env: Any, seed: int) -> tuple[npt.NDArray[np.float32], float]:
    """What `env.reset(seed=seed)` does, with one thing more.

    Returns the first observation (24,) and the random force (N) on the hull in the first step,
    which is the last number that a reset draws and shows nowhere.
    """
    generator = _Overheard(np.random.PCG64(np.random.SeedSequence(seed)))
    env.unwrapped.np_random = generator
    observation, _ = env.reset()
    return observation, generator.last


def _piece(shape: Any, boxes: npt.NDArray[np.float32]) -> int:
    """Number of the piece of ground with this shape."""
    corners = np.array(shape.vertices, dtype=np.float32)
    if len(corners) == 2:
        return MAX_BOXES + round(float(corners[0, 0]) / TERRAIN_STEP)
    box = np.concatenate([corners.min(axis=0), corners.max(axis=0)])
    return int(np.argmin(np.abs(boxes - box).sum(axis=1)))


def _read_contact(
    contact: Any, body: int, boxes: npt.NDArray[np.float32], into: npt.NDArray[Any]
) -> None:
    """Fill one element of the engine's contact array."""
    manifold = contact.manifold
    into["body"] = body
    into["ground"] = _piece(contact.fixtureA.shape, boxes)
    into["touching"] = contact.touching
    into["enabled"] = 1
    into["manifold"]["count"] = manifold.pointCount
    into["manifold"]["on_ground"] = manifold.type_ == _FACE_A
    into["manifold"]["normal"] = tuple(manifold.localNormal)
    into["manifold"]["plane"] = tuple(manifold.localPoint)
    for i in range(manifold.pointCount):
        point = manifold.points[i]
        into["manifold"][f"point_{i}"] = tuple(point.localPoint)
        into["manifold"][f"id_{i}"] = np.uint32(point.id.key).astype(np.int32)
        into[f"impulse_{i}"] = (point.normalImpulse, point.tangentImpulse)


def synchronise(env: Any, row: int, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
    """Put a live environment's robot into row `row` of the engine's `Walkers` arrays.

    The row must hold the environment's terrain (`read_terrain`) and be one timestep or the reset
    behind it, or in the same state.
    """
    walker = env.unwrapped
    bodies = [walker.hull, *walker.legs]
    for index, body in enumerate(bodies):
        arrays["body"]["center"][row, index] = tuple(body.worldCenter)
        arrays["body"]["angle"][row, index] = body.angle
        arrays["body"]["rotation"][row, index] = (body.transform.q.c, body.transform.q.s)
        arrays["body"]["velocity"][row, index] = tuple(body.linearVelocity)
        arrays["body"]["spin"][row, index] = body.angularVelocity
    for index, joint in enumerate(walker.joints):
        force = joint.GetReactionForce(1.0)
        arrays["joint"]["impulse"][row, index] = (force.x, force.y, joint.GetReactionTorque(1.0))
        arrays["joint"]["motor_impulse"][row, index] = joint.GetMotorTorque(1.0)
    _, boxes = read_terrain(env)
    contacts = walker.world.contacts  # oldest first, as in the engine
    arrays["contact"][row] = np.zeros((), dtype=arrays["contact"].dtype)
    for index, contact in enumerate(contacts):
        body = bodies.index(contact.fixtureB.body)
        _read_contact(contact, body, boxes, arrays["contact"][row, index : index + 1])
    arrays["contact_count"][row] = len(contacts)
    arrays["foot_flag"][row] = [walker.legs[1].ground_contact, walker.legs[3].ground_contact]
    arrays["hull_down"][row] = walker.game_over
