"""Narrow phase: where the polygon of a body touches a piece of ground.

`collide_edge` is Box2D's `b2EPCollider` for an edge without neighbours, because Gymnasium's edges
have no ghost vertices. `collide_box` is `b2CollidePolygons` as in version 2.3.0, where the search
starts at the side that faces the other polygon's centre. The ground does not move, so its
coordinates are the world's.
"""

from __future__ import annotations

import warp as wp

from bipedal.physics.constants import POLYGON_RADIUS
from bipedal.physics.geometry import (
    Pose,
    right_normal,
    rotate,
    to_body,
    to_world,
)
from bipedal.physics.state import Manifold, Robot

wp.set_module_options({"enable_backward": False, "max_unroll": 1})

_RADII = wp.constant(2.0 * POLYGON_RADIUS)
_PREFER_FIRST_FACTOR = wp.constant(0.98)
_PREFER_FIRST_OFFSET = wp.constant(0.001)
_VERTEX = wp.constant(0)
_FACE = wp.constant(1)


@wp.struct
class Polygon:
    """A convex polygon in world coordinates, counter-clockwise."""

    count: wp.int32
    vertices: wp.types.matrix(shape=(5, 2), dtype=wp.float32)
    normals: wp.types.matrix(shape=(5, 2), dtype=wp.float32)
    centroid: wp.vec2


@wp.struct
class Clip:
    """A segment that is clipped to become a manifold: two points and their ids."""

    count: wp.int32
    point_0: wp.vec2
    point_1: wp.vec2
    id_0: wp.int32
    id_1: wp.int32


@wp.func
def feature_id(index_a: int, index_b: int, type_a: int, type_b: int) -> int:
    """b2ContactFeature's key: which vertex or face of the ground meets which of the body."""
    return index_a + (index_b << 8) + (type_a << 16) + (type_b << 24)


@wp.func
def swapped_id(key: int) -> int:
    """The same key with the roles of the two shapes swapped."""
    return ((key & 0x00FF00FF) << 8) | ((key >> 8) & 0x00FF00FF)


@wp.func
def vertex(polygon: Polygon, i: int) -> wp.vec2:
    """Corner i of a polygon."""
    return wp.vec2(polygon.vertices[i, 0], polygon.vertices[i, 1])


@wp.func
def normal(polygon: Polygon, i: int) -> wp.vec2:
    """Outward normal of the side from corner i to the next."""
    return wp.vec2(polygon.normals[i, 0], polygon.normals[i, 1])


@wp.func
def next_index(polygon: Polygon, i: int) -> int:
    """Index after i around the polygon."""
    return wp.where(i + 1 < polygon.count, i + 1, 0)


@wp.func
def body_polygon(robot: Robot, body: int, pose: Pose) -> Polygon:
    """The outline of a body in world coordinates."""
    polygon = Polygon()
    polygon.count = robot.vertex_count[body]
    for i in range(robot.vertex_count[body]):
        v = to_world(pose, robot.vertices[body, i])
        n = rotate(pose.rotation, robot.normals[body, i])
        polygon.vertices[i, 0] = v[0]
        polygon.vertices[i, 1] = v[1]
        polygon.normals[i, 0] = n[0]
        polygon.normals[i, 1] = n[1]
    polygon.centroid = to_world(pose, robot.centroid[body])
    return polygon


@wp.func
def box_corner(box: wp.vec4, i: int) -> wp.vec2:
    """Corner i of a box, counter-clockwise from the lower right one."""
    x = wp.where(i < 2, box[2], box[0])
    y = wp.where(i == 1 or i == 2, box[3], box[1])
    return wp.vec2(x, y)


@wp.func
def box_polygon(box: wp.vec4) -> Polygon:
    """The outline of a box of the ground."""
    polygon = Polygon()
    polygon.count = 4
    for i in range(4):
        v = box_corner(box, i)
        polygon.vertices[i, 0] = v[0]
        polygon.vertices[i, 1] = v[1]
    polygon.normals[0, 0] = 1.0
    polygon.normals[1, 1] = 1.0
    polygon.normals[2, 0] = -1.0
    polygon.normals[3, 1] = -1.0
    polygon.centroid = wp.vec2(0.5 * (box[0] + box[2]), 0.5 * (box[1] + box[3]))
    return polygon


@wp.func
def clip_to_line(segment: Clip, line_normal: wp.vec2, offset: float, index_a: int) -> Clip:
    """Keep the part of a segment that lies behind a line (b2ClipSegmentToLine)."""
    result = Clip()
    distance_0 = wp.dot(line_normal, segment.point_0) - offset
    distance_1 = wp.dot(line_normal, segment.point_1) - offset
    if distance_0 <= 0.0 and distance_1 <= 0.0:
        result = segment
        result.count = 2
    elif distance_0 * distance_1 < 0.0:
        share = distance_0 / (distance_0 - distance_1)
        cut = segment.point_0 + share * (segment.point_1 - segment.point_0)
        result.point_0 = wp.where(distance_0 <= 0.0, segment.point_0, segment.point_1)
        result.id_0 = wp.where(distance_0 <= 0.0, segment.id_0, segment.id_1)
        result.point_1 = cut
        result.id_1 = feature_id(index_a, (segment.id_0 >> 8) & 0xFF, _VERTEX, _FACE)
        result.count = 2
    return result


@wp.func
def keep_deep(
    manifold: Manifold, segment: Clip, face_normal: wp.vec2, face_point: wp.vec2
) -> Manifold:
    """Put the ends of a segment that are within reach of a face into a manifold."""
    deep_0 = wp.dot(face_normal, segment.point_0 - face_point) <= _RADII
    deep_1 = wp.dot(face_normal, segment.point_1 - face_point) <= _RADII
    manifold.point_0 = wp.where(deep_0, segment.point_0, segment.point_1)
    manifold.id_0 = wp.where(deep_0, segment.id_0, segment.id_1)
    manifold.point_1 = segment.point_1
    manifold.id_1 = segment.id_1
    manifold.count = int(deep_0) + int(deep_1)
    return manifold


@wp.func
def collide_edge(robot: Robot, body: int, pose: Pose, v1: wp.vec2, v2: wp.vec2) -> Manifold:
    """Manifold of an edge of the ground line and a body, or one without points."""
    manifold = Manifold()
    edge = wp.normalize(v2 - v1)
    edge_normal = right_normal(edge)
    front = wp.dot(edge_normal, to_world(pose, robot.centroid[body]) - v1) >= 0.0
    side = wp.where(front, edge_normal, -edge_normal)
    count = robot.vertex_count[body]

    # Separation along the normal of the edge, then along the normals of the polygon.
    edge_separation = float(1.0e30)
    for i in range(count):
        v = to_world(pose, robot.vertices[body, i])
        edge_separation = wp.min(edge_separation, wp.dot(side, v - v1))
    if edge_separation > _RADII:
        return manifold
    polygon_separation = float(-1.0e30)
    face = int(0)
    incident = int(0)
    most_opposed = float(1.0e30)
    for i in range(count):
        v = to_world(pose, robot.vertices[body, i])
        n = rotate(pose.rotation, robot.normals[body, i])
        s = wp.min(wp.dot(-n, v - v1), wp.dot(-n, v - v2))
        if s > _RADII:
            return manifold
        if s > polygon_separation:
            polygon_separation = s
            face = i
        opposed = wp.dot(side, n)
        if opposed < most_opposed:
            most_opposed = opposed
            incident = i

    # The face that separates more is the reference. The segment is a side of the other shape.
    on_ground = polygon_separation <= (
        _PREFER_FIRST_FACTOR * edge_separation + _PREFER_FIRST_OFFSET
    )
    segment = Clip()
    if on_ground:
        after = wp.where(incident + 1 < count, incident + 1, 0)
        segment.point_0 = to_world(pose, robot.vertices[body, incident])
        segment.point_1 = to_world(pose, robot.vertices[body, after])
        segment.id_0 = feature_id(0, incident, _FACE, _VERTEX)
        segment.id_1 = feature_id(0, after, _FACE, _VERTEX)
        index_1 = wp.where(front, 0, 1)
        index_2 = 1 - index_1
        face_start = wp.where(front, v1, v2)
        face_end = wp.where(front, v2, v1)
        face_normal = side
    else:
        segment.point_0 = v1
        segment.point_1 = v2
        segment.id_0 = feature_id(0, face, _VERTEX, _FACE)
        segment.id_1 = feature_id(0, face, _VERTEX, _FACE)
        index_1 = face
        index_2 = wp.where(face + 1 < count, face + 1, 0)
        face_start = to_world(pose, robot.vertices[body, index_1])
        face_end = to_world(pose, robot.vertices[body, index_2])
        face_normal = rotate(pose.rotation, robot.normals[body, face])

    # Clip the segment to the ends of the face.
    side_normal = right_normal(face_normal)
    segment = clip_to_line(segment, side_normal, wp.dot(side_normal, face_start), index_1)
    if segment.count < 2:
        return manifold
    segment = clip_to_line(segment, -side_normal, -wp.dot(side_normal, face_end), index_2)
    if segment.count < 2:
        return manifold

    # Keep its deep ends, in the coordinates of the shapes that they belong to.
    manifold = keep_deep(manifold, segment, face_normal, face_start)
    manifold.on_ground = int(on_ground)
    if on_ground:
        manifold.normal = face_normal
        manifold.plane = face_start
        manifold.point_0 = to_body(pose, manifold.point_0)
        manifold.point_1 = to_body(pose, manifold.point_1)
    else:
        manifold.normal = robot.normals[body, face]
        manifold.plane = robot.vertices[body, face]
        manifold.id_0 = swapped_id(manifold.id_0)
        manifold.id_1 = swapped_id(manifold.id_1)
    return manifold


@wp.func
def side_separation(first: Polygon, side: int, second: Polygon) -> float:
    """How far `second` lies in front of a side of `first` (b2EdgeSeparation)."""
    n = normal(first, side)
    start = vertex(first, side)
    separation = float(1.0e30)
    for i in range(second.count):
        separation = wp.min(separation, wp.dot(n, vertex(second, i) - start))
    return separation


@wp.func
def best_side(first: Polygon, second: Polygon) -> int:
    """The side of `first` with the largest separation, by Box2D's local search."""
    # Start at the side that faces the other polygon's centre.
    toward = second.centroid - first.centroid
    side = int(0)
    most = float(-1.0e30)
    for i in range(first.count):
        along = wp.dot(normal(first, i), toward)
        if along > most:
            most = along
            side = i
    # Choose a direction: to the side before or to the side after.
    last = first.count - 1
    separation = side_separation(first, side, second)
    before = wp.where(side > 0, side - 1, last)
    after = wp.where(side < last, side + 1, 0)
    separation_before = side_separation(first, before, second)
    separation_after = side_separation(first, after, second)
    step = int(0)
    if separation_before > separation and separation_before > separation_after:
        step = int(-1)
        side = before
        separation = separation_before
    elif separation_after > separation:
        step = int(1)
        side = after
        separation = separation_after
    # Go on in that direction as long as the separation grows.
    climbing = step != 0
    while climbing:
        candidate = side + step
        if candidate < 0:
            candidate = last
        if candidate > last:
            candidate = int(0)
        s = side_separation(first, candidate, second)
        climbing = s > separation
        if climbing:
            side = candidate
            separation = s
    return side


@wp.func
def collide_box(robot: Robot, body: int, pose: Pose, box: wp.vec4) -> Manifold:
    """Manifold of a box of the ground and a body, or one without points."""
    # Separation along the normals of the box, then along those of the body.
    manifold = Manifold()
    ground = box_polygon(box)
    walker = body_polygon(robot, body, pose)
    ground_side = best_side(ground, walker)
    ground_separation = side_separation(ground, ground_side, walker)
    if ground_separation > _RADII:
        return manifold
    walker_side = best_side(walker, ground)
    walker_separation = side_separation(walker, walker_side, ground)
    if walker_separation > _RADII:
        return manifold

    # The shape that separates more has the reference side.
    on_ground = walker_separation <= (
        _PREFER_FIRST_FACTOR * ground_separation + _PREFER_FIRST_OFFSET
    )
    if on_ground:
        reference = ground
        other = walker
        side = ground_side
    else:
        reference = walker
        other = ground
        side = walker_side

    # The segment is the side of the other polygon that faces the reference side most.
    face_normal = normal(reference, side)
    incident = int(0)
    most_opposed = float(1.0e30)
    for i in range(other.count):
        opposed = wp.dot(face_normal, normal(other, i))
        if opposed < most_opposed:
            most_opposed = opposed
            incident = i
    after = next_index(other, incident)
    segment = Clip()
    segment.point_0 = vertex(other, incident)
    segment.point_1 = vertex(other, after)
    segment.id_0 = feature_id(side, incident, _FACE, _VERTEX)
    segment.id_1 = feature_id(side, after, _FACE, _VERTEX)

    # Clip the segment to the ends of the reference side.
    start = vertex(reference, side)
    end_index = next_index(reference, side)
    end = vertex(reference, end_index)
    tangent = wp.normalize(end - start)
    segment = clip_to_line(segment, -tangent, -wp.dot(tangent, start) + _RADII, side)
    if segment.count < 2:
        return manifold
    segment = clip_to_line(segment, tangent, wp.dot(tangent, end) + _RADII, end_index)
    if segment.count < 2:
        return manifold

    # Keep its deep ends, in the coordinates of the shapes that they belong to.
    manifold = keep_deep(manifold, segment, face_normal, start)
    manifold.on_ground = int(on_ground)
    if on_ground:
        manifold.normal = face_normal
        manifold.plane = 0.5 * (start + end)
        manifold.point_0 = to_body(pose, manifold.point_0)
        manifold.point_1 = to_body(pose, manifold.point_1)
    else:
        manifold.normal = robot.normals[body, side]
        manifold.plane = 0.5 * (robot.vertices[body, side] + robot.vertices[body, end_index])
        manifold.id_0 = swapped_id(manifold.id_0)
        manifold.id_1 = swapped_id(manifold.id_1)
    return manifold
