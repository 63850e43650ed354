// The best way to use PyTorch on this machine: each way is tried briefly, and the fastest one is what
// ours is compared with. What was found is kept, for torch.compile alone can take minutes.

import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { Peer, PeerError } from './peer.mjs'

/** @typedef {import('./peer.mjs').Program} Program */

/**
 * A way to use PyTorch, as pytorch/usage.py reads it.
 *
 * @typedef {object} Way
 * @property {string} name for people
 * @property {Record<string, unknown>} options
 */

/**
 * What was tried: images a second, or why there is no figure.
 *
 * @typedef {object} Choice
 * @property {string} chosen a way's name
 * @property {Record<string, unknown>} options that way's
 * @property {Record<string, number | string>} tried by the ways' names
 */

/** @type {Way} */
export const NOTEBOOK = {
  name: 'fp32, NCHW, eager',
  options: { layout: 'nchw', precision: 'fp32', notebook: true },
}

/** @type {readonly Way[]} */
export const TRAINING = [
  { name: 'fp32, NCHW, fused SGD', options: { layout: 'nchw', precision: 'fp32', fused: true } },
  { name: 'fp32, NHWC, fused SGD', options: { layout: 'nhwc', precision: 'fp32', fused: true } },
  { name: 'bf16 autocast, NCHW, fused SGD', options: usage('nchw', 'bf16', { fused: true }) },
  { name: 'bf16 autocast, NHWC, fused SGD', options: usage('nhwc', 'bf16', { fused: true }) },
]

/** @type {readonly Way[]} */
export const INFERENCE = [
  { name: 'fp32, NCHW', options: usage('nchw', 'fp32') },
  { name: 'fp32, NHWC', options: usage('nhwc', 'fp32') },
  { name: 'fp32, NHWC, frozen TorchScript', options: usage('nhwc', 'fp32', { frozen: true }) },
  { name: 'bf16 autocast, NHWC', options: usage('nhwc', 'bf16') },
  { name: 'bf16 weights, NHWC', options: usage('nhwc', 'bf16-weights') },
]

/** As long as torch.compile may take to be ready. */
const COMPILE_MS = 60_000
/** A trial of a way, of which there are two. */
const TRIAL_SECONDS = 0.5
/** With more of the machine in others' hands, what is chosen is not kept. */
const QUIET = 0.1

/**
 * @param {string} layout
 * @param {string} precision
 * @param {Record<string, unknown>} [more]
 */
function usage(layout, precision, more) {
  return { layout, precision, notebook: false, ...more }
}

/**
 * Tries all ways, and the best of them compiled.
 *
 * @param {readonly Way[]} ways
 * @param {(options: Record<string, unknown>) => Program} program
 * @param {{ log: (line: string) => void, compile: boolean }} how
 * @returns {Promise<Choice>}
 */
export async function tryAll(ways, program, { log, compile }) {
  /** @type {Record<string, number | string>} */
  const tried = {}
  for (const { name, options } of ways) {
    log(`trying PyTorch, ${name}`)
    tried[name] = await trial(program(options))
  }
  const compiled = compile ? [compiledWay(fastest(ways, tried))] : []
  for (const { name, options } of compiled) {
    log(`trying PyTorch, ${name}`)
    tried[name] = await trial(program(options), COMPILE_MS)
  }
  const { name: chosen, options } = fastest([...ways, ...compiled], tried)
  return { chosen, options, tried }
}

/**
 * The way with the highest figure.
 *
 * @param {readonly Way[]} ways
 * @param {Record<string, number | string>} tried
 */
export function fastest(ways, tried) {
  const rate = (/** @type {Way} */ { name }) => {
    const figure = tried[name]
    return typeof figure === 'number' ? figure : Number.NEGATIVE_INFINITY
  }
  const best = ways.reduce((a, b) => (rate(b) > rate(a) ? b : a))
  if (rate(best) === Number.NEGATIVE_INFINITY) {
    throw new PeerError(`PyTorch can be used in no way here: ${Object.values(tried).join('; ')}`)
  }
  return best
}

/**
 * @param {Way} way
 * @returns {Way}
 */
function compiledWay({ name, options: { frozen: _, ...options } }) {
  return {
    name: `${name.replace(', frozen TorchScript', '')}, torch.compile`,
    options: { ...options, compile: true },
  }
}

/**
 * Images a second at best, or why there are none.
 *
 * @param {Program} program
 * @param {number} [patience]
 * @returns {Promise<number | string>}
 */
async function trial(program, patience) {
  /** @type {Peer | undefined} */
  let peer
  try {
    peer = await Peer.start(program, patience)
    await peer.ask(1, patience)
    const first = await peer.ask(1, patience)
    const count = Math.max(1, Math.round(TRIAL_SECONDS / first.seconds))
    const slices = [await peer.ask(count), await peer.ask(count)]
    return Math.max(...slices.map(({ items, seconds }) => items / seconds))
  } catch (error) {
    if (!(error instanceof PeerError)) throw error
    return error.how
  } finally {
    await peer?.kill()
  }
}

/** What was chosen on this machine before, in a file. */
export class Choices {
  /** @type {Record<string, Choice>} in this run */
  #made = {}

  /**
   * @param {string} file
   * @param {string} machine what a choice depends on: processor, cores, versions
   * @param {number} foreign the share of the machine that others use
   */
  constructor(file, machine, foreign) {
    this.file = file
    this.machine = machine
    this.quiet = foreign < QUIET
  }

  /**
   * The choice for a case, made if there is none yet.
   *
   * @param {string} name
   * @param {() => Promise<Choice>} choose
   * @returns {Promise<Choice>}
   */
  async get(name, choose) {
    const made = this.#made[name] ?? (await this.#read())[name]
    if (made !== undefined) return made
    const choice = await choose()
    this.#made[name] = choice
    if (!this.quiet) return choice
    await mkdir(dirname(this.file), { recursive: true })
    const all = { machine: this.machine, choices: { ...(await this.#read()), [name]: choice } }
    await writeFile(this.file, `${JSON.stringify(all, null, 1)}\n`)
    return choice
  }

  /** @returns {Promise<Record<string, Choice>>} */
  async #read() {
    const text = await readFile(this.file, 'utf8').catch(() => undefined)
    if (text === undefined) return {}
    const { machine, choices } = JSON.parse(text)
    return machine === this.machine ? choices : {}
  }
}
