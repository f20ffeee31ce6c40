/**
 * A model from its files: one of safetensors, or weights as `torch.save` writes them and pickled
 * statistics.
 * @module
 */

import { readArchive } from "./archive.mjs";
import { checkModel, layersOf, normalizerOf } from "./model.mjs";
import { Made, Name, Outside, readPickle } from "./pickle.mjs";
import { parseSingleFile } from "./single_file.mjs";

const MOST_BYTES = 50_000_000;
/** Of the modules in which statistics may find their names. */
const STATISTICS = /^gymnasium\.wrappers\.(utils|normalize)\.RunningMeanStd$/;
const ARRAY = /^numpy\.(_core|core)\.multiarray\._reconstruct$/;
const BUFFER = /^numpy\.(_core|core)\.numeric\._frombuffer$/;
const TENSOR = "torch._utils._rebuild_tensor_v2";
const FLOATS = { "torch.FloatStorage": Float32Array, "torch.DoubleStorage": Float64Array };

/**
 * @param {string} name for the page
 * @param {Uint8Array} weights contents of the .safetensors or the .pth
 * @param {Uint8Array} [statistics] contents of the _stats.pkl, which goes with a .pth
 * @returns {Promise<import("./policy.mjs").Model>}
 */
export async function readModel(name, weights, statistics) {
  if (weights.length > MOST_BYTES) throw new Error("it is too large for a model of this robot");
  try {
    const parts =
      statistics === undefined ? parseSingleFile(weights) : await parsePair(weights, statistics);
    return checkModel({ name, ...parts, gain: 1 });
  } catch (error) {
    // Nonsense in a file surfaces as one of JavaScript's own errors.
    throw error.constructor === Error ? error : new Error("it is damaged");
  }
}

/** What the two files hold, as `checkModel` takes it. */
async function parsePair(weights, statistics) {
  const contents = readWeights(weights);
  await checkPair(contents, statistics);
  const activation = contents.get("activation") ?? "relu";
  const [frames, stride] = contents.get("memory") ?? [1, 1];
  return {
    layers: layersOf(contents.get("policy"), activation),
    critic: layersOf(contents.get("critic"), activation),
    normalizer: readStatistics(statistics),
    ...{ frames, stride },
  };
}

/** The items of a dictionary, also of an ordered one. */
function itemsOf(value) {
  if (value instanceof Made && value.name === "collections.OrderedDict") return value.items;
  if (value instanceof Map) return value;
  throw new Error("it does not hold the weights of a policy and a critic");
}

/** Say so where statistics are not those that the weights were saved with. */
async function checkPair(contents, statistics) {
  const expected = contents.get("statistics_sha256");
  if (expected === undefined || globalThis.crypto?.subtle === undefined) return;
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", statistics));
  const found = Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
  if (found !== expected) throw new Error("these are not the statistics it was saved with");
}

// Weights ------------------------------------------------------------------------------------------

/** What a .pth holds: plain values and tensors as `Float32Array` with a `shape`. */
function readWeights(bytes) {
  const entries = readArchive(bytes);
  const program = [...entries.keys()].find((name) => /^[^/]*\/data\.pkl$/.test(name));
  if (program === undefined) throw new Error("it is not a model file");
  const folder = program.split("/")[0];
  const contents = readPickle(entries.get(program));
  if (!(contents instanceof Map)) throw new Error("it does not hold the dictionary of a model");
  for (const key of ["policy", "critic"]) {
    const tensors = [...itemsOf(contents.get(key))].map(([name, value]) => [
      name,
      makeTensor(value, folder, entries),
    ]);
    contents.set(key, new Map(tensors));
  }
  return contents;
}

/** A tensor of the numbers that lie beside the pickle. */
function makeTensor(made, folder, entries) {
  const [storage, offset, shape, stride] = made instanceof Made ? made.given : [];
  const [, kind, key] = storage instanceof Outside ? storage.id : [];
  const Kind = kind instanceof Name ? FLOATS[kind.text] : undefined;
  if (made?.name !== TENSOR || Kind === undefined) {
    throw new Error("it holds more than plain weights, which may be code; nothing of it was run");
  }
  const contiguous = shape.map((_, i) => shape.slice(i + 1).reduce((a, b) => a * b, 1));
  const length = shape.reduce((a, b) => a * b, 1);
  const data = entries.get(`${folder}/data/${key}`);
  const size = Kind.BYTES_PER_ELEMENT;
  const fits = data !== undefined && offset >= 0 && (offset + length) * size <= data.length;
  const dense = stride.every((step, i) => shape[i] === 1 || step === contiguous[i]);
  if (!fits || !dense) throw new Error("its weights are damaged");
  const bytes = data.slice(offset * size, (offset + length) * size);
  return Object.assign(Float32Array.from(new Kind(bytes.buffer)), { shape });
}

// Statistics ---------------------------------------------------------------------------------------

/** Mean and deviation of a pickled RunningMeanStd. */
function readStatistics(bytes) {
  const made = readPickle(bytes);
  if (!(made instanceof Made) || !STATISTICS.test(made.name) || !(made.state instanceof Map)) {
    throw new Error("its statistics are not gymnasium's RunningMeanStd");
  }
  return normalizerOf(numbersOf(made.state.get("mean")), numbersOf(made.state.get("var")));
}

/** The numbers of a numpy array, pickled in either of two ways. */
function numbersOf(made) {
  const given = made instanceof Made ? made.given : [];
  const [data, dtype] = BUFFER.test(made?.name)
    ? given
    : ARRAY.test(made?.name)
      ? [made.state?.[4], made.state?.[2]]
      : [];
  const [name] = dtype instanceof Made && dtype.name === "numpy.dtype" ? dtype.given : [];
  const little = dtype?.state?.[1] !== ">";
  const width = { f4: 4, f8: 8 }[name];
  if (width === undefined) throw new Error("its statistics are no arrays of floats");
  const bytes = bytesOfPickled(data);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const read = (at) => (width === 8 ? view.getFloat64(at, little) : view.getFloat32(at, little));
  return Array.from({ length: bytes.length / width }, (_, i) => read(width * i));
}

/** Bytes in a pickle; old protocols write them as a text of latin letters. */
function bytesOfPickled(value) {
  if (value instanceof Uint8Array) return value;
  const [text, encoding] = value instanceof Made && value.name === "_codecs.encode" ? value.given : [];
  if (typeof text !== "string" || encoding !== "latin1") throw new Error("its statistics are damaged");
  return Uint8Array.from(text, (letter) => letter.charCodeAt(0));
}
