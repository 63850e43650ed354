// Pseudo-random images, identical in every process.

const CHANNELS = /** @type {const} */ (3)

/**
 * @param {number} count
 * @param {number} size height and width
 */
export function randomImages(count, size) {
  const images = new Uint8Array(count * size * size * CHANNELS)
  // The upper bits of a linear congruential generator are fast to compute and sufficiently random.
  let state = 1
  for (let i = 0; i < images.length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    images[i] = state >>> 24
  }
  const labels = Uint8Array.from({ length: count }, (_, index) => index % 10)
  return { images, labels, width: size, height: size, channels: CHANNELS }
}
