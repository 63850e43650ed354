// Trains with two copies of the package at the same time. Arguments: the folder of the copies, a
// folder for runs, and how the program ends.

import { createRequire } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { Worker } from 'node:worker_threads'
import { arraySplit } from '../tiny-data.mjs'

const [, , parent, out, end] = process.argv
const path = (/** @type {string} */ name) =>
  join(parent, name, 'node_modules/residual/dist/index.js')
/** @type {(typeof import('residual'))[]} */
const copies = [
  createRequire(import.meta.url)(path('one')),
  await import(pathToFileURL(path('two')).href),
]
if (copies[0].train === copies[1].train) throw new Error('the copies are the same module')

const arrays = { train: arraySplit(48) }
/**
 * @param {number} copy
 * @param {number} epochs
 */
const start = (copy, epochs) =>
  copies[copy].train(
    {
      ...{ model: 'resnet8', epochs, batchSize: 12, threads: 1, workers: 1, precision: 'fp32' },
      ...{ data: { validation: 0 }, seed: 1, out: join(out, `${copy}-${epochs}`), overwrite: true },
    },
    { arrays },
  )

const results = await Promise.all([start(0, 3), start(1, 3)])
if (results[0].steps !== results[1].steps) throw new Error('the runs differ')
const models = await Promise.all(
  results.map(({ last }, index) => copies[1 - index].loadModel(last)),
)
const image = { data: new Uint8Array(64), width: 8, height: 8, channels: /** @type {const} */ (1) }
const predictions = await Promise.all(models.map((model) => model.predict([image])))
if (predictions[0][0].probability !== predictions[1][0].probability) {
  throw new Error('the networks differ')
}
if (end !== 'complete') {
  const runs = [start(0, 100_000), start(1, 100_000)]
  for (const run of runs) for await (const event of run) if (event.type === 'epoch') break
  if (end === 'terminate') {
    const source = `import(${JSON.stringify(pathToFileURL(path('one')).href)})
      .then(({ loadModel }) => loadModel(${JSON.stringify(results[0].last)}))
      .then((model) => { require('node:worker_threads').parentPort.postMessage('loaded'); setInterval(() => {}, 1e6) })`
    const worker = new Worker(source, { eval: true })
    await new Promise((resolve) => worker.once('message', resolve))
    await worker.terminate()
  }
  process.exit(0)
}
await Promise.all(models.map((model) => model.close()))
