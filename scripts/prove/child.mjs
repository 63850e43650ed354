// Child processes of attacks. All of them end with the case.

import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { ROOT } from '../setup.mjs'

/** Characters of the output of a process that are kept. */
const OUTPUT_TAIL = 20_000
const TIMEOUT_SECONDS = 120

/** The command line of this clone. */
export const CLI = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))

/** @type {Set<import('node:child_process').ChildProcess>} */
const running = new Set()

process.on('exit', killAll)

/** Kills all processes that are still running, such as those of a case that failed. */
export function killAll() {
  for (const child of running) child.kill('SIGKILL')
}

/**
 * Returns the path of a program in `programs/`.
 *
 * @param {string} name
 */
export function programPath(name) {
  return fileURLToPath(new URL(`programs/${name}`, import.meta.url))
}

/**
 * @typedef {object} Ended
 * @property {number | null} status
 * @property {NodeJS.Signals | null} signal
 * @property {string} stdout
 * @property {string} stderr
 */

/**
 * @typedef {object} Options
 * @property {string} [cwd]
 * @property {NodeJS.ProcessEnv} [env] added to the environment
 * @property {number} [timeoutSeconds] time after which the process is killed (120)
 */

/** A process with pipes, which is killed after its time limit. */
export class Child {
  #output = { stdout: '', stderr: '' }

  /**
   * Starts Node with arguments, such as a program of `programs/`.
   *
   * @param {readonly string[]} args
   * @param {Options} [options]
   */
  static node(args, options) {
    return new Child(process.execPath, args, options)
  }

  /**
   * @param {string} command
   * @param {readonly string[]} args
   * @param {Options} [options]
   */
  constructor(command, args, { cwd = ROOT, env, timeoutSeconds = TIMEOUT_SECONDS } = {}) {
    this.process = spawn(command, args, {
      cwd,
      env: { ...process.env, RESIDUAL_OFFLINE: '1', ...env },
      stdio: ['pipe', 'pipe', 'pipe'],
    })
    running.add(this.process)
    const timer = setTimeout(() => this.kill(), timeoutSeconds * 1000)
    // A process that has exited is detected by its exit, not by a failed write.
    this.process.stdin.on('error', () => {})
    for (const name of /** @type {const} */ (['stdout', 'stderr'])) {
      this.process[name].setEncoding('utf8').on('data', (text) => {
        this.#output[name] = (this.#output[name] + text).slice(-OUTPUT_TAIL)
      })
    }
    this.lines = createInterface({ input: this.process.stdout })[Symbol.asyncIterator]()
    /** @type {Promise<Ended>} */
    this.ended = new Promise((resolve, reject) => {
      this.process.on('error', reject)
      this.process.on('close', (status, signal) => {
        clearTimeout(timer)
        running.delete(this.process)
        resolve({ status, signal, ...this.#output })
      })
    })
    // Without this handler, an error would be unhandled until `ended` is awaited.
    this.ended.catch(() => {})
  }

  /** @param {NodeJS.Signals} [signal] */
  kill(signal = 'SIGKILL') {
    this.process.kill(signal)
  }

  /**
   * Returns the next line of stdout; undefined after the end of the process.
   *
   * @returns {Promise<string | undefined>}
   */
  async readLine() {
    const { value, done } = await this.lines.next()
    return done ? undefined : value
  }

  /**
   * Sends a value to the process as a line of JSON and returns its response.
   *
   * @param {unknown} value
   * @returns {Promise<any>}
   */
  async request(value) {
    this.process.stdin.write(`${JSON.stringify(value)}\n`)
    const line = await this.readLine()
    if (line !== undefined) return JSON.parse(line)
    const { status, signal, stderr } = await this.ended
    throw new Error(`the process ended (${signal ?? `status ${status}`}): ${stderr.slice(-500)}`)
  }

  /** Closes stdin, at which a program that answers requests exits. Returns how it ended. */
  close() {
    this.process.stdin.end()
    return this.ended
  }
}

/**
 * Runs the `residual` command to its end.
 *
 * @param {readonly string[]} args
 * @param {Options} [options]
 */
export function residual(args, options) {
  return Child.node([CLI, ...args], options).close()
}

/**
 * Calls `answer` for each line of JSON on stdin and writes its result, until stdin ends. For
 * programs that answer `Child.request`.
 *
 * @param {(request: any) => unknown} answer
 */
export async function answerRequests(answer) {
  for await (const line of createInterface({ input: process.stdin })) {
    const response = await answer(JSON.parse(line))
    process.stdout.write(`${JSON.stringify(response ?? null)}\n`)
  }
}
