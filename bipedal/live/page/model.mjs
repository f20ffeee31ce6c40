/**
 * A model's numbers as text and back, its parts out of named arrays, and whether they make a policy.
 * @module
 */

const [INPUTS, OUTPUTS] = [24, 4];
const LONGEST_NAME = 60;
/** As Python's `ObservationNormalizer` and torch's `LayerNorm` have them. */
const [EPSILON, CLIP, NORM_EPSILON] = [1e-8, 10, 1e-5];
/** As in Python's `config.py`: of a layer, of frames shown, of timesteps between the outermost. */
const [WIDEST, MOST_FRAMES, LONGEST_SPAN, MOST_LAYERS] = [4096, 64, 1024, 60];

/** @param {string} text base64 @returns {Uint8Array} */
export const bytesOf = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));

const textOf = ({ buffer, byteOffset, byteLength }) =>
  btoa(Array.from(new Uint8Array(buffer, byteOffset, byteLength), (x) => String.fromCharCode(x)).join(""));

/** Layers with another form of their numbers. */
const withNumbers = (layers, convert) =>
  layers.map((layer) =>
    "weight" in layer
      ? { ...layer, weight: convert(layer.weight), bias: convert(layer.bias) }
      : layer,
  );

/** A model as JSON holds it: float32 in base64. @returns {object} */
export const packModel = (model) => ({
  ...model,
  layers: withNumbers(model.layers, textOf),
  critic: withNumbers(model.critic, textOf),
});

/** @param {object} packed from `packModel`, or from Python @returns {import("./policy.mjs").Model} */
export function unpackModel(packed) {
  const floats = (text) => new Float32Array(bytesOf(text).buffer);
  return {
    ...packed,
    layers: withNumbers(packed.layers, floats),
    critic: withNumbers(packed.critic, floats),
  };
}

/** The layers `net.0`, `net.1` ... of a perceptron; a matrix is a linear one. */
export function layersOf(weights, activation) {
  const numbers = [...weights.keys()]
    .map((name) => /^net\.(\d+)\.weight$/.exec(name)?.[1])
    .filter((number) => number !== undefined)
    .map(Number)
    .sort((a, b) => a - b);
  const given = numbers.map((number) => {
    const weight = weights.get(`net.${number}.weight`);
    const bias = weights.get(`net.${number}.bias`);
    if (bias === undefined) throw new Error("it lacks a bias");
    return weight.shape.length === 2
      ? { kind: "linear", weight, bias }
      : { kind: "norm", epsilon: NORM_EPSILON, weight, bias };
  });
  // An activation follows every hidden linear layer, or the norm after it.
  return given.flatMap((layer, i) => {
    const last = i === given.length - 1;
    const followed = given[i + 1]?.kind === "norm";
    return last || followed ? [layer] : [layer, { kind: activation }];
  });
}

/** What a policy normalises with. @param {number[]} mean @param {number[]} variance */
export function normalizerOf(mean, variance) {
  if (mean.length !== INPUTS || variance.some((x) => !(x >= 0))) {
    throw new Error(`its statistics are not those of ${INPUTS} numbers`);
  }
  return { mean, deviation: variance.map((x) => Math.sqrt(x + EPSILON)), clip: CLIP };
}

/**
 * Whether a model out of a file fits this robot; an error says that it does not.
 * @param {any} model
 * @returns {import("./policy.mjs").Model} nothing but what a policy needs
 */
export function checkModel({ name, layers, critic, normalizer, frames, stride, gain }) {
  const whole = (x, most) => Number.isInteger(x) && 1 <= x && x <= most;
  const finite = (numbers, length) =>
    numbers.length === length && Array.from(numbers).every((x) => Number.isFinite(x));
  const sound =
    typeof name === "string" &&
    whole(frames, MOST_FRAMES) &&
    whole(stride, LONGEST_SPAN) &&
    (frames - 1) * stride < LONGEST_SPAN &&
    Number.isFinite(gain) &&
    finite(normalizer.mean, INPUTS) &&
    finite(normalizer.deviation, INPUTS) &&
    normalizer.deviation.every((x) => x > 0) &&
    normalizer.clip > 0 &&
    isNetwork(layers, frames * INPUTS, OUTPUTS, finite) &&
    isNetwork(critic, frames * INPUTS, 1, finite);
  if (!sound) throw new Error("this model does not fit the robot");
  return { name: name.slice(-LONGEST_NAME), layers, critic, normalizer, frames, stride, gain };
}

/** Whether layers lead from so many numbers to so many. */
function isNetwork(layers, inputs, outputs, finite) {
  let width = inputs;
  if (layers.length > MOST_LAYERS) return false;
  for (const { kind, weight, bias, epsilon } of layers) {
    if (kind === "linear") {
      if (bias.length < 1 || bias.length > WIDEST) return false;
      if (!finite(weight, width * bias.length) || !finite(bias, bias.length)) return false;
      width = bias.length;
    } else if (kind === "norm") {
      if (!finite(weight, width) || !finite(bias, width) || !(epsilon > 0)) return false;
    } else if (kind !== "relu" && kind !== "tanh") {
      return false;
    }
  }
  return width === outputs;
}
