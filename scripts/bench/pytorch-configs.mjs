// Selection of the fastest PyTorch configuration on this machine, which is a baseline. The choice
// is cached, because compiling with torch.compile can take minutes.

import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { Worker, WorkerError } from './worker.mjs'

/** @typedef {import('./worker.mjs').Program} Program */

/**
 * A PyTorch configuration. pytorch/configuration.py describes the options.
 *
 * @typedef {object} PytorchConfig
 * @property {string} name shown to readers
 * @property {Record<string, unknown>} options
 */

/**
 * The fastest configuration, with the throughput of each.
 *
 * @typedef {object} Choice
 * @property {string} chosen name of the fastest configuration
 * @property {Record<string, unknown>} options its options
 * @property {Record<string, number | string>} tried images per second by name, or the error
 */

/** @type {PytorchConfig} */
export const EAGER = {
  name: 'fp32, NCHW, eager',
  options: { layout: 'nchw', precision: 'fp32', eager: true },
}

/** @type {readonly PytorchConfig[]} */
export const TRAINING_CONFIGS = [
  { name: 'fp32, NCHW, fused SGD', options: { layout: 'nchw', precision: 'fp32', fused: true } },
  { name: 'fp32, NHWC, fused SGD', options: { layout: 'nhwc', precision: 'fp32', fused: true } },
  { name: 'bf16 autocast, NCHW, fused SGD', options: toOptions('nchw', 'bf16', { fused: true }) },
  { name: 'bf16 autocast, NHWC, fused SGD', options: toOptions('nhwc', 'bf16', { fused: true }) },
]

/** @type {readonly PytorchConfig[]} */
export const INFERENCE_CONFIGS = [
  { name: 'fp32, NCHW', options: toOptions('nchw', 'fp32') },
  { name: 'fp32, NHWC', options: toOptions('nhwc', 'fp32') },
  { name: 'fp32, NHWC, frozen TorchScript', options: toOptions('nhwc', 'fp32', { frozen: true }) },
  { name: 'bf16 autocast, NHWC', options: toOptions('nhwc', 'bf16') },
  { name: 'bf16 weights, NHWC', options: toOptions('nhwc', 'bf16-weights') },
]

/** Time limit of torch.compile. */
const COMPILE_TIMEOUT_MS = 60_000
/** Duration of each of the two slices that measure a configuration. */
const SLICE_SECONDS = 0.5
/** Choices are cached only if the CPU load of other processes is below this share. */
const MAX_OTHER_LOAD = 0.1

/**
 * @param {string} layout
 * @param {string} precision
 * @param {Record<string, unknown>} [extra]
 */
function toOptions(layout, precision, extra) {
  return { layout, precision, eager: false, ...extra }
}

/**
 * Measures all configurations, and then the fastest one with torch.compile.
 *
 * @param {readonly PytorchConfig[]} configs
 * @param {(options: Record<string, unknown>) => Program} program
 * @param {{ log: (line: string) => void, compile: boolean }} options
 * @returns {Promise<Choice>}
 */
export async function selectFastest(configs, program, { log, compile }) {
  /** @type {Record<string, number | string>} */
  const tried = {}
  for (const { name, options } of configs) {
    log(`measuring PyTorch, ${name}`)
    tried[name] = await measureThroughput(program(options))
  }
  const compiled = compile ? [withCompile(findFastest(configs, tried))] : []
  for (const { name, options } of compiled) {
    log(`measuring PyTorch, ${name}`)
    tried[name] = await measureThroughput(program(options), COMPILE_TIMEOUT_MS)
  }
  const { name: chosen, options } = findFastest([...configs, ...compiled], tried)
  return { chosen, options, tried }
}

/**
 * Returns the configuration with the highest throughput.
 *
 * @param {readonly PytorchConfig[]} configs
 * @param {Record<string, number | string>} tried
 */
export function findFastest(configs, tried) {
  const rate = (/** @type {PytorchConfig} */ { name }) => {
    const result = tried[name]
    return typeof result === 'number' ? result : Number.NEGATIVE_INFINITY
  }
  const best = configs.reduce((a, b) => (rate(b) > rate(a) ? b : a))
  if (rate(best) === Number.NEGATIVE_INFINITY) {
    throw new WorkerError(`no PyTorch configuration works: ${Object.values(tried).join('; ')}`)
  }
  return best
}

/**
 * @param {PytorchConfig} config
 * @returns {PytorchConfig}
 */
function withCompile({ name, options: { frozen: _, ...options } }) {
  return {
    name: `${name.replace(', frozen TorchScript', '')}, torch.compile`,
    options: { ...options, compile: true },
  }
}

/**
 * Returns the images per second of the faster of two slices, or the error.
 *
 * @param {Program} program
 * @param {number} [timeout] milliseconds
 * @returns {Promise<number | string>}
 */
async function measureThroughput(program, timeout) {
  /** @type {Worker | undefined} */
  let worker
  try {
    worker = await Worker.start(program, timeout)
    await worker.run(1, timeout)
    const first = await worker.run(1, timeout)
    const count = Math.max(1, Math.round(SLICE_SECONDS / first.seconds))
    const slices = [await worker.run(count), await worker.run(count)]
    return Math.max(...slices.map(({ items, seconds }) => items / seconds))
  } catch (error) {
    if (!(error instanceof WorkerError)) throw error
    return error.reason
  } finally {
    await worker?.kill()
  }
}

/** File with the choices of earlier benchmark runs on this machine. */
export class ChoiceCache {
  /** @type {Record<string, Choice>} choices of this process */
  #current = {}

  /**
   * @param {string} file
   * @param {string} machine properties that a choice depends on: processor, cores, versions
   * @param {number} otherLoad share of the machine that other processes use
   */
  constructor(file, machine, otherLoad) {
    this.file = file
    this.machine = machine
    this.isIdle = otherLoad < MAX_OTHER_LOAD
  }

  /**
   * Returns the cached choice for a case, or calls `choose` and caches the result.
   *
   * @param {string} name
   * @param {() => Promise<Choice>} choose
   * @returns {Promise<Choice>}
   */
  async get(name, choose) {
    const cached = this.#current[name] ?? (await this.#read())[name]
    if (cached !== undefined) return cached
    const choice = await choose()
    this.#current[name] = choice
    if (!this.isIdle) return choice
    await mkdir(dirname(this.file), { recursive: true })
    const content = { machine: this.machine, choices: { ...(await this.#read()), [name]: choice } }
    await writeFile(this.file, `${JSON.stringify(content, null, 1)}\n`)
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
