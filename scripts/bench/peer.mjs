// A process that is measured: it prepares once, says a line, and then does a piece of work for every
// line that it is sent. So several libtorches can take turns and never compute at the same time.
//
// Every line is a JSON object. The first that comes describes the process: { "torch": "2.11.0" }.
// { "count": 8 } asks for 8 pieces (steps, batches, epochs) and is answered with
// { "items": 1024, "seconds": 2.3 }, or with { "error": "..." }.

import { spawn } from 'node:child_process'
import { basename } from 'node:path'
import { createInterface } from 'node:readline'
import { ROOT } from '../setup.mjs'
import { peakMegabytes, watchLoad } from './load.mjs'

/** @typedef {import('./stall.mjs').Slice} Slice */

/** A process that ended, or did not answer in time; what it said last is in the message. */
export class PeerError extends Error {
  /**
   * @param {string} how in a few words
   * @param {string} [message]
   */
  constructor(how, message = how) {
    super(message)
    this.how = how
  }
}

/**
 * How a peer is started.
 *
 * @typedef {object} Program
 * @property {string} command
 * @property {readonly string[]} args
 * @property {NodeJS.ProcessEnv} [env] beside our own
 */

/** For whatever is asked of a peer, unless something else is said. */
const PATIENCE_MS = 600_000
const TAIL = 2000

/** @type {Set<import('node:child_process').ChildProcess>} */
const running = new Set()

// Who interrupts the bench does not want a slice to be finished first.
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})

/** A process that answers. */
export class Peer {
  /** @type {Record<string, unknown>} what it said of itself */
  about = {}
  #tail = ''

  /**
   * Starts it, and waits until it is prepared.
   *
   * @param {Program} program
   * @param {number} [patience] milliseconds
   */
  static async start(program, patience) {
    const peer = new Peer(program)
    try {
      peer.about = await peer.read(patience)
    } catch (error) {
      await peer.close()
      throw error
    }
    return peer
  }

  /** @param {Program} program */
  constructor({ command, args, env }) {
    // Where it lies is of no interest to the readers of a record.
    this.name = basename(args[0] ?? command)
    this.child = spawn(command, args, {
      env: { ...process.env, ...env },
      cwd: ROOT,
      stdio: ['pipe', 'pipe', 'pipe'],
    })
    this.child.stderr.setEncoding('utf8').on('data', (text) => {
      this.#tail = (this.#tail + text).slice(-TAIL)
    })
    // A peer that has ended is noticed by its exit, not by a write that fails.
    this.child.stdin.on('error', () => {})
    this.lines = createInterface({ input: this.child.stdout })[Symbol.asyncIterator]()
    running.add(this.child)
    this.child.on('close', () => running.delete(this.child))
    this.ended = new Promise((resolve) => {
      this.child.on('error', (error) => resolve(error.message))
      this.child.on('close', (code, signal) => resolve(`ended (${signal ?? `status ${code}`})`))
    })
  }

  /**
   * The next line it says.
   *
   * @param {number} [patience] milliseconds
   * @returns {Promise<Record<string, any>>}
   */
  async read(patience = PATIENCE_MS) {
    /** @type {NodeJS.Timeout | undefined} */
    let timer
    const late = new Promise((resolve) => {
      timer = setTimeout(resolve, patience, `did not answer within ${patience / 1000} s`)
    })
    const line = this.lines.next().then(({ value, done }) => (done ? this.ended : { value }))
    const said = await Promise.race([line, late])
    clearTimeout(timer)
    if (typeof said === 'string') throw this.#failed(said)
    const answer = JSON.parse(/** @type {{ value: string }} */ (said).value)
    if (answer.error !== undefined) throw this.#failed(answer.error)
    return answer
  }

  /**
   * Has it do so many pieces of its work.
   *
   * @param {number} count
   * @param {number} [patience] milliseconds
   * @returns {Promise<Slice>}
   */
  async ask(count, patience) {
    const load = watchLoad(/** @type {number} */ (this.child.pid))
    this.child.stdin.write(`${JSON.stringify({ count })}\n`)
    const { items, seconds } = await this.read(patience)
    return { items, seconds, load: load() }
  }

  /** Its largest resident size so far, in megabytes; undefined where that cannot be known. */
  get peak() {
    return peakMegabytes(/** @type {number} */ (this.child.pid))
  }

  /** Ends it, gently for a while. */
  async close() {
    this.child.stdin.end()
    const timer = setTimeout(() => this.child.kill('SIGKILL'), 20_000)
    await this.ended
    clearTimeout(timer)
  }

  /** Ends it at once. */
  async kill() {
    this.child.kill('SIGKILL')
    await this.ended
  }

  /** @param {string} how */
  #failed(how) {
    const message = [`${this.name} ${how}`, this.#tail.trim()].filter(Boolean).join('\n')
    return new PeerError(how, message)
  }
}
