/**
 * What each robot did, timestep by timestep: for the diagrams that run along, and for the gait.
 * @module
 */

/** m, of a leg: half its height, from its centre of mass to either end. */
const HALF_LEG = 34 / 30 / 2;
const [UPPER_LEGS, LOWER_LEGS] = [[1, 3], [2, 4]];

/**
 * @typedef {object} Moment
 * @property {boolean[]} feet which lower legs touch the ground
 * @property {boolean[]} uppers which upper legs do
 * @property {Float32Array} action
 * @property {number} value
 * @property {[number, number]} hull m
 * @property {number} clearance m, of the hull over the ground
 * @property {{x: number, foot: number, knee: number, angle: number}[]} legs of each lower leg: x of
 *   its tip, heights of its tip and of its knee over the ground, angle from the vertical
 */

/** @param {import("./race.mjs").Runner} runner @returns {Moment} */
export function observeMoment({ walker, action, value }) {
  const { contact, body } = walker.structs;
  const touching = new Set(
    contact
      .slice(0, walker.arrays.contact_count[0])
      .filter((one) => one.touching[0] === 1)
      .map((one) => one.body[0]),
  );
  const hull = walker.hull;
  return {
    feet: LOWER_LEGS.map((leg) => touching.has(leg)),
    uppers: UPPER_LEGS.map((leg) => touching.has(leg)),
    action,
    value,
    hull,
    clearance: hull[1] - heightAt(walker, hull[0]),
    legs: LOWER_LEGS.map((leg) => observeLeg(walker, body[leg])),
  };
}

function observeLeg(walker, { center, angle, rotation }) {
  const [cosine, sine] = rotation;
  const [right, up] = [HALF_LEG * sine, -HALF_LEG * cosine];
  const overGround = (x, y) => y - heightAt(walker, x);
  return {
    x: center[0] + right,
    foot: overGround(center[0] + right, center[1] + up),
    knee: overGround(center[0] - right, center[1] - up),
    angle: angle[0],
  };
}

/**
 * The highest ground at a place.
 * @param {import("./engine.mjs").Walker} walker
 * @param {number} x m
 * @returns {number} m
 */
export function heightAt({ arrays, layout }, x) {
  const { height, box, box_count } = arrays;
  const at = Math.min(Math.max(x / layout.constants.TERRAIN_STEP, 0), height.length - 1);
  const left = Math.min(Math.floor(at), height.length - 2);
  let top = height[left] + (at - left) * (height[left + 1] - height[left]);
  for (let i = 0; i < box_count[0]; i++) {
    if (box[4 * i] <= x && x <= box[4 * i + 2]) top = Math.max(top, box[4 * i + 3]);
  }
  return top;
}

/** The moments of every robot, by time. */
export class Recorder {
  constructor(runners) {
    this._moments = runners.map(() => []);
  }

  /** Note the present; a time that is played again is noted again. */
  note(runners, time) {
    runners.forEach((runner, i) => (this._moments[i][time] = observeMoment(runner)));
  }

  /**
   * The moments of a robot up to a time.
   * @param {number} number
   * @param {number} time
   * @param {number} most how many, the latest
   * @returns {Moment[]}
   */
  recent(number, time, most) {
    return this._moments[number].slice(Math.max(0, time + 1 - most), time + 1);
  }
}
