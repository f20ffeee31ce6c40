"""The numbers of BipedalWalker's world and of the rigid-body engine under it.

The first part is from Gymnasium's `bipedal_walker.py`, the second from Box2D 2.3.0's
`b2Settings.h` and solvers. Lengths in m, angles in rad, times in s, forces in N.
"""

from __future__ import annotations

import math

import numpy as np

# The walker's world (Gymnasium) ---------------------------------------------------------------

FPS = 50
SCALE = 30.0
DT = float(np.float32(1.0 / FPS))
GRAVITY = -10.0
MOTOR_TORQUE = 80.0
"""N m, of a motor at full action."""
HIP_SPEED, KNEE_SPEED = 4.0, 6.0
"""rad/s that the motors aim at."""
INITIAL_FORCE = 5.0
"""N, largest horizontal force on the hull in the first step."""
LIDAR_RANGE = 160.0 / SCALE
LIDAR_RAYS = 10
LEG_DOWN = -8.0 / SCALE
LEG_WIDTH, LEG_HEIGHT = 8.0 / SCALE, 34.0 / SCALE
VIEWPORT_WIDTH, VIEWPORT_HEIGHT = 600.0, 400.0

TERRAIN_STEP = 14.0 / SCALE
TERRAIN_LENGTH = 200
"""Vertices of the ground line, one every TERRAIN_STEP."""
TERRAIN_HEIGHT = VIEWPORT_HEIGHT / SCALE / 4.0
TERRAIN_GRASS = 10
TERRAIN_STARTPAD = 20
START_X = TERRAIN_STEP * TERRAIN_STARTPAD / 2.0
START_Y = TERRAIN_HEIGHT + 2.0 * LEG_HEIGHT
FAR_END = (TERRAIN_LENGTH - TERRAIN_GRASS) * TERRAIN_STEP
"""m, hull position beyond which an episode is completed."""
TERRAIN_FRICTION = 2.5
MAX_BOXES = 64
"""Stumps, steps and pit walls that one terrain can hold; Hardcore's law makes about 30."""

# The robot: bodies in the order in which Gymnasium creates them ---------------------------------

HULL, UPPER_0, LOWER_0, UPPER_1, LOWER_1 = range(5)
NUM_BODIES, NUM_JOINTS, MAX_VERTICES = 5, 4, 5

# Box2D --------------------------------------------------------------------------------------------

VELOCITY_ITERATIONS, POSITION_ITERATIONS, IMPACT_POSITION_ITERATIONS = 180, 60, 20
LINEAR_SLOP = 0.005
ANGULAR_SLOP = float(np.float32(2.0) / np.float32(180.0) * np.float32(math.pi))
"""In float32, to the bit: the position solver creeps up to it and stops when it is reached."""
POLYGON_RADIUS = 2.0 * LINEAR_SLOP
FAT_MARGIN, FAT_MULTIPLIER = 0.1, 2.0
"""A body's fat box: its bounding box, so many metres wider, and its displacement times two."""
MAX_LINEAR_CORRECTION = 0.2
MAX_ANGULAR_CORRECTION = 8.0 / 180.0 * math.pi
MAX_TRANSLATION = 2.0
MAX_ROTATION = 0.5 * math.pi
BAUMGARTE, IMPACT_BAUMGARTE = 0.2, 0.75
TIME_TO_SLEEP = 0.5
LINEAR_SLEEP_TOLERANCE = 0.01
ANGULAR_SLEEP_TOLERANCE = 2.0 / 180.0 * math.pi
MAX_CONDITION_NUMBER = 1000.0
MAX_SUB_STEPS, MAX_IMPACT_ITERATIONS, MAX_ROOT_ITERATIONS, MAX_PUSH_BACKS = 8, 20, 50, 16
MAX_DISTANCE_ITERATIONS = 20
FLOAT_EPSILON = float(np.finfo(np.float32).eps)

# Our own bounds --------------------------------------------------------------------------------

MAX_CONTACTS = 40
"""Pairs of a body and a piece of terrain whose fat boxes overlap, in one environment; Hardcore
needs up to about 26, and what is over the bound would be left out."""
MAX_TOUCHING = 8
"""Pieces of terrain that one body can rest on at once."""
VELOCITY_STAGES = (32, 48, 40, 60)
"""Box2D's 180 velocity iterations; after each stage the environments that converged leave."""
CONVERGED = 1.0e-6
"""m/s and rad/s: an environment has converged when the last iteration changed no velocity more."""
POSITION_STAGES = (1, 5, 18, 36)
"""Box2D's 60 position iterations; after each stage the environments that are done leave."""
