"""The workspace: the numbers that the solvers read and write, as named fields.

`prepare` and `move` in `step.py` fill it, and the iterations change it. `keep_velocities` and
`keep_places` copy the results back to `Walkers`. An environment has one column. In memory the
workspace is `(groups, fields, LANES)` floats; see `lanes.py`.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any

import warp as wp

from bipedal.physics.constants import MAX_TOUCHING, MODULE_OPTIONS, NUM_BODIES, NUM_JOINTS
from bipedal.physics.lanes import LANES, Real

wp.set_module_options(MODULE_OPTIONS)


class B(IntEnum):
    """Fields of a body."""

    VX = 0
    VY = 1
    SPIN = 2
    X = 3
    """Centre of mass."""
    Y = 4
    ANGLE = 5
    CONTACTS = 6
    """Number of its contact constraints."""
    UNFINISHED = 7
    """Only used in body 0, for the whole robot: 1 if an error of position is still too large."""
    SIZE = 8


class J(IntEnum):
    """Fields of a joint. Speeds are in m/s and rad/s, impulses in N s and N m s."""

    AX = 0
    """Pin relative to the centre of mass of body a."""
    AY = 1
    BX = 2
    BY = 3
    K_XX = 4
    """Velocity per impulse: rows x and y of the pin, row z of the limit; symmetric."""
    K_XY = 5
    K_YY = 6
    K_XZ = 7
    K_YZ = 8
    K_ZZ = 9
    INVERSE_2 = 10
    """1 / determinant of the pin's part of K."""
    INVERSE_3 = 11
    """1 / determinant of K."""
    CROSS_X = 12
    """Cross product of K's columns y and z."""
    CROSS_Y = 13
    CROSS_Z = 14
    MOTOR_SPEED = 15
    MOTOR_MAX = 16
    AT_LIMIT = 17
    """-1 or 1 at the lower or upper limit, else 0."""
    IMPULSE_X = 18
    IMPULSE_Y = 19
    IMPULSE_Z = 20
    IMPULSE_MOTOR = 21
    SIZE = 22


class C(IntEnum):
    """Fields of a contact of a body: two points on one normal."""

    NX = 0
    """The velocity constraint begins here. Normal from the ground to the body."""
    NY = 1
    X_0 = 2
    """Point 0 relative to the body's centre of mass."""
    Y_0 = 3
    X_1 = 4
    Y_1 = 5
    TANGENT_MASS_0 = 6
    TANGENT_MASS_1 = 7
    SECOND = 8
    """1 if there is a second point, else 0."""
    K_00 = 9
    """Velocity per impulse between the normals of the points."""
    K_01 = 10
    K_11 = 11
    MASS_0 = 12
    """1 / K_00."""
    MASS_1 = 13
    INVERSE_00 = 14
    """Inverse of K."""
    INVERSE_01 = 15
    INVERSE_11 = 16
    NORMAL_0 = 17
    """Impulses of the points along normal and tangent."""
    NORMAL_1 = 18
    TANGENT_0 = 19
    TANGENT_1 = 20
    BEFORE_NORMAL_0 = 21
    """The same some iterations earlier; only used for impacts."""
    BEFORE_NORMAL_1 = 22
    BEFORE_TANGENT_0 = 23
    BEFORE_TANGENT_1 = 24
    ON_GROUND = 25
    """The position constraint begins here. 1 if the face is the ground's, -1 if the body's."""
    FACE_X = 26
    """Normal from the ground to the body, in the coordinates of the face's owner."""
    FACE_Y = 27
    POINTS_0 = 28
    """1 if there is a point 0, else 0."""
    POINTS_1 = 29
    BODY_X0 = 30
    """The end of point 0 that is fixed to the body, relative to its origin."""
    BODY_Y0 = 31
    BODY_X1 = 32
    BODY_Y1 = 33
    GROUND_X0 = 34
    """The end of point 0 that is fixed to the ground."""
    GROUND_Y0 = 35
    GROUND_X1 = 36
    GROUND_Y1 = 37
    SIZE = 38


_JOINTS = wp.constant(NUM_BODIES * B.SIZE)
_CONTACTS = wp.constant(NUM_BODIES * B.SIZE + NUM_JOINTS * J.SIZE)
FIELDS = NUM_BODIES * B.SIZE + NUM_JOINTS * J.SIZE + NUM_BODIES * MAX_TOUCHING * C.SIZE


Vectors = wp.array(dtype=Real)
"""The workspace as vectors: (groups * FIELDS,)."""
Floats = wp.array(dtype=wp.float32)
"""The same memory as floats: (groups * FIELDS * LANES,)."""


@wp.func
def group_start(group: int) -> int:
    """Index of a group's first field in `Vectors`: the `unit` that `get` and `put` take."""
    return group * FIELDS


@wp.func
def column_start(column: int) -> int:
    """Index of a column's first field in `Floats`: the `unit` that `get` and `put` take."""
    return (column // LANES * FIELDS) * LANES + column % LANES


@wp.func
def get(workspace: Vectors, unit: int, field: int) -> Real:
    """A field of a group."""
    return workspace[unit + field]


@wp.func
def get(workspace: Floats, unit: int, field: int) -> float:  # noqa: F811
    """A field of an environment."""
    return workspace[unit + field * LANES]


@wp.func
def put(workspace: Vectors, unit: int, field: int, value: Real):
    """Set a field of a group."""
    workspace[unit + field] = value


@wp.func
def put(workspace: Floats, unit: int, field: int, value: float):  # noqa: F811
    """Set a field of an environment."""
    workspace[unit + field * LANES] = value


@wp.func
def body_field(body: int, field: int) -> int:
    """Index of a field of a body."""
    return body * int(B.SIZE) + field


@wp.func
def joint_offset(joint: int) -> int:
    """Index of a joint's first field."""
    return _JOINTS + joint * int(J.SIZE)


@wp.func
def contact_offset(body: int, slot: int) -> int:
    """Index of the first field of a contact of a body."""
    return _CONTACTS + (body * MAX_TOUCHING + slot) * int(C.SIZE)


@wp.func
def velocity_of(workspace: Any, unit: int, body: int):
    """Velocity and spin of a body."""
    return (
        get(workspace, unit, body_field(body, int(B.VX))),
        get(workspace, unit, body_field(body, int(B.VY))),
        get(workspace, unit, body_field(body, int(B.SPIN))),
    )


@wp.func
def set_velocity(workspace: Any, unit: int, body: int, vx: Any, vy: Any, spin: Any):
    """Set the velocity and spin of a body."""
    put(workspace, unit, body_field(body, int(B.VX)), vx)
    put(workspace, unit, body_field(body, int(B.VY)), vy)
    put(workspace, unit, body_field(body, int(B.SPIN)), spin)


@wp.func
def place_of(workspace: Any, unit: int, body: int):
    """Centre of mass and angle of a body."""
    return (
        get(workspace, unit, body_field(body, int(B.X))),
        get(workspace, unit, body_field(body, int(B.Y))),
        get(workspace, unit, body_field(body, int(B.ANGLE))),
    )


@wp.func
def set_place(workspace: Any, unit: int, body: int, x: Any, y: Any, angle: Any):
    """Set the centre of mass and angle of a body."""
    put(workspace, unit, body_field(body, int(B.X)), x)
    put(workspace, unit, body_field(body, int(B.Y)), y)
    put(workspace, unit, body_field(body, int(B.ANGLE)), angle)


@wp.func
def copy_column(workspace: Floats, source: int, target: int):
    """Copy an environment's fields to another column, but no unused contact slots."""
    a = column_start(source)
    b = column_start(target)
    for field in range(_CONTACTS):
        put(workspace, b, field, get(workspace, a, field))
    for body in range(NUM_BODIES):
        slots = int(get(workspace, a, body_field(body, int(B.CONTACTS))))
        first = contact_offset(body, 0)
        for field in range(first, first + slots * int(C.SIZE)):
            put(workspace, b, field, get(workspace, a, field))


@wp.func
def clear_column(workspace: Floats, column: int):
    """Zero a column without an environment, so that its lane has no motion and no contacts."""
    for field in range(_CONTACTS):
        put(workspace, column_start(column), field, 0.0)


@wp.func
def level_lanes(workspace: Floats, group: int):
    """Zero the unused contact slots of a group's lanes.

    Every lane of a group goes through as many slots of a body as the lane with the most contacts.
    """
    for body in range(NUM_BODIES):
        field = body_field(body, int(B.CONTACTS))
        most = int(0)
        fewest = int(MAX_TOUCHING)
        for column in range(group * LANES, group * LANES + LANES):
            count = int(get(workspace, column_start(column), field))
            most = wp.max(most, count)
            fewest = wp.min(fewest, count)
        if most > fewest:
            for column in range(group * LANES, group * LANES + LANES):
                unit = column_start(column)
                for slot in range(int(get(workspace, unit, field)), most):
                    at = contact_offset(body, slot)
                    for clear in range(at, at + int(C.SIZE)):
                        put(workspace, unit, clear, 0.0)
