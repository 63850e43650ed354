// Outcomes of attempts: counts, failures and the names of failed attempts.

/** @typedef {import('./child.mjs').Ended} Ended */

/** Collects the outcome of each attempt of a case. */
export class Outcomes {
  attempts = 0
  /** @type {string[]} */
  failures = []
  /** @type {string[]} */
  notes = []
  /** @type {Map<string, number>} */
  #groups = new Map()
  #log

  /** @param {(line: string) => void} [log] receives each new group and each failure */
  constructor(log = () => {}) {
    this.#log = log
  }

  /**
   * Adds an attempt.
   *
   * @param {string} group kind of attack, a row of the page
   * @param {string} name
   * @param {string | undefined} problem why the promise did not hold; undefined if it did
   */
  add(group, name, problem) {
    this.attempts++
    if (!this.#groups.has(group)) this.#log(`  ${group}`)
    this.#groups.set(group, (this.#groups.get(group) ?? 0) + 1)
    if (problem === undefined) return
    const failure = `${group}, ${name}: ${problem}`
    this.failures.push(failure)
    this.#log(`    not upheld: ${failure}`)
  }

  /**
   * Adds an attempt that may throw an error, which is a failure.
   *
   * @param {string} group
   * @param {string} name
   * @param {() => Promise<string | undefined>} attack returns the problem
   */
  async attempt(group, name, attack) {
    this.add(
      group,
      name,
      await attack().catch((error) => /** @type {Error} */ (error).message.slice(0, 500)),
    )
  }

  /**
   * Returns the result of the case.
   *
   * @param {import('./case.mjs').Control} control
   * @param {import('./case.mjs').Measurement[]} [measurements]
   * @returns {import('./case.mjs').Result}
   */
  toResult(control, measurements = []) {
    const { attempts, failures, notes } = this
    const groups = [...this.#groups].map(([label, value]) => ({ label, value }))
    return {
      attempts,
      upheld: attempts - failures.length,
      failures,
      notes,
      measurements: [...groups, ...measurements],
      control,
    }
  }
}

/**
 * Returns why a process did not end as promised: it crashed, was killed after its time limit, ended
 * with a stack trace, or with another status.
 *
 * @param {Ended} ended
 * @param {readonly number[]} [statuses] expected exit statuses
 * @returns {string | undefined}
 */
export function findExitProblem({ status, signal, stderr }, statuses = [0]) {
  const text = stderr.trim().slice(-300)
  if (signal === 'SIGKILL') return 'did not end in time'
  if (signal !== null) return `crashed with ${signal}: ${text}`
  // A shell reports a signal of its child as a status.
  if (status !== null && status > 128 && !statuses.includes(status)) return `crashed: ${status}`
  if (/^ +at /m.test(stderr)) return `ended with a stack trace: ${text}`
  return statuses.includes(status ?? -1) ? undefined : `ended with status ${status}: ${text}`
}

/**
 * Returns why a command neither succeeded nor reported an error with an expected code.
 *
 * @param {Ended} ended
 * @param {readonly string[]} codes expected error codes
 */
export function findCommandProblem(ended, codes) {
  const problem = findExitProblem(ended, [0, 1, 2, 3, 4])
  if (problem !== undefined || ended.status === 0) return problem
  const code = /^error: .*\((E_[A-Z_]+)\)$/m.exec(ended.stderr)?.[1]
  if (code !== undefined && codes.includes(code)) return undefined
  return `reports ${code}: ${ended.stderr.trim().slice(-300)}`
}
