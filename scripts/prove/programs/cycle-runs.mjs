// Trains and stops runs for a time, and measures the process. A request is { "call": NAME, ... }. Needs
// `--expose-gc`.

import { openSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { evaluate, loadModel, train } from 'residual'
import { answerRequests } from '../child.mjs'
import { findDifferences, readCheckpoint } from '../run/checkpoint-file.mjs'
import { arraySplit, pixels } from '../tiny-data.mjs'

const [, , folder] = process.argv
const gc = /** @type {() => void} */ (globalThis.gc)

/**
 * @param {number} epochs
 * @param {string} [name]
 * @returns {import('residual').TrainConfig}
 */
const config = (epochs, name = 'run') => ({
  ...{ model: 'resnet8', epochs, batchSize: 12, precision: 'fp32', threads: 1, workers: 2 },
  ...{ data: { validation: 0 }, seed: 1, out: join(folder, name), overwrite: true },
})

/** Returns the resident memory in MB, and the number of threads and open files. */
function measure() {
  gc()
  const status = readFileSync('/proc/self/status', 'utf8')
  const read = (/** @type {RegExp} */ pattern) => Number(pattern.exec(status)?.[1])
  return {
    megabytes: read(/VmRSS:\s+(\d+)/) / 1024,
    threads: read(/Threads:\s+(\d+)/),
    files: readdirSync('/proc/self/fd').length,
  }
}

/** Deliberate leaks of the negative control, per cycle. */
const LEAKS = {
  megabytes: () => kept.push(Buffer.alloc(1 << 20, 1)),
  files: () => openSync('/dev/null', 'r'),
}
/** @type {Buffer[]} */
const kept = []

/** Trains a run, ends it in one of four ways, and uses its network. */
async function cycle(/** @type {number} */ index) {
  const arrays = { train: arraySplit(96) }
  const controller = new AbortController()
  const run = train(config(index % 4 === 0 ? 1 : 100_000), {
    arrays,
    signal: controller.signal,
    onStep({ step }) {
      if (index % 4 === 1 && step > 3) run.stop()
      if (index % 4 === 2 && step > 3) controller.abort()
      if (index % 4 === 3 && step > 3) throw new Error('mine')
    },
  })
  for await (const event of run) if (event.type === 'step') break
  await run.then(
    () => {},
    () => {},
  )
  const model = await loadModel(join(folder, 'run'))
  const image = { data: pixels(0), width: 8, height: 8, channels: /** @type {const} */ (1) }
  await Promise.all(Array.from({ length: 4 }, () => model.predict(image)))
  await model.close()
  if (index % 8 === 0) await evaluate(join(folder, 'run'), { split: 'train' }, { arrays })
}

/**
 * Cycles for a time and returns a measurement after every tenth of it.
 *
 * @param {{ seconds: number, leak?: keyof typeof LEAKS }} request
 */
async function cycleRuns({ seconds, leak }) {
  const samples = []
  let count = 0
  for (let tenth = 0; tenth < 10; tenth++) {
    const end = performance.now() + 100 * seconds
    do {
      await cycle(count++)
      if (leak !== undefined) LEAKS[leak]()
    } while (performance.now() < end)
    samples.push(measure())
  }
  kept.length = 0
  return { count, samples }
}

/**
 * Trains a run with arrays of 2.3 MB, and returns it with its arrays and options.
 *
 * @param {AbortSignal} signal
 */
async function trainOnArrays(signal) {
  const images = new Uint8Array(768 * 32 * 32 * 3)
  const labels = Uint8Array.from({ length: 768 }, (_, image) => image % 3)
  const arrays = { train: { images, labels, width: 32, height: 32, channels: 3 } }
  const options = /** @type {import('residual').TrainOptions} */ ({
    arrays,
    signal,
    onStep: () => 'stop',
  })
  const run = train(config(1), options)
  for await (const _ of run) break
  await run.then(
    () => {},
    () => {},
  )
  return [run, images, options]
}

/**
 * Trains runs and returns how many of their objects remain after garbage collection.
 *
 * @param {{ runs: number, isKept: boolean }} request
 */
async function collectRuns({ runs, isKept }) {
  const { signal } = new AbortController()
  /** @type {WeakRef<object>[]} */
  const references = []
  /** @type {object[]} */
  const retained = []
  // In a function of its own, whose variables do not outlive it.
  const trainNext = async () => {
    const objects = await trainOnArrays(signal)
    references.push(...objects.map((object) => new WeakRef(object)))
    if (isKept) retained.push(...objects)
  }
  for (let index = 0; index < runs; index++) await trainNext()
  for (let round = 0; round < 20; round++) {
    await setTimeout(10)
    gc()
  }
  const alive = references.filter((reference) => reference.deref() !== undefined).length
  return { objects: references.length, alive, retained: retained.length }
}

/** Collects garbage at every event of a run to which nothing refers. */
async function collectDuringRun() {
  await train(config(3, 'alone'), { arrays: { train: arraySplit(96) } })
  await new Promise((resolve) => {
    const onEnd = () => void setTimeout(0).then(resolve)
    void train(config(3, 'collected'), {
      arrays: { train: arraySplit(96) },
      onStep: gc,
      onEpoch: gc,
      onCheckpoint: gc,
      onEnd,
    })
  })
  const last = (/** @type {string} */ name) =>
    readCheckpoint(join(folder, name, 'checkpoints', 'last.safetensors'))
  return findDifferences(last('alone'), last('collected'), ['residual.progress', 'residual.config'])
}

await answerRequests((request) => {
  if (request.call === 'cycle') return cycleRuns(request)
  if (request.call === 'collect') return collectRuns(request)
  return collectDuringRun()
})
