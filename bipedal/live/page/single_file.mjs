/**
 * A model from one safetensors file: weights, statistics and what it says of itself.
 * @module
 */

import { layersOf, normalizerOf } from "./model.mjs";

const MOST_HEADER_BYTES = 2 ** 18;
const FLOATS = { F32: Float32Array, F64: Float64Array };

/** What the file holds, as `checkModel` takes it. @param {Uint8Array} bytes @returns {object} */
export function parseSingleFile(bytes) {
  const size = new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true);
  if (size > MOST_HEADER_BYTES) throw new Error("it is not a model file");
  const start = 8 + Number(size);
  const header = new Map(Object.entries(JSON.parse(new TextDecoder().decode(bytes.slice(8, start)))));
  const said = new Map(Object.entries(header.get("__metadata__") ?? {}));
  header.delete("__metadata__");
  const parts = { policy: new Map(), critic: new Map(), statistics: new Map() };
  for (const [full, facts] of header) {
    const [, part, rest] = /^(policy|critic|statistics)\.(.*)$/.exec(full) ?? [];
    if (part !== undefined) parts[part].set(rest, makeTensor(bytes.slice(start), facts));
  }
  const activation = JSON.parse(said.get("activation") ?? '"relu"');
  const [frames, stride] = JSON.parse(said.get("memory") ?? "[1, 1]");
  return {
    layers: layersOf(parts.policy, activation),
    critic: layersOf(parts.critic, activation),
    normalizer: normalizerOf([...parts.statistics.get("mean")], [...parts.statistics.get("var")]),
    ...{ frames, stride },
  };
}

/** Weights as float32, statistics as float64, with a `shape`. */
function makeTensor(data, { dtype, shape, data_offsets: [begin, end] }) {
  const Kind = FLOATS[dtype];
  if (Kind === undefined) throw new Error("it holds other numbers than float32 and float64");
  const length = shape.reduce((a, b) => a * b, 1);
  if (end > data.length || end - begin !== length * Kind.BYTES_PER_ELEMENT) {
    throw new Error("its weights are damaged");
  }
  return Object.assign(new Kind(data.slice(begin, end).buffer), { shape });
}
