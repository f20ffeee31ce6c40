/**
 * A race as a link or a file: its start, its events and its models. Whoever opens it sees the same
 * bits.
 * @module
 */

import { isEvent } from "./events.mjs";
import { digest } from "./parity.mjs";

const FORMAT = "bipedal-replay";
/** Characters of a link that every browser and most chats take. */
export const LONGEST_LINK = 8000;
const MOST_EVENTS = 20_000;
const MOST_SEED_DIGITS = 18;
const DIFFICULTY_LENGTH = 11;

/**
 * @typedef {object} Replay
 * @property {import("./race.mjs").Start} start
 * @property {string[]} models a digest of each
 * @property {import("./events.mjs").Event[]} events
 * @property {number} time timesteps when it was kept
 * @property {string} digest of every answer up to then
 */

/** One word for all numbers of a model. @param {import("./policy.mjs").Model} model */
export function digestOfModel({ layers, normalizer, frames, stride, gain }) {
  const weights = layers.flatMap(({ weight, bias }) => (weight ? [weight, bias] : []));
  const rest = [...normalizer.mean, ...normalizer.deviation, normalizer.clip, frames, stride, gain];
  const bytes = [...weights, Float64Array.from(rest)].map(
    (numbers) => new Uint8Array(numbers.buffer, numbers.byteOffset, numbers.byteLength),
  );
  const whole = bytes.reduce((before, part) => digest(part, before), digest(new Uint8Array()));
  return whole.toString(16).padStart(16, "0");
}

/** @param {import("./race.mjs").Race} race @returns {Replay} what has happened up to now */
export const makeReplay = (race) => ({
  format: FORMAT,
  version: 1,
  start: race.start,
  models: race.runners.map(({ model }) => digestOfModel(model)),
  events: race.events.filter(([time]) => time <= race.time),
  time: race.time,
  digest: race.digest,
});

/**
 * Check what a link or a file holds.
 * @param {unknown} value
 * @returns {Replay}
 */
export function checkReplay(value) {
  if (value?.format !== FORMAT) throw new Error("this is no replay of a page like this one");
  if (value.version !== 1) throw new Error("this replay was made by a newer page");
  const { start, models, events, time, digest: whole } = value;
  const sound =
    isStart(start) &&
    Array.isArray(models) &&
    models.every((model) => typeof model === "string") &&
    Array.isArray(events) &&
    events.length <= MOST_EVENTS &&
    events.every(isEvent) &&
    events.every(([at], i) => i === 0 || events[i - 1][0] <= at) &&
    Number.isInteger(time) &&
    0 <= time &&
    time <= 10_000 &&
    typeof whole === "string";
  if (!sound) throw new Error("this replay is damaged");
  return { start, models, events, time, digest: whole };
}

const isStart = (start) =>
  typeof start?.seed === "string" &&
  new RegExp(`^[0-9]{1,${MOST_SEED_DIGITS}}$`).test(start.seed) &&
  typeof start.hardcore === "boolean" &&
  (start.difficulty === null || isDifficulty(start.difficulty));

/** Whether a row makes a terrain, as `Difficulty` in terrain.py checks it. */
const isDifficulty = (row) =>
  Array.isArray(row) &&
  row.length === DIFFICULTY_LENGTH &&
  row.every((x) => typeof x === "number" && 0 <= x && x <= 1000) &&
  row[1] <= 1 &&
  row[2] + row[3] + row[4] > 0 &&
  [row[7], row[8]].every(Number.isInteger) &&
  1 <= row[7] &&
  row[7] <= row[8] &&
  row[8] <= 20;

// Text ---------------------------------------------------------------------------------------------

/** @param {Replay} replay @returns {Promise<string>} letters that a link's fragment can hold */
export async function packReplay(replay) {
  const bytes = await pipe(new TextEncoder().encode(JSON.stringify(replay)), CompressionStream);
  const text = btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
  return text.replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

/** @param {string} text from `packReplay` @returns {Promise<Replay>} */
export async function unpackReplay(text) {
  let value;
  try {
    const letters = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
    const bytes = Uint8Array.from(letters, (letter) => letter.charCodeAt(0));
    value = JSON.parse(new TextDecoder().decode(await pipe(bytes, DecompressionStream)));
  } catch {
    throw new Error("this link is damaged: copy all of it");
  }
  return checkReplay(value);
}

/** Bytes through a stream that packs or unpacks them. */
async function pipe(bytes, Stream) {
  const through = new Blob([bytes]).stream().pipeThrough(new Stream("deflate-raw"));
  return new Uint8Array(await new Response(through).arrayBuffer());
}
