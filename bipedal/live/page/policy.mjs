/**
 * A policy from the numbers in its model: the greedy actions of Python's `Policy.act`.
 *
 * The network is computed in float64 and the action rounded once to float32, as in Python.
 * @module
 */

/**
 * @typedef {{kind: "linear", weight: Float32Array, bias: Float32Array}
 *   | {kind: "norm", weight: Float32Array, bias: Float32Array, epsilon: number}
 *   | {kind: "relu"} | {kind: "tanh"}} Layer
 * @typedef {object} Model
 * @property {string} name
 * @property {Layer[]} layers of the actor
 * @property {Layer[]} critic
 * @property {{mean: number[], deviation: number[], clip: number}} normalizer
 * @property {number} frames observations shown at once
 * @property {number} stride timesteps from one of them to the one before
 * @property {number} gain
 */

/**
 * @param {ArrayLike<number>} input
 * @param {Layer} layer
 * @returns {ArrayLike<number>}
 */
function apply(input, layer) {
  if (layer.kind === "linear") return linear(input, layer);
  if (layer.kind === "norm") return normalize(input, layer);
  return Float64Array.from(input, layer.kind === "relu" ? (x) => Math.max(x, 0) : Math.tanh);
}

function linear(input, { weight, bias }) {
  return Float64Array.from(bias, (start, row) => {
    let sum = 0;
    const first = row * input.length;
    for (let i = 0; i < input.length; i++) sum += weight[first + i] * input[i];
    return sum + start;
  });
}

function normalize(input, { weight, bias, epsilon }) {
  const mean = input.reduce((sum, x) => sum + x, 0) / input.length;
  const variance = input.reduce((sum, x) => sum + (x - mean) ** 2, 0) / input.length;
  const deviation = Math.sqrt(variance + epsilon);
  return input.map((x, i) => ((x - mean) / deviation) * weight[i] + bias[i]);
}

/** One player of a model; it remembers the episode that it plays. */
export class Policy {
  /** @param {Model} model */
  constructor(model) {
    this.model = model;
    this._span = (model.frames - 1) * model.stride + 1;
    /** @type {ArrayLike<number>[]} the recent observations, the latest last */
    this._history = [];
  }

  /** Forget the episode that was played. */
  restart() {
    this._history = [];
  }

  /** What `setState` takes. @returns {ArrayLike<number>[]} */
  state() {
    return this._history.slice();
  }

  /** @param {ArrayLike<number>[]} state */
  setState(state) {
    this._history = state.slice();
  }

  /**
   * The greedy action for the next observation of the episode.
   * @param {Float32Array} observation (24,), raw
   * @returns {Float32Array} (4,)
   */
  act(observation) {
    // An episode's first observation stands in for those that never were.
    while (this._history.length < this._span) this._history.push(observation);
    this._history.push(observation);
    this._history.shift();
    const output = this.model.layers.reduce(apply, this._input());
    return Float32Array.from(output, (x) => Math.tanh(this.model.gain * x));
  }

  /**
   * What the critic expects from the last observation on, in its own units: discounted, scaled.
   * @returns {number} NaN before the first
   */
  value() {
    return this._history.length === 0 ? NaN : this.model.critic.reduce(apply, this._input())[0];
  }

  /** What a network is shown: normalised observations, the latest first. */
  _input() {
    const { frames, stride, normalizer } = this.model;
    const { mean, deviation, clip } = normalizer;
    const shown = [];
    for (let frame = 0; frame < frames; frame++) {
      const observation = this._history[this._span - 1 - frame * stride];
      for (let i = 0; i < mean.length; i++) {
        const scaled = (observation[i] - mean[i]) / deviation[i];
        shown.push(Math.fround(Math.min(Math.max(scaled, -clip), clip)));
      }
    }
    return Float64Array.from(shown);
  }
}
