"""Narrow phase: where the polygon of a body touches a piece of ground.

`collide_edge` is Box2D's `b2EPCollider` for an edge without neighbours, because Gymnasium's edges
have no ghost vertices. `collide_box` is `b2CollidePolygons` as in version 2.3.0, where the search
starts at the side that faces the other polygon's centre. The ground does not move, so its
coordinates are the world's.
"""

from __future__ import annotations

import numpy as np
import warp as wp

from bipedal.physics.constants import MODULE_OPTIONS, TOTAL_RADIUS
from bipedal.physics.geometry import (
    Pose,
    cross,
    right_normal,
    rotate,
    rotate_back,
    to_body,
    to_world,
    unit,
)
from bipedal.physics.state import Manifold, Robot

wp.set_module_options(MODULE_OPTIONS)

MAX_FLOAT = wp.constant(float(np.finfo(np.float32).max))
_THIRD = wp.constant(float(np.float32(1) / np.float32(3)))
_PREFER_FIRST_FACTOR = wp.constant(0.98)
_PREFER_FIRST_OFFSET = wp.constant(0.001)
_VERTEX = wp.constant(0)
_FACE = wp.constant(1)


@wp.struct
class Polygon:
    """A convex polygon in its own coordinates, counter-clockwise, and where it is."""

    count: wp.int32
    vertices: wp.types.matrix(shape=(5, 2), dtype=wp.float32)
    normals: wp.types.matrix(shape=(5, 2), dtype=wp.float32)
    centroid: wp.vec2
    pose: Pose


@wp.struct
class Side:
    """A side of a polygon and how far another polygon lies in front of it (m)."""

    index: wp.int32
    separation: wp.float32


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
def corner(polygon: Polygon, i: int) -> wp.vec2:
    """Corner i of a polygon in its own coordinates."""
    return wp.vec2(polygon.vertices[i, 0], polygon.vertices[i, 1])


@wp.func
def normal(polygon: Polygon, i: int) -> wp.vec2:
    """Outward normal of the side from corner i to the next, in the polygon's coordinates."""
    return wp.vec2(polygon.normals[i, 0], polygon.normals[i, 1])


@wp.func
def next_index(polygon: Polygon, i: int) -> int:
    """Index after i around the polygon."""
    return wp.where(i + 1 < polygon.count, i + 1, 0)


@wp.func
def body_polygon(robot: Robot, body: int, pose: Pose) -> Polygon:
    """The outline of a body."""
    polygon = Polygon()
    polygon.count = robot.vertex_count[body]
    polygon.centroid = robot.centroid[body]
    polygon.pose = pose
    for i in range(robot.vertex_count[body]):
        v = robot.vertices[body, i]
        n = robot.normals[body, i]
        polygon.vertices[i, 0] = v[0]
        polygon.vertices[i, 1] = v[1]
        polygon.normals[i, 0] = n[0]
        polygon.normals[i, 1] = n[1]
    return polygon


@wp.func
def box_corner(box: wp.vec4, i: int) -> wp.vec2:
    """Corner i of a box, counter-clockwise from the lower right one."""
    x = wp.where(i < 2, box[2], box[0])
    y = wp.where(i == 1 or i == 2, box[3], box[1])
    return wp.vec2(x, y)


@wp.func
def box_normal(box: wp.vec4, i: int) -> wp.vec2:
    """Normal of the side from corner i of a box to the next.

    Its length is 1 but for the rounding in b2Vec2::Normalize, which multiplies by an inverse.
    """
    upright = i == 0 or i == 2
    side = wp.where(upright, box[3] - box[1], box[2] - box[0])
    length = side * (1.0 / side) * wp.where(i < 2, 1.0, -1.0)
    return wp.vec2(wp.where(upright, length, 0.0), wp.where(upright, 0.0, length))


@wp.func
def box_centroid(box: wp.vec4) -> wp.vec2:
    """Centroid of a box: ComputeCentroid in b2PolygonShape.cpp, with its errors of rounding."""
    center = wp.vec2(0.0, 0.0)
    area = float(0.0)
    for i in range(4):
        a = box_corner(box, i)
        b = box_corner(box, wp.where(i < 3, i + 1, 0))
        triangle = 0.5 * cross(a, b)
        area += triangle
        center += triangle * _THIRD * (a + b)
    return (1.0 / area) * center


@wp.func
def box_polygon(box: wp.vec4) -> Polygon:
    """The outline of a box of the ground."""
    polygon = Polygon()
    polygon.count = 4
    polygon.centroid = box_centroid(box)
    polygon.pose.rotation = wp.vec2(1.0, 0.0)
    for i in range(4):
        v = box_corner(box, i)
        n = box_normal(box, i)
        polygon.vertices[i, 0] = v[0]
        polygon.vertices[i, 1] = v[1]
        polygon.normals[i, 0] = n[0]
        polygon.normals[i, 1] = n[1]
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
def keep_deep(manifold: Manifold, segment: Clip, depth_0: float, depth_1: float) -> Manifold:
    """Put those ends of a segment into a manifold that lie at most two skins before a face."""
    deep_0 = depth_0 <= TOTAL_RADIUS
    deep_1 = depth_1 <= TOTAL_RADIUS
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
    edge = unit(v2 - v1)
    edge_normal = right_normal(edge)
    front = wp.dot(edge_normal, to_world(pose, robot.centroid[body]) - v1) >= 0.0
    side = wp.where(front, edge_normal, -edge_normal)
    count = robot.vertex_count[body]

    # Separation along the normal of the edge, then along the normals of the polygon.
    edge_separation = float(1.0e30)
    for i in range(count):
        v = to_world(pose, robot.vertices[body, i])
        edge_separation = wp.min(edge_separation, wp.dot(side, v - v1))
    if edge_separation > TOTAL_RADIUS:
        return manifold
    polygon_separation = float(-1.0e30)
    face = int(0)
    incident = int(0)
    most_opposed = float(1.0e30)
    for i in range(count):
        v = to_world(pose, robot.vertices[body, i])
        n = rotate(pose.rotation, robot.normals[body, i])
        s = wp.min(wp.dot(-n, v - v1), wp.dot(-n, v - v2))
        if s > TOTAL_RADIUS:
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
    manifold = keep_deep(
        manifold,
        segment,
        wp.dot(face_normal, segment.point_0 - face_start),
        wp.dot(face_normal, segment.point_1 - face_start),
    )
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
def corner_in_world(polygon: Polygon, i: int) -> wp.vec2:
    """Corner i of a polygon in world coordinates."""
    return to_world(polygon.pose, corner(polygon, i))


@wp.func
def side_separation(first: Polygon, side: int, second: Polygon) -> float:
    """How far `second` lies in front of a side of `first` (b2EdgeSeparation)."""
    world_normal = rotate(first.pose.rotation, normal(first, side))
    local_normal = rotate_back(second.pose.rotation, world_normal)
    deepest = int(0)
    least = float(MAX_FLOAT)
    for i in range(second.count):
        along = wp.dot(corner(second, i), local_normal)
        if along < least:
            least = along
            deepest = i
    return wp.dot(corner_in_world(second, deepest) - corner_in_world(first, side), world_normal)


@wp.func
def best_side(first: Polygon, second: Polygon) -> Side:
    """The side of `first` with the largest separation, by Box2D's local search."""
    # Start at the side that faces the other polygon's centre.
    toward = rotate_back(
        first.pose.rotation,
        to_world(second.pose, second.centroid) - to_world(first.pose, first.centroid),
    )
    best = Side()
    most = float(-MAX_FLOAT)
    for i in range(first.count):
        along = wp.dot(normal(first, i), toward)
        if along > most:
            most = along
            best.index = i
    # Choose a direction: to the side before or to the side after.
    last = first.count - 1
    best.separation = side_separation(first, best.index, second)
    before = wp.where(best.index > 0, best.index - 1, last)
    after = wp.where(best.index < last, best.index + 1, 0)
    separation_before = side_separation(first, before, second)
    separation_after = side_separation(first, after, second)
    step = int(0)
    if separation_before > best.separation and separation_before > separation_after:
        step = int(-1)
        best.index = before
        best.separation = separation_before
    elif separation_after > best.separation:
        step = int(1)
        best.index = after
        best.separation = separation_after
    # Go on in that direction as long as the separation grows.
    climbing = step != 0
    while climbing:
        candidate = best.index + step
        if candidate < 0:
            candidate = last
        if candidate > last:
            candidate = int(0)
        separation = side_separation(first, candidate, second)
        climbing = separation > best.separation
        if climbing:
            best.index = candidate
            best.separation = separation
    return best


@wp.func
def collide_box(robot: Robot, body: int, pose: Pose, box: wp.vec4) -> Manifold:
    """Manifold of a box of the ground and a body, or one without points (b2CollidePolygons)."""
    # Separation along the normals of the box, then along those of the body.
    manifold = Manifold()
    ground = box_polygon(box)
    walker = body_polygon(robot, body, pose)
    ground_side = best_side(ground, walker)
    if ground_side.separation > TOTAL_RADIUS:
        return manifold
    walker_side = best_side(walker, ground)
    if walker_side.separation > TOTAL_RADIUS:
        return manifold

    # The shape that separates more has the reference side.
    on_ground = walker_side.separation <= (
        _PREFER_FIRST_FACTOR * ground_side.separation + _PREFER_FIRST_OFFSET
    )
    if on_ground:
        reference = ground
        other = walker
        side = ground_side.index
    else:
        reference = walker
        other = ground
        side = walker_side.index

    # The segment is the side of the other polygon that faces the reference side most.
    opposite = rotate_back(
        other.pose.rotation, rotate(reference.pose.rotation, normal(reference, side))
    )
    incident = int(0)
    most_opposed = float(MAX_FLOAT)
    for i in range(other.count):
        opposed = wp.dot(opposite, normal(other, i))
        if opposed < most_opposed:
            most_opposed = opposed
            incident = i
    after = next_index(other, incident)
    segment = Clip()
    segment.point_0 = corner_in_world(other, incident)
    segment.point_1 = corner_in_world(other, after)
    segment.id_0 = feature_id(side, incident, _FACE, _VERTEX)
    segment.id_1 = feature_id(side, after, _FACE, _VERTEX)

    # Clip the segment to the ends of the reference side.
    end_index = next_index(reference, side)
    start = corner(reference, side)
    end = corner(reference, end_index)
    local_tangent = unit(end - start)
    tangent = rotate(reference.pose.rotation, local_tangent)
    face_normal = right_normal(tangent)
    world_start = to_world(reference.pose, start)
    world_end = to_world(reference.pose, end)
    segment = clip_to_line(segment, -tangent, -wp.dot(tangent, world_start) + TOTAL_RADIUS, side)
    if segment.count < 2:
        return manifold
    segment = clip_to_line(segment, tangent, wp.dot(tangent, world_end) + TOTAL_RADIUS, end_index)
    if segment.count < 2:
        return manifold

    # Keep its deep ends, in the coordinates of the shapes that they belong to.
    front = wp.dot(face_normal, world_start)
    manifold = keep_deep(
        manifold,
        segment,
        wp.dot(face_normal, segment.point_0) - front,
        wp.dot(face_normal, segment.point_1) - front,
    )
    manifold.on_ground = int(on_ground)
    manifold.normal = right_normal(local_tangent)
    manifold.plane = 0.5 * (start + end)
    if on_ground:
        manifold.point_0 = to_body(pose, manifold.point_0)
        manifold.point_1 = to_body(pose, manifold.point_1)
    else:
        manifold.id_0 = swapped_id(manifold.id_0)
        manifold.id_1 = swapped_id(manifold.id_1)
    return manifold
