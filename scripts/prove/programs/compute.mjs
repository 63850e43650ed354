// Computes without an end in a worker or in the main thread, and ends the thread. Arguments: a run
// folder, then `prepare` to train the run, or JSON of tasks.

import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import { evaluate, findLr, loadModel, train } from 'residual'
import { arraySplit, pixels } from '../tiny-data.mjs'

/** @typedef {'predict' | 'evaluate' | 'findLr' | 'train'} Work */
/** @typedef {'terminate' | 'process.exit' | 'error' | 'rejection' | 'memory' | 'main exits'} End */

const arrays = { train: arraySplit(96) }
const image = { data: pixels(0), width: 8, height: 8, channels: /** @type {const} */ (1) }

/** @returns {import('residual').TrainConfig} */
const config = (/** @type {string} */ out) => ({
  ...{ model: 'resnet8', epochs: 1, batchSize: 12, precision: 'fp32', threads: 1, workers: 1 },
  ...{ data: { validation: 0 }, seed: 1, out, overwrite: true },
})

/** @type {Record<Work, (out: string, onStarted: () => void) => Promise<void>>} */
const WORKS = {
  async predict(out, onStarted) {
    const model = await loadModel(out)
    for (;;) {
      await Promise.all(Array.from({ length: 32 }, () => model.predict(image)))
      onStarted()
    }
  },
  async evaluate(out, onStarted) {
    setTimeout(onStarted, 30)
    for (;;) await evaluate(out, { split: 'train', batchSize: 1 }, { arrays })
  },
  async findLr(out, onStarted) {
    setTimeout(onStarted, 60)
    for (;;) await findLr({ ...config(out), batchSize: 2 }, { arrays, steps: 10_000 })
  },
  async train(out, onStarted) {
    await train({ ...config(`${out}-endless`), epochs: 100_000 }, { arrays, onEpoch: onStarted })
  },
}

/** @type {Partial<Record<End, () => void>>} */
const ENDS = {
  'process.exit': () => process.exit(0),
  error: () => {
    throw new Error('mine')
  },
  rejection: () => void Promise.reject(new Error('mine')),
  memory: () => {
    const kept = []
    for (;;) kept.push(new Array(10_000).fill(kept.length))
  },
}

/** @param {{ work: Work, end: End, out: string, delay: number }} task */
async function compute({ work, end, out, delay }) {
  let isEnding = false
  await WORKS[work](out, () => {
    if (isEnding) return
    isEnding = true
    parentPort?.postMessage('started')
    setTimeout(() => ENDS[end]?.(), delay)
  })
}

/**
 * Ends a worker thread that computes.
 *
 * @param {{ work: Work, end: End, out: string, delay: number }} task
 */
async function endWorker(task) {
  const worker = new Worker(new URL(import.meta.url), {
    workerData: task,
    resourceLimits: { maxOldGenerationSizeMb: 64 },
  })
  /** @type {Promise<unknown>} */
  const exited = new Promise((resolve) => worker.once('exit', resolve))
  worker.once('error', (error) => {
    const isExpected = error.message === 'mine' || 'code' in error
    if (!isExpected) throw error
  })
  await new Promise((resolve) => worker.once('message', resolve))
  if (task.end === 'terminate' || task.end === 'main exits') {
    await new Promise((resolve) => setTimeout(resolve, task.delay))
  }
  if (task.end === 'main exits') process.exit(0)
  if (task.end === 'terminate') await worker.terminate()
  await exited
}

if (!isMainThread) await compute(workerData)
else {
  const [, , out, json] = process.argv
  if (json === 'prepare') await train(config(out), { arrays })
  else {
    for (const task of JSON.parse(json)) {
      if (task.isMain) await compute({ ...task, out })
      else await endWorker({ ...task, out })
      process.stdout.write('ended\n')
    }
  }
}
