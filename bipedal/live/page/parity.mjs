/**
 * Play episodes that Python has played, and compare every bit of every answer.
 * @module
 */

import { Walker } from "./engine.mjs";
import { Policy } from "./policy.mjs";

/**
 * @typedef {object} Episode
 * @property {string} name
 * @property {number} seed
 * @property {boolean} hardcore
 * @property {Float32Array | null} actions (T * 4); null: the model's own
 * @property {number} model number of the model that acts where there are no actions
 * @property {BigUint64Array} digests of the reset's observation, then of each step's answer
 */

/** Timesteps from one pause to the next. */
const APART = 40;
const OFFSET = 0xcbf29ce484222325n;
const PRIME = 0x100000001b3n;

/**
 * Every bit of an answer: observation, reward, terminated, truncated, little-endian.
 * @param {import("./engine.mjs").Step} step
 * @returns {Uint8Array}
 */
export function bytesOfAnswer({ observation, reward, terminated, truncated }) {
  const bytes = new Uint8Array(observation.length * 4 + 10);
  const view = new DataView(bytes.buffer);
  observation.forEach((value, i) => view.setFloat32(4 * i, value, true));
  view.setFloat64(observation.length * 4, reward, true);
  bytes[bytes.length - 2] = Number(terminated);
  bytes[bytes.length - 1] = Number(truncated);
  return bytes;
}

/**
 * The answer to a reset, which has no reward and no end.
 * @param {Float32Array} observation
 * @returns {import("./engine.mjs").Step}
 */
export const firstAnswer = (observation) => ({
  observation,
  reward: 0,
  terminated: false,
  truncated: false,
});

/**
 * FNV-1a of 64 bits.
 * @param {Uint8Array} bytes
 * @param {bigint} before digest of the bytes that came before
 * @returns {bigint}
 */
export function digest(bytes, before = OFFSET) {
  let hash = before;
  for (const byte of bytes) hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * PRIME);
  return hash;
}

/**
 * Play an episode to its end, or to its first difference.
 * @param {WebAssembly.Module} module
 * @param {Episode} episode
 * @param {import("./policy.mjs").Model[]} models
 * @param {() => Promise<void>} pause awaited now and then
 * @returns {Promise<{identical: number, total: number}>} answers, the reset's included
 */
export async function compare(module, episode, models, pause) {
  const walker = new Walker(module);
  const policy = episode.actions === null ? new Policy(models[episode.model]) : null;
  const total = episode.digests.length;
  let answer = firstAnswer(walker.reset(episode.seed, episode.hardcore));
  for (let step = 0; ; step++) {
    if (digest(bytesOfAnswer(answer)) !== episode.digests[step]) return { identical: step, total };
    if (step === total - 1) return { identical: total, total };
    if (step % APART === 0) await pause();
    answer = walker.step(
      policy === null
        ? episode.actions.subarray(4 * step, 4 * step + 4)
        : policy.act(answer.observation),
    );
  }
}
