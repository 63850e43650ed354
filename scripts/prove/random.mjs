// Pseudo-random numbers that are identical on every machine.

/**
 * @typedef {object} Random
 * @property {() => number} next returns a number in [0, 1)
 * @property {(end: number) => number} integer returns an integer in [0, end)
 * @property {<T>(items: readonly T[]) => T} pick
 */

/**
 * Creates a generator (mulberry32, 32 bits of state).
 *
 * @param {string} seed
 * @returns {Random}
 */
export function createRandom(seed) {
  let state = hash(seed)
  const next = () => {
    state = (state + 0x6d2b79f5) | 0
    let bits = Math.imul(state ^ (state >>> 15), 1 | state)
    bits = (bits + Math.imul(bits ^ (bits >>> 7), 61 | bits)) ^ bits
    return ((bits ^ (bits >>> 14)) >>> 0) / 2 ** 32
  }
  const integer = (/** @type {number} */ end) => Math.floor(next() * end)
  return { next, integer, pick: (items) => items[integer(items.length)] }
}

/**
 * Returns the 32-bit FNV-1a hash of a text.
 *
 * @param {string} text
 */
function hash(text) {
  let value = 0x811c9dc5
  for (const byte of Buffer.from(text)) value = Math.imul(value ^ byte, 0x01000193)
  return value
}
