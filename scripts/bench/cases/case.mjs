/**
 * Something that is measured.
 *
 * @typedef {object} Case
 * @property {string} name as `--case` takes it
 * @property {string} title for people
 * @property {string} [about] what exactly is measured: a sentence or two
 * @property {(context: Context) => Promise<Result>} measure
 */

/** @typedef {import('../contest.mjs').Comparison} Comparison */

/**
 * Figures without a peer.
 *
 * @typedef {object} Figures
 * @property {'figures'} kind
 * @property {Figure[]} figures
 */

/**
 * @typedef {object} Figure
 * @property {string} label
 * @property {number} value
 * @property {string} unit
 * @property {number} [most] what it should not exceed
 */

/**
 * How cost grows with something.
 *
 * @typedef {object} Growth
 * @property {'growth'} kind
 * @property {string} x what it grows with
 * @property {{ label: string, x: number, seconds: number, megabytes: number }[]} points
 * @property {string} y what `seconds` are of
 * @property {number} exponent of the seconds: 1 is linear
 * @property {boolean} [flat] the memory should not grow
 */

/** @typedef {Comparison | Figures | Growth} Result */

/**
 * @typedef {object} Context
 * @property {import('../contest.mjs').Game} game
 * @property {boolean} quick
 * @property {number} cores
 * @property {string} python
 * @property {import('../candidates.mjs').Choices} choices
 * @property {string} folder for files that are gone afterwards
 * @property {() => Promise<string>} photographs a folder of JPEGs
 * @property {() => Promise<string>} cifar a folder of CIFAR's binary files
 * @property {() => Promise<string>} batches the program that makes batches of ours
 * @property {(line: string) => void} log
 */

export {}
