/**
 * What if: another gravity, weaker motors, slippery ground.
 *
 * The kernel knows nothing of this. Gravity is a pull on every body before a step, weak motors are
 * small actions, and grip is a number in the robot's table. So the ordinary world costs nothing
 * and keeps its bits.
 * @module
 */

/**
 * @typedef {object} Conditions
 * @property {number} gravity m/s²
 * @property {number} motors share of the motors' torque, 0 to 1
 * @property {number} grip factor of the friction between robot and ground
 */

/** Gymnasium's. @type {Conditions} */
export const ORDINARY = Object.freeze({ gravity: 10, motors: 1, grip: 1 });

/** Smallest and largest value of each. */
export const CONDITION_RANGES = { gravity: [0, 25], motors: [0, 1], grip: [0, 3] };

/** @param {Conditions} conditions @returns {boolean} whether they are Gymnasium's */
export const isOrdinary = (conditions) =>
  Object.entries(ORDINARY).every(([name, value]) => conditions[name] === value);

/**
 * One step under these conditions.
 * @param {import("./engine.mjs").Walker} walker
 * @param {ArrayLike<number>} action (4,)
 * @param {Conditions} conditions
 * @returns {import("./engine.mjs").Step}
 */
export function stepUnder(walker, action, { gravity, motors }) {
  if (gravity !== ORDINARY.gravity) walker.pull(gravity - ORDINARY.gravity);
  return walker.step(motors === 1 ? action : weaken(action, motors));
}

/** The actions that ask for a share of the torque; a motor takes no more than 1. */
const weaken = (action, motors) =>
  Float32Array.from(action, (x) => motors * Math.min(Math.max(x, -1), 1));
