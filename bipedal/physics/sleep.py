"""Sleep: Box2D stops a robot that has been at rest for half a second; motors wake it again."""

from __future__ import annotations

import warp as wp

from bipedal.physics.constants import (
    ANGULAR_SLEEP_TOLERANCE_SQUARED,
    DT,
    LINEAR_SLEEP_TOLERANCE_SQUARED,
    MODULE_OPTIONS,
    NUM_BODIES,
    TIME_TO_SLEEP,
)
from bipedal.physics.state import Walkers

wp.set_module_options(MODULE_OPTIONS)


@wp.func
def fall_asleep(walkers: Walkers, env: int, solved: bool) -> bool:
    """Count the time at rest and stop all bodies after half a second. Returns whether it did."""
    shortest = float(1.0e30)
    for body in range(NUM_BODIES):
        velocity = walkers.body[env, body].velocity
        spin = walkers.body[env, body].spin
        if (
            spin * spin > ANGULAR_SLEEP_TOLERANCE_SQUARED
            or wp.dot(velocity, velocity) > LINEAR_SLEEP_TOLERANCE_SQUARED
        ):
            walkers.body[env, body].sleep_time = 0.0
            shortest = float(0.0)
        else:
            walkers.body[env, body].sleep_time = walkers.body[env, body].sleep_time + DT
            shortest = wp.min(shortest, walkers.body[env, body].sleep_time)
    asleep = shortest >= TIME_TO_SLEEP and solved
    if asleep:
        for body in range(NUM_BODIES):
            walkers.body[env, body].sleep_time = 0.0
            walkers.body[env, body].velocity = wp.vec2(0.0, 0.0)
            walkers.body[env, body].spin = 0.0
    return asleep
