// Damages files, as crates/data/tests/mutate does in Rust.

/** @typedef {import('../random.mjs').Random} Random */

const EXTREMES = [[0xff, 0xff, 0xff, 0xff], [0, 0, 0, 0], [0x7f, 0xff, 0xff, 0xff], [0x80], [0x0a]]
const NUMBERS = ['-1', '0', '1e999', '4294967296', '18446744073709551615', '1e-400', 'null']

/**
 * Returns the bytes of a file after one to three random changes.
 *
 * @param {Buffer} bytes
 * @param {Random} random
 */
export function mutate(bytes, random) {
  let changed = bytes
  for (let count = 1 + random.integer(3); count > 0; count--) changed = change(changed, random)
  return changed
}

/**
 * @param {Buffer} bytes
 * @param {Random} random
 */
function change(bytes, { next, integer, pick }) {
  // Headers are the most vulnerable: half of the positions are near the beginning.
  const at = Math.floor(bytes.length * next() * (next() < 0.5 ? 0.1 : 1))
  const [before, rest] = [bytes.subarray(0, at), bytes.subarray(at)]
  const noise = () => Buffer.from(Array.from({ length: 1 + integer(8) }, () => integer(256)))
  const insert = next() < 0.5 ? Buffer.from(pick(EXTREMES)) : noise()
  switch (integer(7)) {
    case 0:
      return before
    case 1:
      return Buffer.concat([before, insert, rest])
    case 2:
      return Buffer.concat([before, rest.subarray(integer(256))])
    case 3:
      return Buffer.concat([before, bytes.subarray(0, integer(256)), rest])
    case 4: {
      const digit = rest.findIndex((byte) => byte >= 48 && byte <= 57)
      if (digit === -1) return before
      const number = Buffer.from(pick(NUMBERS))
      return Buffer.concat([before, rest.subarray(0, digit), number, rest.subarray(digit + 1)])
    }
    default:
      return Buffer.concat([before, insert, rest.subarray(insert.length)])
  }
}
