/**
 * The entries of a zip archive as PyTorch writes it: stored, not packed.
 * @module
 */

const [END, ENTRY, LOCAL] = [0x06054b50, 0x02014b50, 0x04034b50];
const END_LENGTH = 22;
const DAMAGED = "it is not a model file, or it is damaged";

const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let rest = byte;
  for (let bit = 0; bit < 8; bit++) rest = (rest & 1 ? 0xedb88320 : 0) ^ (rest >>> 1);
  return rest;
});

function checksum(bytes) {
  let rest = 0xffffffff;
  for (const byte of bytes) rest = TABLE[(rest ^ byte) & 255] ^ (rest >>> 8);
  return ~rest >>> 0;
}

/** Where the last record of an archive begins, which may be followed by a remark. */
function findEnd(view) {
  for (let at = view.byteLength - END_LENGTH; at >= 0; at--) {
    if (view.getUint32(at, true) === END) return at;
  }
  throw new Error(DAMAGED);
}

/**
 * @param {Uint8Array} bytes of the archive
 * @returns {Map<string, Uint8Array>} contents of its entries by their names
 */
export function readArchive(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const end = findEnd(view);
  const entries = new Map();
  try {
    let at = view.getUint32(end + 16, true);
    for (let count = view.getUint16(end + 10, true); count > 0; count--) {
      const [name, content, next] = readEntry(bytes, view, at);
      entries.set(name, content);
      at = next;
    }
  } catch (error) {
    throw new Error(error instanceof RangeError ? DAMAGED : error.message);
  }
  return entries;
}

/** Name and contents of an entry of the directory, and where the next begins. */
function readEntry(bytes, view, at) {
  if (view.getUint32(at, true) !== ENTRY) throw new Error(DAMAGED);
  if (view.getUint16(at + 10, true) !== 0) throw new Error("its contents are packed: PyTorch does not");
  const length = view.getUint32(at + 20, true);
  const nameLength = view.getUint16(at + 28, true);
  const name = new TextDecoder().decode(bytes.subarray(at + 46, at + 46 + nameLength));
  const local = view.getUint32(at + 42, true);
  if (view.getUint32(local, true) !== LOCAL) throw new Error(DAMAGED);
  const from = local + 30 + view.getUint16(local + 26, true) + view.getUint16(local + 28, true);
  const content = bytes.subarray(from, from + length);
  if (content.length !== length || checksum(content) !== view.getUint32(at + 16, true)) {
    throw new Error(DAMAGED);
  }
  const next = at + 46 + nameLength + view.getUint16(at + 30, true) + view.getUint16(at + 32, true);
  return [name, content, next];
}
