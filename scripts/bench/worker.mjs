// A benchmarked process. The process initializes once and then runs units of work on request, so
// that processes with different versions of libtorch take turns and never compute concurrently.
//
// The protocol is one JSON object per line. The first line describes the process: { "torch":
// "2.11.0" }. The request { "count": 8 } starts 8 units of work (steps, batches, epochs). The
// response is { "items": 1024, "seconds": 2.3 } or { "error": "..." }.

import { spawn } from 'node:child_process'
import { basename } from 'node:path'
import { createInterface } from 'node:readline'
import { ROOT } from '../setup.mjs'
import { measureLoad, peakMegabytes } from './cpu-load.mjs'

/** @typedef {import('./disturbance.mjs').Slice} Slice */

/** The process exited, failed or timed out. The message ends with its last output to stderr. */
export class WorkerError extends Error {
  /**
   * @param {string} reason short description
   * @param {string} [message]
   */
  constructor(reason, message = reason) {
    super(message)
    this.reason = reason
  }
}

/**
 * The command of a process.
 *
 * @typedef {object} Program
 * @property {string} command
 * @property {readonly string[]} args
 * @property {NodeJS.ProcessEnv} [env] added to the current environment
 */

const TIMEOUT_MS = 600_000
/** Time between closing stdin and killing the process. */
const CLOSE_TIMEOUT_MS = 20_000
/** Characters of stderr that error messages contain. */
const STDERR_TAIL = 2000

/** @type {Set<import('node:child_process').ChildProcess>} */
const running = new Set()

// An interrupted benchmark does not wait for the current slice.
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})

/** A running process that works on request. */
export class Worker {
  /** @type {Record<string, unknown>} first line of the process, which describes it */
  info = {}
  #stderr = ''

  /**
   * Starts a process and waits until it is ready.
   *
   * @param {Program} program
   * @param {number} [timeout] milliseconds
   */
  static async start(program, timeout) {
    const worker = new Worker(program)
    try {
      worker.info = await worker.readLine(timeout)
    } catch (error) {
      await worker.close()
      throw error
    }
    return worker
  }

  /** @param {Program} program */
  constructor({ command, args, env }) {
    // Without the folder, because records must not contain paths of this machine.
    this.name = basename(args[0] ?? command)
    this.child = spawn(command, args, {
      env: { ...process.env, ...env },
      cwd: ROOT,
      stdio: ['pipe', 'pipe', 'pipe'],
    })
    this.child.stderr.setEncoding('utf8').on('data', (text) => {
      this.#stderr = (this.#stderr + text).slice(-STDERR_TAIL)
    })
    // An exited process is detected by its exit event, not by a failed write.
    this.child.stdin.on('error', () => {})
    this.lines = createInterface({ input: this.child.stdout })[Symbol.asyncIterator]()
    running.add(this.child)
    this.child.on('close', () => running.delete(this.child))
    this.exited = new Promise((resolve) => {
      this.child.on('error', (error) => resolve(error.message))
      this.child.on('close', (code, signal) => resolve(`exited (${signal ?? `status ${code}`})`))
    })
  }

  /**
   * Reads the next line of output.
   *
   * @param {number} [timeout] milliseconds
   * @returns {Promise<Record<string, any>>}
   * @throws {WorkerError} if the process exits, reports an error or exceeds the timeout
   */
  async readLine(timeout = TIMEOUT_MS) {
    /** @type {NodeJS.Timeout | undefined} */
    let timer
    const expired = new Promise((resolve) => {
      timer = setTimeout(resolve, timeout, `did not respond within ${timeout / 1000} s`)
    })
    const line = this.lines.next().then(({ value, done }) => (done ? this.exited : { value }))
    const outcome = await Promise.race([line, expired])
    clearTimeout(timer)
    if (typeof outcome === 'string') throw this.#error(outcome)
    const response = JSON.parse(/** @type {{ value: string }} */ (outcome).value)
    if (response.error !== undefined) throw this.#error(response.error)
    return response
  }

  /**
   * Runs units of work.
   *
   * @param {number} count
   * @param {number} [timeout] milliseconds
   * @returns {Promise<Slice>}
   */
  async run(count, timeout) {
    const stopMeasuring = measureLoad(/** @type {number} */ (this.child.pid))
    this.child.stdin.write(`${JSON.stringify({ count })}\n`)
    const { items, seconds } = await this.readLine(timeout)
    return { items, seconds, load: stopMeasuring() }
  }

  /** Peak resident size in megabytes; undefined where it is not available. */
  get peakMegabytes() {
    return peakMegabytes(/** @type {number} */ (this.child.pid))
  }

  /** Closes stdin, and kills the process if it does not exit. */
  async close() {
    this.child.stdin.end()
    const timer = setTimeout(() => this.child.kill('SIGKILL'), CLOSE_TIMEOUT_MS)
    await this.exited
    clearTimeout(timer)
  }

  /** Kills the process. */
  async kill() {
    this.child.kill('SIGKILL')
    await this.exited
  }

  /** @param {string} reason */
  #error(reason) {
    const message = [`${this.name} ${reason}`, this.#stderr.trim()].filter(Boolean).join('\n')
    return new WorkerError(reason, message)
  }
}
