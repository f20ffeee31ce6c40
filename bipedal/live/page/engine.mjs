/**
 * The walker's world: the engine's own kernel, compiled to WebAssembly.
 *
 * Bodies: hull, upper leg 0, lower leg 0, upper leg 1, lower leg 1. Joints: hip 0, knee 0, hip 1,
 * knee 1. Lengths in m, angles in rad.
 * @module
 */

import { makeGenerator } from "./seeding.mjs";

/** @typedef {[number, number]} Point x and y in m */
/**
 * @typedef {object} Step
 * @property {Float32Array} observation (24,)
 * @property {number} reward
 * @property {boolean} terminated the robot fell or reached the far end
 * @property {boolean} truncated the episode is at its time limit
 */

const HULL = 0;
const NUM_BODIES = 5;
const LIDAR_RAYS = 10;
const FIRST_LIDAR = 14;

const TYPES = {
  uint8: Uint8Array,
  int32: Int32Array,
  uint32: Uint32Array,
  uint64: BigUint64Array,
  float32: Float32Array,
  float64: Float64Array,
};

/**
 * Compile the engine once; `new Walker(module)` then takes no time.
 * @param {BufferSource} bytes of `engine.wasm`
 * @returns {Promise<WebAssembly.Module>}
 */
export const compileEngine = (bytes) => WebAssembly.compile(bytes);

/** One robot in its world. */
export class Walker {
  /** @param {WebAssembly.Module} module from `compileEngine` */
  constructor(module) {
    const [section] = WebAssembly.Module.customSections(module, "layout");
    this.layout = JSON.parse(new TextDecoder().decode(section));
    const instance = new WebAssembly.Instance(module);
    this._engine = instance.exports;
    this._engine.connect();
    this._world = this._engine.world();
    const [from, to] = this.layout.state;
    this._state = new Uint8Array(this._engine.memory.buffer, this._world + from, to - from);
    /** The engine's arrays by name, for example `observation`: its own memory, not copies. */
    this.arrays = Object.fromEntries(
      Object.entries(this.layout.arrays).map(([name, place]) => [name, this._view(0, place)]),
    );
    /** Its arrays of structs by name, for example `body`: one object of such arrays a row. */
    this.structs = Object.fromEntries(
      Object.keys(this.layout.structs).map((name) => [name, this._rows(name)]),
    );
    this._timeLimit = 0;
    this._friction = this.arrays.friction.slice();
  }

  _view(start, [offset, type, length]) {
    return new TYPES[type](this._engine.memory.buffer, this._world + start + offset, length);
  }

  _rows(name) {
    const { offset, stride, count, fields } = this.layout.structs[name];
    return Array.from({ length: count }, (_, row) =>
      Object.fromEntries(
        Object.entries(fields).map(([field, place]) => [
          field,
          this._view(offset + row * stride, place),
        ]),
      ),
    );
  }

  /**
   * Begin an episode: that of Gymnasium's `reset(seed=seed)`.
   * @param {number | bigint} seed a whole number, not negative
   * @param {boolean} hardcore BipedalWalkerHardcore-v3 rather than BipedalWalker-v3
   * @param {ArrayLike<number> | null} difficulty (11,), of `Difficulty` in terrain.py; by default
   *   that of Gymnasium's environment
   * @returns {Float32Array} the observation (24,)
   */
  reset(seed, hardcore = false, difficulty = null) {
    const big = BigInt(seed);
    if (big < 0n) throw new RangeError(`a seed must not be negative: ${seed}`);
    const id = hardcore ? "BipedalWalkerHardcore-v3" : "BipedalWalker-v3";
    this.arrays.difficulty.set(difficulty ?? this.layout.difficulty[id]);
    this._timeLimit = this.layout.timeLimit[id];
    const [generator] = this.structs.generator;
    for (const [name, value] of Object.entries(makeGenerator(big))) generator[name][0] = value;
    generator.kept[0] = 0;
    generator.has_kept[0] = 0;
    this._advance(true);
    return this.arrays.observation.slice();
  }

  /**
   * Apply an action for a fiftieth of a second. As in Gymnasium an episode goes on after its end.
   * @param {ArrayLike<number>} action (4,), rounded to float32
   * @returns {Step}
   */
  step(action) {
    if (this._timeLimit === 0) throw new Error("reset comes before the first step");
    if (action.length !== 4 || Array.from(action).some(Number.isNaN)) {
      throw new TypeError("an action is four numbers");
    }
    this.arrays.actions.set(action);
    this._advance(false);
    return {
      observation: this.arrays.observation.slice(),
      reward: this.arrays.reward[0],
      terminated: this.arrays.terminated[0] === 1,
      truncated: this.arrays.truncated[0] === 1,
    };
  }

  _advance(resetting) {
    this._engine.advance(Number(resetting), this._timeLimit);
    const { overflow } = this.arrays;
    if (overflow[0] !== 0) {
      const bit = Math.log2(overflow[0] & -overflow[0]);
      overflow[0] = 0;
      throw new Error(this.layout.overflow[bit]);
    }
  }

  /**
   * Everything needed to go on exactly from here.
   * @returns {{bytes: Uint8Array, timeLimit: number}}
   */
  state() {
    return { bytes: this._state.slice(), timeLimit: this._timeLimit };
  }

  /** @param {{bytes: Uint8Array, timeLimit: number}} state from `state`, of any walker */
  setState(state) {
    this._state.set(state.bytes);
    this._timeLimit = state.timeLimit;
  }

  /**
   * Push a body, between two steps.
   * @param {Point} impulse N s
   * @param {Point} at where; by default the centre of mass
   * @param {number} body by default the hull
   */
  push([x, y], at = undefined, body = HULL) {
    const { center, velocity, spin, sleep_time } = this.structs.body[body];
    const mass = this.arrays.inverse_mass[body];
    velocity[0] += mass * x;
    velocity[1] += mass * y;
    if (at !== undefined) {
      const turn = (at[0] - center[0]) * y - (at[1] - center[1]) * x;
      spin[0] += this.arrays.inverse_inertia[body] * turn;
    }
    sleep_time[0] = 0;
  }

  /**
   * Pull at every body for the next step, as a change of gravity does: Box2D, too, adds gravity to
   * the velocities before it solves for the constraints.
   * @param {number} gravity m/s², downwards, on top of the ordinary
   */
  pull(gravity) {
    for (const { velocity } of this.structs.body) {
      velocity[1] -= gravity / this.layout.constants.FPS;
    }
  }

  /** Change the friction between robot and ground. @param {number} factor of the ordinary */
  setGrip(factor) {
    this.arrays.friction.set(this._friction.map((friction) => friction * factor));
  }

  /** Distance walked, in m. @returns {number} */
  get distance() {
    return this.hull[0] - this.arrays.start_x[0];
  }

  /** Timesteps of the episode so far. @returns {number} */
  get steps() {
    return this.arrays.steps[0];
  }

  /** Horizontal speed of the hull, m/s. @returns {number} */
  get speed() {
    return this.structs.body[HULL].velocity[0];
  }

  /** The hull's origin. @returns {Point} */
  get hull() {
    return this._toWorld(HULL, 0, 0);
  }

  /** A point of a body, given relative to its origin. @returns {Point} */
  _toWorld(body, x, y) {
    const { center, rotation } = this.structs.body[body];
    const [cosine, sine] = rotation;
    const right = x - this.arrays.local_center[2 * body];
    const up = y - this.arrays.local_center[2 * body + 1];
    return [center[0] + cosine * right - sine * up, center[1] + sine * right + cosine * up];
  }

  /** Centre of mass and angle of every body. @returns {{center: Point, angle: number}[]} */
  poses() {
    return this.structs.body.map(({ center, angle }) => ({
      center: /** @type {Point} */ ([...center]),
      angle: angle[0],
    }));
  }

  /** Corners of every body. @returns {Point[][]} */
  outlines() {
    const { vertices, vertex_count } = this.arrays;
    const widest = vertices.length / 2 / NUM_BODIES;
    return Array.from(vertex_count, (count, body) =>
      Array.from({ length: count }, (_, i) => {
        const at = 2 * (body * widest + i);
        return this._toWorld(body, vertices[at], vertices[at + 1]);
      }),
    );
  }

  /** Where the four joints are. @returns {Point[]} */
  joints() {
    const { body_a, anchor_a } = this.arrays;
    return Array.from(body_a, (body, joint) => {
      const { center, rotation } = this.structs.body[body];
      const [cosine, sine] = rotation;
      const [x, y] = anchor_a.subarray(2 * joint, 2 * joint + 2);
      return [center[0] + cosine * x - sine * y, center[1] + sine * x + cosine * y];
    });
  }

  /** Where bodies touch the ground. @returns {{body: number, point: Point}[]} */
  contacts() {
    const found = [];
    for (const contact of this.structs.contact.slice(0, this.arrays.contact_count[0])) {
      if (contact.touching[0] === 0) continue;
      const body = contact.body[0];
      // The points belong to the shape that does not own the face; the ground is not turned.
      const own = contact["manifold.on_ground"][0] === 1;
      for (let i = 0; i < contact["manifold.count"][0]; i++) {
        const [x, y] = contact[`manifold.point_${i}`];
        found.push({ body, point: own ? this._toWorld(body, x, y) : [x, y] });
      }
    }
    return found;
  }

  /** Where the ten lidar beams begin and end. @returns {{from: Point, to: Point}[]} */
  lidar() {
    const from = this.hull;
    const range = this.layout.constants.LIDAR_RANGE;
    return Array.from({ length: LIDAR_RAYS }, (_, ray) => {
      const angle = (1.5 * ray) / LIDAR_RAYS;
      const length = range * this.arrays.observation[FIRST_LIDAR + ray];
      return {
        from,
        to: [from[0] + Math.sin(angle) * length, from[1] - Math.cos(angle) * length],
      };
    });
  }

  /**
   * The ground: its line, and stumps, stairs and walls of pits as left, bottom, right, top.
   * @returns {{line: Point[], boxes: number[][]}}
   */
  terrain() {
    const { height, box, box_count } = this.arrays;
    const step = this.layout.constants.TERRAIN_STEP;
    return {
      line: Array.from(height, (y, i) => [i * step, y]),
      boxes: Array.from({ length: box_count[0] }, (_, i) => [...box.slice(4 * i, 4 * i + 4)]),
    };
  }
}
