/**
 * numpy's `PCG64(SeedSequence(seed))`: the generator that Gymnasium's `reset(seed=...)` makes.
 * @module
 */

const MASK_32 = 0xffffffffn;
const MASK_64 = (1n << 64n) - 1n;
const MASK_128 = (1n << 128n) - 1n;
const MULTIPLIER = 0x2360ed051fc65da44385df649fccf645n;

/** Words in the pool of a `SeedSequence`. */
const POOL_SIZE = 4;

/**
 * A hash of 32-bit words whose constant moves on with every call (O'Neill's `randutils`).
 * @param {number} constant
 * @param {number} factor
 * @returns {(word: number) => number}
 */
function makeHash(constant, factor) {
  return (word) => {
    word ^= constant;
    constant = Math.imul(constant, factor);
    word = Math.imul(word, constant);
    return (word ^ (word >>> 16)) >>> 0;
  };
}

/**
 * @param {number} a
 * @param {number} b
 * @returns {number} one word that depends on both
 */
function mix(a, b) {
  const word = (Math.imul(a, 0xca01f9dd) - Math.imul(b, 0x4973f715)) >>> 0;
  return (word ^ (word >>> 16)) >>> 0;
}

/**
 * The pool of `SeedSequence(seed)`.
 * @param {bigint} seed not negative
 * @returns {number[]}
 */
function makePool(seed) {
  const entropy = [];
  for (let rest = seed; rest > 0n; rest >>= 32n) entropy.push(Number(rest & MASK_32));
  const hash = makeHash(0x43b0d7e5, 0x931e8875);
  const pool = Array.from({ length: POOL_SIZE }, (_, i) => hash(entropy[i] ?? 0));
  for (let source = 0; source < POOL_SIZE; source++) {
    for (let target = 0; target < POOL_SIZE; target++) {
      if (source !== target) pool[target] = mix(pool[target], hash(pool[source]));
    }
  }
  for (const word of entropy.slice(POOL_SIZE)) {
    for (let target = 0; target < POOL_SIZE; target++) pool[target] = mix(pool[target], hash(word));
  }
  return pool;
}

/**
 * `SeedSequence(seed).generate_state(4, uint64)`.
 * @param {bigint} seed not negative
 * @returns {bigint[]}
 */
export function generateState(seed) {
  const pool = makePool(seed);
  const hash = makeHash(0x8b51f9dd, 0x58f38ded);
  const words = Array.from({ length: 8 }, (_, i) => BigInt(hash(pool[i % POOL_SIZE])));
  return [0, 2, 4, 6].map((i) => words[i] | (words[i + 1] << 32n));
}

/**
 * The state of a new generator, its two numbers of 128 bits in halves.
 * @param {bigint} seed not negative
 * @returns {{state_high: bigint, state_low: bigint, increment_high: bigint, increment_low: bigint}}
 */
export function makeGenerator(seed) {
  const [high, low, streamHigh, streamLow] = generateState(seed);
  const increment = ((((streamHigh << 64n) | streamLow) << 1n) | 1n) & MASK_128;
  const start = (increment + ((high << 64n) | low)) & MASK_128;
  const state = (start * MULTIPLIER + increment) & MASK_128;
  return {
    state_high: state >> 64n,
    state_low: state & MASK_64,
    increment_high: increment >> 64n,
    increment_low: increment & MASK_64,
  };
}
