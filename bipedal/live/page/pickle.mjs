/**
 * Read a pickle without running anything in it.
 *
 * A pickle is a program for a small machine with a stack. This one follows the operations that
 * model files need. A name stands for nothing but itself, a call is only remembered, and any other
 * operation is refused.
 * @module
 */

const MOST_STEPS = 100_000;

/** What a pickle says would be made, by a name and what it would be called with. */
export class Made {
  constructor(name, given) {
    this.name = name;
    this.given = given;
    /** What it would be told afterwards; and its items, if it takes any. */
    this.state = undefined;
    this.items = new Map();
  }
}

/** A name in a pickle. */
export class Name {
  constructor(module, name) {
    this.text = `${module}.${name}`;
  }
}

/** Something that lies outside the pickle. */
export class Outside {
  constructor(id) {
    this.id = id;
  }
}

/** Bytes with a place from which they are read. */
class Reader {
  constructor(bytes) {
    this._bytes = bytes;
    this._view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this._at = 0;
  }

  take(length) {
    if (this._at + length > this._bytes.length) throw new Error("a pickle that ends too soon");
    this._at += length;
    return this._bytes.subarray(this._at - length, this._at);
  }

  byte = () => this.take(1)[0];
  short = () => (this.take(2), this._view.getUint16(this._at - 2, true));
  word = () => (this.take(4), this._view.getUint32(this._at - 4, true));
  int = () => (this.take(4), this._view.getInt32(this._at - 4, true));
  long = () => longOf(this.take(8));
  double = () => (this.take(8), this._view.getFloat64(this._at - 8, false));
  text = (length) => new TextDecoder("utf-8", { fatal: true }).decode(this.take(length));

  line() {
    const end = this._bytes.indexOf(10, this._at);
    const text = this.text((end < 0 ? this._bytes.length : end) - this._at);
    this.take(1);
    return text;
  }
}

/** A number of any length, little-endian, two's complement; only exact ones. */
function longOf(bytes) {
  const value = bytes.reduceRight((sum, byte) => sum * 256 + byte, 0);
  const negative = bytes.length > 0 && bytes[bytes.length - 1] > 127;
  const signed = negative ? value - 256 ** bytes.length : value;
  if (!Number.isSafeInteger(signed)) throw new Error("a number that is too large");
  return signed;
}

/** The stack, with marks, and the memo. */
class Machine {
  constructor(bytes) {
    this.read = new Reader(bytes);
    this._stack = [];
    this._marks = [];
    this._memo = new Map();
  }

  push(value) {
    this._stack.push(value);
  }

  pop() {
    if (this._stack.length === 0) throw new Error("a pickle without sense");
    return this._stack.pop();
  }

  mark() {
    this._marks.push(this._stack);
    this._stack = [];
  }

  /** Everything since the last mark. */
  popMark() {
    if (this._marks.length === 0) throw new Error("a pickle without sense");
    const values = this._stack;
    this._stack = this._marks.pop();
    return values;
  }

  popMany(count) {
    return Array.from({ length: count }, () => this.pop()).reverse();
  }

  get top() {
    const value = this.pop();
    this.push(value);
    return value;
  }

  keep(place) {
    this._memo.set(place, this.top);
  }

  get kept() {
    return this._memo.size;
  }

  recall(place) {
    if (!this._memo.has(place)) throw new Error("a pickle without sense");
    this.push(this._memo.get(place));
  }

  call() {
    const [name, given] = this.popMany(2);
    if (!(name instanceof Name)) throw new Error("a call of what is no name");
    this.push(new Made(name.text, given));
  }

  name(module, name) {
    if (typeof module !== "string" || typeof name !== "string") throw new Error("no name");
    this.push(new Name(module, name));
  }

  build() {
    const state = this.pop();
    if (!(this.top instanceof Made)) throw new Error("a state for what has none");
    this.top.state = state;
  }

  setItems(pairs) {
    const items = this.top instanceof Made ? this.top.items : this.top;
    if (!(items instanceof Map) || pairs.length % 2 !== 0) throw new Error("items for what has none");
    for (let i = 0; i < pairs.length; i += 2) {
      if (typeof pairs[i] !== "string" && typeof pairs[i] !== "number") throw new Error("an odd key");
      items.set(pairs[i], pairs[i + 1]);
    }
  }

  append(values) {
    if (!Array.isArray(this.top)) throw new Error("a list that is none");
    this.top.push(...values);
  }
}

/** Operations by their letter or number: what each does to the machine. */
const OPERATIONS = {
  "\x80": (m) => m.read.byte(), // protocol
  "\x95": (m) => m.read.take(8), // length of a frame
  "(": (m) => m.mark(),
  "}": (m) => m.push(new Map()),
  "]": (m) => m.push([]),
  ")": (m) => m.push([]),
  t: (m) => m.push(m.popMark()),
  "\x85": (m) => m.push(m.popMany(1)),
  "\x86": (m) => m.push(m.popMany(2)),
  "\x87": (m) => m.push(m.popMany(3)),
  N: (m) => m.push(null),
  "\x88": (m) => m.push(true),
  "\x89": (m) => m.push(false),
  J: (m) => m.push(m.read.int()),
  K: (m) => m.push(m.read.byte()),
  M: (m) => m.push(m.read.short()),
  "\x8a": (m) => m.push(longOf(m.read.take(m.read.byte()))),
  G: (m) => m.push(m.read.double()),
  X: (m) => m.push(m.read.text(m.read.word())),
  "\x8c": (m) => m.push(m.read.text(m.read.byte())),
  B: (m) => m.push(m.read.take(m.read.word())),
  C: (m) => m.push(m.read.take(m.read.byte())),
  "\x96": (m) => m.push(m.read.take(m.read.long())),
  q: (m) => m.keep(m.read.byte()),
  r: (m) => m.keep(m.read.word()),
  "\x94": (m) => m.keep(m.kept),
  h: (m) => m.recall(m.read.byte()),
  j: (m) => m.recall(m.read.word()),
  c: (m) => m.name(m.read.line(), m.read.line()),
  "\x93": (m) => m.name(...m.popMany(2)),
  R: (m) => m.call(),
  "\x81": (m) => m.call(),
  b: (m) => m.build(),
  s: (m) => m.setItems(m.popMany(2)),
  u: (m) => m.setItems(m.popMark()),
  a: (m) => m.append(m.popMany(1)),
  e: (m) => m.append(m.popMark()),
  Q: (m) => m.push(new Outside(m.pop())),
};

/**
 * @param {Uint8Array} bytes
 * @returns {any} plain values, lists (tuples too), maps, and `Made`, `Name` and `Outside`
 */
export function readPickle(bytes) {
  const machine = new Machine(bytes);
  for (let step = 0; step < MOST_STEPS; step++) {
    const letter = String.fromCharCode(machine.read.byte());
    if (letter === ".") return machine.pop();
    if (!Object.hasOwn(OPERATIONS, letter)) {
      throw new Error("it holds an operation that no model file needs, and nothing of it was run");
    }
    OPERATIONS[letter](machine);
  }
  throw new Error("it is too long for a model file");
}
