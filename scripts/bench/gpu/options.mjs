/**
 * Options of the GPU benchmark.
 *
 * @typedef {object} GpuOptions
 * @property {string} python
 * @property {'cpu' | 'cuda'} device
 * @property {boolean} tiny small sizes, for a functional test
 * @property {string} folder temporary folder
 * @property {import('../comparison.mjs').Settings} settings
 */

/** Table cell of a missing value. */
export const NOT_MEASURED = 'not measured'
