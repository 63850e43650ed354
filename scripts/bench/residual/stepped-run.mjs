// A training run through the public API that runs steps on request and is paused between requests.

import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { train } from '../../../dist/index.js'
import { randomImages } from './random-images.mjs'

/**
 * @typedef {object} SteppedRunConfig
 * @property {string} net
 * @property {'cifar' | 'imagenet'} stem
 * @property {number} size height and width of the images
 * @property {number} batch
 * @property {number} steps steps per epoch
 * @property {string} out run folder
 * @property {number} [threads]
 * @property {string} [precision]
 * @property {'cpu' | 'cuda'} [device]
 * @property {boolean} [cudaGraphs]
 */

/** Delay of the pause after the second to last step, as a share of the step time. */
const PAUSE_DELAY = 0.3
const STEP_TIMEOUT_MS = 120_000

/** A run on normalized images in memory, without augmentation. */
export class SteppedRun {
  #events = new EventTarget()
  #step = 0
  /** Milliseconds per step. */
  #stepMs = 0

  /** @param {SteppedRunConfig} config */
  constructor({ net, stem, size, batch, steps, out, threads, precision, device, cudaGraphs }) {
    this.batch = batch
    /** @type {import('../../../dist/index.js').StartEvent | undefined} */
    this.started = undefined
    this.training = train(
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
        arrays: { train: randomImages(batch * steps, size) },
        onStart: (event) => {
          this.started = event
        },
        onStep: ({ step }) => {
          this.#step = step
          this.#events.dispatchEvent(new Event('step'))
        },
      },
    )
    // Rejects the next wait for a step if the run fails or ends.
    this.failed = this.training.then(
      () => Promise.reject(new Error('the run ended')),
      (error) => Promise.reject(error),
    )
    this.failed.catch(() => {})
  }

  /** Runs the first steps, which allocate memory, and pauses. */
  async start() {
    await this.#nextStep()
    const start = performance.now()
    await this.#nextStep()
    this.#stepMs = performance.now() - start
    this.training.pause()
    // The pause takes effect after the current step, if one has started.
    await Promise.race([this.#nextStep(), sleep(2 * this.#stepMs + 100)])
  }

  /**
   * Runs steps and pauses.
   *
   * @param {number} count
   * @returns {Promise<number>} elapsed seconds
   */
  async run(count) {
    const last = this.#step + count
    const start = performance.now()
    this.training.resume()
    while (this.#step < last - 1) await this.#nextStep()
    while (this.#step < last) {
      await sleep(PAUSE_DELAY * this.#stepMs)
      this.training.pause()
      // At the end of an epoch the pause may take effect before the last step.
      const timeout = 4 * this.#stepMs + 1000
      const stepped = this.#nextStep().then(() => true)
      if (!(await Promise.race([stepped, sleep(timeout, false)]))) this.training.resume()
    }
    const seconds = (performance.now() - start) / 1000
    this.#stepMs = (1000 * seconds) / count
    return seconds
  }

  async stop() {
    this.training.stop()
    await this.training
  }

  async #nextStep() {
    const signal = AbortSignal.timeout(STEP_TIMEOUT_MS)
    await Promise.race([once(this.#events, 'step', { signal }), this.failed])
  }
}
