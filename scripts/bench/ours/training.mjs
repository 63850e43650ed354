// A training run, by the public API, that does so many steps when it is asked to and rests between.

import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { train } from '../../../dist/index.js'
import { pictures } from './pictures.mjs'

/**
 * @typedef {object} Wanted
 * @property {string} net
 * @property {'cifar' | 'imagenet'} stem
 * @property {number} size height and width of the images
 * @property {number} batch
 * @property {number} steps as many as will be asked for: an epoch
 * @property {string} out the run folder
 * @property {number} [threads]
 * @property {string} [precision]
 * @property {'cpu' | 'cuda'} [device]
 * @property {boolean} [cudaGraphs]
 */

/** The run is told to rest when its last step has come so far. */
const BEFORE_THE_END = 0.3
const LONGEST_STEP_MS = 120_000

/** A run of steps on images in memory, which are normalised and not augmented. */
export class Training {
  #events = new EventTarget()
  #step = 0
  /** Milliseconds that a step takes. */
  #usual = 0

  /** @param {Wanted} wanted */
  constructor({ net, stem, size, batch, steps, out, threads, precision, device, cudaGraphs }) {
    this.batch = batch
    /** @type {import('../../../dist/index.js').StartEvent | undefined} */
    this.started = undefined
    this.run = train(
      {
        data: { validation: 0, imageSize: size },
        model: { arch: net, stem },
        batchSize: batch,
        epochs: 1000,
        optimizer: { type: 'sgd', lr: 0.01, momentum: 0.9, weightDecay: 5e-4 },
        schedule: 'constant',
        transform: { crop: 'none', flip: false },
        overwrite: true,
        out,
        ...(threads === undefined ? {} : { threads }),
        ...(device === undefined ? {} : { device }),
        ...(cudaGraphs === undefined ? {} : { cudaGraphs }),
        ...(precision === undefined
          ? {}
          : {
              precision: /** @type {import('../../../dist/index.js').Precision} */ (precision),
            }),
      },
      {
        arrays: { train: pictures(batch * steps, size) },
        onStart: (event) => {
          this.started = event
        },
        onStep: ({ step }) => {
          this.#step = step
          this.#events.dispatchEvent(new Event('step'))
        },
      },
    )
    // Its end is heard at the next wait.
    this.failed = this.run.then(
      () => Promise.reject(new Error('the run is over')),
      (error) => Promise.reject(error),
    )
    this.failed.catch(() => {})
  }

  /** Does the first step, in which everything is allocated, and rests. */
  async begin() {
    await this.#stepped()
    const begin = performance.now()
    await this.#stepped()
    this.#usual = performance.now() - begin
    this.run.pause()
    // The step that it is in comes to its end; it is in none if it had just finished one.
    await Promise.race([this.#stepped(), sleep(2 * this.#usual + 100)])
  }

  /**
   * @param {number} count steps
   * @returns {Promise<number>} the seconds they took
   */
  async steps(count) {
    const wanted = this.#step + count
    const begin = performance.now()
    this.run.resume()
    while (this.#step < wanted - 1) await this.#stepped()
    while (this.#step < wanted) {
      await sleep(BEFORE_THE_END * this.#usual)
      this.run.pause()
      // At the end of an epoch the pause may come before the last step, which then never does.
      const patience = 4 * this.#usual + 1000
      const came = this.#stepped().then(() => true)
      if (!(await Promise.race([came, sleep(patience, false)]))) this.run.resume()
    }
    const seconds = (performance.now() - begin) / 1000
    this.#usual = (1000 * seconds) / count
    return seconds
  }

  async end() {
    this.run.stop()
    await this.run
  }

  async #stepped() {
    const signal = AbortSignal.timeout(LONGEST_STEP_MS)
    await Promise.race([once(this.#events, 'step', { signal }), this.failed])
  }
}
