"""The numbers of BipedalWalker's world and of the rigid-body engine under it.

The first part is from Gymnasium's `bipedal_walker.py`, the second from Box2D 2.3.0's
`b2Settings.h` and solvers. Lengths in m, angles in rad, times in s, forces in N.
"""

from __future__ import annotations

import numpy as np

# Gymnasium: time, motors and senses ---------------------------------------------------------------

FPS = 50
TIMESTEP = 1.0 / FPS
"""s, the duration of a timestep as a double, for whatever is computed from an episode."""
DT = float(np.float32(TIMESTEP))
"""s, the same rounded to float32, as Box2D has it. The physics uses this one."""
SCALE = 30.0
"""Gymnasium's drawing units in a metre."""
GRAVITY = 10.0
"""m/s^2, downwards."""
MOTOR_TORQUE = 80.0
"""N m, of a motor at full action."""
MOTOR_COST = 0.00035 * MOTOR_TORQUE
"""What a motor at full action takes off the reward of a timestep."""
HIP_SPEED, KNEE_SPEED = 4.0, 6.0
"""rad/s that the motors aim at."""
INITIAL_FORCE = 5.0
"""N, largest horizontal force on the hull in the first step."""
FALL_REWARD = -100.0
"""Reward of the timestep in which the robot falls, and of no other."""
LIDAR_RANGE = 160.0 / SCALE
LIDAR_RAYS = 10
VIEWPORT_WIDTH, VIEWPORT_HEIGHT = 600.0, 400.0

# The robot: bodies in the order in which Gymnasium creates them -----------------------------------

HULL, UPPER_0, LOWER_0, UPPER_1, LOWER_1 = range(5)
NUM_BODIES, NUM_JOINTS, MAX_VERTICES = 5, 4, 5
HULL_OUTLINE = ((34.0, -8.0), (34.0, 1.0), (6.0, 9.0), (-30.0, 9.0), (-30.0, -8.0))
"""In drawing units: Gymnasium's HULL_POLY counter-clockwise from its lowest rightmost corner, as
Box2D orders it."""
_HULL_AREA = 0.5 * sum(
    ax * by - bx * ay
    for (ax, ay), (bx, by) in zip(HULL_OUTLINE, HULL_OUTLINE[1:] + HULL_OUTLINE[:1], strict=True)
)
HULL_DENSITY, LEG_DENSITY = 5.0, 1.0
"""kg/m^2"""
_LEG_WIDTH, _LEG_HEIGHT = 8.0, 34.0
LEG_WIDTH, LEG_HEIGHT = _LEG_WIDTH / SCALE, _LEG_HEIGHT / SCALE
"""m, of an upper leg."""
LOWER_LEG_WIDTH = 0.8 * LEG_WIDTH
"""m; a lower leg is as high as an upper one."""
LEG_DOWN = -8.0 / SCALE
"""m, height of the hips relative to the hull's origin."""
LEG_LENGTH = 2.0 * LEG_HEIGHT
"""m, from the hip to the tip of a straight leg: 2.27."""
STANDING_HEIGHT = LEG_LENGTH - LEG_DOWN
"""m, of the hull's origin over the ground when both legs are straight: 2.53."""
ROBOT_MASS = (
    HULL_DENSITY * _HULL_AREA + LEG_DENSITY * 2.0 * (_LEG_WIDTH + 0.8 * _LEG_WIDTH) * _LEG_HEIGHT
) / SCALE**2
"""kg, of all five bodies: 6.51."""

# The terrain --------------------------------------------------------------------------------------

TERRAIN_STEP = 14.0 / SCALE
TERRAIN_LENGTH = 200
"""Vertices of the ground line, one every TERRAIN_STEP."""
TERRAIN_HEIGHT = VIEWPORT_HEIGHT / SCALE / 4.0
TERRAIN_GRASS = 10
TERRAIN_STARTPAD = 20
START_X = TERRAIN_STEP * TERRAIN_STARTPAD / 2.0
START_Y = TERRAIN_HEIGHT + 2.0 * LEG_HEIGHT
UPPER_START_Y = START_Y - LEG_HEIGHT / 2.0 - LEG_DOWN
LOWER_START_Y = START_Y - LEG_HEIGHT * 3.0 / 2.0 - LEG_DOWN
"""m, where the bodies' origins are when an episode begins."""
FAR_END = (TERRAIN_LENGTH - TERRAIN_GRASS) * TERRAIN_STEP
"""m, hull position beyond which an episode is completed."""
TERRAIN_FRICTION = 2.5
MAX_BOXES = 64
"""Stumps, steps and pit walls that one terrain can hold; Hardcore's law makes about 30."""

# Box2D: each number as it reaches single precision ------------------------------------------------

_F = np.float32


def _largest_square(root: np.float32) -> float:
    """The largest float32 whose square root rounds to at most `root`."""
    square = root * root
    while np.sqrt(np.nextafter(square, _F(1))) <= root:
        square = np.nextafter(square, _F(1))
    while np.sqrt(square) > root:
        square = np.nextafter(square, _F(0))
    return float(square)


_PI = _F(3.14159265359)
VELOCITY_ITERATIONS, POSITION_ITERATIONS, IMPACT_POSITION_ITERATIONS = 180, 60, 20
LINEAR_SLOP = float(_F(0.005))
"""m, of overlap that the position iterations leave."""
ANGULAR_SLOP = float(_F(2.0) / _F(180.0) * _PI)
"""rad, by which a joint may pass its limit."""
POLYGON_RADIUS = float(_F(2.0) * _F(LINEAR_SLOP))
"""m, thickness of the skin around every shape."""
TOTAL_RADIUS = float(_F(POLYGON_RADIUS) + _F(POLYGON_RADIUS))
"""m, thickness of two skins."""
FAT_MARGIN, FAT_MULTIPLIER = float(_F(0.1)), 2.0
"""A body's fat box is its bounding box, FAT_MARGIN (m) wider on every side and stretched by
FAT_MULTIPLIER times the body's displacement."""
MAX_LINEAR_CORRECTION = float(_F(0.2))
MAX_ANGULAR_CORRECTION = float(_F(8.0) / _F(180.0) * _PI)
MAX_TRANSLATION = 2.0
MAX_TRANSLATION_SQUARED = 4.0
MAX_ROTATION = float(_F(0.5) * _PI)
MAX_ROTATION_SQUARED = float(_F(MAX_ROTATION) * _F(MAX_ROTATION))
BAUMGARTE, IMPACT_BAUMGARTE = float(_F(0.2)), 0.75
WORST_SEPARATION = float(_F(-3.0) * _F(LINEAR_SLOP))
"""m, the deepest overlap with which the position iterations may end."""
LARGEST_GAP_SQUARED = _largest_square(_F(LINEAR_SLOP))
"""m^2, of the two ends of a pin: the largest float whose square root is LINEAR_SLOP."""
WORST_IMPACT_SEPARATION = float(_F(-1.5) * _F(LINEAR_SLOP))
"""m, the same after an impact."""
TIME_TO_SLEEP = 0.5
LINEAR_SLEEP_TOLERANCE_SQUARED = float(_F(0.01) * _F(0.01))
ANGULAR_SLEEP_TOLERANCE_SQUARED = float(_F(ANGULAR_SLOP) * _F(ANGULAR_SLOP))
"""rad^2/s^2; in Box2D the tolerance has the value of the angular slop."""
MAX_CONDITION_NUMBER = 1000.0
IMPACT_TARGET = float(max(_F(LINEAR_SLOP), _F(TOTAL_RADIUS) - _F(3.0) * _F(LINEAR_SLOP)))
"""m, distance between two shapes without skins at the time of their impact."""
IMPACT_TOLERANCE = float(_F(0.25) * _F(LINEAR_SLOP))
NO_IMPACT = float(_F(1.0) - _F(10.0) * np.finfo(np.float32).eps)
"""Share of the step from which on an impact is left to the next one."""
TWO_PI = float(_F(2.0) * _PI)
MAX_SUB_STEPS, MAX_IMPACT_ITERATIONS, MAX_ROOT_ITERATIONS, MAX_PUSH_BACKS = 8, 20, 50, 16
MAX_DISTANCE_ITERATIONS = 20
FLOAT_EPSILON = float(np.finfo(np.float32).eps)

# How Warp compiles the physics --------------------------------------------------------------------

MODULE_OPTIONS = {"enable_backward": False, "max_unroll": 1, "fuse_fp": False}
"""Of all modules of Warp functions. A fused multiply-add rounds once where Box2D rounds twice."""

# Our own bounds --------------------------------------------------------------------------------

MAX_CONTACTS = 40
"""Pairs of a body and a piece of terrain whose fat boxes overlap, in one environment; Hardcore
needs up to about 26."""
MAX_TOUCHING = 8
"""Pieces of terrain that one body can touch at once."""
POSITION_STAGES = (1, 5, 18, 36)
"""Box2D's 60 position iterations. After each stage the environments that are done leave."""
