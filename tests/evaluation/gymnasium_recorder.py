"""Record an episode of Gymnasium's own walker from Box2D's bodies, joints and contacts."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium_start import read_terrain

from bipedal.engines.reference import make_env
from bipedal.evaluation.episode import Act
from bipedal.evaluation.trajectory import Trajectory, make_trajectory
from bipedal.physics.constants import TIMESTEP


def play_in_gymnasium(act: Act, env_id: str, seed: int) -> Trajectory:
    env = make_env(env_id)
    observation, _ = env.reset(seed=seed)
    walker: Any = env.unwrapped
    start_x = float(walker.hull.position.x)
    contacts, states = [], []
    terminated = truncated = False
    while not (terminated or truncated):
        observation, reward, terminated, truncated, _ = env.step(act(observation))
        contacts.append([touches(walker.legs[leg]) for leg in (1, 3, 0, 2)])
        states.append([*state_of(walker), float(reward)])
    return make_trajectory(
        np.array(contacts),
        np.array(states),
        edges=np.array([walker.terrain_x, walker.terrain_y]),
        boxes=read_terrain(env)[1].astype(np.float64),
        start_x=start_x,
        terminated=terminated,
        truncated=truncated,
        fell=terminated and reward == -100,
    )


def state_of(walker: Any) -> list[float]:
    """All columns of `make_trajectory` but the reward."""
    hull = walker.hull
    return [
        *hull.position,
        *hull.linearVelocity,
        hull.angle,
        *(value for leg in walker.legs[1::2] for value in (*leg.position, leg.angle)),
        *(joint.angle for joint in walker.joints),
        *(joint.speed for joint in walker.joints),
        *(joint.GetMotorTorque(1 / TIMESTEP) for joint in walker.joints),
    ]


def touches(body: Any) -> bool:
    """Whether a leg touches anything; by its collision filter that can only be terrain."""
    return any(edge.contact.touching for edge in body.contacts)
