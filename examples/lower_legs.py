"""Does a robot walk on its feet? `lower_legs.py MODEL [ENV_ID [EPISODES [SEED]]]`.

Prints the share of timesteps in which a lower leg lies on the ground: it is more than 55 degrees
from the vertical, and both its ends are within 0.45 m of the ground. A robot that walks upright
has 0, one that drags or lunges on a shin has most of its timesteps. It looks at the positions of
the bodies alone, so it is a check on the gait classes of `bipedal evaluate`.
"""

import math
import sys
from typing import Any

import gymnasium as gym
import numpy as np

from bipedal.checkpoint import load_model

HALF_LENGTH = 34 / 30 / 2  # of a lower leg, m
MAX_HEIGHT = 0.45  # m
MIN_ANGLE = math.radians(55)


def lies(leg: Any, walker: Any) -> bool:
    """Whether this lower leg, a Box2D body, lies on the ground."""
    ends = [leg.GetWorldPoint((0, end)) for end in (-HALF_LENGTH, HALF_LENGTH)]
    angle = math.atan2(abs(ends[1][0] - ends[0][0]), abs(ends[1][1] - ends[0][1]))
    ground = np.interp([x for x, _ in ends], walker.terrain_x, walker.terrain_y)
    return angle > MIN_ANGLE and bool(np.all([y for _, y in ends] - ground < MAX_HEIGHT))


policy = load_model(sys.argv[1])
env_id = sys.argv[2] if len(sys.argv) > 2 else "BipedalWalker-v3"
episodes = int(sys.argv[3]) if len(sys.argv) > 3 else 100
first = int(sys.argv[4]) if len(sys.argv) > 4 else 0
lying = timesteps = 0
for seed in range(first, first + episodes):
    env = gym.make(env_id)
    walker: Any = env.unwrapped
    policy.restart()
    observation, done = env.reset(seed=seed)[0], False
    while not done:
        observation, _, terminated, truncated, _ = env.step(policy.act(observation))
        done = terminated or truncated
        timesteps += 1
        lying += any(lies(leg, walker) for leg in (walker.legs[1], walker.legs[3]))
    env.close()
print(f"{lying / timesteps:.1%} of {timesteps:,} timesteps")
