"""The state of N environments: arrays of fixed size with one row for each environment.

`Ground` and `Walkers` hold everything that decides what an environment does next. So a snapshot is
a copy of rows, and a restored environment goes on exactly like the original, bit for bit.
"""

from __future__ import annotations

from enum import IntFlag
from typing import Any

import numpy as np
import numpy.typing as npt
import warp as wp

from bipedal.physics.constants import (
    MAX_BOXES,
    MAX_CONTACTS,
    MAX_TOUCHING,
    NUM_BODIES,
    NUM_JOINTS,
    TERRAIN_LENGTH,
)
from bipedal.physics.random import Generator


@wp.struct
class Robot:
    """Constants of the five bodies and four joints; `robot.py` numbers and fills them."""

    vertex_count: wp.array(dtype=wp.int32)
    vertices: wp.array2d(dtype=wp.vec2)
    """(5, 5) m, counter-clockwise, relative to the body's origin."""
    normals: wp.array2d(dtype=wp.vec2)
    """(5, 5) outward unit normal of the side from vertex i to i + 1"""
    centroid: wp.array(dtype=wp.vec2)
    """(5,) m; of a polygon of uniform density also the centre of mass."""
    local_center: wp.array(dtype=wp.vec2)
    """(5,) m, centre of mass relative to the body's origin."""
    reach: wp.array(dtype=wp.float32)
    """(5,) m, distance of the farthest vertex from the centre of mass."""
    inverse_mass: wp.array(dtype=wp.float32)
    """(5,) 1/kg"""
    inverse_inertia: wp.array(dtype=wp.float32)
    """(5,) 1/(kg m^2), about the centre of mass."""
    motor_mass: wp.array(dtype=wp.float32)
    """(4,) kg m^2, effective inertia that a joint's motor turns"""
    friction: wp.array(dtype=wp.float32)
    """(5,) friction of a contact between the body and the ground"""
    body_a: wp.array(dtype=wp.int32)
    """(4,) upper body of a joint"""
    body_b: wp.array(dtype=wp.int32)
    """(4,) lower body of a joint"""
    anchor_a: wp.array(dtype=wp.vec2)
    """(4,) m, joint relative to the centre of mass of body a."""
    anchor_b: wp.array(dtype=wp.vec2)
    """(4,) m, joint relative to the centre of mass of body b."""
    reference_angle: wp.array(dtype=wp.float32)
    """(4,) rad, angle between the bodies when the joint's angle is 0"""
    lower_limit: wp.array(dtype=wp.float32)
    """(4,) rad"""
    upper_limit: wp.array(dtype=wp.float32)
    """(4,) rad"""
    motor_speed: wp.array(dtype=wp.float32)
    """(4,) rad/s, target speed of the motor for a positive action"""


@wp.struct
class Manifold:
    """Where a body touches a piece of ground (b2Manifold): up to two points on a face."""

    count: wp.int32
    on_ground: wp.int32
    """1: the face belongs to the ground and the points to the body; 0: the other way round."""
    normal: wp.vec2
    """Normal of the face, in its owner's coordinates."""
    plane: wp.vec2
    """A point of the face, in its owner's coordinates."""
    point_0: wp.vec2
    """In the coordinates of the shape that does not own the face."""
    point_1: wp.vec2
    id_0: wp.int32
    """Which features meet. Points with the same id in two steps are the same contact point."""
    id_1: wp.int32


@wp.struct
class Body:
    """Position and velocity of a body."""

    center: wp.vec2
    """m, centre of mass."""
    angle: wp.float32
    """rad"""
    rotation: wp.vec2
    """(cos, sin) of `angle`."""
    velocity: wp.vec2
    """m/s, of the centre of mass."""
    spin: wp.float32
    """rad/s"""
    sleep_time: wp.float32
    """s, how long the body has been at rest."""
    fat_box: wp.vec4
    """m: left, bottom, right, top of the box that stands for the body in the broad phase."""


@wp.struct
class Joint:
    """Impulses of a joint in the last step."""

    impulse: wp.vec3
    """N s, N s, N m s: impulse of the pin (x and y) and of the limit."""
    motor_impulse: wp.float32
    """N m s"""
    at_limit: wp.int32
    """-1 if the joint began the step at its lower limit, 1 at its upper limit, else 0."""


@wp.struct
class Contact:
    """A body and a piece of ground whose fat boxes overlap (b2Contact)."""

    body: wp.int32
    ground: wp.int32
    """Number of the piece: boxes count from 0, edges of the ground line from MAX_BOXES."""
    touching: wp.int32
    manifold: Manifold
    impulse_0: wp.vec2
    """N s along the normal and the tangent at point 0 in the last step; warm-starts the next."""
    impulse_1: wp.vec2
    enabled: wp.int32
    """This field and the following belong to the time-of-impact phase. Between steps they mean
    nothing."""
    impact_known: wp.int32
    impact_time: wp.float32
    impact_count: wp.int32
    ground_time: wp.float32
    """Share of the step to which the ground's sweep has been advanced. The ground does not move,
    but Box2D compares this time with the body's."""


@wp.struct
class Ground:
    """Terrain of N environments."""

    height: wp.array2d(dtype=wp.float64)
    """(N, 200) m, of the ground line at x = i * TERRAIN_STEP, as Gymnasium draws it; in Box2D's
    world it is rounded to float32."""
    box: wp.array2d(dtype=wp.vec4)
    """(N, 64) m: left, bottom, right, top of stumps, steps and pit walls, from left to right."""
    box_count: wp.array(dtype=wp.int32)
    first_box: wp.array2d(dtype=wp.int32)
    """(N, 200) the first box that ends to the right of x = (i - 1) * TERRAIN_STEP."""


@wp.struct
class Walkers:
    """State of N robots. Bodies and joints are numbered as in `robot.py`."""

    body: wp.array2d(dtype=Body)
    """(N, 5)"""
    joint: wp.array2d(dtype=Joint)
    """(N, 4)"""
    solved: wp.array(dtype=wp.int32)
    """(N,) 1 if the last position iterations ended with small errors."""
    contact_count: wp.array(dtype=wp.int32)
    contact: wp.array2d(dtype=Contact)
    """(N, 40) oldest first; Box2D's list is the other way round."""
    foot_flag: wp.array2d(dtype=wp.int32)
    """(N, 2) Gymnasium's `ground_contact` of the lower legs, with its bug (see `contacts.py`)."""
    hull_down: wp.array(dtype=wp.int32)
    """(N,) the hull has touched the ground: Gymnasium's `game_over`."""
    start_force: wp.array(dtype=wp.float32)
    """(N,) N, on the hull in an episode's first step."""
    start_x: wp.array(dtype=wp.float32)
    """(N,) m, of the hull when the episode began."""
    steps: wp.array(dtype=wp.int32)
    """(N,) timesteps of the episode so far; -1 before the step that is part of a reset."""
    generator: wp.array(dtype=Generator)
    """(N,) where the next episode's random numbers come from."""
    overflow: wp.array(dtype=wp.int32)
    """(N,) bits of `Overflow`, set by the kernels and cleared by the engine; not part of a saved
    state."""


class Overflow(IntFlag):
    """Which fixed-size array was too small for an environment."""

    BOXES = 1
    """`Ground.box`: a box of the terrain is missing."""
    CONTACTS = 2
    """`Walkers.contact`: a body can pass through a piece of ground."""
    TOUCHING = 4
    """The workspace's contact slots: a piece of ground does not push a body back."""


_TOO_MANY = {
    Overflow.BOXES: f"more than {MAX_BOXES} boxes in its terrain, the most that fit (MAX_BOXES): "
    "make its obstacles shorter or rarer",
    Overflow.CONTACTS: f"more than {MAX_CONTACTS} pairs of a body and a piece of ground near it, "
    "the most that fit (MAX_CONTACTS): give it a terrain with fewer boxes in one place",
    Overflow.TOUCHING: f"a body that touches more than {MAX_TOUCHING} pieces of ground, "
    "the most that fit (MAX_TOUCHING): give it a terrain with fewer boxes in one place",
}


@wp.func
def is_in(found: int, number: int) -> bool:
    """Whether a number is in a set of small numbers, kept as bits."""
    return (found >> number) & 1 == 1


@wp.func
def note_overflow(overflow: wp.array(dtype=wp.int32), env: int, bit: int):
    """Set a bit of `Walkers.overflow`; it stays set until the engine has seen it."""
    overflow[env] = overflow[env] | bit


def describe_overflow(overflow: npt.NDArray[np.int32]) -> str:
    """Say what does not fit in the first environment with a bit set in `overflow` (N,)."""
    env = int(np.flatnonzero(overflow)[0])
    bit = next(bit for bit in Overflow if overflow[env] & bit)
    return f"environment {env} has {_TOO_MANY[bit]}"


_SHAPES: dict[str, tuple[int, ...]] = {
    "height": (TERRAIN_LENGTH,),
    "box": (MAX_BOXES,),
    "box_count": (),
    "first_box": (TERRAIN_LENGTH,),
    "body": (NUM_BODIES,),
    "joint": (NUM_JOINTS,),
    "contact_count": (),
    "contact": (MAX_CONTACTS,),
    "foot_flag": (2,),
    **dict.fromkeys(("solved", "hull_down", "start_force", "start_x", "steps", "generator"), ()),
    "overflow": (),
}
"""Shape of every field without the first dimension, N."""


def make_rows(struct: Any, rows: int, device: str) -> Any:
    """Make a `Ground` or `Walkers` with `rows` rows of zeros."""
    instance = struct()
    for name, variable in struct.vars.items():
        array = wp.zeros((rows, *_SHAPES[name]), dtype=variable.type.dtype, device=device)
        setattr(instance, name, array)
    return instance


def fields(instance: Any) -> dict[str, Any]:
    """Every array of a `Ground` or `Walkers` by its name."""
    return {name: getattr(instance, name) for name in instance.cls.__annotations__}
