import { measureLoad } from '../cpu-load.mjs'
import { Worker } from '../worker.mjs'

/** @typedef {import('../disturbance.mjs').Slice} Slice */

/**
 * Measures the time from the start of a program to its first line of output.
 *
 * @param {import('../worker.mjs').Program} program
 * @returns {Promise<Slice>}
 */
export async function timeToFirstLine(program) {
  const start = performance.now()
  const worker = new Worker(program)
  const stopMeasuring = measureLoad(/** @type {number} */ (worker.child.pid))
  try {
    await worker.readLine()
    return { items: 1, seconds: (performance.now() - start) / 1000, load: stopMeasuring() }
  } finally {
    await worker.close()
  }
}
