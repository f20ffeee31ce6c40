/**
 * Change the ground under way: draw its line, put stumps on it.
 *
 * The engine looks for pairs of a body and a piece of ground when a body moves, so a piece may only
 * change where no body is near.
 * @module
 */

/** m, around a body, in which the ground stays: more than both margins of Box2D's fat boxes. */
const CLEARANCE = 0.5;
/** Lowest and highest ground that can be drawn, m. */
export const GROUND_RANGE = [-2, 9];

/**
 * Whether no body is near the ground from one x to another.
 * @param {import("./engine.mjs").Walker} walker
 * @param {number} left m
 * @param {number} right m
 * @returns {boolean}
 */
export const isFree = (walker, left, right) =>
  walker.structs.body.every(
    ({ fat_box }) => fat_box[2] + CLEARANCE < left || right < fat_box[0] - CLEARANCE,
  );

/**
 * Whether a vertex of the ground line may move.
 * @param {import("./engine.mjs").Walker} walker
 * @param {number} vertex
 * @returns {boolean}
 */
export function isVertexFree(walker, vertex) {
  const step = walker.layout.constants.TERRAIN_STEP;
  const { length } = walker.arrays.height;
  const exists = vertex >= 0 && vertex < length;
  return exists && isFree(walker, (vertex - 1) * step, (vertex + 1) * step);
}

/**
 * Move vertices of the ground line; those that are not free stay.
 * @param {import("./engine.mjs").Walker} walker
 * @param {number} first the first vertex
 * @param {number[]} heights m
 */
export function setHeights(walker, first, heights) {
  heights.forEach((height, i) => {
    if (isVertexFree(walker, first + i)) walker.arrays.height[first + i] = height;
  });
}

/**
 * Put a box (a stump) on the ground, unless a body is near, there are too many boxes, or it would
 * stand inside another: the engine needs them in order from left to right.
 * @param {import("./engine.mjs").Walker} walker
 * @param {number[]} sides left, bottom, right, top in m
 * @returns {boolean} whether it stands
 */
export function addBox(walker, sides) {
  const { arrays } = walker;
  const box = Float32Array.from(sides);
  const most = arrays.box.length / 4;
  const count = arrays.box_count[0];
  const sideOf = (i, side) => arrays.box[4 * i + side];
  let place = 0;
  while (place < count && sideOf(place, 0) <= box[0]) place += 1;
  const nested =
    (place > 0 && sideOf(place - 1, 2) > box[2]) || (place < count && sideOf(place, 2) < box[2]);
  if (count === most || nested || !isFree(walker, box[0], box[2])) return false;
  arrays.box.copyWithin(4 * place + 4, 4 * place, 4 * count);
  arrays.box.set(box, 4 * place);
  arrays.box_count[0] = count + 1;
  // Contacts name pieces by number: boxes first, then the edges of the line.
  for (const { ground } of walker.structs.contact.slice(0, arrays.contact_count[0])) {
    if (ground[0] >= place && ground[0] < most) ground[0] += 1;
  }
  indexBoxes(walker);
  return true;
}

/** Fill `first_box`, as `index_boxes` in terrain.py does. */
function indexBoxes({ arrays, layout }) {
  const step = Math.fround(layout.constants.TERRAIN_STEP);
  let first = 0;
  arrays.first_box.forEach((_, column) => {
    const x = Math.fround((column - 1) * step);
    while (first < arrays.box_count[0] && arrays.box[4 * first + 2] < x) first += 1;
    arrays.first_box[column] = first;
  });
}
