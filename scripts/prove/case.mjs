/**
 * A promise of the product and the attack that tries to break it.
 *
 * @typedef {object} Case
 * @property {string} name value of `--case`, heading in docs/guarantees.md
 * @property {string} title the promise in one sentence, for users
 * @property {string} attack how the promise is attacked, in full sentences
 * @property {string} limits what is not promised, in full sentences
 * @property {string} test file of the short form that `npm test` runs, relative to the repository
 * @property {boolean} [usesMinutes] whether the case measures for `--minutes`
 * @property {number} [timeoutSeconds] time after which the case fails (900)
 * @property {(context: Context) => Promise<Result>} prove
 */

/**
 * @typedef {object} Result
 * @property {number} attempts
 * @property {number} upheld attempts in which the promise held
 * @property {Measurement[]} measurements
 * @property {Control} control
 * @property {string[]} [failures] attempts in which the promise did not hold, one sentence each
 * @property {string[]} [notes] parts that this machine could not attempt, one sentence each
 * @property {Record<string, string>} [golden] values that must not change, by class of machine
 */

/**
 * A deliberate fault, to which the comparison of the attempts is applied. An attack whose
 * comparison does not detect the fault proves nothing.
 *
 * @typedef {object} Control
 * @property {string} fault description, such as `a run with another seed`
 * @property {number} attempts
 * @property {number} detected attempts in which the comparison reported the fault
 */

/**
 * @typedef {object} Measurement
 * @property {string} label
 * @property {number | string} value
 * @property {string} [unit]
 */

/**
 * @typedef {object} Context
 * @property {string} folder temporary folder of the case, removed after it
 * @property {(count: number) => number} attempts returns the number of attempts: `count`, or a
 *   twentieth with `--quick`
 * @property {number} minutes value of `--minutes`, for cases that measure over time
 * @property {(salt?: string) => import('./random.mjs').Random} random returns a generator whose
 *   sequence depends only on the name of the case and on `salt`
 * @property {Readonly<Record<string, string>>} golden values that the case recorded earlier
 * @property {import('../bench/machine.mjs').Machine} machine
 * @property {(line: string) => void} log
 */

/**
 * Returns whether every attempt upheld the promise and the negative control was detected.
 *
 * @param {Result} result
 */
export function isProven({ attempts, upheld, control }) {
  return (
    attempts > 0 &&
    upheld === attempts &&
    control.attempts > 0 &&
    control.detected === control.attempts
  )
}
