// A process with limits that reads hostile files, and the judgment of its outcomes.

import { Child, programPath } from '../child.mjs'

/** Limit of the address space of the process, most of which Node and libtorch only reserve. */
const ADDRESS_SPACE_BYTES = 12e9
const MAX_SECONDS = 10
/** Time after which a process that does not respond is killed. */
const HUNG_SECONDS = 120
const MAX_MEGABYTES = 1000
const MAX_MESSAGE = 10_000

/**
 * @typedef {object} ReadOutcome
 * @property {true} [ok]
 * @property {{ code: string, message: string }} [error]
 * @property {number} seconds processor time
 * @property {number} megabytes peak of resident memory
 */

/** Reads files in a child process, which is replaced after a crash. */
export class HostileReader {
  /** @type {Child | undefined} */
  #child
  #model
  /** @type {{ cwd?: string, trace?: string }} */
  #options
  /** Largest values of all outcomes. */
  peak = { seconds: 0, megabytes: 0 }
  /** Number of files that were read without an error. */
  accepted = 0

  /**
   * @param {string} model checkpoint with which images are classified
   * @param {{ cwd?: string, trace?: string }} [options] `trace`: file for the system calls
   */
  constructor(model, options = {}) {
    this.#model = model
    this.#options = options
  }

  /**
   * Reads a file. Returns how the promise was broken; undefined if it was kept.
   *
   * @param {string} kind
   * @param {string} path
   * @returns {Promise<string | undefined>}
   */
  async read(kind, path) {
    try {
      const child = await this.#start()
      const hung = setTimeout(() => child.kill(), HUNG_SECONDS * 1000)
      /** @type {ReadOutcome} */
      const outcome = await child.request({ read: kind, path }).finally(() => clearTimeout(hung))
      const problem = findProblem(outcome)
      if (problem === undefined) {
        this.peak.seconds = Math.max(this.peak.seconds, outcome.seconds)
        this.peak.megabytes = Math.max(this.peak.megabytes, outcome.megabytes)
        this.accepted += Number(outcome.ok === true)
      } else {
        // The peak of memory remains, so that another process has to read the next file.
        await this.close()
      }
      return problem
    } catch (error) {
      this.#child = undefined
      return /** @type {Error} */ (error).message
    }
  }

  async #start() {
    if (this.#child === undefined) {
      const { cwd, trace } = this.#options
      const node = [process.execPath, programPath('read-hostile.mjs')]
      const command =
        trace === undefined
          ? node
          : ['strace', '-f', '-y', '-e', 'trace=%file', '-o', trace, ...node]
      const limit = `ulimit -v ${Math.floor(ADDRESS_SPACE_BYTES / 1024)}; exec "$0" "$@"`
      this.#child = new Child('sh', ['-c', limit, ...command], { cwd, timeoutSeconds: 900 })
      await this.#child.request({ read: 'model', path: this.#model })
    }
    return this.#child
  }

  async close() {
    await this.#child?.close()
    this.#child = undefined
  }
}

/**
 * @param {ReadOutcome} outcome
 * @returns {string | undefined}
 */
function findProblem({ error, seconds, megabytes }) {
  if (seconds > MAX_SECONDS) return `took ${Math.round(seconds)} s of processor time`
  if (megabytes > MAX_MEGABYTES) return `used ${Math.round(megabytes)} MB`
  if (error === undefined) return undefined
  const { code, message } = error
  if (!/^E_/.test(code) || code === 'E_INTERNAL') return `fails with ${code}: ${message}`
  return message.length > MAX_MESSAGE ? `has a message of ${message.length} characters` : undefined
}
