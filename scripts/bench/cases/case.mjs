/**
 * A benchmark case.
 *
 * @typedef {object} Case
 * @property {string} name value of `--case`
 * @property {string} title heading in docs/performance.md
 * @property {string} [about] description of the measurement
 * @property {(context: Context) => Promise<Result>} measure
 */

/** @typedef {import('../comparison.mjs').Comparison} Comparison */

/**
 * Measurements that are not compared with a baseline.
 *
 * @typedef {object} Measurements
 * @property {'measurements'} kind
 * @property {Measurement[]} measurements
 */

/**
 * @typedef {object} Measurement
 * @property {string} label
 * @property {number} value
 * @property {string} unit
 * @property {number} [limit] upper limit
 */

/**
 * Time and memory as functions of a problem size.
 *
 * @typedef {object} Scaling
 * @property {'scaling'} kind
 * @property {string} x name of the size
 * @property {{ label: string, x: number, seconds: number, megabytes: number }[]} points
 * @property {string} y unit of work that `seconds` refers to
 * @property {number} exponent exponent of the growth of the seconds: 1 is linear
 * @property {boolean} [constantMemory] whether the memory must not grow
 */

/** @typedef {Comparison | Measurements | Scaling} Result */

/**
 * @typedef {object} Context
 * @property {import('../comparison.mjs').Settings} settings
 * @property {boolean} quick
 * @property {number} cores
 * @property {string} python
 * @property {import('../pytorch-configs.mjs').ChoiceCache} choices
 * @property {string} folder temporary folder
 * @property {() => Promise<string>} jpegs returns a folder of JPEGs
 * @property {() => Promise<string>} cifar returns a folder of CIFAR's binary files
 * @property {() => Promise<string>} loaderProgram returns the program that loads batches
 * @property {(line: string) => void} log
 */

export {}
