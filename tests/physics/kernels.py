"""The package's Warp functions as NumPy functions: a kernel around each, and who launches it.

All kernels lie in this one module, because Warp compiles module by module.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import warp as wp

from bipedal.physics.broadphase import Sweep, bounding_box, union
from bipedal.physics.constants import LIDAR_RAYS, MODULE_OPTIONS
from bipedal.physics.contacts import evaluate
from bipedal.physics.distance import Simplex, closest, simplex_distance
from bipedal.physics.geometry import (
    Pose,
    pose_at,
    rotate,
    rotate_back,
    to_body,
    to_world,
)
from bipedal.physics.impact import stays_clear, time_of_impact
from bipedal.physics.lanes import LANES, Real
from bipedal.physics.lidar import cast_ray, ray_box, ray_edge
from bipedal.physics.random import Generator, integers, next_double, next_uint64, uniform
from bipedal.physics.robot import Robot
from bipedal.physics.seeding import seed_generators
from bipedal.physics.state import Ground, Manifold, make_rows
from bipedal.physics.terrain import check_terrain, index_boxes_kernel
from bipedal.physics.trigonometry import cosine_of, rotation_of, sine_of

wp.set_module_options(MODULE_OPTIONS)

Array = npt.NDArray[Any]


@wp.func
def pose_of(place: wp.vec3) -> Pose:
    """Pose of a body whose origin and angle are (x, y, angle)."""
    pose = Pose()
    pose.origin = wp.vec2(place[0], place[1])
    pose.rotation = rotation_of(place[2])
    return pose


@wp.kernel
def rotation_kernel(angle: wp.array(dtype=float), rotation: wp.array(dtype=wp.vec2)):
    rotation[wp.tid()] = rotation_of(angle[wp.tid()])


@wp.kernel
def lane_rotation_kernel(
    angle: wp.array(dtype=Real), cosine: wp.array(dtype=Real), sine: wp.array(dtype=Real)
):
    rotation = rotation_of(angle[wp.tid()])
    cosine[wp.tid()] = cosine_of(rotation)
    sine[wp.tid()] = sine_of(rotation)


@wp.kernel
def there_and_back_kernel(
    place: wp.array(dtype=wp.vec3), point: wp.array(dtype=wp.vec2), out: wp.array2d(dtype=wp.vec2)
):
    i = wp.tid()
    pose = pose_of(place[i])
    out[i, 0] = rotate(pose.rotation, point[i])
    out[i, 1] = rotate_back(pose.rotation, out[i, 0])
    out[i, 2] = to_world(pose, point[i])
    out[i, 3] = to_body(pose, out[i, 2])


@wp.kernel
def collide_kernel(
    robot: Robot,
    ground: Ground,
    piece: wp.array(dtype=wp.int32),
    body: wp.array(dtype=wp.int32),
    place: wp.array(dtype=wp.vec3),
    manifold: wp.array(dtype=Manifold),
):
    i = wp.tid()
    manifold[i] = evaluate(robot, ground, i, piece[i], body[i], pose_of(place[i]))


@wp.kernel
def ray_edge_kernel(
    origin: wp.array(dtype=wp.vec2),
    ray: wp.array(dtype=wp.vec2),
    a: wp.array(dtype=wp.vec2),
    b: wp.array(dtype=wp.vec2),
    fraction: wp.array(dtype=float),
):
    i = wp.tid()
    fraction[i] = ray_edge(origin[i], ray[i], a[i], b[i])


@wp.kernel
def ray_box_kernel(
    origin: wp.array(dtype=wp.vec2),
    ray: wp.array(dtype=wp.vec2),
    box: wp.array(dtype=wp.vec4),
    fraction: wp.array(dtype=float),
):
    i = wp.tid()
    fraction[i] = ray_box(origin[i], ray[i], box[i])


@wp.kernel
def lidar_kernel(
    ground: Ground, origin: wp.array(dtype=wp.vec2), fraction: wp.array2d(dtype=float)
):
    i, ray = wp.tid()
    fraction[i, ray] = cast_ray(ground, 0, origin[i], ray)


@wp.kernel
def distance_kernel(
    robot: Robot,
    ground: Ground,
    piece: wp.array(dtype=wp.int32),
    body: wp.array(dtype=wp.int32),
    place: wp.array(dtype=wp.vec3),
    distance: wp.array(dtype=float),
):
    i = wp.tid()
    simplex = closest(robot, ground, i, piece[i], body[i], pose_of(place[i]), Simplex())
    distance[i] = simplex_distance(simplex)


@wp.kernel
def impact_kernel(
    robot: Robot,
    ground: Ground,
    piece: wp.array(dtype=wp.int32),
    body: wp.array(dtype=wp.int32),
    start: wp.array(dtype=wp.vec3),
    end: wp.array(dtype=wp.vec3),
    share: wp.array(dtype=float),
    clear: wp.array(dtype=wp.bool),
):
    i = wp.tid()
    local = robot.local_center[body[i]]
    sweep = Sweep()
    sweep.start_center = wp.vec2(start[i][0], start[i][1])
    sweep.start_angle = start[i][2]
    sweep.start_rotation = rotation_of(start[i][2])
    sweep.end_center = wp.vec2(end[i][0], end[i][1])
    sweep.end_angle = end[i][2]
    first = pose_at(sweep.start_center, sweep.start_rotation, local)
    last = pose_at(sweep.end_center, rotation_of(end[i][2]), local)
    sweep.bounds = union(bounding_box(robot, body[i], first), bounding_box(robot, body[i], last))
    share[i] = time_of_impact(robot, ground, i, piece[i], body[i], sweep)
    clear[i] = stays_clear(robot, ground, i, piece[i], body[i], sweep, last)


DOUBLE, UNIFORM, INTEGERS = range(3)


@wp.kernel
def bits_kernel(generators: wp.array(dtype=Generator), out: wp.array2d(dtype=wp.uint64)):
    i = wp.tid()
    for j in range(out.shape[1]):
        out[i, j] = next_uint64(generators, i)


@wp.kernel
def draw_kernel(
    generators: wp.array(dtype=Generator),
    kind: wp.array(dtype=wp.int32),
    low: wp.array(dtype=wp.int32),
    high: wp.array(dtype=wp.int32),
    out: wp.array2d(dtype=wp.float64),
):
    i = wp.tid()
    for j in range(out.shape[1]):
        if kind[j] == DOUBLE:
            out[i, j] = next_double(generators, i)
        elif kind[j] == UNIFORM:
            out[i, j] = uniform(generators, i, wp.float64(low[j]), wp.float64(high[j]))
        else:
            out[i, j] = wp.float64(integers(generators, i, low[j], high[j]))


def on_cpu(values: npt.ArrayLike, dtype: Any) -> Any:
    return wp.array(np.asarray(values), dtype=dtype, device="cpu")


def make_ground(*terrains: tuple[npt.ArrayLike, npt.ArrayLike]) -> Any:
    """A `Ground` with a row for every pair of heights and boxes."""
    ground = make_rows(Ground, len(terrains), "cpu")
    for row, terrain in enumerate(terrains):
        height, boxes = check_terrain(*terrain)
        ground.height.numpy()[row] = height
        ground.box.numpy()[row, : len(boxes)] = boxes
        ground.box_count.numpy()[row] = len(boxes)
        wp.launch(index_boxes_kernel, 1, [ground, row], device="cpu")
    return ground


def rotations(angles: npt.ArrayLike) -> Array:
    """(cos, sin) of angles (n,)."""
    angle = on_cpu(angles, wp.float32)
    out = wp.empty(len(angle), dtype=wp.vec2, device="cpu")
    wp.launch(rotation_kernel, len(angle), [angle, out], device="cpu")
    return out.numpy()


def lane_rotations(angles: npt.ArrayLike) -> Array:
    """The same as `rotations`, computed in lanes."""
    values = np.asarray(angles, np.float32)
    padded = np.zeros(-(-len(values) // LANES) * LANES, np.float32)
    padded[: len(values)] = values
    arrays = [on_cpu(padded.reshape(-1, LANES), Real)]
    arrays += [wp.zeros_like(arrays[0]) for _ in range(2)]
    wp.launch(lane_rotation_kernel, len(arrays[0]), arrays, device="cpu")
    both: Array = np.stack([array.numpy().ravel()[: len(values)] for array in arrays[1:]], axis=1)
    return both


def there_and_back(places: npt.ArrayLike, points: npt.ArrayLike) -> Array:
    """Each point (n, 2) turned, turned back, carried to the world, and back: (n, 4, 2)."""
    place, point = on_cpu(places, wp.vec3), on_cpu(points, wp.vec2)
    out = wp.empty((len(place), 4), dtype=wp.vec2, device="cpu")
    wp.launch(there_and_back_kernel, len(place), [place, point, out], device="cpu")
    return out.numpy()


def _placed(pieces: Any, bodies: Any, *places: Any) -> list[Any]:
    """Pieces of ground, bodies (each one for all, or n) and their places (n, 3), for a kernel."""
    n = len(places[0])
    return [
        *(on_cpu(np.broadcast_to(numbers, n), wp.int32) for numbers in (pieces, bodies)),
        *(on_cpu(place, wp.vec3) for place in places),
    ]


def collide(robot: Any, ground: Any, pieces: Any, bodies: Any, places: Any) -> Array:
    """Manifolds (n,) of pieces of the ground's row i and bodies with origin and angle (n, 3)."""
    out = wp.zeros(len(places), dtype=Manifold, device="cpu")
    inputs = [robot, ground, *_placed(pieces, bodies, places), out]
    wp.launch(collide_kernel, len(out), inputs, device="cpu")
    return out.numpy()


def distances(robot: Any, ground: Any, pieces: Any, bodies: Any, places: Any) -> Array:
    """Distances (n,), like `collide`."""
    out = wp.zeros(len(places), dtype=wp.float32, device="cpu")
    inputs = [robot, ground, *_placed(pieces, bodies, places), out]
    wp.launch(distance_kernel, len(out), inputs, device="cpu")
    return out.numpy()


def impacts(
    robot: Any, ground: Any, pieces: Any, bodies: Any, starts: Any, ends: Any
) -> tuple[Array, Array]:
    """Times of impact (n,) and whether it stays clear (n,); sweeps of centre and angle (n, 3)."""
    share = wp.zeros(len(starts), dtype=wp.float32, device="cpu")
    clear = wp.zeros(len(starts), dtype=wp.bool, device="cpu")
    inputs = [robot, ground, *_placed(pieces, bodies, starts, ends), share, clear]
    wp.launch(impact_kernel, len(share), inputs, device="cpu")
    return share.numpy(), clear.numpy()


def edge_fractions(origins: Any, rays: Any, starts: Any, ends: Any) -> Array:
    """Fractions (n,) of rays (n, 2) at which they meet edges."""
    inputs = [on_cpu(values, wp.vec2) for values in (origins, rays, starts, ends)]
    out = wp.zeros(len(inputs[0]), dtype=wp.float32, device="cpu")
    wp.launch(ray_edge_kernel, len(out), [*inputs, out], device="cpu")
    return out.numpy()


def box_fractions(origins: Any, rays: Any, boxes: Any) -> Array:
    """Fractions (n,) of rays (n, 2) at which they enter boxes (n, 4)."""
    inputs = [on_cpu(origins, wp.vec2), on_cpu(rays, wp.vec2), on_cpu(boxes, wp.vec4)]
    out = wp.zeros(len(inputs[0]), dtype=wp.float32, device="cpu")
    wp.launch(ray_box_kernel, len(out), [*inputs, out], device="cpu")
    return out.numpy()


def lidar(ground: Any, origins: npt.ArrayLike) -> Array:
    """The ten readings (n, 10) at origins (n, 2) over the ground's row 0."""
    origin = on_cpu(origins, wp.vec2)
    out = wp.zeros((len(origin), LIDAR_RAYS), dtype=wp.float32, device="cpu")
    wp.launch(lidar_kernel, out.shape, [ground, origin, out], device="cpu")
    return out.numpy()


def random_bits(seeds: Sequence[int], count: int) -> Array:
    """The first `count` numbers of 64 bits (n, count) of each seed's generator."""
    out = wp.zeros((len(seeds), count), dtype=wp.uint64, device="cpu")
    inputs = [on_cpu(seed_generators(seeds), Generator), out]
    wp.launch(bits_kernel, len(seeds), inputs, device="cpu")
    return out.numpy()


def draw(seeds: Sequence[int], plan: Sequence[tuple[int, int, int]]) -> tuple[Array, Array]:
    """The draws (n, m) of `plan` (kind, low, high) from each seed, and the generators after it."""
    generators = on_cpu(seed_generators(seeds), Generator)
    out = wp.zeros((len(seeds), len(plan)), dtype=wp.float64, device="cpu")
    columns = [on_cpu(column, wp.int32) for column in zip(*plan, strict=True)]
    wp.launch(draw_kernel, len(seeds), [generators, *columns, out], device="cpu")
    return out.numpy(), generators.numpy()
