"""What Box2D itself makes of ground and bodies of the walker; needs Box2D."""

from __future__ import annotations

from typing import Any

import Box2D
import numpy as np
import numpy.typing as npt
from gymnasium.envs.box2d.bipedal_walker import HULL_FD, LOWER_FD
from kernels import Array

from bipedal.physics.constants import HULL, LOWER_0

DEFINITIONS = {HULL: HULL_FD, LOWER_0: LOWER_FD}


def ground_shape(corners: npt.ArrayLike) -> Any:
    """A piece of ground: the edge between two corners, or the polygon of more."""
    vertices = [(float(x), float(y)) for x, y in np.asarray(corners)]
    make = Box2D.b2EdgeShape if len(vertices) == 2 else Box2D.b2PolygonShape
    return make(vertices=vertices)


def manifold(shape: Any, body: int, pose: tuple[float, float, float]) -> Any:
    """Contact of a piece of ground and a body of the walker; None if far apart."""
    world = Box2D.b2World(gravity=(0, 0))
    world.continuousPhysics = False
    world.CreateStaticBody(fixtures=Box2D.b2FixtureDef(shape=shape))
    world.CreateDynamicBody(position=pose[:2], angle=pose[2], fixtures=DEFINITIONS[body])
    world.Step(1e-9, 1, 1)
    return world.contacts[0].manifold if world.contacts else None


def distance(shape: Any, body: int, place: Array) -> float:
    """Metres between a piece of ground and a body, both without their skins."""
    here, there = Box2D.b2Transform(), Box2D.b2Transform()
    here.SetIdentity()
    there.Set(Box2D.b2Vec2(*place[:2].tolist()), float(place[2]))
    return float(
        Box2D.b2Distance(
            shapeA=shape,
            shapeB=DEFINITIONS[body].shape,
            transformA=here,
            transformB=there,
            useRadii=False,
        ).distance
    )


def time_of_impact(shape: Any, body: int, center: Array, start: Array, end: Array) -> float:
    """Share of its way from `start` to `end` after which a body is stopped; 1 if it is not."""
    state, time = Box2D.b2TimeOfImpact(
        shapeA=shape,
        shapeB=DEFINITIONS[body].shape,
        sweepA=_sweep(np.zeros(2), np.zeros(3), np.zeros(3)),
        sweepB=_sweep(center, start, end),
        tMax=1.0,
    )
    return float(time) if state == Box2D.b2TOIOutput.e_touching else 1.0


def _sweep(center: Array, start: Array, end: Array) -> Any:
    sweep = Box2D.b2Sweep()
    sweep.localCenter = center.tolist()
    sweep.c0, sweep.a0 = start[:2].tolist(), float(start[2])
    sweep.c, sweep.a = end[:2].tolist(), float(end[2])
    sweep.alpha0 = 0
    return sweep


class _Nearest(Box2D.b2RayCastCallback):  # type: ignore[misc]
    """What Gymnasium's lidar listens to."""

    fraction = 1.0

    def ReportFixture(self, fixture: Any, point: Any, normal: Any, fraction: float) -> float:  # noqa: N802
        if fixture.filterData.categoryBits & 1 == 0:
            return -1
        self.fraction = fraction
        return fraction


def lidar(world: Any, origin: Array) -> list[float]:
    """Ten readings from a point of a world."""
    readings = []
    for i in range(10):
        callback = _Nearest()
        end = origin + np.array([np.sin(0.15 * i), -np.cos(0.15 * i)]) * 160 / 30
        world.RayCast(callback, origin.tolist(), end.tolist())
        readings.append(callback.fraction)
    return readings
