/**
 * What a visitor does to the robots, as lists of numbers that can be kept, sent and done again.
 *
 * An event is [time, kind, ...numbers]: the timestep after which it happens, one of `KINDS`, and
 * what the kind needs.
 * @module
 */

import { throwBall } from "./ball.mjs";
import { CONDITION_RANGES, isOrdinary } from "./conditions.mjs";
import { GROUND_RANGE, addBox, setHeights } from "./ground.mjs";

/** @typedef {[number, string, ...number[]]} Event */

/** m, m/s and N s: no number of an event is larger. */
const LARGEST = 1000;
const MOST_VERTICES = 200;
const MOST_MODELS = 4;

const isWithin = (value, [low, high]) => low <= value && value <= high;
const isWhole = (value, low, high) => Number.isInteger(value) && isWithin(value, [low, high]);

const lawsOf = ([gravity, motors, grip]) => ({ gravity, motors, grip });

/** Of each kind: whether its numbers make sense, and what it does to one runner. */
const KINDS = {
  /** Runner, impulse in N s, point in m. */
  push: {
    sound: (given) => given.length === 5 && isWhole(given[0], 0, MOST_MODELS - 1),
    apply: (runner, [number, x, y, ...at]) => {
      if (runner.number === number) runner.walker.push([x, y], at);
    },
  },
  /** First vertex, heights in m. */
  ground: {
    sound: ([first, ...heights]) =>
      isWhole(first, 0, MOST_VERTICES - 1) &&
      isWhole(heights.length, 1, MOST_VERTICES) &&
      heights.every((height) => isWithin(height, GROUND_RANGE)),
    apply: (runner, [first, ...heights]) => setHeights(runner.walker, first, heights),
  },
  /** Left, bottom, right, top in m. */
  stump: {
    sound: (given) => given.length === 4 && given[0] < given[2] && given[1] < given[3],
    apply: (runner, box) => addBox(runner.walker, box),
  },
  /** Gravity, motors, grip, see `conditions`. */
  world: {
    sound: (given) =>
      given.length === 3 &&
      Object.values(CONDITION_RANGES).every((range, i) => isWithin(given[i], range)),
    apply: (runner, values) => runner.setConditions(lawsOf(values)),
  },
  /** Runner, bits of the keys that drive it; -1 where its model does. */
  keys: {
    sound: (given) =>
      given.length === 2 && isWhole(given[0], 0, MOST_MODELS - 1) && isWhole(given[1], -1, 15),
    apply: (runner, [number, held]) => {
      if (runner.number === number) runner.held = held;
    },
  },
  /** Where from in m, velocity in m/s. */
  throw: {
    sound: (given) => given.length === 4,
    apply: (runner, [x, y, ...velocity]) => {
      runner.balls = [...runner.balls, throwBall([x, y], velocity)];
    },
  },
};

/** A number as events have it: of three decimals, so that a link stays short. */
const rounded = (value) => Math.round(value * 1000) / 1000;

/** @param {number} time @param {string} kind @param {number[]} numbers @returns {Event} */
export const makeEvent = (time, kind, numbers) => [time, kind, ...numbers.map(rounded)];

/** @param {import("./race.mjs").Runner} runner @param {Event} event */
export const applyEvent = (runner, [, kind, ...numbers]) => KINDS[kind].apply(runner, numbers);

/** Whether a value out of a file is an event. @param {unknown} value @returns {boolean} */
export function isEvent(value) {
  if (!Array.isArray(value)) return false;
  const [time, kind, ...numbers] = value;
  return (
    isWhole(time, 0, 10_000) &&
    typeof kind === "string" &&
    Object.hasOwn(KINDS, kind) &&
    numbers.every((x) => typeof x === "number" && Math.abs(x) <= LARGEST) &&
    KINDS[kind].sound(numbers)
  );
}

/** What each kind makes of the world, in a few words. */
const TRACES = {
  ground: "drawn ground",
  stump: "new stumps",
  push: "pushed",
  throw: "balls thrown",
  keys: "joints taken over",
};

/**
 * Whether this is still Gymnasium's world, and what is different in a few words.
 *
 * Who pushes a robot disturbs an episode of Gymnasium's world. Who changes the ground or the laws
 * makes another world.
 * @param {import("./race.mjs").Start} start
 * @param {Event[]} events up to now
 * @returns {{world: "ordinary" | "disturbed" | "other", changes: string[]}}
 */
export function describeWorld({ difficulty }, events) {
  const kinds = new Set(events.map(([, kind]) => kind));
  const laws = events.some(([, kind, ...values]) => kind === "world" && !isOrdinary(lawsOf(values)));
  const other = [
    ...(difficulty === null ? [] : ["its own kind of ground"]),
    ...(laws ? ["other laws"] : []),
    ...["ground", "stump"].filter((kind) => kinds.has(kind)).map((kind) => TRACES[kind]),
  ];
  const disturbed = ["push", "throw", "keys"].filter((kind) => kinds.has(kind));
  const changes = [...other, ...disturbed.map((kind) => TRACES[kind])];
  const world = other.length > 0 ? "other" : disturbed.length > 0 ? "disturbed" : "ordinary";
  return { world, changes };
}
